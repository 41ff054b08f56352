"""Names against the golden vectors of the real translator library, and the rules the vectors do not reach."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.prometheus_names import Kind, Strategy, label_name, metric_name, unit_name

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
