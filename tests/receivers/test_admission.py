"""Who gets a place, in which order, and who is turned away."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Refused
from receivers.admission import Admission, AdmissionSettings, Place, client_of


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request gives up because a machine is slow."""
    monkeypatch.setattr("receivers.admission._WAITING_SECONDS", 3600.0)


class Requests:
    """Requests that come in and go when they are told to."""

    def __init__(self, **written: object) -> None:
        self.admission = Admission("otlp", AdmissionSettings.model_validate(written))
        self.served: list[str] = []
        self.places: list[Place] = []
        self.refused: Counter[str] = Counter()
        self.gates: list[asyncio.Event] = []
        self._group = asyncio.TaskGroup()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Requests"]:
        async with self._group:
            yield self
            while self.gates:
                await self.finish()

    async def come(self, client: str, size: int = 0) -> "asyncio.Task[None]":
        task = self._group.create_task(self._request(client, size), name=client)
        await settle()
        return task

    async def finish(self, which: int = 0) -> None:
        """The request that has had its place for longest goes."""
        self.gates[which].set()
        await settle()

    async def _request(self, client: str, size: int) -> None:
        try:
            async with self.admission.place(client, size) as place:
                self.served.append(client)
                self.places.append(place)
                self.gates.append(gate := asyncio.Event())
                try:
                    await gate.wait()
                finally:
                    self.gates.remove(gate)
        except Refused:
            self.refused[client] += 1


async def settle() -> None:
    """Let everybody run who can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_flooding_client_cannot_starve_another() -> None:
    """With hundreds of requests of one client waiting, those of two others are served in turn with its own."""
    async with Requests(max_concurrent_requests=4, max_concurrent_requests_per_client=4).open() as requests:
        for _ in range(40):
            await requests.come("flood")
        for client in ("b", "c", "b"):
            await requests.come(client)
        for _ in range(6):
            await requests.finish()
        assert requests.served[4:10] == ["flood", "b", "c", "flood", "b", "flood"]


async def test_a_full_waiting_room_takes_from_who_has_most() -> None:
    """Ten times as many may wait as are served; one more costs the flood its last, never the other clients."""
    async with Requests(max_concurrent_requests=2).open() as requests:
        for _ in range(30):
            await requests.come("flood")
        assert requests.refused == {"flood": 30 - 20 - 1}
        for client in "abcdefgh":
            await requests.come(client)
        assert requests.served == ["flood", "a"]
        assert requests.refused == {"flood": 9 + 7}


async def test_one_client_cannot_have_every_place() -> None:
    """Half of them by default, however slow it is."""
    async with Requests(max_concurrent_requests=10).open() as requests:
        for _ in range(9):
            await requests.come("slow")
        await requests.come("other")
        assert Counter(requests.served) == {"slow": 5, "other": 1}


async def test_there_is_room_for_the_next_client() -> None:
    """Each has as much as it leaves free, so that a second slow one does not take what the first one left."""
    async with Requests(max_concurrent_requests=20, max_bytes_in_flight=256).open() as requests:
        for client in "abcde":
            for _ in range(20):
                await requests.come(client, 1)
        assert Counter(requests.served) == {"a": 10, "b": 5, "c": 2, "d": 1, "e": 1}
    async with Requests(max_bytes_in_flight=256).open() as requests:
        for client in "abcde":
            for _ in range(20):
                await requests.come(client, 20)
        assert Counter(requests.served) == {"a": 6, "b": 3, "c": 1, "d": 1, "e": 1}


async def test_a_limit_for_clients() -> None:
    """Where one is written it counts instead: one client can then have all places."""
    async with Requests(max_concurrent_requests=4, max_concurrent_requests_per_client=4).open() as requests:
        for _ in range(5):
            await requests.come("only")
        assert requests.served == ["only"] * 4


async def test_slow_ones_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has been sending for long goes on while nobody needs the room; then the one that is slowest gives it up."""
    monkeypatch.setattr("receivers.admission._SLOW_SECONDS", 3600.0)
    given_up: list[str] = []

    async def read(requests: Requests, client: str) -> None:
        async with requests.admission.place(client, 50) as place:
            requests.served.append(client)
            try:
                async with place.reading(3600.0):
                    await asyncio.Event().wait()
            except TimeoutError:
                given_up.append(client)

    requests = Requests(max_bytes_in_flight=100)
    async with requests.open(), asyncio.TaskGroup() as group:
        reading = [group.create_task(read(requests, client), name=client) for client in "ab"]
        await settle()
        await requests.come("early", 50)
        assert (requests.served, given_up) == (["a", "b"], [])
        monkeypatch.setattr("receivers.admission._SLOW_SECONDS", 0.0)
        await requests.come("early", 50)
        assert (requests.served, given_up) == (["a", "b", "early"], ["a"])
        reading[1].cancel()
    assert (requests.admission.reading_since, requests.admission._clients) == ({}, {})


async def test_nobody_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the longest wait a request is refused, with a hint when to come again; it leaves nothing behind."""
    monkeypatch.setattr("receivers.admission._WAITING_SECONDS", 0.0)
    async with Requests(max_concurrent_requests=1).open() as requests:
        await requests.come("a")
        with pytest.raises(Refused) as caught:
            async with requests.admission.place("b", 0):
                pass
        assert str(caught.value) == "receiver otlp has been busy for 0 s; retry after 1 s"
        assert (caught.value.retry_after_seconds, caught.value.reason) == (1.0, "too_many_requests")
        assert list(requests.admission._clients) == ["a"]


async def test_bytes_are_bounded() -> None:
    """What would be too much waits, and is not overtaken."""
    async with Requests(max_bytes_in_flight=100).open() as requests:
        for client, size in (("a", 50), ("b", 40), ("c", 50), ("d", 1)):
            await requests.come(client, size)
        assert requests.served == ["a", "b"]
        await requests.finish()
        assert requests.served == ["a", "b", "c", "d"]


async def test_one_client_cannot_have_all_bytes() -> None:
    """Half of them is the most."""
    async with Requests(max_bytes_in_flight=100).open() as requests:
        for client, size in (("a", 30), ("a", 30), ("b", 60)):
            await requests.come(client, size)
        assert requests.served == ["a", "b"]


async def test_requests_that_grow() -> None:
    """A body that becomes too large for all together is refused; what it held is given back."""
    async with Requests(max_bytes_in_flight=100).open() as requests:
        await requests.come("a", 10)
        requests.places[0].hold(50)
        requests.places[0].hold(20)
        assert requests.places[0].bytes == 50
        with pytest.raises(Refused, match="receiver otlp has 50 of 100 bytes of requests in memory"):
            requests.places[0].hold(51)
        for client in "bc":
            await requests.come(client, 20)
        with pytest.raises(Refused, match="receiver otlp has 90 of 100 bytes of requests in memory"):
            requests.places[2].hold(31)
        await requests.come("d", 10)
        assert requests.served == ["a", "b", "c", "d"]


async def test_requests_that_are_smaller_than_thought() -> None:
    """What they do not need is there for those who wait."""
    async with Requests(max_bytes_in_flight=100).open() as requests:
        for client in "abc":
            await requests.come(client, 50)
        assert requests.served == ["a", "b"]
        requests.places[0].settle(10)
        requests.places[0].settle(30)
        await settle()
        assert (requests.served, requests.places[0].bytes) == (["a", "b"], 10)
        requests.places[1].settle(40)
        await settle()
        assert requests.served == ["a", "b", "c"]


@pytest.mark.parametrize("when", ["waiting", "let in", "served"])
async def test_clients_that_go_away(when: str) -> None:
    """A request that is cancelled, at whatever moment, gives its place to the next."""
    async with Requests(max_concurrent_requests=1).open() as requests:
        first = await requests.come("a")
        second = await requests.come("b")
        await requests.come("c")
        if when == "waiting":
            second.cancel()
        elif when == "let in":
            requests.gates[0].set()
            await asyncio.sleep(0)
            second.cancel()
        else:
            first.cancel()
        await settle()
        if when == "waiting":
            await requests.finish()
        assert requests.served[-1] == ("b" if when == "served" else "c")
    assert requests.admission._clients == {}


@given(st.lists(st.one_of(st.tuples(st.sampled_from("abc"), st.integers(0, 60)), st.integers(0, 5)), max_size=60))
def test_never_too_many(steps: list[tuple[str, int] | int]) -> None:
    """Whatever comes, goes and is cancelled: limits hold, and at the end nothing is left."""

    async def run() -> None:
        requests = Requests(max_concurrent_requests=4, max_bytes_in_flight=100)
        tasks = []
        async with requests.open():
            for step in steps:
                if isinstance(step, tuple):
                    tasks.append(await requests.come(*step))
                elif step < len(requests.gates):
                    await requests.finish(step)
                elif tasks:
                    tasks.pop(step % len(tasks)).cancel()
                    await settle()
                counted = requests.admission
                holding = [client for client in counted._clients.values() if client.places]
                assert counted._places == sum(client.places for client in holding) <= 4
                assert all(client.places <= 2 for client in holding)
                assert counted._bytes <= 100
                assert counted._waiting == sum(len(each.waiting) for each in counted._clients.values()) <= 40
        assert (requests.admission._clients, requests.admission._bytes) == ({}, 0)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        (None, ""),
    ],
)
def test_clients_are_addresses(address: str | None, client: str) -> None:
    """An IPv6 client is its /64; a unix socket's are all one."""
    assert client_of(address) == client


async def test_places_are_free_after_errors() -> None:
    """Whatever is raised while a request has a place."""
    admission = Admission("otlp", AdmissionSettings(max_concurrent_requests=1))
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            async with admission.place("a", 5):
                raise ValueError("no")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(admission.place("a", 5))
