"""The settings of `prometheus_remote_write`. See docs/prometheus.md."""

import base64
from enum import StrEnum
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, ConfigDict, Field, field_validator, model_validator
from pydantic.config import JsonDict

from config.settings import ByteSize, Seconds, Secret, Settings
from exporters.http_client import HttpExporterSettings
from exporters.prometheus_settings import Labels, ResourceLabels, strategy
from pipeline.batch import Batch, Signal
from pipeline.component import ProcessorSettings, Request
from pipeline.queues.queue import QueueSettings
from pipeline.sending.retry import RetrySettings
from processors.delta_to_cumulative import DeltaToCumulativeSettings
from wire.prometheus_names import Escaping, Naming, Strategy
from wire.remote_write import Options
from wire.sent_remote_write import said

__all__ = ["Message", "RemoteWriteSettings"]

_RESERVED_HEADERS = frozenset({"content-encoding", "content-type", "user-agent", "x-prometheus-remote-write-version"})


class Message(StrEnum):
    """The values of `protobuf_message`, as Prometheus and the Collector have them."""

    V1 = "prometheus.WriteRequest"
    V2 = "io.prometheus.write.v2.Request"


def _with_collector_spelling(schema: JsonDict) -> None:
    properties = schema["properties"]
    assert isinstance(properties, dict)
    properties["remote_write_queue"] = properties["sending_queue"]


class RemoteWriteQueue(QueueSettings):
    """The queue before Prometheus."""

    num_consumers: int = Field(default=1, ge=1)
    """Requests at once: one, so that the samples of a series arrive in order."""

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
    max_elapsed_time: Annotated[Seconds, Field(ge=0)] | None = None
    """Give up after this long; 0 = never. By default never where the queue is on disk, and after 300 s where it is in
    memory. Prometheus before 2.50 answers 500, not 400, to some samples it will never take; those that are known are
    not sent again, and before a receiver with others of them this is the limit to set."""


class TargetInfo(Settings):
    """The Collector's `target_info`."""

    enabled: bool = True
    """Send one `target_info` series per job and instance that carries the resource's other attributes."""


class BasicAuth(Settings):
    """Prometheus' `basic_auth`."""

    username: str
    """Sent with every request."""
    password: Secret = Secret("")
    """The password that goes with it."""


class Authorization(Settings):
    """Prometheus' `authorization`."""

    type: str = "Bearer"
    """The first word of the header `Authorization`."""
    credentials: Secret
    """What follows: the token."""


class RemoteWriteSettings(HttpExporterSettings):
    """Settings of `prometheus_remote_write`, with the Collector's keys."""

    model_config = ConfigDict(json_schema_extra=_with_collector_spelling)
    encodes_once: ClassVar[bool] = True

    endpoint: str
    """Whole address of the receiver, such as `http://prometheus:9090/api/v1/write`."""
    protobuf_message: Message = Message.V1
    """`prometheus.WriteRequest` is remote-write 1.0, which every receiver takes; the default of Prometheus and of the
    Collector. `io.prometheus.write.v2.Request` is 2.0, with types, start times and custom buckets; a receiver that does
    not take it is sent 1.0 from then on."""
    basic_auth: BasicAuth | None = None
    """User and password."""
    authorization: Authorization | None = None
    """A token."""
    namespace: str = Field(default="", pattern="^([A-Za-z_:][A-Za-z0-9_:]*)?$")
    """Put before every metric's name, with an underscore."""
    external_labels: Labels = Field(default_factory=dict)
    """Given to every series that has no label of that name: what tells this sender's series from another's."""
    translation_strategy: Strategy | None = None
    """How names are translated: `UnderscoreEscapingWithSuffixes` (the default, unless `add_metric_suffixes` is off),
    `UnderscoreEscapingWithoutSuffixes`, `NoUTF8EscapingWithSuffixes` or `NoTranslation`."""
    escaping: Escaping = Escaping.UNDERSCORES
    """How the names of the last two are written over remote-write 1.0, which has letters, digits and underscores only:
    Prometheus' schemes. `allow-utf-8` leaves them as they are, which Prometheus 3 takes over 1.0 too."""
    add_metric_suffixes: bool = True
    """The Collector's older switch for the same: append units and `_total`."""
    send_metadata: bool = False
    """Send type, help and unit of each metric in requests of their own over 1.0. Off as in the Collector: Prometheus
    takes no notice of them. Over 2.0 they are with each series, always."""
    disable_scope_info: bool = False
    """Leave out the `otel_scope_*` labels. The OpenTelemetry specification wants them: without them, metrics of the
    same name from two libraries of one process are the same series."""
    resource_to_telemetry_conversion: ResourceLabels = ResourceLabels()
    """Resource attributes as labels, all of them."""
    promote_resource_attributes: frozenset[str] = frozenset()
    """Resource attributes as labels, only these; Prometheus' key. None by default: each makes every series longer."""
    target_info: TargetInfo = TargetInfo()
    """The `target_info` series."""
    stale_after: Seconds = Field(default=0.0, ge=0)
    """A series that has not come for this long, at the latest for twice as long, ends with a stale marker, which goes
    with the next request. 0 = never: Prometheus itself takes a series for ended after 5 min. Give several export
    intervals."""
    convert_histograms_to_nhcb: bool = False
    """Explicit histograms as native histograms with custom buckets, one series each; Prometheus' key. Over 2.0 only;
    over 1.0 they stay classic. Off: dashboards ask for `_bucket` series."""
    delta_to_cumulative: DeltaToCumulativeSettings | None = DeltaToCumulativeSettings()
    """Deltas are added up before the queue, because Prometheus has totals only; null drops them, counted."""
    max_samples_per_send: int = Field(default=2000, ge=1)
    """Samples in one request; Prometheus' key and default."""
    max_batch_size_bytes: ByteSize = Field(default=3_000_000, ge=1000, le=32_000_000)
    """Size of one request before compression; the Collector's default. Prometheus takes up to 32 MB."""
    max_batch_request_parallelism: int = Field(default=5, ge=1)
    """Requests made of one batch that may be under way at once; the Collector's key and default. Each has other series,
    so that the samples of a series still arrive in order."""
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
            raise ValueError("put no user or password into the address; use basic_auth instead")
        return endpoint

    @field_validator("headers")
    @classmethod
    def _leaves_the_protocol_alone(cls, headers: dict[str, Secret]) -> dict[str, Secret]:
        reserved = sorted(_RESERVED_HEADERS.intersection(name.lower() for name in headers))
        if reserved:
            raise ValueError(f"the protocol sets {', '.join(reserved)} itself; leave it out")
        return headers

    @model_validator(mode="after")
    def _authorizes_once(self) -> Self:
        own = any(name.lower() == "authorization" for name in self.headers)
        if own + (self.basic_auth is not None) + (self.authorization is not None) > 1:
            raise ValueError("give one of basic_auth, authorization and the header Authorization, not several")
        return self

    def content(self, request: Request) -> Batch:
        return Batch(Signal.LOGS, said(request.body), request.items)

    def before_queue(self, signal: Signal) -> ProcessorSettings | None:
        return self.delta_to_cumulative

    def signals(self) -> frozenset[Signal]:
        return frozenset({Signal.METRICS})

    def naming(self, *, two: bool) -> Naming:
        """How names are translated, for version 2.0 or 1.0."""
        escaping = Escaping.ALLOW_UTF_8 if two else self.escaping
        chosen = strategy(self.translation_strategy, add_metric_suffixes=self.add_metric_suffixes)
        return Naming(chosen, self.namespace, escaping)

    def options(self, *, two: bool) -> Options:
        """What of the settings is about the translation."""
        return Options(
            naming=self.naming(two=two),
            external_labels=self.external_labels,
            promote=self._promotes,
            scope_labels=not self.disable_scope_info,
            target_info=self.target_info.enabled,
            custom_buckets=self.convert_histograms_to_nhcb,
            stale_after_seconds=self.stale_after,
        )

    def _promotes(self, key: str) -> bool:
        return key in self.promote_resource_attributes or self.resource_to_telemetry_conversion.promotes(key)

    def authorization_header(self) -> dict[str, str]:
        """The header that proves who sends; none if there is nothing to prove it with."""
        if self.basic_auth is not None:
            pair = f"{self.basic_auth.username}:{self.basic_auth.password.get_secret_value()}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        if self.authorization is not None:
            return {"Authorization": f"{self.authorization.type} {self.authorization.credentials.get_secret_value()}"}
        return {}
