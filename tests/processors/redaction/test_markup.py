"""XML in texts: elements and attributes count as keys, what falls under a rule goes, markup stays."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.redaction.budget import OverBudget
from processors.redaction.engine import Engine
from processors.redaction.rules import Rule, effective, shipped_pack
from tests.processors.redaction.redacting import after as after_all

RULES = [
    *shipped_pack("base").rules,
    Rule(id="ssn", title="", keys=("ssn",), in_text="never"),
    Rule(id="person_name", title="", keys=("patient_name", "patient.name"), in_text="never"),
]
ENGINE = Engine(effective([RULES]), 2**20, 32)
CCDA = """<?xml version="1.0"?>
<!-- header -->
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <templateId root="2.16.840.1.113883.10.20.22.1.1"/>
 <code code="34133-9" displayName="Summary"/>
 <effectiveTime value="20240503101500"/>
 <recordTarget><patientRole>
  <id root="2.16.840.1.113883.19.5" extension="4471203"/>
  <addr use="HP"><streetAddressLine>12 Canary Lane</streetAddressLine>
   <city>Springfield</city><state>IL</state></addr>
  <telecom use="HP" value="tel:555-0143"/>
  <patient><name use="L"><given>Zorbla</given><family><![CDATA[Quxington]]></family></name>
   <administrativeGenderCode code="F"/><birthTime value="19800305"/></patient>
 </patientRole></recordTarget>
 <author><time value="20240503"/><assignedAuthor><id extension="99"/>
  <assignedPerson><name>Zan <family>Blorp &amp; Co</family></name></assignedPerson>
 </assignedAuthor></author>
 <component><section><title>Plan</title><text>Zorbla <b>came</b></text></section></component>
</ClinicalDocument>"""
LEFT = """<?xml version="1.0"?>
<!-- header -->
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <templateId root="2.16.840.1.113883.10.20.22.1.1"/>
 <code code="34133-9" displayName="Summary"/>
 <effectiveTime value="[document_date]"/>
 <recordTarget><patientRole>
  <id root="2.16.840.1.113883.19.5" extension="[document_id]"/>
  <addr use="HP"><streetAddressLine>[document_address]</streetAddressLine>
   <city>[document_address]</city><state>IL</state></addr>
  <telecom use="HP" value="[document_contact]"/>
  <patient><name use="L"><given>[person_name]</given><family><![CDATA[[person_name]]]></family></name>
   <administrativeGenderCode code="F"/><birthTime value="[document_date]"/></patient>
 </patientRole></recordTarget>
 <author><time value="[document_date]"/><assignedAuthor><id extension="[document_id]"/>
  <assignedPerson><name>[document_name] <family>[document_name]</family></name></assignedPerson>
 </assignedAuthor></author>
 <component><section><title>Plan</title><text>[document_text] <b>[document_text]</b></text></section></component>
</ClinicalDocument>"""


def after(text: str) -> str:
    left = ENGINE.document(text.encode(), 0, 0, [])
    assert left is not None
    return left.decode()


def test_a_clinical_document() -> None:
    """Person elements are emptied; codes, templates, namespaces, comments and white space stay."""
    assert after(CCDA) == LEFT
    assert after(LEFT) == LEFT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<ssn>536904399</ssn> ok", "<ssn>[ssn]</ssn> ok"),
        ('<row ssn="536904399" n="3"/>', '<row ssn="[ssn]" n="3"/>'),
        ("<row ssn='536904399' n='3'/>", "<row ssn='[ssn]' n='3'/>"),
        ('<field name="ssn">536904399</field>', '<field name="ssn">[ssn]</field>'),
        ('<param key="ssn" value="536904399"/>', '<param key="ssn" value="[ssn]"/>'),
        ("<s:B><n:patientName>Z B</n:patientName></s:B>", "<s:B><n:patientName>[person_name]</n:patientName></s:B>"),
        ("<ssn><!-- 53 -->6<?pi x?></ssn>", "<ssn><!-- [ssn] -->[ssn][ssn]</ssn>"),
        ("<ssn> 5369 </ssn>", "<ssn> [ssn] </ssn>"),
        ("<ssn></ssn><ssn/>", "<ssn></ssn><ssn/>"),
        ("log: <patientName>Zorbla Qux", "log: <patientName>[person_name]"),
        ('<row a="1"/><row ssn="5369', '<row a="1"/><row ssn="[ssn]'),
        ('x="<row ssn=\\"536904399\\"/>"', 'x="<row ssn=\\"[ssn]\\"/>"'),
        ('<!DOCTYPE x [<!ENTITY n "Zorbla">]><x>&n;</x>', '<!DOCTYPE x [<!ENTITY n "[document_text]">]><x>&n;</x>'),
        ("&lt;ssn&gt;536904399&lt;/ssn&gt;", "&lt;ssn&gt;[ssn]&lt;/ssn&gt;"),
        ("doc=%3Cssn%3E536904399%3C/ssn%3E&n=1", "doc=%3Cssn%3E[ssn]%3C/ssn%3E&n=1"),
        ("<ssn>5<br>6</ssn><p>7</p>", "<ssn>[ssn]<br>[ssn]</ssn><p>7</p>"),
        ("<a><ssn>5</a><b>7</b>", "<a><ssn>[ssn]</a><b>[ssn]</b>"),
    ],
)  # fmt: skip
def test_elements_and_attributes(text: str, expected: str) -> None:
    """Whose names are keys, whatever the prefix, the quotes, the nesting, and where the text was cut off."""
    assert after(text) == expected


def test_fhir_in_xml() -> None:
    """Elements are keys, and what they say is in their attributes."""
    text = (
        '<Patient xmlns="http://hl7.org/fhir"><id value="4471203"/><active value="true"/><name><use value="official"/>'
        '<family value="Qux"/></name><gender value="female"/><birthDate value="1980-03-05"/></Patient>'
    )
    left = after_all(text)
    assert not any(value in left for value in ("4471203", "Qux", "1980"))
    assert all(
        kept in left for kept in ('<active value="true"/>', '<use value="official"/>', '<gender value="female"/>')
    )


@pytest.mark.parametrize(
    "text",
    [
        '<a href="/x?a=1&amp;b=2">&lt;q&gt;</a>',
        "at a.B.<init>(B.java:10)",
        "if a<b && c>d then List<String> x",
        "<addr><state>IL</state><country>US</country></addr>",
        "<p>one<br/>two</p><!-- note -->",
        '<Data Name="TargetState">ready</Data>',
    ],
)
def test_nothing_to_hide(text: str) -> None:
    """Other markup, and what only looks like it, stays."""
    assert after(text) == text


@pytest.mark.parametrize("unit", ["<a ", '<a "', "<!--", "<a>", "</a>", "<![CDATA[", "<ssn>", '<a b="\\', "<a b=\\"])
def test_any_length_is_read_once(unit: str) -> None:
    """Four times the text, some four times the steps: each of these would take minutes otherwise."""
    try:
        after("<ssn>1</ssn>" + unit * (100_000 // len(unit)))
    except OverBudget:
        assert "<" in unit


CANARIES = st.text("bcdfghjklmnpqrstvwxz&'", min_size=9, max_size=14).map(lambda text: f"zq{text}qz")
MARKUP = st.lists(
    st.sampled_from(
        ["<p>", "</p>", "<br/>", "<x:a b='1'>", "</x:a>", "<!-- c -->", "<![CDATA[d]]>", "<?p e?>", " f ", "&amp;", "<"]
    ),
    max_size=6,
).map("".join)  # fmt: skip


@given(canary=CANARIES, around=MARKUP, within=MARKUP, attribute=st.booleans(), wrapped=st.booleans())
def test_planted_values_never_come_out(canary: str, around: str, within: str, attribute: bool, wrapped: bool) -> None:
    """Whatever markup stands around them and within the element."""
    said = f'<row n="1" patientName="{canary}"/>' if attribute else f"<patientName>{within}{canary}</patientName>"
    text = f"<doc>{around}{said}</doc>"
    left = after(json.dumps({"raw": text}) if wrapped else text)
    assert "zq" not in left


@given(st.text("<>/!-?[]ab=\"' &;", max_size=60))
def test_any_text_is_taken(text: str) -> None:
    """Whatever its shape, it is left as it was if no key of a rule is in it."""
    assert after(text) == text
