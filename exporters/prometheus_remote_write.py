"""Prometheus remote-write 1.0: metrics as series, pushed in the order of their times. See docs/prometheus.md.

The translation is `wire.remote_write`'s. Prometheus answers a sample that is late or there already with 400 for the
whole request: such samples are left out beforehand and counted, so that they cost nothing but themselves.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, ConfigDict, Field, field_validator
from pydantic.config import JsonDict

from config.settings import ByteSize, Seconds, Secret, Settings
from exporters.http_client import USER_AGENT, Answer, HttpExporter, HttpExporterSettings, judge
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Encoded, Request
from pipeline.errors import Refused, Rejected
from pipeline.queue import QueueSettings
from pipeline.retry import RetrySettings
from wire.prometheus_names import Strategy
from wire.remote_write import LastSent, Options, translate
from wire.remote_write_v1 import Body, metadata_bodies, series_bodies

__all__ = ["PrometheusRemoteWrite", "PrometheusRemoteWriteSettings"]

_RESERVED_HEADERS = frozenset({"content-encoding", "content-type", "user-agent", "x-prometheus-remote-write-version"})
_RETRYABLE = frozenset({429, *range(500, 600)})
"""Remote-write 1.0, Retries & Backoff: 5xx must be retried, 429 may be, no other status."""

_SERVICE_ATTRIBUTES = frozenset({"service.name", "service.namespace", "service.instance.id"})
_LABEL_NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")
_NEEDS_2_0 = frozenset({Strategy.NO_UTF8_ESCAPING_WITH_SUFFIXES, Strategy.NO_TRANSLATION})

_REMEMBERED_SERIES = 1_000_000
"""Series whose last time is remembered, about 120 bytes each once they exist: what one Prometheus can hold."""


def _with_collector_spelling(schema: JsonDict) -> None:
    properties = schema["properties"]
    assert isinstance(properties, dict)
    properties["remote_write_queue"] = properties["sending_queue"]


class RemoteWriteQueue(QueueSettings):
    """The queue before Prometheus."""

    enabled: bool = True
    """The Collector's switch. There is no way without a queue: it is what an acknowledged request is kept in."""
    num_consumers: int = Field(default=1, ge=1)
    """Requests at once: one, so that the samples of a series arrive in order."""

    @field_validator("enabled")
    @classmethod
    def _stays_on(cls, enabled: bool) -> bool:
        if not enabled:
            raise ValueError(
                "the queue cannot be switched off; it keeps what was acknowledged; limit it with queue_size"
            )
        return enabled

    @field_validator("num_consumers")
    @classmethod
    def _one_at_a_time(cls, consumers: int) -> int:
        if consumers != 1:
            raise ValueError(
                "Prometheus takes the samples of a series in order only, so requests go one after the other; "
                "leave num_consumers out or set it to 1"
            )
        return consumers


class RemoteWriteRetry(RetrySettings):
    """When a request is sent again: soon, as it holds up all that follow."""

    initial_interval: Seconds = Field(default=0.05, gt=0)
    """Wait before the first repeat; 50 ms as in the Collector."""
    multiplier: float = Field(default=2.0, ge=1)
    """How much longer each wait is than the one before; Prometheus' own sender doubles."""
    max_interval: Seconds = Field(default=5.0, gt=0)
    """The longest wait; 5 s as in Prometheus' own sender."""
    max_elapsed_time: Seconds = Field(default=300.0, ge=0)
    """Give up, drop and count after this long. 0 = never, which old receivers punish: Prometheus 2.42 answers 500, not
    400, to some samples it will never take, and one of them would block the queue for ever."""


class ResourceToTelemetry(Settings):
    """The Collector's `resource_to_telemetry_conversion`."""

    enabled: bool = False
    """Make every resource attribute a label of every series. Off: they are in `target_info`, once per target."""
    exclude_service_attributes: bool = False
    """Without `service.name`, `service.namespace` and `service.instance.id`, which are `job` and `instance` already."""


class TargetInfo(Settings):
    """The Collector's `target_info`."""

    enabled: bool = True
    """Send one `target_info` series per job and instance that carries the resource's other attributes."""


class PrometheusRemoteWriteSettings(HttpExporterSettings):
    """Settings of `prometheus_remote_write`, with the Collector's keys."""

    model_config = ConfigDict(json_schema_extra=_with_collector_spelling)

    endpoint: str
    """Whole address of the receiver, such as `http://prometheus:9090/api/v1/write`."""
    namespace: str = Field(default="", pattern="^([A-Za-z_:][A-Za-z0-9_:]*)?$")
    """Put before every metric's name, with an underscore."""
    external_labels: dict[str, str] = Field(default_factory=dict)
    """Given to every series that has no label of that name: what tells this sender's series from another's."""
    translation_strategy: Strategy | None = None
    """How names are translated: `UnderscoreEscapingWithSuffixes` (the default, unless `add_metric_suffixes` is off) or
    `UnderscoreEscapingWithoutSuffixes`."""
    add_metric_suffixes: bool = True
    """The Collector's older switch for the same: append units and `_total`."""
    send_metadata: bool = False
    """Send type, help and unit of each metric along. Off as in the Collector: Prometheus takes no notice of them."""
    disable_scope_info: bool = False
    """Leave out the `otel_scope_*` labels. The OpenTelemetry specification wants them: without them, metrics of the
    same name from two libraries of one process are the same series."""
    resource_to_telemetry_conversion: ResourceToTelemetry = ResourceToTelemetry()
    """Resource attributes as labels, all of them."""
    promote_resource_attributes: frozenset[str] = frozenset()
    """Resource attributes as labels, only these; Prometheus' key. None by default: each makes every series longer."""
    target_info: TargetInfo = TargetInfo()
    """The `target_info` series."""
    max_samples_per_send: int = Field(default=2000, ge=1)
    """Samples in one request; Prometheus' key and default."""
    max_batch_size_bytes: ByteSize = Field(default=3_000_000, ge=1000, le=32_000_000)
    """Size of one request before compression; the Collector's default. Prometheus takes up to 32 MB."""
    sending_queue: RemoteWriteQueue = Field(
        default=RemoteWriteQueue(), validation_alias=AliasChoices("sending_queue", "remote_write_queue")
    )
    """The queue before Prometheus; the Collector's `remote_write_queue` is taken too."""
    retry_on_failure: RemoteWriteRetry = RemoteWriteRetry()
    """When and how long a request that failed for now is sent again."""

    @field_validator("endpoint")
    @classmethod
    def _is_an_address(cls, endpoint: str) -> str:
        url = urlsplit(endpoint)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("give the whole address, such as http://prometheus:9090/api/v1/write")
        if url.username is not None or url.password is not None:
            raise ValueError("put no user or password into the address; set the header Authorization instead")
        return endpoint

    @field_validator("headers")
    @classmethod
    def _leaves_the_protocol_alone(cls, headers: dict[str, Secret]) -> dict[str, Secret]:
        reserved = sorted(_RESERVED_HEADERS.intersection(name.lower() for name in headers))
        if reserved:
            raise ValueError(f"the protocol sets {', '.join(reserved)} itself; leave it out")
        return headers

    @field_validator("external_labels")
    @classmethod
    def _are_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        if not all(_LABEL_NAME.fullmatch(name) for name in labels):
            raise ValueError("label names are letters, digits and underscores, no digit first, nor two underscores")
        if not all(labels.values()):
            raise ValueError("a label without a value is no label; give it one or leave it out")
        return labels

    @field_validator("translation_strategy")
    @classmethod
    def _fits_1_0(cls, strategy: Strategy | None) -> Strategy | None:
        if strategy in _NEEDS_2_0:
            raise ValueError(
                "remote-write 1.0 takes escaped names only; use UnderscoreEscapingWithSuffixes or "
                "UnderscoreEscapingWithoutSuffixes"
            )
        return strategy

    def signals(self) -> frozenset[Signal]:
        return frozenset({Signal.METRICS})

    def options(self) -> Options:
        """What of the settings is about the translation."""
        by_switch = (
            Strategy.UNDERSCORE_ESCAPING_WITH_SUFFIXES
            if self.add_metric_suffixes
            else Strategy.UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES
        )
        return Options(
            strategy=self.translation_strategy or by_switch,
            namespace=self.namespace,
            external_labels=self.external_labels,
            promote=self._promotes,
            scope_labels=not self.disable_scope_info,
            target_info=self.target_info.enabled,
        )

    def _promotes(self, key: str) -> bool:
        conversion = self.resource_to_telemetry_conversion
        if key in self.promote_resource_attributes:
            return True
        return conversion.enabled and not (conversion.exclude_service_attributes and key in _SERVICE_ATTRIBUTES)

    def build(self, context: Context) -> "PrometheusRemoteWrite":
        return PrometheusRemoteWrite(self)


class PrometheusRemoteWrite(HttpExporter):
    """Sends to one receiver, and remembers how far each series has got."""

    max_request_bytes = 0

    def __init__(self, settings: PrometheusRemoteWriteSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._options = settings.options()
        self._sent = LastSent(_REMEMBERED_SERIES)

    def encode(self, batch: Batch) -> Encoded:
        """The batch as requests of samples. They are to be sent in order, and the batch is not to be given here again:
        what has been made into a request counts as sent."""
        data: Any = batch.decode()
        translation = translate(data, self._options, self._sent)
        size = self._settings.max_batch_size_bytes
        bodies = series_bodies(translation.series, self._settings.max_samples_per_send, size)
        if self._settings.send_metadata and bodies:
            bodies = metadata_bodies(translation.families, size) + bodies
        dropped = {reason.value: points for reason, points in translation.dropped.items()}
        return Encoded(_requests(bodies, translation.points), dropped)

    async def send(self, request: Request) -> int:
        """Raises: see `pipeline.component.Exporter.send`."""
        answer = await self.post(self._settings.endpoint, request.body, _HEADERS)
        _judge(answer)
        return 0


def _requests(bodies: Sequence[Body], points: int) -> list[Request]:
    """Each body with its share of the data points: a histogram's samples may lie in several."""
    samples = sum(body.samples for body in bodies)
    requests, sent, counted = [], 0, 0
    for body in bodies:
        sent += body.samples
        share = points * sent // samples - counted if samples else 0
        counted += share
        requests.append(Request(Signal.METRICS, body.data, share))
    return requests


_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": USER_AGENT,
}

_COMPLAINTS = {
    b"out of order": "a sample is older than one that is stored",
    b"too old": "a sample is too old",
    b"out of bounds": "a time is too far in the past or in the future",
    b"duplicate sample": "a sample is stored with another value",
    b"native histograms": "native histograms are switched off",
    b"label": "a label is not accepted",
    b"metric name": "a metric's name is not accepted",
    b"snappy": "the compression is not understood",
    b"unmarshal": "the encoding is not understood",
    b"limit": "a limit of the destination is exceeded",
}
"""What receivers complain of, and how we say it: their own words are not passed on, as they quote data."""


def _judge(answer: Answer) -> None:
    """Raises: `Refused`, `Rejected`. Never `TooLarge`: a batch that was split would be translated again, to nothing."""
    try:
        judge(answer, _RETRYABLE)
    except Refused as refused:
        raise Refused(_explained(refused, answer), retry_after_seconds=refused.retry_after_seconds) from None
    except Rejected as rejected:
        raise Rejected(_explained(rejected, answer)) from None


def _explained(error: Exception, answer: Answer) -> str:
    if answer.status == 413:
        return f"{error}: the request is too large; lower max_batch_size_bytes or max_samples_per_send"
    body = answer.body[:4096].lower()
    complaint = next((ours for theirs, ours in _COMPLAINTS.items() if theirs in body), "")
    return f"{error}: {complaint}" if complaint else str(error)
