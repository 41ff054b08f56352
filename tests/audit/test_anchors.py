"""Anchors as they are sent, and as destinations give them back."""

import orjson
import pytest

from audit.anchors import anchors_in, on_the_way
from audit.chain import Anchor

ONE, TWO = Anchor(7, "ab" * 32), Anchor(12, "cd" * 32)
LINES = [on_the_way(each, "2026-03-02T06:00:00Z", {"redact_phi": "e" * 64}) for each in (ONE, TWO)]


def test_on_the_way() -> None:
    """Where the ledger stood, when, by which rules."""
    assert orjson.loads(LINES[0]) == {
        "kind": "ledger_anchor",
        "time": "2026-03-02T06:00:00Z",
        "sequence": 7,
        "mac": "ab" * 32,
        "rules_digests": {"redact_phi": "e" * 64},
    }


def loki() -> str:
    """An answer of Loki's query API; of a query with `| json`, the labels hold the parts, too."""
    labels = {"kind": "ledger_anchor", "mac": "ef" * 32, "sequence": "99", "service_name": "telescrub"}
    values = [["1772431200000000000", line] for line in LINES]
    return orjson.dumps({"status": "success", "data": {"result": [{"stream": labels, "values": values}]}}).decode()


@pytest.mark.parametrize(
    "text",
    [
        loki(),
        "\n".join(orjson.dumps({"labels": {}, "line": line, "timestamp": "2026"}).decode() for line in LINES),
        "\n".join(LINES),
        "\n".join(orjson.dumps({"resourceLogs": [{"body": {"stringValue": line}}]}).decode() for line in LINES),
        "\n".join(f"[info     ] ledger anchor   component=audit sequence={a.sequence} mac={a.mac}" for a in (ONE, TWO)),
        f'{{"event":"ledger anchor","sequence":7,"mac":"{ONE.mac}"}}\n{TWO}\n{TWO}\n',
    ],
    ids=["Loki", "logcli", "lines", "OTLP", "console", "log"],
)
def test_read_back(text: str) -> None:
    """Each once, in order."""
    assert anchors_in(text) == [ONE, TWO]


@pytest.mark.parametrize("text", ["", "sequence=7", f"mac={ONE.mac}", '{"data": {"result": []}}'])
def test_none(text: str) -> None:
    """A check against nothing would prove nothing."""
    with pytest.raises(ValueError, match="there is no anchor in this file; a line of one says sequence and mac"):
        anchors_in(text)
