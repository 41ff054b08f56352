"""Objects within log lines: their keys are decided on as in structured data, the rest of the line keeps its bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.redaction.actions import Counts
from processors.redaction.budget import OverBudget
from processors.redaction.engine import Engine
from processors.redaction.rules import Rule
from tests.processors.redaction.clean_lines import clean_lines

RULES = [
    Rule(id="patient_id", title="", keys=("patient.id", "patient_id"), in_text="never"),
    Rule(id="person_name", title="", keys=("patient.name", "name.family"), in_text="never"),
    Rule(id="address", title="", keys=("address",), in_text="never"),
    Rule(id="session", title="", keys=("session.id",), in_text="never", action="drop"),
    Rule(id="telemetry", title="", keys=("service.name",), action="keep"),
]
ENGINE = Engine(RULES, 2**20, 32)


def after(text: str, counts: Counts | None = None) -> str | None:
    left = ENGINE.document(text.encode(), 0, 0, [] if counts is None else counts)
    return None if left is None else left.decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('INFO done {"patient": {"id": 447}} took 3 ms', 'INFO done {"patient": {"id": "[patient_id]"}} took 3 ms'),
        ("p='{\"a\":1, \"patient_id\": 447}'", "p='{\"a\":1, \"patient_id\": \"[patient_id]\"}'"),
        ("{'patient': {'id': 447, 'n': 1.5}}", "{'patient': {'id': '[patient_id]', 'n': 1.5}}"),
        ("got {'patient': {'name': 'O\\'Qux', 'ok': True}}", "got {'patient': {'name': '[person_name]', 'ok': True}}"),
        ('%{patient: %{id: 447, x: "y"}}', '%{patient: %{id: [patient_id], x: "y"}}'),
        ('%App.Patient{id: 447, x: "y"}', '%App.Patient{id: [patient_id], x: "y"}'),
        ("{:patient=>{:id=>447, :n=>[1, 2]}}", "{:patient=>{:id=>[patient_id], :n=>[1, 2]}}"),
        ('{"patient"=>{"id"=>447}}', '{"patient"=>{"id"=>"[patient_id]"}}'),
        ("map[patient:map[id:447 ward:3B]] done", "map[patient:map[id:[patient_id] ward:3B]] done"),
        ("saved Patient(id=447, ward='3B') ok", "saved Patient(id=[patient_id], ward='3B') ok"),
        ("Patient{id=447, name='Zorbla Q', n=3}", "Patient{id=[patient_id], name='[person_name]', n=3}"),
        ("req { patient: { id: 447, ward: '3B' }, n: 1 }", "req { patient: { id: [patient_id], ward: '3B' }, n: 1 }"),
        ('cut {"n":"x","patient":{"w":"3B","id":44', 'cut {"n":"x","patient":{"w":"3B","id":"[patient_id]"'),
        ('cut {"n":"x","patient":{"name":"Zorb', 'cut {"n":"x","patient":{"name":"[person_name]'),
        ('a="{\\"patient\\": {\\"id\\": 447}}" b', 'a="{\\"patient\\": {\\"id\\": \\"[patient_id]\\"}}" b'),
        ('patient={"id": 447} n=3', 'patient={"id": "[patient_id]"} n=3'),
        ("the patient {'id': 447}", "the patient {'id': '[patient_id]'}"),
        ("{'address': {'a': 1, 'b': [2]}, 'n': 3}", "{'address': '[address]', 'n': 3}"),
        ("{'patient': {'id': [447, 'x']}}", "{'patient': {'id': '[patient_id]'}}"),
        ('{"n": 1}\n{"patient": {"id": 2}}', '{"n": 1}\n{"patient": {"id": "[patient_id]"}}'),
        ('x {"s": "{\\"patient\\": {\\"id\\": 5}}"} z', 'x {"s": "{\\"patient\\": {\\"id\\": \\"[patient_id]\\"}}"} z'),
        ('x {"session": {"id": "q"}, "n": 1}', 'x {"session": {}, "n": 1}'),
    ],
)  # fmt: skip
def test_values_under_keys(text: str, expected: str) -> None:
    """In JSON, cut off or not, escaped or not, and in what languages print of their objects."""
    assert after(text) == expected
    assert after(expected) == expected


def test_dropped_where_no_pair_can_go() -> None:
    """In what is no JSON the whole text goes, as with every part of a text that is dropped."""
    assert after("x {'session': {'id': 'q'}}") is None


@pytest.mark.parametrize(
    "text",
    [
        'INFO done {"took": 3, "ok": true} x',
        "state {ready: ok, n: 3} fine",
        "{'patient': {'id': None, 'name': ''}}",
        'x {"patient": {"id": null}}',
        "x {'service': {'name': 'portal'}}",
        "it's {'a': \"b\"} don't",
        "func() { return {a: 1}; }",
        "{{ template }} ${var} %{count}",
        "interface{} map[string]int{}",
    ],
)
def test_nothing_to_hide(text: str) -> None:
    """Other keys, and values that say nothing, stay."""
    assert after(text) == text


def test_clean_lines_stay() -> None:
    """What systems write."""
    assert [line for line in clean_lines(500, seed=11) if after(line) != line] == []


def test_too_deep() -> None:
    """What is nested too deeply goes as a whole."""
    with pytest.raises(OverBudget):
        after("x " + "{'a':" * 200)


@pytest.mark.parametrize("unit", ['{"', '{"a":', "{'a':'", '\\"', '"', "'", "\\", "patient(a=", "map[a:", '{\\"a\\":'])
def test_any_length_is_read_once(unit: str) -> None:
    """Four times the text, some four times the steps: each of these would take minutes otherwise."""
    text = '{"a":"' + unit * (100_000 // len(unit))
    try:
        assert after(text) == text
    except OverBudget:
        assert "{" in unit or "[" in unit or "(" in unit


CANARIES = st.text("bcdfghjklmnpqrstvwxz '\"\\,}]", min_size=9, max_size=14).map(lambda text: f"zq{text}qz")
FILLERS = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab '\"{}[]:,\\\n", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab_", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip


@pytest.mark.parametrize("end", ["", "\\", "\\\\", "\\\\\\", '"', '\\"'])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_strings_end_where_they_end(end: str, times: int) -> None:
    """Backslashes and quotes at the end of a string, however often the object was written as a string."""
    written: object = {"x": f"a{end}", "patient": {"name": f"zq{end}"}, "y": 7}
    for _ in range(times):
        written = json.dumps(written)
    left = after(f"INFO done {written} in 3 ms")
    assert left is not None
    assert "zq" not in left


@given(canary=CANARIES, before=FILLERS, after_it=FILLERS, dialect=st.sampled_from(["json", "python", "escaped", "cut"]))
def test_planted_values_never_come_out(canary: str, before: Any, after_it: Any, dialect: str) -> None:
    """Whatever stands around them, and whatever quotes they hold themselves."""
    tree = {"x": before, "patient": {"w": before, "name": canary}, "y": after_it}
    written = repr(tree) if dialect == "python" else json.dumps(tree)
    if dialect == "escaped":
        written = json.dumps(written)
    if dialect == "cut":
        written = written[: written.index("zq") + 6]
    left = after(f"INFO done {written}" + (" in 3 ms" if dialect != "cut" else ""))
    assert left is not None
    assert "zq" not in left
    assert left.startswith("INFO done ")
    assert dialect == "cut" or left.endswith(" in 3 ms")


@given(st.text("{}[]()'\":=,>% \\ab1\n", max_size=60))
def test_any_text_is_taken(text: str) -> None:
    """Whatever its shape, it is left as it was if no key of a rule is in it."""
    assert after(text) == text
