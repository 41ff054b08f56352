"""Keys by name: every spelling, the longest rule, kept keys."""

import pytest

from processors.redaction.names import Names, words
from processors.redaction.rules import Rule
from wire.redact import EXCEPTION, KEEP, RULE, SCAN, SQL

NAMES = Names(
    [
        Rule(id="patient_id", title="", keys=("patient_id",)),
        Rule(id="address", title="", keys=("address", "endereço")),
        Rule(id="ip", title="", keys=("client.address",)),
        Rule(id="kept", title="", action="keep", keys=("server.address", "sdk.*")),
        Rule(id="parameters", title="", keys=("db.parameter.*",)),
        Rule(id="sql", title="", keys=("db.text",), language="sql"),
        Rule(id="quoted", title="", keys=("exception.message",), language="exception"),
    ]
)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("patientIDNumber2", ["patient", "id", "number", "2"]),
        ("X-Patient_id.v1", ["x", "patient", "id", "v", "1"]),
        ("HTTPServer", ["http", "server"]),
        ("endereço", ["endereco"]),
        ("", []),
    ],
)
def test_words(key: str, expected: list[str]) -> None:
    """Camel case and separators part words; case and accents go."""
    assert words(key) == expected


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("patient_id", RULE),
        ("exception.message", EXCEPTION),
        ("event.exception_message", EXCEPTION),
        ("message", SCAN),
        ("patientId", RULE),
        ("PatientID", RULE),
        ("PATIENT-ID", RULE),
        ("patientid", RULE),
        ("http.request.header.x-patient-id", RULE),
        ("patient.id", RULE),
        ("patient_id_2", RULE),
        ("impatient_id", SCAN),
        ("patient_id_count", SCAN),
        ("patient", SCAN),
        ("home.address", RULE + 1),
        ("Endereco", RULE + 1),
        ("client.address", RULE + 2),
        ("server.address", KEEP),
        ("serverAddress", KEEP),
        ("my.server.address", RULE + 1),
        ("sdk.name", KEEP),
        ("sdk.name.address", KEEP),
        ("sdk", SCAN),
        ("db.parameter.0", RULE + 4),
        ("db.parameter", SCAN),
        ("db.text", SQL),
        ("", SCAN),
        ("...", SCAN),
    ],
)
def test_code(key: str, code: int) -> None:
    """The longest rule key that a key ends with wins; kept keys are whole."""
    assert NAMES.code(key) == code


def test_whose_something_is() -> None:
    """Words at the end that say so, or how it is written, are left aside."""
    assert NAMES.code("home_address_paciente") == RULE + 1
    assert NAMES.code("patient_id_value") == RULE
    assert NAMES.code("patient") == SCAN


def test_keys_below_but_some_and_keys_alone() -> None:
    """`a.*` but a few whole keys; `=name` is no other key that ends so."""
    below = Rule(id="h", title="", keys=("x.header.*",), but=("x.header.content-type",))
    alone = Rule(id="n", title="", keys=("=name",))
    names = Names([below, alone])
    keys = ("x.header.referer", "x.header.content-type", "x.header.contentType", "name", "service.name")
    assert [names.code(key) for key in keys] == [RULE, SCAN, SCAN, RULE + 1, SCAN]
