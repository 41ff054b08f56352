"""Documents of health care with an identifier in one of the fields that the standards have for it.

HL7 v2.5.1 chapters 3 (PID, NK1, PV1), 6 (IN1, GT1), 4 (OBR, ORC); FHIR R4 Patient, RelatedPerson, Encounter …;
C-CDA R2.1, the header's recordTarget. Everything else in them is made up, and the same in every document.
"""

import json
from collections.abc import Callable
from html import escape
from typing import Any
from zlib import crc32

from tests.oracle.facts import Fact

__all__ = ["ccda", "fhir", "fhir_xml", "hl7", "known"]


def _one_of(fact: Fact, choices: tuple[Any, ...]) -> Any:
    """One of them, always the same for the same fact."""
    return choices[crc32(fact.value.encode()) % len(choices)]


def _stamp(value: str) -> str:
    """A date and time as HL7 writes them: 1980-10-12T10:20:30.123 is 19801012102030.123."""
    return value.translate(str.maketrans("", "", "-T:/ "))


def _name(fact: Fact) -> tuple[str, str]:
    first, last = fact.secrets
    return first, last


_PERSON = ((("PID", 5), "{1}^{0}^^^^^L"), (("PID", 9), "{1}^{0}"), (("PID", 6), "{1}^{0}"))
_RELATIVE = ((("NK1", 2), "{1}^{0}"), (("GT1", 3), "{1}^{0}"), (("IN1", 16), "{1}^{0}"))
_STAFF = ((("PV1", 7), "4711^{1}^{0}^^^DR"), (("PV1", 8), "^{1}^{0}"), (("OBR", 16), "4711^{1}^{0}"))

_HL7: dict[str, tuple[tuple[tuple[str, int], str], ...]] = {
    "name": (*_PERSON, *_RELATIVE, *_STAFF, (("ORC", 12), "4711^{1}^{0}"), (("PID", 5), "{1}^{0}~{1}^{0}^^^^^N")),
    "id": (
        *((("PID", field), "{0}^^^HOSP^MR") for field in (2, 3, 4)),
        *((("PID", 3), "1^^^X^PI~{0}^^^HOSP^MR"), (("PV1", 19), "{0}^^^HOSP^VN"), (("MRG", 1), "{0}^^^HOSP^MR")),
    ),
    "ssn": ((("PID", 19), "{0}"), (("PID", 3), "{0}^^^USSSA^SS"), (("GT1", 12), "{0}"), (("NK1", 37), "{0}")),
    "phone": tuple(((segment, field), "{0}") for segment, field in (("PID", 13), ("PID", 14), ("NK1", 5), ("GT1", 6))),
    "email": ((("PID", 13), "^NET^Internet^{0}"), (("NK1", 5), "^NET^Internet^{0}")),
    "street": (*((("PID", 11), "{0}^^CITY^ST"), (("NK1", 4), "{0}^^CITY^ST"), (("GT1", 5), "{0}^^CITY^ST")),),
    "city": ((("PID", 11), "1 X ST^^{0}^ST"), (("PID", 23), "{0}"), (("PID", 12), "{0}")),
    "zip": ((("PID", 11), "1 X ST^^CITY^ST^{0}"), (("GT1", 5), "1 X ST^^CITY^ST^{0}")),
    "birth": ((("PID", 7), "{0}"), (("GT1", 8), "{0}"), (("IN1", 18), "{0}")),
    "account": ((("PID", 18), "{0}^^^HOSP^AN"),),
    "member": ((("IN1", 36), "{0}"), (("IN1", 49), "{0}^^^PLAN^MI"), (("PID", 3), "{0}^^^PLAN^MB")),
}
"""By the kind of field: segments with the field's number, and what stands there."""

_HL7_KIND = {"PID": "ADT^A01", "NK1": "ADT^A04", "PV1": "ADT^A08", "MRG": "ADT^A40", "OBR": "ORU^R01", "ORC": "ORM^O01"}


def hl7(fact: Fact, end: str = "\r", separator: str = "|") -> str:
    """A message of a few segments."""
    (segment, field), form = _one_of(fact, _HL7[fact.field])
    if fact.field == "name":
        content = form.format(*_name(fact))
    else:
        content = form.format(_stamp(fact.value) if fact.field == "birth" else fact.value)
    kind = _HL7_KIND.get(segment, "DFT^P03")
    header = f"MSH|^~\\&|LAB|A|EHR|B|20240503101500||{kind}|77|P|2.5.1"
    rows = {name: [name, "1"] for name in dict.fromkeys(("EVN", "PID", "PV1", segment))}
    rows["EVN"][1:] = [kind[-3:], "20240503101500"]
    row = rows[segment]
    row += [""] * (field + 1 - len(row))
    row[field] = content
    rows["OBX"] = ["OBX", "1", "NM", "718-7^HGB^LN", "", "13.2", "g/dL"]
    message = end.join((header, *("|".join(each) for each in rows.values()))) + end
    return message if separator == "|" else message.replace("|", separator)


_FHIR_NAMES: tuple[Callable[[str, str], dict[str, Any]], ...] = (
    lambda first, last: {"resourceType": "Patient", "name": [{"use": "official", "family": last, "given": [first]}]},
    lambda first, last: {"resourceType": "Patient", "name": [{"text": f"{first} {last}"}]},
    lambda first, last: {"resourceType": "Patient", "contact": [{"name": {"family": last, "given": [first]}}]},
    lambda first, last: {"resourceType": "Practitioner", "name": [{"family": last, "given": [first]}]},
    lambda first, last: {"resourceType": "RelatedPerson", "name": [{"family": last, "given": [first]}]},
    lambda first, last: {"resourceType": "Encounter", "subject": {"display": f"{first} {last}"}},
    lambda first, last: {"resourceType": "Observation", "performer": [{"display": f"{last}, {first}"}]},
    lambda first, last: {
        "resourceType": "Patient",
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{first} {last}</div>'},
    },
)
_FHIR: dict[str, tuple[Callable[[str], dict[str, Any]], ...]] = {
    "id": (
        lambda value: {"resourceType": "Patient", "id": value},
        lambda value: {"resourceType": "Patient", "identifier": [{"system": "urn:oid:1.2.36", "value": value}]},
        lambda value: {"resourceType": "Observation", "subject": {"reference": f"Patient/{value}"}},
        lambda value: {
            "resourceType": "Coverage",
            "beneficiary": {"reference": f"https://x.test/fhir/Patient/{value}"},
        },
    ),
    "ssn": (
        lambda value: {
            "resourceType": "Patient",
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": value}],
        },
    ),
    "phone": (
        lambda value: {"resourceType": "Patient", "telecom": [{"system": "phone", "value": value, "use": "home"}]},
        lambda value: {"resourceType": "Patient", "contact": [{"telecom": [{"system": "sms", "value": value}]}]},
    ),
    "email": (lambda value: {"resourceType": "Patient", "telecom": [{"system": "email", "value": value}]},),
    "street": (
        lambda value: {"resourceType": "Patient", "address": [{"line": [value], "country": "US"}]},
        lambda value: {"resourceType": "Patient", "address": [{"text": value, "country": "US"}]},
    ),
    "city": (
        lambda value: {"resourceType": "Patient", "address": [{"city": value, "state": "NY"}]},
        lambda value: {"resourceType": "Patient", "address": [{"district": value, "state": "NY"}]},
    ),
    "zip": (lambda value: {"resourceType": "Patient", "address": [{"postalCode": value}]},),
    "birth": (
        lambda value: {"resourceType": "Patient", "birthDate": value},
        lambda value: {"resourceType": "Patient", "deceasedDateTime": value},
    ),
    "account": (
        lambda value: {"resourceType": "Account", "identifier": [{"type": {"text": "billing"}, "value": value}]},
    ),
    "member": (
        lambda value: {"resourceType": "Coverage", "subscriberId": value},
        lambda value: {"resourceType": "Coverage", "identifier": [{"value": value}]},
    ),
}


def _resource(fact: Fact) -> dict[str, Any]:
    made: dict[str, Any]
    if fact.field == "name":
        made = _one_of(fact, _FHIR_NAMES)(*_name(fact))
    else:
        made = _one_of(fact, _FHIR[fact.field])(fact.value)
    return made


def fhir(fact: Fact) -> str:
    """JSON: a resource, every second time in a bundle."""
    resource = {**_resource(fact), "meta": {"versionId": "2"}, "active": True}
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{"resource": resource}]}
    return json.dumps(_one_of(fact, (resource, bundle)), ensure_ascii=False)


def fhir_xml(fact: Fact) -> str:
    """The same resource as XML: members are elements, what is simple is their attribute `value`."""
    resource = _resource(fact)
    name = resource.pop("resourceType")
    inner = "".join(_element(key, value) for key, value in resource.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="http://hl7.org/fhir">{inner}</{name}>'


def _element(key: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(key, each) for each in value)
    if isinstance(value, dict):
        return f"<{key}>{''.join(_element(inner, each) for inner, each in value.items())}</{key}>"
    return str(value) if key == "div" else f'<{key} value="{escape(str(value))}"/>'


_PATIENT = "<recordTarget><patientRole>{}</patientRole></recordTarget>"
_CCDA: dict[str, tuple[str, ...]] = {
    "name": (
        _PATIENT.format("<patient><name><given>{0}</given><family>{1}</family></name></patient>"),
        _PATIENT.format('<patient><name use="L"><prefix>Mr</prefix> {0} {1}</name></patient>'),
        _PATIENT.format(
            "<patient><guardian><guardianPerson><name><given>{0}</given><family>{1}</family></name></guardianPerson>"
            "</guardian></patient>"
        ),
        "<author><assignedAuthor><assignedPerson><name><given>{0}</given><family>{1}</family></name></assignedPerson>"
        "</assignedAuthor></author>",
        '<participant typeCode="IND"><associatedEntity classCode="PRS"><associatedPerson><name><given>{0}</given>'
        "<family>{1}</family></name></associatedPerson></associatedEntity></participant>",
    ),
    "id": (_PATIENT.format('<id root="2.16.840.1.113883.19.5" extension="{0}"/>'),),
    "ssn": (_PATIENT.format('<id extension="{0}" root="2.16.840.1.113883.4.1"/>'),),
    "phone": (_PATIENT.format('<telecom use="HP" value="tel:{0}"/>'),),
    "email": (_PATIENT.format('<telecom value="mailto:{0}"/>'),),
    "street": (_PATIENT.format('<addr use="HP"><streetAddressLine>{0}</streetAddressLine></addr>'),),
    "city": (_PATIENT.format("<addr><city>{0}</city><state>NY</state></addr>"),),
    "zip": (_PATIENT.format("<addr><postalCode>{0}</postalCode></addr>"),),
    "birth": (_PATIENT.format('<patient><birthTime value="{0}"/></patient>'),),
    "account": (_PATIENT.format('<id extension="{0}" root="2.16.840.1.113883.19.6"/>'),),
    "member": (_PATIENT.format('<id extension="{0}" root="2.16.840.1.113883.19.7"/>'),),
}


def ccda(fact: Fact, prefix: str = "") -> str:
    """The header of a document; with a prefix, names are qualified: `<cda:patient>`."""
    parts = _name(fact) if fact.field == "name" else (_stamp(fact.value) if fact.field == "birth" else fact.value,)
    inner = str(_one_of(fact, _CCDA[fact.field])).format(*map(escape, parts))
    body = f'<title>Summary</title><code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/>{inner}'
    spaces = 'xmlns="urn:hl7-org:v3"'
    if prefix:
        body = body.replace("</", "\0").replace("<", f"<{prefix}:").replace("\0", f"</{prefix}:")
        spaces = f'xmlns:{prefix}="urn:hl7-org:v3"'
        return f"<{prefix}:ClinicalDocument {spaces}>{body}</{prefix}:ClinicalDocument>"
    return f'<?xml version="1.0"?>\n<ClinicalDocument {spaces}>\n{body}\n</ClinicalDocument>'


def known(fact: Fact) -> bool:
    """Whether the documents have a field for it."""
    return bool(fact.field)
