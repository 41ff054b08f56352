"""The fields of HL7 v2 segments: which stay, and what the others hold. Source: HL7 v2.5.1, chapters 2 to 10."""

import re

__all__ = ["CODES", "IDS", "KEYS", "KNOWN_ELSEWHERE", "SEGMENTS"]

KEYS = {
    "account": "account_number",
    "address": "postal_address",
    "birth": "birth_date",
    "date": "service_date",
    "email": "email",
    "id": "patient_id",
    "license": "license_number",
    "member": "member_id",
    "name": "patient_name",
    "narrative": "hl7_person",
    "order": "hl7_person",
    "other": "hl7_person",
    "phone": "phone_number",
    "ssn": "ssn",
    "staff": "provider_name",
    "staff_id": "npi",
    "text": "hl7_person",
    "visit": "visit_number",
    "zip": "postal_code",
}
"""The key that stands for each kind of field: the rule that it falls under acts on the field."""

IDS = frozenset(("account", "id", "member", "order", "visit"))
"""Kinds whose first two components are an id and its check digit; the others say who gave it."""
KNOWN_ELSEWHERE = IDS | {"email", "license", "name", "phone", "ssn", "staff", "staff_id"}
"""Kinds whose words mean the same person wherever they stand in a message."""

_SHORT = re.compile(rb"[A-Z]{1,5}[0-9]{0,2}|[0-9]")
_STATE = re.compile(rb"[A-Z]{2}")
_COUNTRY = re.compile(rb"[A-Z]{2,3}")
_NEVER = re.compile(rb"(?!)")
_NAME = dict.fromkeys(range(1, 7), _NEVER)

CODES = {
    "name": {**_NAME, 7: _SHORT, 8: _SHORT},
    "staff": {**_NAME, 10: _SHORT, 11: _SHORT, 13: _SHORT},
    "id": {1: _NEVER, 3: _SHORT, 5: _SHORT},
    "visit": {1: _NEVER, 3: _SHORT, 5: _SHORT},
    "account": {1: _NEVER, 3: _SHORT, 5: _SHORT},
    "member": {1: _NEVER, 3: _SHORT, 5: _SHORT},
    "order": {1: _NEVER},
    "address": {1: _NEVER, 2: _NEVER, 3: _NEVER, 4: _STATE, 5: _NEVER, 6: _COUNTRY, 7: _SHORT},
    "phone": {1: _NEVER, 2: _SHORT, 3: _SHORT},
    "birth": {1: _NEVER},
    "date": {1: _NEVER},
    "ssn": {1: _NEVER},
    "license": {1: _NEVER},
    "narrative": {1: _NEVER},
}
"""By kind and component, what stays there if it looks like this; elsewhere only what is too short for a name."""

_TABLE = """
MSH keep 1-7 9-21
FHS keep 1-7 11 12
BHS keep 1-7 11 12
FTS keep 1
BTS keep 1
SFT keep 1-6
DSC keep 1 2
MSA keep 1 2 4-6; text 3
ERR keep 1-5
EVN keep 1 2 4; date 3 6; staff 5
QAK keep 1-6
QRD keep 1-7 9 12; staff 8
QPD keep 1 2
RCP keep 1-7
PID keep 1 8 10 15-17 22 24-28 30-33 35-38; id 2-4 21; name 5 6 9; birth 7; address 11 12 23; phone 13 14 40
PID account 18; ssn 19; license 20; date 29
PD1 keep 1 2 5-9 11 12 15 16 19-21; staff 4; id 10; date 13 17 18
NK1 keep 1 3 7 14 15 17-25 27-29 34-36 39; name 2 26 30; address 4 32 38; phone 5 6 31; date 8 9; id 12 33
NK1 birth 16; ssn 37
PV1 keep 1 2 4 10 12-16 18 20-24 26-29 31-36 38-41 46-49 51; visit 5 19 50; staff 7-9 17 52; date 25 30 44 45
PV2 keep 2 3 7 10 11 15 16 18-22 24 25 27 30-32 34 36-40; date 8 9 14 17 26 28 29 33 46-48; staff 13
GT1 keep 1 9-11 15 20 22 23 30-41 43 44 47 48; id 2 19 29; name 3 4 16 42 45; address 5 17; phone 6 7 18 46
GT1 birth 8; ssn 12; date 13 14
IN1 keep 1 2 15 17 20-23 25 27 31-35 37-43 45 47 48 53; member 8 10 36; address 5 19 44 52; name 6 16; phone 7
IN1 date 12 13 24 26 29; birth 18; staff 14 30; id 49
IN2 keep 4 5 11 14-21 28-39 41-48; id 1 25 26; ssn 2; name 3 7 9 22 40 49 52; member 6 8 10 61; phone 58 59 63 64
IN3 keep 1 4 5 7; member 2; staff 3 8 14; date 6 9 10 12 13 17; phone 16 19
MRG id 1-4; visit 5 6; name 7
DG1 keep 1-4 6-15 17 18 21; date 5 19; staff 16
PR1 keep 1-4 6 7 9 10 13-16; date 5; staff 8 11 12
OBR keep 1 4 5 9 11 12 23-25 30 31 37-39 40 44-49; order 2 3 26 29; date 6-8 14 22 36; staff 10 16 28 32-35; phone 17
ORC keep 1 5 6 16-18 20 25 26 28-30; order 2-4 8; date 9 15 27; staff 10-12 19; phone 14 23; address 22 24
OBX keep 1-4 6-11 17; date 12 14 19; staff 16 25; address 24
NTE keep 1 2 4; text 3; staff 5; date 6
AL1 keep 1-4; text 5; date 6
IAM keep 1-4 6 9 10 12 15-17; text 5; date 8 11 13 20; name 14; staff 18
SCH keep 3 6-10 25; order 1 2 23 24 26 27; staff 12 16 20; phone 13 17 21; address 14 18
AIP keep 1 2 4 5 7-12; staff 3; date 6
AIS keep 1-3 5-10; date 4
AIG keep 1 2 4-7 9-14; date 8
AIL keep 1 2 4 5 7-12; date 6
ACC keep 2 4-6 10 12; date 1; address 3 11; name 7 9
ROL keep 2 3 7-10; order 1; staff 4; date 5 6; address 11; phone 12
CTD keep 1 6; name 2; address 3; phone 5; staff 7
PRD keep 1 6; name 2; address 3; phone 5; staff 7; date 8 9
STF keep 4 5 7-9 16 17 28; staff 1-3; birth 6; phone 10; address 11; date 12 13; email 15
PRA staff 1; license 6
TXA keep 1-3 17-20; date 4 6-8; staff 5 9-11 22; order 12-15
SPM keep 1 4-9 11-16 20-25; order 2 3; date 17 18
FT1 keep 1 6-15 18 19 25 26; id 2; date 4 5; staff 20 21 24; order 23
RXA keep 1 2 5-8 17 18 20 21; date 3 4 16 22; staff 10
RXE keep 2-7 10-13 16-26; staff 13 14
RXO keep 1-5 7 10-12 16-28; staff 14 15
RXR keep 1-6
"""


def _numbers(written: str) -> range:
    first, _, last = written.partition("-")
    return range(int(first), int(last or first) + 1)


def _segments() -> dict[str, dict[int, str]]:
    segments: dict[str, dict[int, str]] = {}
    for line in _TABLE.strip().splitlines():
        name, _, kinds = line.partition(" ")
        for group in kinds.split("; "):
            kind, *written = group.split(" ")
            fields = segments.setdefault(name, {})
            fields.update((number, kind) for one in written for number in _numbers(one))
    return segments


SEGMENTS = _segments()
"""By segment and field, its kind: `keep`, `text` (scanned), or one of `KEYS`. Others are `other`."""
