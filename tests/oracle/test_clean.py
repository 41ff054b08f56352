"""Telemetry without anything to redact passes the daemon as it was."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from google.protobuf.message import Message

from tests.backends.process import get, wait_until
from tests.oracle.clean import logs, metrics, traces
from tests.oracle.left import decoded
from tests.oracle.run import Run

pytestmark = pytest.mark.end_to_end

_ITEMS = 10_000
_MOST_FALSE = _ITEMS // 1000


@pytest.mark.parametrize(("signal", "make"), [("logs", logs), ("metrics", metrics), ("traces", traces)])
def test_clean_telemetry_is_untouched(signal: str, make: Callable[[Random, int], tuple[str, Message]]) -> None:
    """At most one false redaction in 1,000 lines or spans; every other item comes out byte for byte."""
    random = Random(20)
    with Run(20) as run:
        sent = [make(random, run.time_ns) for _ in range(_ITEMS)]
        for at in range(0, _ITEMS, 500):
            run.send_grpc(signal, b"".join(message.SerializeToString() for _, message in sent[at : at + 500]))
        came: Counter[bytes] = Counter()
        wait_until(lambda: _came(run, signal, came) == _ITEMS, seconds=60, what="all of it")
        metrics = get(f"{run.daemon.url('metrics')}/metrics").body.decode()
    changed = Counter(what for what, message in sent if not came[_envelopes(message)[0].SerializeToString()])
    rules = [line for line in metrics.splitlines() if line.startswith("telescrub_redactions_total")]
    assert changed.total() <= _MOST_FALSE, f"{changed.most_common()} by {rules}"


def _came(run: Run, signal: str, came: Counter[bytes]) -> int:
    """Add what arrived; how much that is in all."""
    received = [decoded(each)[1] for each in run.recorder.take() if each.path == f"/v1/{signal}"]
    came.update(envelope.SerializeToString() for each in received for envelope in _envelopes(each))
    return came.total()


def _envelopes(message: Message) -> list[Message]:
    return list(message.ListFields()[0][1])
