"""The texts and numbers of values, in both of their forms."""

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from processors.otlp_objects import any_value
from processors.redaction.values import Scalar, as_value, scalars


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", [Scalar("a", False)]),
        (4471203, [Scalar("4471203", True)]),
        (4471203.0, [Scalar("4471203", True)]),
        (4471203.5, [Scalar("4471203.5", True)]),
        (1e300, [Scalar("1e+300", True)]),
        (["a", [1, "b"]], [Scalar("a", False), Scalar("1", True), Scalar("b", False)]),
        (True, None),
        (["a", {"k": "v"}], None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_any_values(value: object, expected: list[Scalar] | None) -> None:
    """Lists are gone into; of a map or a truth value there is nothing."""
    assert scalars(any_value(value).SerializeToString(), False) == expected


def test_bytes() -> None:
    """Bytes that are no text still are a value."""
    assert scalars(AnyValue(bytes_value=b"a\xff").SerializeToString(), False) == [Scalar("a\udcff", False)]


def test_unknown_type_fails() -> None:
    """So that the item goes."""
    strange = AnyValue(string_value_strindex=1)
    with pytest.raises(ValueError, match="an AnyValue has a type that is not known"):
        scalars(strange.SerializeToString(), False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'"\\u0041"', [Scalar("A", False)]),
        (b"123456789012345678901234567890", [Scalar("123456789012345678901234567890", True)]),
        (b"4.471203e+06", [Scalar("4471203", True)]),
        (b"4471203.0", [Scalar("4471203", True)]),
        (b"1e999999999", [Scalar("1e999999999", True)]),
        (b'["a", 1]', [Scalar("a", False), Scalar("1", True)]),
        (b'{"a": 1}', None),
        (b"null", None),
        (b"true", None),
        (b"NaN", None),
        (b"01", None),
        (b'"\xff"', None),
    ],
)
def test_json(value: bytes, expected: list[Scalar] | None) -> None:
    """Numbers keep all of their digits; what Python does not read as JSON is nothing."""
    assert scalars(value, True) == expected


def test_text_as_value() -> None:
    """In the form of what is around it."""
    assert as_value("é".encode(), True) == '"é"'.encode()
    assert as_value(b"ab", False) == AnyValue(string_value="ab").SerializeToString()
