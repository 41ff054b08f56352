"""The words of problems."""

from config.nodes import List, Map, Node, Place, Scalar
from config.sentences import nearest, sentence, unknown, wrong_type

PLACE = Place("a.yaml", 1, 1)


def scalar(text: str, *, referenced: bool = False) -> Scalar:
    return Scalar(PLACE, PLACE, text, text, "${env:X}" if referenced else text, referenced)


def test_nearest() -> None:
    """The nearest spelling is offered, whatever its case; nothing if nothing is near."""
    assert nearest("lokki", ["loki", "file"]) == "did you mean 'loki'? "
    assert nearest("LOKI", ["loki", "file"]) == "did you mean 'loki'? "
    assert nearest("kafka", ["loki", "file"]) == ""


def test_unknown() -> None:
    """What is valid is listed, with what was meant before it."""
    assert unknown("key", "endpiont", ["tls", "endpoint"]) == (
        "there is no key 'endpiont'; did you mean 'endpoint'? Valid: endpoint, tls"
    )
    assert unknown("key", "x", ["tls", "endpoint"]) == "there is no key 'x'; valid: endpoint, tls"
    assert unknown("key", "x", []) == "there is no key 'x'; none is valid here"


def test_wrong_type() -> None:
    """What should be a number is shown; a value where text, a list or a map belongs is not: it may be a secret."""
    nodes: list[Node] = [scalar("hunter2"), Map(PLACE, PLACE, {}), List(PLACE, PLACE, ())]
    assert [wrong_type(each, ["a number", "a number"]) for each in nodes] == [
        "'hunter2' is not a number",
        "a number is expected here, not a map",
        "a number is expected here, not a list",
    ]
    assert wrong_type(nodes[0], ["a map", "a list"]) == "a list or a map is expected here, not a single value"
    empty = Scalar(PLACE, PLACE, None, "", "")
    assert wrong_type(empty, ["text"]) == "text is expected here, not an empty value"


def test_limits_and_lengths() -> None:
    """Limits are named, counts too."""
    cases = [
        ("greater_than", {"gt": 0.0}, "'5' is too small; it must be more than 0"),
        ("less_than_equal", {"le": 3}, "'5' is too large; the largest is 3"),
        ("string_too_short", {"min_length": 8}, "this text needs at least 8 characters"),
        ("too_short", {"min_length": 1}, "this is too short; the least number of entries is 1"),
        ("something_new", {}, "this value is not valid here"),
    ]
    told = [sentence(scalar("5"), {"type": kind, "ctx": context}) for kind, context, _ in cases]
    assert told == [expected for _, _, expected in cases]


def test_choices() -> None:
    """A wrong choice gets the nearest right one; a referenced value is shown as it was written."""
    error = {"type": "literal_error", "ctx": {"expected": "'none', 'gzip' or 'zstd'"}}
    assert sentence(scalar("gizp"), error) == ("'gizp' is not valid here; did you mean 'gzip'? Valid: none, gzip, zstd")
    assert sentence(scalar("gizp", referenced=True), error) == ("'${env:X}' is not valid here; valid: none, gzip, zstd")


def test_long_values_are_cut() -> None:
    """A long value does not fill the screen."""
    assert wrong_type(scalar("x" * 100), ["a number"]) == f"'{'x' * 60}…' is not a number"
