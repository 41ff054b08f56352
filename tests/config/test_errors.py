"""How problems are ordered and printed."""

from config.errors import ConfigError, Problem


def test_one_line_each() -> None:
    """A problem prints as file:line:column: path: sentence."""
    assert str(Problem("a.yaml", 3, 7, "service::pipelines", "is wrong")) == "a.yaml:3:7: service::pipelines: is wrong"


def test_no_path() -> None:
    """A problem of the file as a whole has no path to print."""
    assert str(Problem("a.yaml", 1, 1, "", "is wrong")) == "a.yaml:1:1: is wrong"


def test_sorted_once() -> None:
    """Problems come sorted by place, lines as numbers, each once."""
    late, early = Problem("a.yaml", 10, 1, "x", "late"), Problem("a.yaml", 9, 1, "x", "early")
    error = ConfigError([late, early, late])
    assert error.problems == (early, late)
    assert str(error) == "a.yaml:9:1: x: early\na.yaml:10:1: x: late"
