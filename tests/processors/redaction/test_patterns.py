"""The two databases: what one tells the other has found before, and hits are decided as the rule says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.redaction.patterns import Found, OverBudget, Patterns
from processors.redaction.rules import PACKS, Rule, effective, shipped_pack

ALL = Patterns(effective([shipped_pack(name).rules for name in (*PACKS, "base")]))
PIECES = [
    "ssn", "SSN:", "mrn", "_mrn_", "card", "patient", "Dr.", "CPF", "cep", "born", "536-90-4399", "536904399",
    "00981234", "52998224725", "4111111111111111", "x@example.org", "%40", "@", "(212) 555-0143", "2125550143",
    "90210", "03/05/1980", "/patients/", "12345", "patients.123", "users/7", "Quxington", "=", ":", '"', "'", " ", " ",
    "\n", "_", "-", "é", "A", "&", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln", "password", "Bearer abcdefghijklmnop",
    "postgres://a:b@c", "d", "0",
    "{id}", "{", "}", "%35%33", "&#64;", "\u200b", "\u2013", "５", "\\u0041", "q=a+b", "NTM2LTkwLTQzOTk=",
    "KeyError: 'x'",
]  # fmt: skip


def rule(**written: object) -> Patterns:
    return Patterns([Rule.model_validate({"id": "r", "title": "", **written})])


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.lists(st.sampled_from(PIECES), max_size=3))
def test_what_is_told_was_found(pieces: list[str], before: list[str]) -> None:
    """Whatever stands in the buffer before a text: if there is something in the text, something ends within it."""
    text = "".join(pieces).encode()
    start = "".join(before).encode() + b"\n"
    buffer = start + text + b"\nafter\n"
    if any(ALL.look(text)):
        assert any(len(start) < end <= len(start + text) for end in ALL.ends(buffer))


@pytest.mark.parametrize(
    ("needs", "text", "found"),
    [
        ("nothing", b"n 529982247 25", True),
        ("keyword", b"529982247", False),
        ("keyword", b"the cpf is 529982247", True),
        ("keyword", b"CPF 529982247", True),
        ("keyword", b"xcpf 529982247", False),
        ("keyword", b"cpfs 529982247", False),
        ("keyword", b"cpf far away from 529982247", False),
        ("keyword", b"my_cpf_529982247", False),
        ("check", b"529982247", False),
        ("keyword or check", b"cpf 529982247", True),
        ("keyword and check", b"cpf 529982247", False),
    ],
)
def test_needs(needs: str, text: bytes, found: bool) -> None:
    """A pattern counts if what it needs is there."""
    patterns = rule(patterns=[{"match": r"\b\d{9}\b", "needs": needs}], keywords=["cpf"], within=10, validator="cpf")
    assert bool(patterns.found(text)) is found


def test_where_it_is() -> None:
    """The value alone: not the key, the cue or the collection before it."""
    patterns = rule(keys=["patient_id"], cues=["dr."], paths=["patients"], patterns=["xyz"])
    text = b"patient_id=77 Dr. Quxington /patients/12/a xyz"
    assert [text[one.start : one.end] for one in sorted(patterns.found(text), key=lambda one: one.start)] == [
        b"77",
        b"Quxington",
        b"12",
        b"xyz",
    ]


@pytest.mark.parametrize("text", ["a%40b", "a&#64;b", "5\u200b3", "\uff15", "NTM2LTkwLTQzOTk", "q=a+b"])
def test_disguises_are_noticed(text: str) -> None:
    """Without any rule that finds something."""
    patterns = rule(patterns=["xyz"])
    assert patterns.look(text.encode()) == ([], True)
    assert patterns.ends(text.encode() + b"\n") != []
    assert patterns.look("plain {text} = 1 & more: 100% é".encode()) == ([], False)


def test_placeholders_are_left_alone() -> None:
    """Those of any rule, wherever a value could be."""
    patterns = rule(keys=["ssn"], placeholder="<gone>", paths=["patients"])
    assert patterns.found(b'ssn=<gone> "ssn": "<gone>" /patients/<gone>') == []


def test_no_patterns_at_all() -> None:
    """A rule of keys that are not looked for in text has nothing to scan for."""
    patterns = rule(keys=["a"], in_text="never")
    assert (patterns.found(b"a=1"), patterns.ends(b"a=1\n")) == ([], [])


def test_too_much_to_find() -> None:
    """A text full of matches is over the budget, not slow."""
    with pytest.raises(OverBudget):
        rule(patterns=["a"]).found(b"a" * 200_000)


def test_values_without_end_are_read_once() -> None:
    """A hundred thousand keys before a bracket that is never closed are one finding."""
    text = b"ssn:[" * 90_000
    assert rule(keys=["ssn"]).found(text) == [Found(4, len(text), 0)]


def test_only_a_part_of_a_match() -> None:
    """The last and longest one, with what it needs checked for it alone."""
    patterns = rule(patterns=[{"match": "user=[a-z]+&", "part": "[a-z]+&"}])
    assert patterns.found(b"user=canary&x") == [Found(5, 12, 0)]
    patterns = rule(patterns=[{"match": r"^[0-9.]+ - ", "part": "^[0-9.]+", "needs": "check"}], validator="public_ip")
    assert patterns.found(b"203.0.113.7 - -") == [Found(0, 11, 0)]
    assert patterns.found(b"10.0.113.7 - -") == []


def test_a_keyword_may_begin_the_match() -> None:
    """As in `MRN-12345`."""
    patterns = rule(patterns=[{"match": r"\b[A-Za-z]*-?[0-9]+\b", "needs": "keyword"}], keywords=["mrn"])
    assert patterns.found(b"MRN-12345")[-1] == Found(0, 9, 0)
    assert patterns.found(b"ABC-12345") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=1&city=Quxa&b", ["Quxa"]),
        ('"city": "Quxa"', ["Quxa"]),
        ("city: Quxa", []),
        ("capacity=Quxa", []),
        ("<ns:city>Quxa</ns:city>", ["Quxa"]),
        ('name="city"\r\n\r\nQuxa\r\n', ["Quxa"]),
        ('<input name="city" value="Quxa">', ["Quxa"]),
        ("home[city]=Quxa", ["Quxa"]),
        ("cityPaciente=Quxa city_2=Quxi", ["Quxa", "Quxi"]),
        ("city> Quxa", []),
    ],
)
def test_keys_in_pairs(text: str, found: list[str]) -> None:
    """Structure says that a value follows, prose does not."""
    content = text.encode()
    patterns = rule(keys=["city"], in_text="pairs")
    assert [content[one.start : one.end].decode() for one in patterns.found(content)] == found
    assert bool(patterns.ends(content + b"\n")) >= bool(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("seen patient Zorbla Quxa", ["Zorbla Quxa"]),
        ("Name: Zorbla Quxa", ["Zorbla Quxa"]),
        ("Display Name: Zorbla Quxa", []),
        ("Name: Zorbla", []),
        ("x\nName: Zorbla Quxa", ["Zorbla Quxa"]),
        ("Regards,\nZorbla", ["Zorbla"]),
        ("patient\nZorbla", []),
        ("paciente é Zorbla", []),
        ("patient Élodie", ["Élodie"]),
    ],
)
def test_cues(text: str, found: list[str]) -> None:
    """Words before a name; with a colon, labels of forms; with a comma, ends of letters."""
    content = text.encode()
    patterns = rule(cues=["patient", "paciente", "name:", "regards,"])
    assert [content[one.start : one.end].decode() for one in patterns.found(content)] == found
