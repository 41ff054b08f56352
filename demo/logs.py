"""JSON log lines in the shapes of real loggers, with PHI in keys, nested maps, text, JSON strings, stack traces."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from urllib.parse import quote

from demo.planted import Planter
from demo.traces import Context
from demo.values import Value
from wire.signal import Signal

__all__ = ["Line", "lines"]

_INFO, _WARN, _ERROR = 9, 13, 17
_Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Line:
    """One log line as its logger writes it, and what must come out: OTel severity, ids, time as it writes it."""

    logger: str
    service: str
    text: bytes
    severity_number: int
    trace_id: bytes
    span_id: bytes
    time_unix_nano: int


def lines(random: Random, contexts: Iterable[Context], resource: Mapping[str, Value]) -> tuple[list[Line], Planter]:
    """One line per context, in the shape of its service's logger; `resource` is added to every line."""
    planter = Planter(Signal.LOGS)
    written = []
    for context in contexts:
        logger, precision, severity, write = _LOGGERS[context.service]
        time = context.time_unix_nano // precision * precision
        content = write(context, time, planter) | dict(resource)
        text = json.dumps(content, ensure_ascii=random.random() < 0.5).encode()
        written.append(Line(logger, context.service, text, severity, context.trace_id, context.span_id, time))
    return written, planter


def _iso(unix_nano: int, timespec: str) -> str:
    moment = datetime.fromtimestamp(unix_nano // 10**9, UTC).replace(microsecond=unix_nano // 1000 % 10**6)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def _structlog(context: Context, time: int, planter: Planter) -> _Json:
    """structlog's JSONRenderer (FastAPI)."""
    person, plant = context.person, planter.plant
    return {
        "event": f"appointment booked, confirmation sent to {plant('email', person.email, 'log body')}",
        "level": "info",
        "timestamp": _iso(time, "microseconds"),
        "trace_id": context.trace_id.hex(),
        "span_id": context.span_id.hex(),
        "patient_id": int(plant("patient_id", str(person.patient_id), "log attribute patient_id (integer)")),
        "request": {
            "method": "POST",
            "path": "/appointments",
            "body": json.dumps(
                {
                    "ssn": plant("ssn", person.ssn, "JSON in log attribute request{body}"),
                    "phone": plant("phone", person.phone, "JSON in log attribute request{body}"),
                    "note": f"patient name: {plant('name', person.full_name, 'JSON in log attribute request{body}')}",
                }
            ),
        },
        "service": context.service,
    }


def _django(context: Context, time: int, planter: Planter) -> _Json:
    """structlog with an exception (Django worker): the trace repeats what the database said."""
    person, plant = context.person, planter.plant
    email = plant("email", person.email, "log attribute exception")
    return {
        "event": f"job failed for MRN {plant('mrn', person.mrn, 'log body')}",
        "level": "error",
        "timestamp": _iso(time, "microseconds"),
        "trace_id": context.trace_id.hex(),
        "span_id": context.span_id.hex(),
        "exception": f'Traceback:\n  File "worker.py", line 88\nValueError: no slot for {email}',
        "job": {
            "queue": "appointments",
            "args": [{"dob": plant("date_of_birth", person.date_of_birth, "log attribute job{args[]{dob}}")}],
        },
        "service": context.service,
    }


def _pino(context: Context, time: int, planter: Planter) -> _Json:
    """pino (Node portal)."""
    person, plant = context.person, planter.plant
    return {
        "level": 40,
        "time": time // 10**6,
        "pid": 71,
        "hostname": "portal-web-0",
        "name": context.service,
        "trace_id": context.trace_id.hex(),
        "span_id": context.span_id.hex(),
        "trace_flags": "01",
        "req": {
            "method": "GET",
            "url": f"/portal?phone={quote(plant('phone', person.phone, 'log attribute req{url}'), safe='')}",
            "headers": {
                "host": "portal-web",
                "x-user-email": plant("email", person.email, "log attribute req{headers{x-user-email}}"),
            },
        },
        "err": {
            "type": "TypeError",
            "message": f"cannot render {plant('email', person.email, 'log attribute err{message}')}",
            "stack": f"TypeError: cannot render {person.email}\n    at render (/app/portal.js:12:7)",
        },
        "msg": f"slow page for user_id={plant('user_id', person.user_id, 'log body')}",
    }


def _ecs(context: Context, time: int, planter: Planter) -> _Json:
    """Elastic's encoder for Logback (Java billing), in Portuguese."""
    person, plant = context.person, planter.plant
    return {
        "@timestamp": _iso(time, "milliseconds"),
        "log.level": "WARN",
        "message": f"guia recusada, CPF {plant('cpf', person.cpf, 'log body')}, "
        f"paciente: {plant('name', person.full_name, 'log body')}",
        "ecs.version": "8.11",
        "service.name": context.service,
        "log.logger": "br.example.Claims",
        "process.thread.name": "http-nio-8080-exec-3",
        "trace.id": context.trace_id.hex(),
        "span.id": context.span_id.hex(),
        "paciente": {
            "nome_completo": plant("name", person.full_name, "log attribute paciente{nome_completo}"),
            "cns": plant("cns", person.cns, "log attribute paciente{cns}"),
            "telefone": plant("phone_br", person.phone_br, "log attribute paciente{telefone}"),
            "cep": plant("cep", person.cep, "log attribute paciente{cep}"),
            "email": plant("email", person.email, "log attribute paciente{email}"),
        },
        "prestador": {"cnpj": plant("cnpj", person.cnpj, "log attribute prestador{cnpj}")},
        "cartao": f"cartao {plant('card', person.card, 'log attribute cartao')}",
    }


def _logger_json(context: Context, time: int, planter: Planter) -> _Json:
    """LoggerJSON's basic formatter (Phoenix records): the message may be a map."""
    person, plant = context.person, planter.plant
    number = plant("patient_id", str(person.patient_id), "log attribute metadata{request_path}")
    return {
        "time": _iso(time, "milliseconds"),
        "severity": "info",
        "message": {
            "event": "record.opened",
            "patient": {
                "mrn": plant("mrn", person.mrn, "log body {patient{mrn}}"),
                "ssn": plant("ssn", person.ssn, "log body {patient{ssn}}"),
                "first_name": plant("name", person.given_name, "log body {patient{first_name}}"),
                "last_name": plant("name", person.family_name, "log body {patient{last_name}}"),
                "date_of_birth": plant("date_of_birth", person.date_of_birth, "log body {patient{date_of_birth}}"),
            },
        },
        "metadata": {
            "mfa": "Records.Controller.show/2",
            "request_path": f"/patients/{number}/records",
        },
        "trace": context.trace_id.hex(),
        "span": context.span_id.hex(),
        "service": context.service,
    }


_LOGGERS: dict[str, tuple[str, int, int, Callable[[Context, int, Planter], _Json]]] = {
    "scheduling-api": ("structlog", 10**3, _INFO, _structlog),
    "scheduling-worker": ("structlog", 10**3, _ERROR, _django),
    "portal-web": ("pino", 10**6, _WARN, _pino),
    "billing-api": ("ecs", 10**6, _WARN, _ecs),
    "records-api": ("logger_json", 10**6, _INFO, _logger_json),
}
"""Service → its logger, the precision of its times in nanoseconds, the severity of its line, and the writer."""
