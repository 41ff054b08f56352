"""Names and values of requests as OTLP again."""

import pytest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from wire.sent import as_logs, before_mapping, pair, text


def values(name: str, value: str) -> list[tuple[str, object]]:
    """The attributes that a pair becomes."""
    data = LogsData.FromString(as_logs([pair(name, value)], []))
    attributes: list[KeyValue] = list(data.resource_logs[0].resource.attributes)
    return [(each.key, getattr(each.value, str(each.value.WhichOneof("value")))) for each in attributes]


def texts(*encoded: bytes) -> list[str]:
    data = LogsData.FromString(as_logs([], encoded))
    return [record.body.string_value for record in data.resource_logs[0].scope_logs[0].log_records]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("[ssn]", ["[ssn]"]),
        ("a;b", ["a", "b"]),
        ('{"a": "b;c"}', ['{"a": "b;c"}']),
        ("1985", ["1985"]),
        ("52998224725", [52998224725]),
        ("-12345.5e+3", [12345]),
        ("9" * 40, [10**18 - 1]),
        ("cGF0aWVudCA0NDcxMjAz", [b"patient 4471203"]),
        ("/////////////////////w==", ["/////////////////////w=="]),
        ("", [""]),
    ],
)
def test_values(value: str, expected: list[object]) -> None:
    """Joined values stand alone; long numbers and texts in base64 are what they were in OTLP."""
    assert values("name", value) == [("name", each) for each in expected]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("user_maria_x_com", ["user.maria@x.com"]),
        ("maria_silva_x_com_br", ["maria.silva@x.com.br"]),
        ("mail_maria_gmail_com_status", ["mail.maria@gmail.com"]),
        ("patients_529_982_247_25_status", ["529-982-247-25", "52998224725."]),
        ("http_status_code", []),
        ("github_user_org", []),
        ("docker_container_net_io", []),
        ("com_docker_compose_project", []),
        ("le", []),
        ("slots_2026_11", []),
    ],
)
def test_names_before_mapping(name: str, expected: list[str]) -> None:
    """What a name may have been, where it can have held an identifier; of other names nothing."""
    assert texts(before_mapping(name)) == expected


def test_texts() -> None:
    """Texts without a key, in order."""
    assert texts(text("a"), text("b: c")) == ["a", "b: c"]


@pytest.mark.parametrize("part", ["1", "_", "_a", "1_", "a", "gmail_", "_com_"])
def test_long_names(part: str) -> None:
    """Read once: twenty thousand digits took seconds, and three hundred thousand would take minutes."""
    before_mapping(part * (300_000 // len(part)))


def test_a_mail_after_another_sign() -> None:
    """From where letters begin."""
    assert before_mapping("clinic:jane_roe_example_com") == text("jane.roe@example.com")
