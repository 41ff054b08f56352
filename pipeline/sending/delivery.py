"""Delivers what was taken out of an exporter's queue: encoded, looked at, and sent until the destination has it or it
is given up.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field

from pipeline.batch import Batch, Signal
from pipeline.component import Context, Encoded, Exporter, Redacted, Request
from pipeline.errors import Refused, Rejected, TooLarge
from pipeline.logs import where
from pipeline.queues.dead_letters import DeadLetters
from pipeline.sending.egress import Findings
from pipeline.sending.retry import RetrySettings

__all__ = ["Delivery", "Left"]


class Left(Exception):
    """Sending is stopped before the destination has everything: the rest stays in the queue."""


class _Unchecked(Exception):
    """The egress check could not look at a request; the message says where it failed."""


@dataclass(slots=True)
class _Stopped:
    """What the egress check stopped of one batch: items, and how much of them by rule."""

    items: int = 0
    rules: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Items that will not arrive, and why: a word of the code, and a sentence."""

    items: int
    reason: str
    sentence: str


@dataclass(slots=True)
class Delivery:
    """How one exporter delivers; all of its workers share it. Encoding and the egress check run in `executor`.

    A request is given up `patience` seconds after its first try. `pause` waits before it is sent again, and raises
    `Left` where that is to be left to another time. `delivered` counts requests that the destination took. While it
    takes none, `trouble` says why, and `since`, by `clock`, from when.
    """

    context: Context
    exporter: Exporter
    encodes_once: bool
    check: Callable[[Request], Findings]
    retry: RetrySettings
    patience: float
    dead_letters: DeadLetters | None
    executor: Executor
    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    delivered: int = 0
    trouble: str = ""
    since: float = 0.0

    async def deliver(self, parts: list[Batch], ends: float) -> None:
        """Deliver batches of one signal in order, or give them up: what is settled is taken out of `parts`. At `ends`
        (by the clock) they are too old to be sent again.

        Raises: `Left`. Then, and when it is cancelled, `parts` is what is still to be sent.
        """
        stopped, signal = _Stopped(), parts[0].signal
        try:
            while parts:
                parts[:1] = await self._settle(parts[0], ends, stopped)
        finally:
            self._tell(stopped, signal)

    async def _settle(self, batch: Batch, ends: float, stopped: _Stopped) -> Sequence[Batch]:
        """Deliver one part. Returns the halves of it that are to be delivered instead, if it was too much at once."""
        loop = asyncio.get_running_loop()
        try:
            encoded, findings = await loop.run_in_executor(self.executor, self._checked, batch)
        except Rejected as error:
            await self._give_up(batch, [_Failure(batch.items, "rejected", str(error))])
            return ()
        except _Unchecked as error:
            self._drop(batch.signal, _Failure(batch.items, "internal_error", str(error)))
            return ()
        except Exception as error:
            await self._give_up(batch, [_Failure(batch.items, "internal_error", where(error))])
            return ()
        if any(findings) and batch.items > 1 and not self.encodes_once:
            return _halves(batch)
        lanes: dict[int, list[Request]] = {}
        for request, found in zip(encoded.requests, findings, strict=True):
            if found:
                self._stop(request, found, stopped)
            else:
                lanes.setdefault(request.lane, []).append(request)
        failures: list[_Failure] = []
        try:
            await self._send_lanes(lanes, ends, failures, len(encoded.requests) == 1 and batch.items > 1)
        except TooLarge:
            return _halves(batch)
        for reason, items in encoded.dropped.items():
            self.context.telemetry.dropped(self.context.id, batch.signal, reason, items)
        await self._give_up(batch, failures, is_clean=not any(findings))
        return ()

    def _checked(self, batch: Batch) -> tuple[Encoded, list[Findings]]:
        """The requests of a batch, and what each says that should not leave."""
        encoded = self.exporter.encode(batch)
        try:
            return encoded, [self.check(request) for request in encoded.requests]
        except Exception as error:
            raise _Unchecked(where(error)) from None

    async def _send_lanes(
        self, lanes: Mapping[int, Sequence[Request]], ends: float, failures: list[_Failure], can_be_halved: bool
    ) -> None:
        """All lanes at once, each in order. Raises: `TooLarge` for the only request of a batch that can be halved,
        `Left`.
        """
        if len(lanes) <= 1:
            for requests in lanes.values():
                await self._send_lane(requests, ends, failures, can_be_halved)
            return
        try:
            async with asyncio.TaskGroup() as group:
                for lane, requests in lanes.items():
                    work = self._send_lane(requests, ends, failures, False)
                    group.create_task(work, name=f"{self.context.id} lane {lane}")
        except* Left:
            raise Left from None

    async def _send_lane(
        self, requests: Sequence[Request], ends: float, failures: list[_Failure], can_be_halved: bool
    ) -> None:
        for request in requests:
            try:
                failure = await self._send(request, ends)
            except TooLarge as error:
                if can_be_halved:
                    raise
                failure = _Failure(request.items, "too_large", str(error))
            if failure is not None:
                failures.append(failure)

    async def _send(self, request: Request, ends: float) -> _Failure | None:
        """Send one request as often as it takes. Raises: `TooLarge`, `Left`."""
        started, attempt = self.clock(), 0
        while True:
            try:
                rejected = await self.exporter.send(request)
            except Refused as refusal:
                self._takes_nothing(str(refusal))
                delay = self.retry.delay(attempt, refusal.retry_after_seconds)
                resumes = self.clock() + delay
                if resumes > ends:
                    return _Failure(request.items, "too_old", f"{refusal}; it is older than max_age of the queue")
                if resumes - started >= self.patience:
                    return _Failure(request.items, "retries_exhausted", str(refusal))
                self.context.log.warning("sending again", reason=str(refusal), delay_seconds=round(delay, 3))
                await self.pause(delay)
                attempt += 1
            except Rejected as error:
                if isinstance(error, TooLarge):
                    raise
                self._takes_nothing(str(error))
                return _Failure(request.items, "rejected", str(error))
            except Exception as error:
                return _Failure(request.items, "internal_error", where(error))
            else:
                self._sent(request, rejected)
                return None

    def _takes_nothing(self, sentence: str) -> None:
        if not self.trouble:
            self.since = self.clock()
        self.trouble = sentence

    def _sent(self, request: Request, rejected: int) -> None:
        self.delivered += 1
        self.trouble = ""
        rejected = min(rejected, request.items)
        self.context.telemetry.sent(self.context.id, request.signal, request.items - rejected)
        if rejected:
            # Which of them it did not take is not said, so there is nothing to keep.
            self._drop(request.signal, _Failure(rejected, "partial_success", "the destination took the rest"))

    async def _give_up(self, batch: Batch, failures: Sequence[_Failure], *, is_clean: bool = True) -> None:
        """Keep a batch of which something will not arrive as a dead letter, where there are any and nothing in it was
        stopped; what is too old by the operator's own limit is not kept.
        """
        kept = self.dead_letters if is_clean else None
        worth = [each for each in failures if each.reason != "too_old"]
        if kept is not None and worth:
            try:
                await kept.add(batch, worth[0].reason, worth[0].sentence)
            except Refused:
                kept = None  # What keeps it from being written is said by whoever cannot write it.
        for failure in failures:
            if kept is None or failure not in worth:
                self._drop(batch.signal, failure)
            else:
                self._bury(batch.signal, failure)

    def _drop(self, signal: Signal, failure: _Failure) -> None:
        me, telemetry = self.context.id, self.context.telemetry
        telemetry.send_failed(me, signal, failure.items)
        telemetry.dropped(me, signal, failure.reason, failure.items)
        self._log("dropped", signal, failure)

    def _bury(self, signal: Signal, failure: _Failure) -> None:
        me, telemetry = self.context.id, self.context.telemetry
        telemetry.send_failed(me, signal, failure.items)
        telemetry.dead_lettered(me, signal, failure.reason, failure.items)
        self._log("kept as a dead letter", signal, failure)

    def _log(self, event: str, signal: Signal, failure: _Failure) -> None:
        self.context.log.error(
            event, signal=signal.value, items=failure.items, reason=failure.reason, cause=failure.sentence
        )

    def _stop(self, request: Request, found: Findings, stopped: _Stopped) -> None:
        """Put on record that a request is not sent."""
        me, telemetry, signal = self.context.id, self.context.telemetry, request.signal
        telemetry.send_failed(me, signal, request.items)
        telemetry.dropped(me, signal, "egress_check", request.items)
        for rule, count in found.items():
            telemetry.redacted(rule, signal, "stop", count)
        with suppress(Refused):  # Nothing is passed on here; the drop is in the ledger as soon as it can be written.
            counts = {Redacted(rule, "stop", "request"): count for rule, count in found.items()}
            self.context.ledger.redacted("", me, signal, b"", counts)
        stopped.items += request.items
        stopped.rules.update(found)

    def _tell(self, stopped: _Stopped, signal: Signal) -> None:
        """One line for all of a batch: where redaction does not work, every item may be stopped."""
        if stopped.rules:
            rules = ", ".join(sorted(stopped.rules))
            self.context.log.error(
                "the egress check stopped what redaction should have taken out; see which pipeline lets it through",
                signal=signal.value,
                items=stopped.items,
                rules=rules,
            )


def _halves(batch: Batch) -> Sequence[Batch]:
    return batch.split(max_items=(batch.items + 1) // 2)
