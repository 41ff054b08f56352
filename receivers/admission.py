"""Who may come in now: a bounded number of requests and bytes at once, shared fairly among clients.

A client that has more than one request leaves as much free as it has, so that there is room for the next one. Where all
places are taken, requests wait, in turn by client, so that one with a thousand connections gets no more than one with a
single connection. The waiting room is bounded too: when it is full, the client that has most in it loses its last.
Nobody waits long; who could not be admitted is `Refused` and told when to come again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pydantic import Field

from config.settings import ByteSize, Settings
from pipeline.errors import Refused
from pipeline.serving.connections import client_of

__all__ = ["Admission", "AdmissionSettings", "Place", "client_of"]

_WAITING_PER_PLACE = 10
"""So many requests may wait for each that is under way."""
_WAITING_SECONDS = 5.0
"""Clients of OTLP give up after 10 s by default; those who wait longer than this had better come again."""
_SLOW_SECONDS = 10.0
"""For so long a request may be read while others wait for room."""
_RETRY_SECONDS = 1.0


class AdmissionSettings(Settings):
    """How many requests a receiver takes at once."""

    max_concurrent_requests: int = Field(default=100, ge=1)
    """Requests that are read, processed and stored at once; ten times as many may wait up to 5 s for their turn, each
    client in turn; more are refused (429, in gRPC UNAVAILABLE, with the time to come again). 100: processing is one
    at a time, so that most of these are waiting for the disk."""
    max_concurrent_requests_per_client: int = Field(default=0, ge=0)
    """Of these, the most of one client (its address, with its name if it has one), so that a slow one cannot take every
    place. 0: as many as it leaves free: half of all for one client, half of the rest for a second."""
    max_bytes_in_flight: ByteSize = Field(default=256 * 2**20, ge=1)
    """Bytes of all requests that are being read and processed, as sent and again decompressed: 100 requests of 20 MiB
    would be more than many machines have. One client has at most as much as it leaves free, so half of it; it must be
    twice the largest request, or more."""


@dataclass(eq=False, slots=True)
class Place:
    """A request's place in `Admission`, while it is under way; `bytes` is what it holds."""

    _admission: "Admission"
    client: str
    bytes: int

    def hold(self, size: int) -> None:
        """Say how many bytes of the request are in memory, if more than it came in with.

        Raises: `Refused` if all requests together would have too many.
        """
        if size > self.bytes:
            self._admission.grow(self, size)

    def settle(self, size: int) -> None:
        """Say that the request turned out to have only `size` bytes; the rest is for others."""
        self._admission.shrink(self, size)

    @asynccontextmanager
    async def reading(self, seconds: float) -> AsyncIterator[None]:
        """Have at most `seconds` to read a request of which nobody can tell how much has come; when others wait for
        room, 10 s.

        Raises: `TimeoutError`.
        """
        since = self._admission.reading_since
        async with asyncio.timeout(seconds) as limit:
            since[limit] = asyncio.get_running_loop().time()
            try:
                yield
            finally:
                since.pop(limit, None)


@dataclass(eq=False, slots=True)
class _Waiting:
    """A request that waits for a place."""

    place: Place
    turn: asyncio.Future[None]


@dataclass(slots=True)
class _Client:
    """What one client has under way and waiting."""

    places: int = 0
    bytes: int = 0
    waiting: deque[_Waiting] = field(default_factory=deque)


class Admission:
    """The places of one server. `name` is for messages."""

    def __init__(self, name: str, settings: AdmissionSettings) -> None:
        self._name = name
        self._most = settings.max_concurrent_requests
        self._most_per_client = settings.max_concurrent_requests_per_client
        self._most_bytes = settings.max_bytes_in_flight
        self._most_waiting = self._most * _WAITING_PER_PLACE
        self._clients: dict[str, _Client] = {}
        """Those who have anything here; in the order in which it is their turn."""
        self._places = self._bytes = self._waiting = 0
        self.reading_since: dict[asyncio.Timeout, float] = {}
        """For `Place.reading`: the limit of each, and when it began; the first one first."""

    @asynccontextmanager
    async def place(self, client: str, size: int) -> AsyncIterator[Place]:
        """Wait for a place for a request of `size` bytes, as far as is known, and hold it until left.

        Raises: `Refused` if none was free in time.
        """
        place = Place(self, client, size)
        if self._waiting or not self._fits(place):
            await self._wait(place)
        else:
            self._take(place)
        try:
            yield place
        finally:
            self._give_back(place)

    def grow(self, place: Place, size: int) -> None:
        """For `Place.hold`."""
        more, client = size - place.bytes, self._clients[place.client]
        if client.bytes + more > self._most_bytes // 2 or self._bytes + more > self._most_bytes:
            raise self._refused(f"has {self._bytes} of {self._most_bytes} bytes of requests in memory")
        place.bytes = size
        client.bytes += more
        self._bytes += more

    def shrink(self, place: Place, size: int) -> None:
        """For `Place.settle`."""
        less = max(place.bytes - size, 0)
        place.bytes -= less
        self._clients[place.client].bytes -= less
        self._bytes -= less
        self._let_in()

    def _fits(self, place: Place) -> bool:
        return (
            self._places < self._most
            and self._bytes + place.bytes <= self._most_bytes
            and self._fits_client(self._clients.get(place.client), place)
        )

    def _fits_client(self, client: _Client | None, place: Place) -> bool:
        """Whether the client then has no more than is left free (but always one request): alone it has half, a second
        one half of the rest, and there is something left for the next.
        """
        if client is None or not client.places:
            return True
        left, bytes_left = self._most - self._places - 1, self._most_bytes - self._bytes - place.bytes
        return client.places < (self._most_per_client or left) and client.bytes + place.bytes <= bytes_left

    def _take(self, place: Place) -> None:
        client = self._clients.pop(place.client, None) or _Client()
        client.places += 1
        client.bytes += place.bytes
        # Whoever was served last is last in turn.
        self._clients[place.client] = client
        self._places += 1
        self._bytes += place.bytes

    def _give_back(self, place: Place) -> None:
        client = self._clients[place.client]
        client.places -= 1
        client.bytes -= place.bytes
        self._places -= 1
        self._bytes -= place.bytes
        self._forget_if_gone(place.client)
        self._let_in()

    def _forget_if_gone(self, name: str) -> None:
        client = self._clients[name]
        if not client.places and not client.waiting:
            del self._clients[name]

    async def _wait(self, place: Place) -> None:
        waiting = _Waiting(place, asyncio.get_running_loop().create_future())
        client = self._clients.setdefault(place.client, _Client())
        client.waiting.append(waiting)
        self._waiting += 1
        self._let_in()
        if self._waiting > self._most_waiting:
            self._turn_one_away(client)
        if not waiting.turn.done() and self._fits_client(client, place):
            self._make_room()
        try:
            async with asyncio.timeout(_WAITING_SECONDS):
                await waiting.turn
        except BaseException as error:
            self._leave(waiting)
            if isinstance(error, TimeoutError):
                raise self._refused(f"has been busy for {_WAITING_SECONDS:g} s") from None
            raise

    def _make_room(self) -> None:
        """Give up the request that has been read for longest, if that is long."""
        now = asyncio.get_running_loop().time()
        limit, since = next(iter(self.reading_since.items()), (None, now))
        if limit is not None and now - since >= _SLOW_SECONDS and not limit.expired():
            del self.reading_since[limit]
            limit.reschedule(now)

    def _turn_one_away(self, newest: _Client) -> None:
        """The last request of the client that has most waiting, or of the `newest` where it has as many."""
        most = max(self._clients.values(), key=lambda client: (len(client.waiting), client is newest))
        last = most.waiting.pop()
        self._waiting -= 1
        if not last.turn.done():
            last.turn.set_exception(self._refused(f"has {self._most_waiting} requests waiting"))

    def _leave(self, waiting: _Waiting) -> None:
        """Its request does not wait any longer; if it was let in at that moment, its place goes to another."""
        client = self._clients.get(waiting.place.client)
        if waiting.turn.done() and not waiting.turn.cancelled() and waiting.turn.exception() is None:
            self._give_back(waiting.place)
        elif client is not None:
            if waiting in client.waiting:
                client.waiting.remove(waiting)
                self._waiting -= 1
            self._forget_if_gone(waiting.place.client)
            self._let_in()

    def _let_in(self) -> None:
        """Give places that are free to those whose turn it is."""
        while (name := self._next()) is not None:
            waiting = self._clients[name].waiting.popleft()
            self._waiting -= 1
            if not waiting.turn.done():
                self._take(waiting.place)
                waiting.turn.set_result(None)

    def _next(self) -> str | None:
        """The client whose turn it is. One that waits until others give bytes back is not overtaken by smaller
        requests, or a large one would never get in; one that has all that one client may have is.
        """
        if self._places >= self._most or not self._waiting:
            return None
        for name, client in self._clients.items():
            if client.waiting and self._fits_client(client, client.waiting[0].place):
                return name if self._fits(client.waiting[0].place) else None
        return None

    def _refused(self, what: str) -> Refused:
        sentence = f"receiver {self._name} {what}; retry after {_RETRY_SECONDS:g} s"
        return Refused(sentence, retry_after_seconds=_RETRY_SECONDS, reason="too_many_requests")
