"""Telemetry without anything to redact passes the daemon as it was."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from google.protobuf.message import Message

from tests.backends.process import get
from tests.oracle.clean import logs, traces
from tests.oracle.left import decoded
from tests.oracle.run import Run

pytestmark = pytest.mark.end_to_end

KNOWN_FALSE = {
    "s3://records-": "rule numbered_path_ids takes three digits of a hex name after `records-`",
}
"""Lines that lose something they should keep, by a part of the line. It can only shrink."""

_ITEMS = 10_000
_MOST_FALSE = _ITEMS // 1000


@pytest.mark.parametrize(("signal", "make"), [("logs", logs), ("traces", traces)])
def test_clean_telemetry_is_untouched(signal: str, make: Callable[[Random, int], tuple[str, Message]]) -> None:
    """At most one false redaction in 1,000 lines or spans; every other item comes out byte for byte."""
    random = Random(20)
    with Run(20) as run:
        sent = [make(random, run.time_ns) for _ in range(_ITEMS)]
        for at in range(0, _ITEMS, 500):
            run.send_grpc(signal, b"".join(message.SerializeToString() for _, message in sent[at : at + 500]))
        run.settle()
        received = [decoded(each)[1] for each in run.recorder.take() if each.path == f"/v1/{signal}"]
        metrics = get(f"{run.daemon.url('metrics')}/metrics").body.decode()
    came = Counter(envelope.SerializeToString() for each in received for envelope in _envelopes(each))
    assert came.total() == _ITEMS
    changed = Counter(what for what, message in sent if not came[_envelopes(message)[0].SerializeToString()])
    for known in [part for part in KNOWN_FALSE if signal == "logs"]:
        assert any(known in what for what in changed), f"take {known} out of the table"
    changed = Counter({what: count for what, count in changed.items() if not any(part in what for part in KNOWN_FALSE)})
    rules = [line for line in metrics.splitlines() if line.startswith("telescrub_redactions_total")]
    assert changed.total() <= _MOST_FALSE, f"{changed.most_common()} by {rules}"


def _envelopes(message: Message) -> list[Message]:
    return list(message.ListFields()[0][1])
