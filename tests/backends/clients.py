"""The real clients: what applications and load generators really put on the wire."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Literal

from tests.backends.process import Json
from tests.backends.require import backend

Signal = Literal["traces", "metrics", "logs"]
CLIENT_SECONDS = 120.0


class ClientError(Exception):
    """A client ended with an error: it could not send, or was refused; the message has the end of its log."""


def send_with_node(
    endpoint: str, *, seed: int = 1, count: int = 3, signals: Sequence[Signal] = ("traces", "metrics", "logs")
) -> Json:
    """Send sensitive-looking telemetry with the OpenTelemetry JavaScript SDK, as OTLP over HTTP in JSON.

    Args:
        endpoint: the URL that ``/v1/traces`` and so on follow.
        seed: ids and values follow from it.
        count: visits; each gives two spans, one log record and some metric points.

    Returns:
        What was sent: per signal a list of spans (``trace_id``, ``span_id``, ``name``, …), points or records.

    Raises:
        ClientError: the server did not take it.
    """
    options = [f"--endpoint={endpoint}", f"--seed={seed}", f"--count={count}", f"--signals={','.join(signals)}"]
    return json.loads(_run(["node", str(backend("node-otlp")), *options]))


def run_telemetrygen(signal: Signal, endpoint: str, *flags: str) -> None:
    """Generate load with telemetrygen, without TLS.

    Args:
        endpoint: ``host:port``; of the OTLP/gRPC receiver, or with the flag ``--otlp-http`` of the HTTP one.
        flags: such as ``--traces=100``, ``--rate=0``, ``--duration=5s``.

    Raises:
        ClientError: it ended with an error.
    """
    _run([str(backend("telemetrygen")), signal, f"--otlp-endpoint={endpoint}", "--otlp-insecure", *flags])


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(
        command,
        env={"PATH": os.environ.get("PATH", os.defpath)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CLIENT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise ClientError(f"{command[0]} ended with exit code {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
