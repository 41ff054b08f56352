"""Sends anchors of the audit ledger through an exporter, so that a second destination knows how far the ledger was."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from opentelemetry.proto.logs.v1.logs_pb2 import LogsData, SeverityNumber

from audit.anchors import on_the_way
from pipeline.batch import Batch, Signal
from pipeline.errors import Refused, TooLarge
from pipeline.ledger import AuditLedger
from pipeline.router import Destination, put_in_all

__all__ = ["Anchors"]


class Anchors:
    """Entered: an anchor is sent at once and then every `interval_seconds`. Left: one more.

    One that finds the queue full is left out; the next says more than it.
    """

    def __init__(
        self,
        ledger: AuditLedger,
        destination: Destination,
        interval_seconds: float,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ledger, self._destination, self._interval_seconds = ledger, destination, interval_seconds
        self._now_ns, self._sleep = now_ns, sleep

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        self._task = self._group.create_task(self._run(), name="ledger anchors")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await self._group.__aexit__(None, None, None)
        await self.send()

    async def _run(self) -> None:
        while True:
            await self.send()
            await self._sleep(self._interval_seconds)

    async def send(self) -> None:
        """Put an anchor into the exporter's queue."""
        batch = self._batch()
        try:
            with self._destination.queue.room(batch):
                await put_in_all([(self._destination, batch)])
        except (Refused, TooLarge) as error:
            self._destination.context.log.warning("an anchor of the audit ledger was left out", cause=str(error))

    def _batch(self) -> Batch:
        now_ns = self._now_ns()
        message = LogsData()
        envelope = message.resource_logs.add()
        for key, value in (("service.name", "telescrub"), ("host.name", socket.gethostname())):
            envelope.resource.attributes.add(key=key).value.string_value = value
        record = envelope.scope_logs.add().log_records.add(time_unix_nano=now_ns, observed_time_unix_nano=now_ns)
        record.severity_number, record.severity_text = SeverityNumber.SEVERITY_NUMBER_INFO, "INFO"
        written = datetime.fromtimestamp(now_ns / 1e9, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        record.body.string_value = on_the_way(self._ledger.end, written, self._ledger.rules_digests())
        return Batch.encode(Signal.LOGS, message)
