"""Prometheus remote-write 1.0 and 2.0: metrics as series, pushed in the order of their times. See docs/prometheus.md.

The translation is `wire.remote_write`'s. Prometheus answers a sample that is late or there already with 400, and 1.0
then takes nothing of the whole request: such samples are left out beforehand and counted, and where it still complains
the request is halved until only the bad series are left.

Where a request is sent again of which no answer was heard, `out of order` means that the receiver has it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary, WeakSet

from exporters.http_client import USER_AGENT, Answer, HttpExporter, NoAnswer
from exporters.prometheus_remote_write_answers import (
    complaint,
    has_bad_series,
    is_not_understood,
    is_out_of_order,
    raise_for,
    rejection,
    written,
)
from exporters.prometheus_remote_write_settings import Message, RemoteWriteSettings
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Encoded, Request
from wire.prometheus_names import escape
from wire.remote_write import Translator
from wire.remote_write_bodies import as_1_0, halves
from wire.remote_write_labels import METRIC_NAME
from wire.remote_write_requests import Body, metadata_bodies, series_bodies

__all__ = ["PrometheusRemoteWrite", "PrometheusRemoteWriteSettings", "WriteRequest"]

_MOST_FAILURES = 100
"""So many series refused by themselves, and none taken: the fault is another; nothing is halved further."""


class PrometheusRemoteWriteSettings(RemoteWriteSettings):
    """Settings of `prometheus_remote_write`, with the Collector's keys."""

    def build(self, context: Context) -> "PrometheusRemoteWrite":
        return PrometheusRemoteWrite(self, context)


@dataclass(frozen=True, slots=True, repr=False, eq=False, weakref_slot=True)
class WriteRequest(Request):
    """A request of version 2.0 if `two`, with so many samples."""

    two: bool = False
    samples: int = 0


class PrometheusRemoteWrite(HttpExporter):
    """Sends to one receiver, and remembers how far each series has got."""

    max_request_bytes = 0

    def __init__(self, settings: RemoteWriteSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._settings, self._context = settings, context
        self._two = settings.protobuf_message is Message.V2
        self._translator = Translator(settings.options(two=self._two), two=self._two)
        self._unheard: WeakSet[WriteRequest] = WeakSet()
        """Requests that were sent without an answer: when they are sent again, the receiver may have them."""
        self._taken: WeakKeyDictionary[WriteRequest, set[bytes]] = WeakKeyDictionary()
        """Parts of requests that the receiver has, from searches for bad series: they are not sent to it again."""
        self._headers = {two: {**_HEADERS[two], **settings.authorization_header()} for two in (False, True)}
        context.telemetry.series_cache(context.id, lambda: self._translator.hit_ratio, lambda: self._translator.size)

    def encode(self, batch: Batch) -> Encoded:
        """The batch as requests of samples. They are to be sent in order within a lane, and the batch is not to be
        given here again: what has been made into a request counts as sent."""
        translator = self._translator
        two = translator.two
        translation = translator.translate(batch.payload)
        size = self._settings.max_batch_size_bytes
        bodies = series_bodies(translation.runs, self._settings.max_samples_per_send, size, two=two)
        dropped = {reason.value: points for reason, points in translation.dropped.items()}
        requests = _requests(bodies, self._settings.max_batch_request_parallelism, two)
        if self._settings.send_metadata and bodies and not two:
            requests = _requests(metadata_bodies(translation.families, size), 1, two) + requests
        return Encoded(requests, dropped)

    async def send(self, request: Request) -> int:
        """Raises: see `pipeline.component.Exporter.send`."""
        assert isinstance(request, WriteRequest)
        if request.two and not self._two:
            return await self._send_as_1_0(request)
        answer = await self._post_whole(request, request.body, two=request.two)
        if request.two and is_not_understood(answer):
            self._fall_back()
            return await self._send_as_1_0(request)
        if request.two and answer.status < 500 and (stored := written(answer.headers)) is not None:
            return self._partly(request, stored, answer)
        return await self._judge(request, request.body, answer, two=request.two)

    async def _post_whole(self, request: WriteRequest, body: bytes, *, two: bool) -> Answer:
        try:
            return await self._post(body, two=two)
        except NoAnswer:
            self._unheard.add(request)
            raise

    async def _post(self, body: bytes, *, two: bool) -> Answer:
        return await self.post(self._settings.endpoint, body, self._headers[two])

    def _fall_back(self) -> None:
        if self._two:
            self._context.log.warning("the destination does not take remote-write 2.0; sending 1.0 from now on")
            self._two = False
            self._translator = self._translator.for_1_0(self._settings.options(two=False))

    async def _send_as_1_0(self, request: WriteRequest) -> int:
        body, left_out = await asyncio.to_thread(as_1_0, request.body, self._renamed)
        answer = await self._post_whole(request, body, two=False)
        rejected = await self._judge(request, body, answer, two=False)
        return min(rejected + left_out, request.items)

    def _renamed(self, name: str, value: str) -> tuple[str, str]:
        naming = self._settings.naming(two=False)
        if naming.strategy.escapes:
            return name, value
        if name == METRIC_NAME:
            return name, escape(value, naming.escaping, colons=True)
        return escape(name, naming.escaping, colons=False), value

    def _partly(self, request: WriteRequest, stored: int, answer: Answer) -> int:
        """The points of a request of 2.0 that were not stored: the receiver keeps the good ones, and says how many."""
        if request in self._unheard and is_out_of_order(answer):
            return 0
        if not stored:
            raise_for(answer)
        missing = _share(request.items, max(request.samples - stored, 0), request.samples)
        if missing:
            self._complain(answer)
        return missing

    async def _judge(self, request: WriteRequest, body: bytes, answer: Answer, *, two: bool) -> int:
        """The points of a body that the receiver will never take; the others are sent again without them."""
        if not has_bad_series(answer):
            raise_for(answer)
            return 0
        search = _Search(request, request in self._unheard, self._taken.setdefault(request, set()))
        rejected = await self._halve(body, answer, two, search)
        if rejected == search.series:
            raise rejection(answer)
        if rejected:
            self._complain(answer)
        return _share(request.items, rejected, search.series)

    async def _halve(self, body: bytes, answer: Answer, two: bool, search: "_Search") -> int:
        """How many series of a body, which was answered so as a whole, are refused by themselves."""
        parts = await asyncio.to_thread(halves, body, two=two)
        series = sum(count for _, count in parts)
        search.series = search.series or series
        if series < 2 or search.is_over:
            search.failures += 1
            return 0 if search.is_repeat and is_out_of_order(answer) else series
        rejected = 0
        for part, _ in parts:
            if part in search.taken:
                continue
            answer = await self._post_whole(search.request, part, two=two)
            if has_bad_series(answer):
                rejected += await self._halve(part, answer, two, search)
            else:
                raise_for(answer)
                search.taken.add(part)
        return rejected

    def _complain(self, answer: Answer) -> None:
        why = complaint(answer) or "it did not say why"
        self._context.log.warning("a part of a request was not taken", status=answer.status, complaint=why)


class _Search:
    """A search for bad series: how many there are in the request, how many were refused, which parts were taken."""

    def __init__(self, request: WriteRequest, is_repeat: bool, taken: set[bytes]) -> None:
        self.request, self.is_repeat, self.taken = request, is_repeat, taken
        self.series = self.failures = 0

    @property
    def is_over(self) -> bool:
        return self.failures >= _MOST_FAILURES and not self.taken


def _requests(bodies: Sequence[Body], lanes: int, two: bool) -> list[Request]:
    """Each body in the next lane, but one that goes on with a series in the lane of the body before."""
    requests: list[Request] = []
    lane = -1
    for body in bodies:
        lane = lane if body.goes_on else (lane + 1) % lanes
        requests.append(WriteRequest(Signal.METRICS, body.data, body.points, lane, two, body.samples))
    return requests


def _share(items: int, part: int, whole: int) -> int:
    """So much of the items as `part` is of `whole`, rounded up."""
    return -(-items * part // whole)


_COMMON = {"Content-Encoding": "snappy", "User-Agent": USER_AGENT}
_HEADERS = {
    False: {
        **_COMMON,
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    },
    True: {
        **_COMMON,
        "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        "X-Prometheus-Remote-Write-Version": "2.0.0",
    },
}
"""By version: is it 2.0?"""
