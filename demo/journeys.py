"""The journeys through the stack, with the mistakes real code makes: each puts PHI where it does not belong."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from urllib.parse import quote

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from demo.people import Person
from demo.planted import Planter
from demo.values import Value, key_values

__all__ = ["JOURNEYS", "Trace"]

_MILLISECOND = 10**6


@dataclass(slots=True)
class Trace:
    """One trace in the making."""

    random: Random
    person: Person
    planter: Planter
    start: int
    trace_id: bytes = field(init=False)
    spans: list[tuple[str, Span]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.trace_id = self.random.randbytes(16)

    def plant(self, kind: str, value: str, place: str) -> str:
        return self.planter.plant(kind, value, place)

    def span(
        self,
        service: str,
        name: str,
        kind: "Span.SpanKind.ValueType",
        parent: Span | None,
        milliseconds: tuple[int, int],
        attributes: Mapping[str, Value],
    ) -> Span:
        """A new span; `milliseconds` are its begin and end after the trace's."""
        begin, end = milliseconds
        span = Span(
            trace_id=self.trace_id,
            span_id=self.random.randbytes(8),
            parent_span_id=b"" if parent is None else parent.span_id,
            name=name,
            kind=kind,
            start_time_unix_nano=self.start + begin * _MILLISECOND,
            end_time_unix_nano=self.start + end * _MILLISECOND + self.random.randrange(_MILLISECOND),
            attributes=key_values(attributes),
            flags=0x101,
        )
        self.spans.append((service, span))
        return span


def _read_record(trace: Trace) -> None:
    """A clinician opens a record: the identifier stands in the URL, in the span's name and in the SQL."""
    person, plant = trace.person, trace.plant
    number = str(person.patient_id)
    path = f"/patients/{number}/records"
    server = trace.span(
        "records-api",
        f"GET /patients/{plant('patient_id', number, 'span name')}/records",
        Span.SPAN_KIND_SERVER,
        None,
        (0, 48),
        {
            "http.request.method": "GET",
            "http.route": "/patients/{id}/records",
            "http.response.status_code": 200,
            "url.scheme": "https",
            "url.path": path.replace(number, plant("patient_id", number, "span attribute url.path")),
            "url.query": f"email={quote(plant('email', person.email, 'span attribute url.query'), safe='')}&page=2",
            "http.target": f"{path}?ssn={plant('ssn', person.ssn, 'span attribute http.target')}",
            "enduser.id": plant("user_id", person.user_id, "span attribute enduser.id"),
            "patient_id": int(plant("patient_id", number, "span attribute patient_id (integer)")),
            "phoenix.action": "show",
        },
    )
    server.trace_state = f"portal={plant('email', person.email, 'trace_state')}"
    controller = trace.span(
        "records-api",
        "RecordController.show",
        Span.SPAN_KIND_INTERNAL,
        server,
        (2, 45),
        {
            "patient_id": plant("patient_id", number, "span attribute patient_id"),
            "patient.mrn": plant("mrn", person.mrn, "span attribute patient.mrn"),
            "baggage.patient.email": plant("email", person.email, "span attribute baggage.patient.email"),
            f"cache.hit.{plant('email', person.email, 'span attribute key')}": True,
            "patient": {
                "name": plant("name", person.full_name, "span attribute patient{name}"),
                "birth_date": plant("date_of_birth", person.date_of_birth, "span attribute patient{birth_date}"),
                "contacts": [plant("phone", person.phone, "span attribute patient{contacts[]}")],
            },
        },
    )
    controller.events.add(
        time_unix_nano=controller.start_time_unix_nano + _MILLISECOND,
        name="access.checked",
        attributes=key_values({"mrn": plant("mrn", person.mrn, "event attribute mrn"), "allowed": True}),
    )
    trace.span(
        "records-api",
        "SELECT patients",
        Span.SPAN_KIND_CLIENT,
        controller,
        (5, 21),
        {
            "db.system.name": "postgresql",
            "db.operation.name": "SELECT",
            "db.collection.name": "patients",
            "db.query.text": "SELECT id, plan FROM patients WHERE last_name = "
            f"'{plant('name', person.family_name, 'span attribute db.query.text')}'"
            f" AND ssn = '{plant('ssn', person.ssn, 'span attribute db.query.text')}'",
        },
    )
    call = trace.span(
        "records-api",
        "GET",
        Span.SPAN_KIND_CLIENT,
        controller,
        (23, 41),
        {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "url.full": f"http://billing-api:8080/accounts/{plant('patient_id', number, 'span attribute url.full')}"
            f"?cpf={plant('cpf', person.cpf, 'span attribute url.full')}",
        },
    )
    trace.span(
        "billing-api",
        "GET /accounts/{id}",
        Span.SPAN_KIND_SERVER,
        call,
        (25, 39),
        {
            "http.request.method": "GET",
            "http.route": "/accounts/{id}",
            "http.response.status_code": 200,
            "http.request.header.x-patient-id": [
                plant("patient_id", number, "span attribute http.request.header.x-patient-id")
            ],
        },
    )


def _book_appointment(trace: Trace) -> None:
    """A patient books: JSON bodies in attributes, a message over a queue, a link back, and a failing insert."""
    person, plant = trace.person, trace.plant
    body = {
        "patient": {
            "full_name": plant("name", person.full_name, "JSON in span attribute http.request.body.content"),
            "cns": plant("cns", person.cns, "JSON in span attribute http.request.body.content"),
            "telefone": plant("phone_br", person.phone_br, "JSON in span attribute http.request.body.content"),
        },
        "slot": 14,
    }
    portal = trace.span(
        "portal-web",
        "POST",
        Span.SPAN_KIND_CLIENT,
        None,
        (0, 95),
        {
            "http.request.method": "POST",
            "http.response.status_code": 202,
            "url.full": "https://scheduling-api/appointments",
            "user.email": plant("email", person.email, "span attribute user.email"),
        },
    )
    server = trace.span(
        "scheduling-api",
        "POST /appointments",
        Span.SPAN_KIND_SERVER,
        portal,
        (4, 90),
        {
            "http.request.method": "POST",
            "http.route": "/appointments",
            "http.response.status_code": 202,
            "http.request.body.content": json.dumps(body),
        },
    )
    publish = trace.span(
        "scheduling-api",
        "publish appointments",
        Span.SPAN_KIND_PRODUCER,
        server,
        (60, 66),
        {
            "messaging.system": "kafka",
            "messaging.destination.name": "appointments",
            "messaging.kafka.message.key": plant(
                "user_id", person.user_id, "span attribute messaging.kafka.message.key"
            ),
        },
    )
    worker = trace.span(
        "scheduling-worker",
        "process appointments",
        Span.SPAN_KIND_CONSUMER,
        publish,
        (120, 240),
        {
            "messaging.system": "kafka",
            "messaging.destination.name": "appointments",
            "job.payload": json.dumps(
                {"mrn": plant("mrn", person.mrn, "bytes attribute job.payload"), "try": 2}
            ).encode(),
        },
    )
    worker.links.add(
        trace_id=trace.trace_id,
        span_id=publish.span_id,
        attributes=key_values(
            {
                "patient.mrn": plant("mrn", person.mrn, "link attribute patient.mrn"),
                "messaging.operation.type": "process",
            }
        ),
        flags=0x301,
    )
    insert = trace.span(
        "scheduling-worker",
        "INSERT appointments",
        Span.SPAN_KIND_CLIENT,
        worker,
        (130, 180),
        {
            "db.system": "postgresql",
            "db.operation": "INSERT",
            "db.statement": "INSERT INTO appointments (patient, phone, born) VALUES ("
            f"{plant('patient_id', str(person.patient_id), 'span attribute db.statement')}, "
            f"'{plant('phone', person.phone, 'span attribute db.statement')}', "
            f"'{plant('date_of_birth', person.date_of_birth, 'span attribute db.statement')}')",
        },
    )
    _fail(
        trace,
        insert,
        "django.db.utils.IntegrityError",
        'duplicate key value violates unique constraint "appointments_patient_email_key" DETAIL: Key (email)='
        f"({plant('email', person.email, 'exception.message')}) already exists.",
    )
    insert.status.message = f"could not book for {plant('email', person.email, 'status message')}"


def _pay_claim(trace: Trace) -> None:
    """A claim is paid in Brazil: documents, a card, and an exception that quotes the patient."""
    person, plant = trace.person, trace.plant
    server = trace.span(
        "billing-api",
        "POST /claims",
        Span.SPAN_KIND_SERVER,
        None,
        (0, 130),
        {
            "http.request.method": "POST",
            "http.route": "/claims",
            "http.response.status_code": 500,
            "error.type": "500",
            "cpf": plant("cpf", person.cpf, "span attribute cpf"),
            "paciente.cns": plant("cns", person.cns, "span attribute paciente.cns"),
            "prestador.cnpj": plant("cnpj", person.cnpj, "span attribute prestador.cnpj"),
            "endereco.cep": plant("cep", person.cep, "span attribute endereco.cep"),
            "data_nascimento": plant("date_of_birth", person.date_of_birth, "span attribute data_nascimento"),
        },
    )
    _fail(
        trace,
        server,
        "br.example.ClaimRejected",
        f"claim rejected for patient {plant('name', person.full_name, 'exception.message')}"
        f" (CPF {plant('cpf', person.cpf, 'exception.message')})",
    )
    charge = trace.span(
        "billing-api",
        "POST",
        Span.SPAN_KIND_CLIENT,
        server,
        (20, 110),
        {
            "http.request.method": "POST",
            "http.response.status_code": 402,
            "error.type": "402",
            "url.full": "https://payments.example.com/v1/charges",
            "payment.card_number": plant("card", person.card, "span attribute payment.card_number"),
            "payment.note": f"card {plant('card', person.card, 'span attribute payment.note')} declined",
        },
    )
    charge.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="payment declined"))


def _fail(trace: Trace, span: Span, kind: str, message: str) -> None:
    """Record an exception on a span as the SDKs do, with a stack trace that repeats the message."""
    span.events.add(
        time_unix_nano=span.end_time_unix_nano - 1000,
        name="exception",
        attributes=key_values(
            {
                "exception.type": kind,
                "exception.message": message,
                "exception.stacktrace": f'Traceback:\n  File "claims.py", line 42\n{kind}: {message}\n',
                "exception.escaped": False,
            }
        ),
    )
    span.status.code = Status.STATUS_CODE_ERROR
    if trace.spans[0][1] is span:
        span.status.message = message


JOURNEYS = (_read_record, _book_appointment, _pay_claim)
