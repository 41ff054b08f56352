"""Anchors of the audit ledger in the real Loki, and the check against them."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audit import rows
from audit.writer import Writer
from pipeline.__main__ import app
from tests.backends.process import request, wait_until
from tests.backends.servers import Loki
from tests.end_to_end.daemon import Telescrub

KEY = "a key of the tests, of 32 bytes or more"
pytestmark = pytest.mark.end_to_end

QUERY = '{service_name="telescrub"} |= "ledger_anchor"'
"""As in docs/audit.md."""


def verified(ledger: Path, config: Path, anchors: Path) -> tuple[int, str]:
    """Exit code and output of the command."""
    arguments = ["audit", "verify", str(ledger), "--config", str(config), "--anchors", str(anchors)]
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


def test_anchors_in_loki(tmp_path: Path) -> None:
    """A ledger that was cut off, or written anew by who has its key, is found by anchors that Loki gives back."""
    with Loki() as loki:
        exporter = {"endpoint": loki.push_url, "egress_check": True}
        telescrub = Telescrub({"logs": {"loki": exporter}})
        telescrub._config["service"]["audit"] = {
            "path": str(tmp_path / "audit"),
            "key": KEY,
            "interval": "500ms",
            "anchors": {"exporter": "loki", "interval": "1s"},
        }
        with telescrub:
            config = tmp_path / "telescrub.yaml"
            config.write_bytes((telescrub.directory / "telescrub.yaml").read_bytes())
            line = json.dumps({"message": "visit closed", "ssn": "536-90-4399"}).encode()
            assert request("POST", telescrub.url("json_logs"), body=line).status == 200
            wait_until(lambda: _sequences(loki)[-1:] > [2] or None, seconds=60, what="an anchor after a redaction")
            assert telescrub.metric("telescrub_dropped_items_total", reason="egress_check") == 0
        anchors = tmp_path / "anchors.json"
        anchors.write_text(json.dumps({"status": "success", "data": {"result": _streams(loki)}}))
        assert "536-90-4399" not in anchors.read_text()
    ledger = tmp_path / "audit"
    assert verified(ledger, config, anchors)[0] == 0

    (file,) = ledger.glob("*.jsonl")
    whole = file.read_bytes()
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    (ledger / "ledger.head").unlink()
    code, output = verified(ledger, config, anchors)
    assert (code, "but the ledger ends with row 2: it is cut off" in output) == (1, True)

    ledger.rename(tmp_path / "gone")
    forged = Writer(ledger, KEY.encode(), 2**30)
    forged.append([rows.start("1.0", "hmac-sha256", "new", 0), *[rows.anchor()] * len(whole.splitlines()), rows.stop()])
    forged.close()
    code, output = verified(ledger, config, anchors)
    assert (code, "with another mac: the ledger was written anew" in output) == (1, True)


def _streams(loki: Loki) -> list[dict[str, object]]:
    now, hour = time.time_ns(), 3600 * 10**9
    return loki.query_range(QUERY, now - hour, now + hour)


def _sequences(loki: Loki) -> list[int]:
    """The rows that the anchors name."""
    values = [value for stream in _streams(loki) for value in stream["values"]]  # type: ignore[attr-defined]
    return sorted(json.loads(value[1])["sequence"] for value in values)
