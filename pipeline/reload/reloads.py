"""What makes a daemon take another configuration: SIGHUP, the admin endpoint, and files that change.

Reloads come one after the other; whoever asks during one gets another one after it.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from config.errors import ConfigError
from config.load import Source
from config.model import Config
from pipeline.garbage import collect_all
from pipeline.logs import where
from pipeline.reload.changes import Changes, Unchangeable, changes
from pipeline.reload.origin import Origin
from pipeline.service import Service
from pipeline.serving.pages import answer

__all__ = ["Outcome", "Reloads"]

_LOOK_SECONDS = 5.0
"""How often is looked, while files are not watched, whether they are to be."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a reload: what changed, or why nothing did, with file, line and column where there are any."""

    changes: Changes | None
    problems: Sequence[str] = ()


_STOPPING = Outcome(None, ["the daemon is stopping"])


class Reloads:
    """Runs a service that is entered until it is told to stop, and reloads it from `origin` whenever it should.

    To be made before the service is entered: it offers `/-/reload` and `/-/diff` at the admin endpoint.
    """

    def __init__(
        self,
        service: Service,
        origin: Origin,
        log: FilteringBoundLogger,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._service, self._origin, self._log, self._sleep = service, origin, log.bind(component="reload"), sleep
        self._told = asyncio.Event()
        self.waiting: list[asyncio.Future[Outcome]] = []
        self._tried, self._read = service.config, b""
        self._stops = False
        service.commands.acts["/-/reload"] = self._command
        service.commands.acts["/-/diff"] = self._diff

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.want)
        self._read = await asyncio.to_thread(self._origin.digest, self._service.config)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch(), name="watch of the configuration")
            try:
                await self._serve()
            finally:
                watching.cancel()

    def want(self) -> None:
        """Have it reloaded, now or after the reload that is under way."""
        self._told.set()

    def stop(self) -> None:
        """Have `run` return; until then the deadline runs."""
        self._stops = True
        self._told.set()
        self._service.begin_to_stop()

    async def _serve(self) -> None:
        while not self._stops:
            await self._told.wait()
            self._told.clear()
            if not self._stops:
                outcome = await self.reload()
                await self._service.settle()
                if outcome.changes is not None and (outcome.changes.changed or outcome.changes.removed):
                    await asyncio.to_thread(collect_all)
        self._tell(self.waiting, _STOPPING)

    async def reload(self) -> Outcome:
        """Read the configuration and run it, if that is possible; tell whoever asked, the log, the metrics, the ledger.

        What was replaced is left by the service's `settle`.
        """
        asked, self.waiting = self.waiting, []
        outcome = await self._outcome()
        self._service.telemetry.reloaded(successful=not outcome.problems)
        if outcome.changes is not None:
            self._log.info("reloaded", kept=len(outcome.changes.kept), **outcome.changes.summary())
        else:
            self._log.error("not reloaded; the daemon goes on as before", problems=outcome.problems)
            if self._service.ledger is not None:
                await asyncio.to_thread(self._service.ledger.not_reloaded, len(outcome.problems))
        self._tell(asked, outcome)
        return outcome

    async def _outcome(self) -> Outcome:
        try:
            config = await asyncio.to_thread(self._load)
            changed = await self._service.reload(config)
        except Exception as error:
            return Outcome(None, _problems(error))
        for warning in config.warnings:
            self._log.warning(str(warning))
        return Outcome(changed)

    def _load(self) -> Config:
        # Before they are read: what changes meanwhile is seen the next time.
        self._read = self._origin.digest(self._tried)
        before, self._tried = self._tried, self._origin.load()
        if list(self._origin.files(self._tried)) != list(self._origin.files(before)):
            self._read = self._origin.digest(self._tried)
        return self._tried

    def _tell(self, asked: Sequence[asyncio.Future[Outcome]], outcome: Outcome) -> None:
        for each in asked:
            if not each.done():
                each.set_result(outcome)

    async def _watch(self) -> None:
        seen = self._read
        while True:
            interval = self._service.config.service.reload.watch_interval
            await self._sleep(interval or _LOOK_SECONDS)
            if interval:
                # Those of what was tried last, if it does not run: one change is one try.
                now = await asyncio.to_thread(self._origin.digest, self._tried)
                # Twice the same: nobody is just writing it.
                if now == seen and now != self._read:
                    self._log.info("the files of the configuration have changed")
                    self.want()
                seen = now

    async def _command(self, request: web.Request) -> web.Response:
        """`POST /-/reload`."""
        asking: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.waiting.append(asking)
        if self._stops:
            self._tell(self.waiting, _STOPPING)
        self.want()
        outcome = await asking
        if outcome.changes is None:
            return answer({"problems": outcome.problems}, 503 if self._stops else 400)
        return answer(outcome.changes)

    async def _diff(self, request: web.Request) -> web.Response:
        """`POST /-/diff`: what another configuration, which the request brings, would change."""
        try:
            sources = [_source(each) for each in orjson.loads(await request.read())["files"]]
            candidate = await asyncio.to_thread(self._origin.candidate, sources)
        except (ConfigError, OSError) as error:
            return answer({"problems": _problems(error)}, 400)
        except (ValueError, TypeError, KeyError):
            return answer({"problems": ['send {"files": [{"name": …, "text": …, "folder": …}, …]}']}, 400)
        return answer(changes(self._service.config, candidate))


def _source(file: Mapping[str, Any]) -> Source:
    return Source(str(file["name"]), str(file["text"]), Path(str(file["folder"])))


def _problems(error: Exception) -> list[str]:
    match error:
        case ConfigError():
            return [str(problem) for problem in error.problems]
        case Unchangeable():
            return error.sentences
        case OSError():
            return [": ".join([*getattr(error, "__notes__", ()), str(error)])]
    return [f"an internal error: {where(error)}"]
