"""A queue in a file against a list: whatever is done to it, restarts included, it hands out what the list does."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.batch import Signal
from pipeline.errors import Refused
from pipeline.queues import queue as machine
from pipeline.queues.queue import Entry, Lease
from tests.pipeline.queues.stored import Clock, batch, kept

T = TypeVar("T")
Name = tuple[Signal, str]
SIGNALS = st.sampled_from([Signal.TRACES, Signal.LOGS])


class QueueModel(RuleBasedStateMachine):
    """`waiting` is what should be there, in order of number; what is under way is among it."""

    @initialize(policy=st.sampled_from(["refuse", "drop_oldest", "drop_new"]), window=st.sampled_from([1, 8, 10_000]))
    def begin(self, policy: str, window: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.policy, self.window = policy, window
        self.runner = asyncio.Runner()
        self.names = 0
        self.waiting: dict[int, Name] = {}
        self.leases: list[Lease] = []
        self.unreleased: dict[int, Entry] = {}
        self.open()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        before, machine._WINDOW_BYTES = machine._WINDOW_BYTES, self.window
        try:
            return self.runner.run(work)
        finally:
            machine._WINDOW_BYTES = before

    def open(self) -> None:
        self.kept = kept(Path(self.folder.name), queue_size=12, when_full=self.policy, clock=Clock())
        self.queue = self.do(self.kept.__aenter__())

    @rule(signal=SIGNALS, released=st.booleans())
    def put(self, signal: Signal, released: bool) -> None:
        self.names += 1
        name = f"{self.names:04}"
        new = batch(name, signal=signal)
        try:
            with self.queue.room(new):
                entry = self.do(self.queue.put(new))
        except Refused:
            under_way = sum(len(lease.entries) for lease in self.leases)
            assert len(self.waiting) == 12 if self.policy == "refuse" else under_way == 12
            return
        if entry.dropped:
            assert (self.policy, len(self.waiting)) == ("drop_new", 12)
            self.queue.release(entry)
            return
        self.waiting[entry.number] = (signal, name)
        self.unreleased[entry.number] = entry
        if released:
            self.release(entry.number)
        self.settle_drops()

    def release(self, number: int) -> None:
        self.queue.release(self.unreleased.pop(number))

    def settle_drops(self) -> None:
        """The oldest that may be dropped are gone."""
        for signal, reason, items in self.kept.dropped:
            assert (reason, items) == ("queue_full", 1)
            if self.policy == "drop_oldest":
                leased = {entry.number for lease in self.leases for entry in lease.entries}
                free = (n for n, (of, _) in sorted(self.waiting.items()) if n not in leased and of.value == signal)
                del self.waiting[next(free)]
        self.kept.dropped.clear()

    @precondition(lambda self: self.unreleased)
    @rule(data=st.data(), goes=st.booleans())
    def decide(self, data: st.DataObject, goes: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.unreleased)))
        if goes:
            self.release(number)
        else:
            self.do(self.queue.withdraw(self.unreleased.pop(number)))
            del self.waiting[number]

    def ready(self) -> dict[Signal, int]:
        """What may be handed out next, of each signal."""
        leased = {entry.number for lease in self.leases for entry in lease.entries}
        heads: dict[Signal, int] = {}
        for number, (signal, _) in sorted(self.waiting.items()):
            if number not in leased:
                heads.setdefault(signal, number)
        return {signal: number for signal, number in heads.items() if number not in self.unreleased}

    @precondition(lambda self: self.ready())
    @rule()
    def take(self) -> None:
        ready = self.ready()
        lease = self.do(self.queue.take())
        assert lease is not None
        assert lease.entries[0].number in ready.values()
        assert self.waiting[lease.entries[0].number] == (lease.batch.signal, lease.batch.payload.decode())
        self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), end=st.sampled_from(["done", "back", "rest"]))
    def give(self, data: st.DataObject, end: str) -> None:
        """The last lease of a signal only: those before it are first in line again in their own order."""
        lease = data.draw(st.sampled_from(self.leases))
        of_signal = [each for each in self.leases if each.batch.signal is lease.batch.signal]
        if end != "done" and (lease is not of_signal[-1]):
            return
        self.leases.remove(lease)
        number = lease.entries[0].number
        if end == "done":
            self.do(self.queue.done(lease))
            del self.waiting[number]
        elif end == "back":
            self.do(self.queue.put_back(lease))
        else:
            signal, name = lease.batch.signal, f"{self.waiting[number][1]}-"
            self.do(self.queue.put_back(lease, [batch(name, signal=signal)]))
            self.waiting[number] = (signal, name)

    @rule()
    def restart(self) -> None:
        """What was put is there, also what was not released."""
        self.do(self.kept.__aexit__())
        self.leases, self.unreleased = [], {}
        self.open()

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "queue"):
            left = {s: sum(of is s for of, _ in self.waiting.values()) for s in Signal}
            assert self.queue.size == len(self.waiting)
            assert dict(self.queue.left()) == {signal: items for signal, items in left.items() if items}
            assert self.kept.dropped in ([], [(Signal.TRACES.value, "queue_full", 1)], [("logs", "queue_full", 1)])
            self.kept.dropped.clear()

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.do(self.kept.__aexit__())
            self.runner.close()
            self.folder.cleanup()


TestQueueModel = QueueModel.TestCase
TestQueueModel.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
