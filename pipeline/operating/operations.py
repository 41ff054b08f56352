"""What operators can see and do about queues and dead letters: of a running daemon over its admin endpoint, of one that
has stopped by its files.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web

from pipeline.batch import Signal
from pipeline.errors import Refused
from pipeline.operating.admin import Commands
from pipeline.queues.dead_letters import DeadLetters, Letters
from pipeline.queues.queue import Queue
from pipeline.serving.pages import answer
from pipeline.telemetry import Telemetry

__all__ = ["Operating", "Purged", "Shown", "ShownLetters", "Told"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """A queue; `items_left` is by signal."""

    exporter: str
    durable: bool
    requests: int
    items: int
    bytes: int
    items_left: Mapping[Signal, int]
    problem: str


@dataclass(frozen=True, slots=True)
class ShownLetters:
    """Dead letters of one exporter."""

    exporter: str
    letters: list[Letters]


@dataclass(frozen=True, slots=True)
class Told:
    """How many letters and items of an exporter are in its queue again; `stopped` says why it was not all."""

    exporter: str
    letters: int
    items: int
    stopped: str


@dataclass(frozen=True, slots=True)
class Purged:
    """How many items of an exporter are gone, and how many of its queue are left, because they are being sent or cannot
    be read now.
    """

    exporter: str
    items: int
    left: int = 0


class Operating:
    """Acts on the queues and dead letters that `queues` and `letters` give, by the exporter's id. Every method is for
    one `exporter`, or for all. Raises: `KeyError` for one that is not there.
    """

    def __init__(
        self,
        queues: Callable[[], Mapping[str, Queue]],
        letters: Callable[[], Mapping[str, DeadLetters]],
        telemetry: Telemetry,
    ) -> None:
        self._queues, self._letters, self._telemetry = queues, letters, telemetry

    async def queues(self, exporter: str | None = None, reason: str | None = None) -> list[Shown]:
        """What waits."""
        return [
            Shown(each, queue.is_durable, load.requests, load.items, load.bytes, dict(queue.left()), queue.problem)
            for each, queue in _chosen(self._queues(), exporter).items()
            for load in [queue.load]
        ]

    async def dead_letters(self, exporter: str | None = None, reason: str | None = None) -> list[ShownLetters]:
        """What is kept as dead letters."""
        return [ShownLetters(each, kept.letters()) for each, kept in _chosen(self._letters(), exporter).items()]

    async def replay(self, exporter: str | None = None, reason: str | None = None) -> list[Told]:
        """Put dead letters, or those of one reason, back into their queues."""
        told, queues = [], self._queues()
        for each, kept in _chosen(self._letters(), exporter).items():
            done = await kept.replay(queues[each], reason)
            told.append(Told(each, done.letters, done.items, done.stopped))
        return told

    async def purge_dead_letters(self, exporter: str | None = None, reason: str | None = None) -> list[Purged]:
        """Let dead letters, or those of one reason, go for good."""
        letters = _chosen(self._letters(), exporter)
        return [Purged(each, await kept.purge(reason)) for each, kept in letters.items()]

    async def purge_queues(self, exporter: str | None = None, reason: str | None = None) -> list[Purged]:
        """Forget what waits, but for what is being sent."""
        return [await self._purge(each, queue) for each, queue in _chosen(self._queues(), exporter).items()]

    async def _purge(self, exporter: str, queue: Queue) -> Purged:
        items = 0
        with suppress(Refused):  # What cannot be read now is left, and told as such.
            while (lease := await queue.take_now()) is not None:
                batch = lease.batch
                await queue.done(lease)
                self._telemetry.dropped(exporter, batch.signal, "purged", batch.items)
                items += batch.items
        return Purged(exporter, items, sum(queue.left().values()))

    def register(self, commands: Commands) -> None:
        """Offer all of it at the admin endpoint."""
        commands.looks["/-/queues"] = _command(self.queues)
        commands.looks["/-/deadletter"] = _command(self.dead_letters)
        commands.acts["/-/queues/purge"] = _command(self.purge_queues)
        commands.acts["/-/deadletter/replay"] = _command(self.replay)
        commands.acts["/-/deadletter/purge"] = _command(self.purge_dead_letters)


def _chosen(things: Mapping[str, T], exporter: str | None) -> Mapping[str, T]:
    return dict(things) if exporter is None else {exporter: things[exporter]}


def _command(
    do: Callable[[str | None, str | None], Awaitable[object]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def command(request: web.Request) -> web.Response:
        try:
            return answer(await do(request.query.get("exporter"), request.query.get("reason")))
        except KeyError:
            return answer({"error": "there is no such exporter, or it has no such thing"}, 404)

    return command
