"""Names against the golden vectors of the real translator library, and the rules the vectors do not reach."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.prometheus_names import Escaping, Kind, Naming, Strategy, escape, label_name, metric_name, unit_name

_VECTORS = [
    json.loads(line)
    for line in Path(__file__).with_name("prometheus_name_vectors.jsonl").read_text("utf-8").splitlines()
]
_METRICS = [vector for vector in _VECTORS if "Name" in vector]
_LABELS = [vector for vector in _VECTORS if "In" in vector]


def _or_error(name: str | None) -> str:
    return "ERR" if name is None else name


@pytest.mark.parametrize("vector", _METRICS, ids=lambda vector: f"{vector['Name']} {vector['Unit']} {vector['Type']}")
def test_golden_metric_names(vector: dict[str, Any]) -> None:
    """Every metric comes out of each of the four strategies, and its unit, as out of the library."""
    kind = Kind(vector["Type"])
    names = {
        str(strategy): _or_error(metric_name(vector["Name"], vector["Unit"], kind, strategy)) for strategy in Strategy
    }
    assert {**names, "unit": unit_name(vector["Unit"])} == vector["Out"]


@pytest.mark.parametrize("vector", _LABELS, ids=lambda vector: vector["In"])
def test_golden_label_names(vector: dict[str, str]) -> None:
    """Every attribute key comes out as out of the library, for each position of its two switches."""
    switches = {"Default": (False, False), "Preserve": (True, False), "Sanit": (False, True), "Both": (True, True)}
    names = {
        column: _or_error(label_name(vector["In"], preserve_underscores=preserve, sanitize_underscore=sanitize))
        for column, (preserve, sanitize) in switches.items()
    }
    assert {"In": vector["In"], **names} == vector


def test_label_switches_are_those_of_prometheus() -> None:
    """Without being told, labels are named as Prometheus' own OTLP endpoint names them."""
    keys = ["http.method", "a..b", "_private", "__name", "1st", ".dot", "日本", ""]
    expected = ["http_method", "a__b", "key_private", "__name", "key_1st", "key_dot", None, None]
    assert [label_name(key) for key in keys] == expected


@pytest.mark.parametrize(
    ("strategy", "name", "expected"),
    [
        (Strategy.UNDERSCORE_ESCAPING_WITH_SUFFIXES, "2xx.responses", "clinic_2xx_responses_total"),
        (Strategy.UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES, "2xx.responses", "clinic_2xx_responses"),
        (Strategy.NO_UTF8_ESCAPING_WITH_SUFFIXES, "2xx.responses", "clinic_2xx.responses_total"),
        (Strategy.NO_TRANSLATION, "2xx.responses", "clinic_2xx.responses"),
    ],
)
def test_namespace_stands_first(strategy: Strategy, name: str, expected: str) -> None:
    """A namespace is the first word of every name, and then a digit may follow."""
    assert metric_name(name, "1", Kind.COUNTER, strategy, "clinic") == expected


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("", ""),
        ("/", ""),
        ("s/{request}", "seconds"),
        ("{request}/s", "per_second"),
        (" By / s ", "bytes_per_second"),
        ("°", ""),
    ],
)
def test_units_beyond_the_vectors(unit: str, expected: str) -> None:
    """Annotations, blanks and signs leave nothing behind."""
    assert unit_name(unit) == expected


@given(st.text(max_size=12), st.sampled_from(["", "1", "s", "By/s", "°/°", "{x}", "%"]), st.sampled_from(Kind))
def test_escaped_names_are_legal(name: str, unit: str, kind: Kind) -> None:
    """Whatever comes in, an escaped name fits Prometheus' old alphabet, or there is none."""
    for strategy in (Strategy.UNDERSCORE_ESCAPING_WITH_SUFFIXES, Strategy.UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES):
        escaped = metric_name(name, unit, kind, strategy)
        if escaped is not None:
            assert escaped.isascii()
            assert escaped.replace(":", "_").isidentifier()
    label = label_name(name)
    if label is not None:
        assert label.isascii()
        assert label.isidentifier()


@pytest.mark.parametrize(
    ("name", "underscores", "dots", "values"),
    [
        ("http.method", "http_method", "http_dot_method", "U__http_2e_method"),
        ("a_b", "a_b", "a__b", "a_b"),
        ("no:colon", "no_colon", "no__colon", "U__no_3a_colon"),
        ("1st", "_st", "__st", "U___31_st"),
        ("日_x", "__x", "____x", "U___65e5___x"),
        ("", "", "", ""),
    ],
)
def test_escaped_labels(name: str, underscores: str, dots: str, values: str) -> None:
    """UTF-8 names in the old alphabet, by each of Prometheus' schemes; or left as they are."""
    schemes = (Escaping.UNDERSCORES, Escaping.DOTS, Escaping.VALUES, Escaping.ALLOW_UTF_8)
    expected = [underscores, dots, values, name]
    assert [escape(name, scheme, colons=False) for scheme in schemes] == expected


def test_escaped_metrics_keep_colons() -> None:
    """A metric's name may have them."""
    assert escape("job:x.y:sum", Escaping.UNDERSCORES, colons=True) == "job:x_y:sum"
    naming = Naming(Strategy.NO_UTF8_ESCAPING_WITH_SUFFIXES, "ns", Escaping.DOTS)
    assert naming.metric("x.y", "s", Kind.COUNTER) == "ns__x_dot_y__seconds__total"
    assert (naming.label("x.y"), naming.label("")) == ("x_dot_y", None)


def test_naming_by_default() -> None:
    """Names and labels as Prometheus' own OTLP endpoint has them."""
    assert (Naming().metric("x.y", "s", Kind.COUNTER), Naming().label("x.y")) == ("x_y_seconds_total", "x_y")
    assert Naming().metric("@", "", Kind.GAUGE) is None
