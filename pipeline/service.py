"""The life of the daemon: build, start from the destinations back to the receivers, run, stop the other way round."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from structlog.typing import FilteringBoundLogger

from config.model import Config
from pipeline.anchors import Anchors
from pipeline.component import Context, NoLedger
from pipeline.deadline import Deadline
from pipeline.graph import Graph, build
from pipeline.ledger import AuditLedger
from pipeline.self_metrics import serve_self_metrics
from pipeline.telemetry import Telemetry

__all__ = ["Service"]


class Service:
    """One running configuration. Entered: everything runs. Left: receivers stop, queues drain, exporters close, within
    one deadline.

    Raises on entering: `OSError` for an address or a file that cannot be used.
    """

    def __init__(self, config: Config, log: FilteringBoundLogger) -> None:
        self._config, self._log = config, log
        self._telemetry = Telemetry()
        self._deadline = Deadline(config.service.shutdown_timeout)
        audit = config.service.audit
        self._ledger = None if audit is None else AuditLedger(audit, config, self._telemetry, log)
        self._stack = AsyncExitStack()
        self._problems: dict[str, str] = {"service": "it is starting"}
        self.graph = Graph({}, {}, {}, {})
        self.self_metrics_port = 0

    def problems(self) -> Mapping[str, str]:
        """`pipeline.component.Health`."""
        return {**self._problems, **self._ledger.problems()} if self._ledger else self._problems

    def _context(self, component_id: str) -> Context:
        log = self._log.bind(component=component_id)
        return Context(component_id, self._telemetry, log, self, self._deadline, self._ledger or NoLedger())

    async def __aenter__(self) -> Self:
        for pipeline, reason in self._config.service.without_redaction().items():
            self._telemetry.unredacted(pipeline, reason)
        # In a thread: rules are read and compiled, which takes seconds.
        self.graph = await asyncio.to_thread(build, self._config, self._context)
        async with AsyncExitStack() as stack:
            if self._ledger is not None:
                await stack.enter_async_context(self._ledger)
            if (place := self._config.service.telemetry.metrics.listen) is not None:
                page = serve_self_metrics(self._telemetry, *place, self._deadline)
                self.self_metrics_port = await stack.enter_async_context(page)
            anchors = self._anchors()
            for group in (self.graph.extensions, self.graph.senders, anchors, self.graph.tickers, self.graph.receivers):
                for component in group.values():
                    await stack.enter_async_context(component)
            self._stack = stack.pop_all()
        self._problems = {}
        self._log.info("ready", receivers=list(self.graph.receivers), exporters=list(self.graph.senders))
        return self

    def _anchors(self) -> dict[str, Anchors]:
        """What sends anchors of the ledger, if there is anything to send and somewhere to send it to."""
        audit = self._config.service.audit
        if self._ledger is None or audit is None or audit.anchors is None or self.graph.anchors is None:
            return {}
        return {"anchors": Anchors(self._ledger, self.graph.anchors, audit.anchors.interval)}

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._problems = {"service": "it is draining before it stops"}
        self._deadline.start()
        self._log.info("stopping", deadline_seconds=self._deadline.remaining())
        await self._stack.aclose()
        self._log.info("stopped")

    async def until_told_to_stop(self) -> None:
        """Wait for SIGTERM or SIGINT."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await stop.wait()
