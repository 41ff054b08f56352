r"""HL7 v2: what is planted in a person field never comes out; delimiters, segments, codes and control stamps stay."""

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.redaction.engine import Engine
from processors.redaction.hl7_fields import SEGMENTS
from processors.redaction.rules import effective, shipped_pack
from tests.processors.redaction.redacting import after, engine, rules_of

HEADER = "MSH|^~\\&|LAB|HOSP|EHR|HOSP|20240503101500||ADT^A01|MSG00001|P|2.5.1"
MESSAGE = "\r".join(
    (
        HEADER,
        "EVN|A01|20240503101500",
        "PID|1||4471203^^^HOSP^MR~90210^^^HOSP^PI||Quxington^Zorbla^Q^^^^L||19800305|F||2106-3|12 Canary Lane"
        "^^Springfield^IL^62701^USA^H||555-0143^PRN^PH||EN|M|||536-90-4399",
        "PV1|1|I|3B^12||||1234567893^Blorpington^Zan^^^Dr.^MD|||MED",
        "OBX|1|NM|8867-4^Heart rate^LN||72|/min|60-100|N|||F",
        "OBX|2|TX|11506-3^Note^LN||came with Blorp in tears||||||F",
        "NTE|1||seen with QUXINGTON today",
        "ZPI|1|Secretname|A|2",
        "",
    )
)
LEFT = "\r".join(
    (
        HEADER,
        "EVN|A01|20240503101500",
        "PID|1||[patient_id]^^^[hl7_person]^MR~[patient_id]^^^[hl7_person]^PI||[person_name]^[person_name]^[person_name]"
        "^^^^L||[birth_date]|F||2106-3|[address]^^[address]^IL^[address]^USA^H||[phone]^PRN^PH||EN|M|||[ssn]",
        "PV1|1|I|[hl7_person]^12||||[license_number]^[person_name]^[person_name]^^^[person_name]^[person_name]|||MED",
        "OBX|1|NM|8867-4^Heart rate^LN||72|/min|60-100|N|||F",
        "OBX|2|TX|11506-3^Note^LN||[hl7_person]||||||F",
        "NTE|1||seen with [person_name] today",
        "ZPI|1|[hl7_person]|A|2",
        "",
    )
)
PERSONAL = sorted(
    (segment, field)
    for segment, kinds in SEGMENTS.items()
    for field in range(2 if segment in ("MSH", "FHS", "BHS") else 1, 61)
    if kinds.get(field, "other") not in ("keep", "text") and (segment, field) != ("OBX", 5)
) + [("ZXX", field) for field in range(1, 9)]
CANARIES = st.text("bcdfghjklmnpqrstvwxz", min_size=9, max_size=12)
DELIMITERS = [("|", "^~\\&"), ("|", "^~\\&#"), ("#", "@!\\%"), ("$", "*+\\:"), ("!", "|~\\^")]
WRAPPED: dict[str, Callable[[str], str]] = {
    "alone": str,
    "in a line": lambda text: f"INFO received {text}",
    "framed": lambda text: f"\x0b{text}\x1c\r",
    "line feeds": lambda text: text.replace("\r", "\n"),
    "spelled out": lambda text: text.replace("\r", "\\r"),
    "JSON": lambda text: json.dumps({"level": "info", "msg": text}),
    "JSON in a line": lambda text: "got " + json.dumps({"level": "info", "msg": text}) + " ok",
    "JSON in JSON": lambda text: json.dumps({"line": json.dumps({"msg": text})}),
    "percent": lambda text: "body=" + quote(text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "entities": lambda text: text.replace("&", "&amp;").replace("\r", "&#13;").replace("|", "&#124;"),
}


def test_a_message() -> None:
    """Ids, names, dates and the like go by position; what was taken out goes elsewhere in the message, too."""
    assert after(MESSAGE) == LEFT


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\\r", "\\n"])
def test_ends_of_segments(end: str) -> None:
    """The standard's, those of files, and those that loggers write out."""
    assert after(MESSAGE[:-1].replace("\r", end)) == LEFT[:-1].replace("\r", end)


def test_other_delimiters() -> None:
    """As the header says."""
    other = str.maketrans("|^~&", "#@!%")
    assert after(MESSAGE.translate(other)) == LEFT.translate(other).replace("[phone]@PRN@PH", "[phone]@PRN@PH")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PID|1||4471203^^^H^MR||Quxington^Zorbla", "PID|1||[patient_id]^^^H^MR||[person_name]^[person_name]"),
        ('msg="PID|1||4471203||Qux^Zorbla" took=3', 'msg="PID|1||[patient_id]||[person_name]^[person_name]" took=3'),
        ("got NK1|1|Qux^Zorbla|SPO", "got NK1|1|[person_name]^[person_name]|SPO"),
        ("MRG|4471203^^^H^MR|", "MRG|[patient_id]^^^H^MR|"),
        ("ZPI|1|Quxington|A", "ZPI|1|[hl7_person]|A"),
        ("PID|1||447||Qux\n\nall done", "PID|1||[patient_id]||[person_name]\n\nall done"),
    ],
)
def test_segments_without_a_header(text: str, expected: str) -> None:
    """Are known by their names, with the usual delimiters."""
    assert after(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "PID|PPID|COMMAND",
        "ZIP|CITY|STATE",
        "a|b|c MSH",
        "PID: 4711 | state",
        f"{HEADER}\rMSA|AA|MSG00001\r",
        f"{HEADER}\rOBX|1|NM|8867-4^Heart rate^LN||72|/min|60-100|N|||F\r",
        "MSH|^~\\&|LAB|HOSP|EHR|HOSP|20240503101500||ACK^A01|MSG00001|P|2.5.1",
    ],
)
def test_nothing_to_hide(text: str) -> None:
    """Tables of other kinds, and messages of machines, stay."""
    assert after(text) == text


@pytest.mark.parametrize("wrapped", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("delimiters", DELIMITERS, ids=lambda delimiters: "".join(delimiters))
def test_no_field_is_forgotten(delimiters: tuple[str, str], wrapped: Callable[[str], str]) -> None:
    """In every field that stays unless it is known to be harmless, in every component, however the text is wrapped."""
    field, others = delimiters
    component, repetition, subcomponent = others[0], others[1], others[3]
    canary = "zqxwvbnmk"
    content = component.join([f"{canary}{subcomponent}{canary}"] * 3) + repetition + canary
    for segment in dict.fromkeys(segment for segment, _ in PERSONAL):
        fields = [content if (segment, number) in PERSONAL else "" for number in range(1, 61)]
        if segment in ("MSH", "FHS", "BHS"):
            text = f"{segment}{field}{others}{field}{field.join(fields[2:])}\r"
        else:
            text = f"MSH{field}{others}{field}A\r{segment}{field}{field.join(fields)}\r"
        assert canary not in after(wrapped(text))


@settings(max_examples=60)
@given(
    place=st.sampled_from(PERSONAL),
    canary=CANARIES,
    before=st.integers(0, 3),
    wrap=st.sampled_from(sorted(WRAPPED)),
    repeated=st.booleans(),
)
def test_planted_values_never_come_out(
    place: tuple[str, int], canary: str, before: int, wrap: str, repeated: bool
) -> None:
    """Wherever in a field they stand; and so in the free text of the message."""
    segment, field = place
    content = "^" * before + canary.title() + (f"~{canary}" if repeated else "")
    if segment in ("MSH", "FHS", "BHS"):
        text = f"{segment}|^~\\&" + "|" * (field - 2) + f"{content}\r"
    else:
        text = f"{HEADER}\r{segment}" + "|" * field + f"{content}\r"
    assert canary not in after(WRAPPED[wrap](text)).lower()


@given(st.text("PIDMSHOBX1|^~\\&\r\n ab\"'", max_size=60))
def test_any_text_is_taken(text: str) -> None:
    """Whatever its shape; redacting twice is redacting once."""
    left = after(text)
    assert after(left) == left


def test_types_of_observations() -> None:
    """Numbers and codes stay, dates and narratives go, short texts are scanned."""
    observed = [
        ("NM", "72"),
        ("CWE", "A^Atrial fibrillation^L"),
        ("DT", "20240503"),
        ("FT", "a b"),
        ("ST", "mail a.b@example.org"),
    ]
    left = [after(f"{HEADER}\rOBX|1|{kind}|1||{value}\r").split("|")[-1].strip() for kind, value in observed]
    (after_date,) = (f"[{rule}]" for rule in rules_of(f"{HEADER}\rOBX|1|DT|1||20240503\r"))
    assert left == ["72", "A^Atrial fibrillation^L", after_date, "[hl7_person]", "mail [email]"]


def test_bytes_that_are_no_utf8() -> None:
    """Messages in Latin-1 keep their shape, too."""
    assert engine()._text.redact("PID|1||4471203||Quxé^Zorbla".encode("latin-1"), 8, 0, []) == (
        b"PID|1||[patient_id]||[person_name]^[person_name]"
    )


def test_without_its_rule_it_is_text() -> None:
    """Whoever takes the rule out has chosen so."""
    rules = [rule for rule in effective([shipped_pack("base").rules]) if rule.id != "hl7_person"]
    assert Engine(rules, 2**20, 32).document(b"PID|1||4471203||Quxington", 0, 0, []) == b"PID|1||4471203||Quxington"


def test_every_redaction_is_under_a_rule() -> None:
    """Of a pack: the ledger names it."""
    known = {rule.id for rule in engine()._rules}
    assert rules_of(MESSAGE) <= known
    assert "hl7_person" in rules_of(MESSAGE)
