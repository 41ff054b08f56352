"""The whole configuration, typed: components by id, and the service section that joins them."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from config.auth import AuthSettings
from config.cases import Case
from config.errors import Problem
from config.nodes import Place
from config.sentences import unknown
from config.settings import Seconds, Secret, Settings
from config.tls import ServerTls
from wire.signal import Signal

__all__ = [
    "AdminSettings",
    "AuditSettings",
    "Config",
    "LogsSettings",
    "MetricsSettings",
    "PipelineSettings",
    "ReloadSettings",
    "Service",
    "TelemetrySettings",
    "is_this_machine",
    "signal_of",
]

_PIPELINE_KEY = f"^({'|'.join(Signal)})(/.+)?$"


def signal_of(pipeline: str) -> Signal:
    """What a pipeline carries, by its key: `traces`, `traces/clinic`. Raises: `ValueError` for anything else."""
    signal, slash, name = pipeline.partition("/")
    if signal not in set(Signal):
        raise ValueError(unknown("signal", signal, [each.value for each in Signal]))
    if slash and not name:
        raise ValueError("a name is missing after the /")
    return Signal(signal)


def _pipeline_key(key: str) -> str:
    signal_of(key)
    return key


class PipelineSettings(Settings):
    """One way of one signal from receivers through processors, in this order, to every one of the exporters."""

    receivers: list[str] = Field(min_length=1)
    """Ids under `receivers` or `connectors`: where the data comes from."""
    processors: list[str] = Field(default_factory=list)
    """Ids under `processors`, in the order in which they work."""
    exporters: list[str] = Field(min_length=1)
    """Ids under `exporters` or `connectors`: every one gets everything."""
    redaction: Literal["none"] | None = None
    """`none` allows this pipeline to have no redaction; it then needs a `redaction_reason`."""
    redaction_reason: str = ""
    """Why this pipeline needs no redaction, for those who audit it."""

    @model_validator(mode="after")
    def _has_a_reason(self) -> "PipelineSettings":
        if self.redaction == "none" and not self.redaction_reason.strip():
            raise ValueError("redaction: none needs a redaction_reason, a sentence for those who audit this pipeline")
        if self.redaction is None and self.redaction_reason:
            raise ValueError("redaction_reason is for redaction: none; remove it, or add that")
        return self


class PrometheusReader(Settings):
    """Where the Collector's Prometheus reader listens."""

    host: str = "localhost"
    """The name or address to listen on."""
    port: int = Field(default=8888, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""


class PullExporter(Settings):
    """The Collector's choice of pull exporters; Prometheus is the only one."""

    prometheus: PrometheusReader
    """The endpoint for Prometheus."""


class PullReader(Settings):
    """A reader that is asked for the metrics."""

    exporter: PullExporter
    """How it answers."""


class Reader(Settings):
    """One of the Collector's metric readers."""

    pull: PullReader
    """The only sort there is here; metrics are not pushed."""


def _address(value: str) -> str:
    _split(value)
    return value


def _split(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ValueError("this is not an address; write host:port, such as localhost:8888")
    return host.removeprefix("[").removesuffix("]"), int(port)


class MetricsSettings(Settings):
    """The daemon's metrics about itself. Their place is `host` and `port`, or `address`, or one of `readers`."""

    level: Literal["none", "basic", "normal", "detailed"] = "normal"
    """`none` switches the endpoint off; the other levels of the Collector all mean the same here."""
    host: str = "localhost"
    """The name or address to listen on: only this machine, because without `auth` everybody is let in."""
    port: int = Field(default=8888, ge=0, le=65535)
    """The port to listen on, the Collector's; 0 takes a free one."""
    address: Annotated[str, AfterValidator(_address)] | None = None
    """`host:port` in one, as older versions of the Collector want it."""
    readers: list[Reader] | None = Field(default=None, max_length=1)
    """The Collector's form: one pull reader with a Prometheus exporter; an empty list switches the endpoint off."""
    tls: ServerTls | None = None
    """TLS, and with `client_ca_file` mTLS; plain text without it."""
    auth: AuthSettings | None = None
    """Who knows those who may read: the id of an extension. Without it everybody who reaches the address may."""

    @model_validator(mode="after")
    def _says_it_once(self) -> "MetricsSettings":
        given = self.model_fields_set
        if len([each for each in ({"host", "port"}, {"address"}, {"readers"}) if each & given]) > 1:
            raise ValueError("the endpoint is given twice; use host and port, or address, or readers")
        return self

    @property
    def listen(self) -> tuple[str, int] | None:
        """Host (empty: every address of the machine) and port of the endpoint; None if it is off."""
        if self.level == "none" or self.readers == []:
            return None
        if self.address is not None:
            return _split(self.address)
        place = self.readers[0].pull.exporter.prometheus if self.readers else self
        return place.host, place.port


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


_LEVELS = ("debug", "info", "warn", "error")
_LEVEL_SCHEMA = {"enum": [*_LEVELS, *(level.upper() for level in _LEVELS)]}


class LogsSettings(Settings):
    """The daemon's own log."""

    level: Annotated[
        Literal["debug", "info", "warn", "error"], BeforeValidator(_lower), WithJsonSchema(_LEVEL_SCHEMA)
    ] = "info"
    """The least important lines that are written; upper case is taken too."""
    encoding: Literal["console", "json"] = "console"
    """Lines for people, or one JSON object a line."""


class TelemetrySettings(Settings):
    """What the daemon says about itself."""

    metrics: MetricsSettings = MetricsSettings()
    """The endpoint with its metrics."""
    logs: LogsSettings = LogsSettings()
    """Its log."""


def _pipelines_by_signal(schema: dict[str, Any]) -> None:
    schema["patternProperties"] = {_PIPELINE_KEY: schema.pop("additionalProperties")}
    schema["additionalProperties"] = False
    schema.pop("propertyNames", None)


def _is_long_enough(key: Secret) -> Secret:
    if len(key.get_secret_value().encode()) < 32:
        raise ValueError("the key of the audit ledger needs at least 32 bytes; `openssl rand -hex 32` makes one")
    return key


class AuditRotation(Settings):
    """When a further file of the ledger is begun. None is ever removed: that is for those who keep the records."""

    max_megabytes: int = Field(default=100, ge=1)
    """A file that has reached this many MiB is followed by a new one."""


class AnchorSettings(Settings):
    """Anchors of the ledger at a second destination."""

    exporter: str
    """Id of an exporter of logs, such as `loki`; best one whose data other people look after."""
    interval: Seconds = Field(default=300.0, gt=0)
    """How often one is sent: what is older than this cannot be cut off or changed unseen. One is some 300 bytes."""


class AuditSettings(Settings):
    """The audit ledger: what was redacted by which rule, in rows that cannot be changed unseen. See docs/audit.md."""

    path: Path = Path("./telescrub-data/audit")
    """The folder it is written to, by one daemon; made if it is not there."""
    key: Annotated[Secret, AfterValidator(_is_long_enough)] | None = None
    """What the chain of rows is made with, at least 32 bytes, from `${env:…}` or `${file:…}`. Without one, the chain
    shows damage, but not that somebody wrote the ledger anew."""
    interval: Seconds = Field(default=10.0, gt=0)
    """How long redactions are added up before they become rows: what a killed daemon may lack in its ledger. At
    thirty sorts of redactions, 10 s make 120 MB a day."""
    rotation: AuditRotation = AuditRotation()
    """When a further file is begun."""
    on_failure: Literal["refuse", "count"] = "refuse"
    """When the ledger cannot be written (disk full): `refuse` new data, because what is not on record must not happen,
    or go on and `count`: rows are written when the disk takes them again."""
    anchors: AnchorSettings | None = None
    """Where anchors are sent, beside the daemon's own log: by them it is found that the ledger was cut off or written
    anew."""


def is_this_machine(host: str) -> bool:
    """Whether a host as it stands in an address or in the header Host is this machine for itself alone."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return host == "localhost"


class AdminSettings(Settings):
    """Where operators' commands reach the daemon: `telescrub queue`, reloading. See docs/reload.md."""

    endpoint: Annotated[str, AfterValidator(_address)] = "localhost:13134"
    """`host:port`, the port after that of `health_check`. Without `auth` only an address of this machine is taken;
    every user of the machine can reach that."""
    tls: ServerTls | None = None
    """TLS, and with `client_ca_file` mTLS; plain text without it."""
    auth: AuthSettings | None = None
    """Who knows the operators: the id of an extension."""

    @model_validator(mode="after")
    def _is_not_open_to_all(self) -> "AdminSettings":
        if self.auth is None and not is_this_machine(_split(self.endpoint)[0]):
            raise ValueError("the admin endpoint can be open to other machines only with auth; listen on localhost")
        return self


class ReloadSettings(Settings):
    """When the configuration is read anew by itself."""

    watch_interval: Seconds = Field(default=0.0, ge=0)
    """How often the configuration files and the files of rules are looked at; a change is a reload. 0: never, because
    a file that is being edited is half of what was meant."""


class Service(Settings):
    """What runs: which components are joined to pipelines, and how the daemon itself behaves."""

    pipelines: dict[Annotated[str, AfterValidator(_pipeline_key)], PipelineSettings] = Field(
        min_length=1, json_schema_extra=_pipelines_by_signal
    )
    """The pipelines; a key is a signal (`traces`, `metrics`, `logs`) or `signal/name`."""
    extensions: list[str] = Field(default_factory=list)
    """Ids under `extensions`: what runs beside the pipelines."""
    telemetry: TelemetrySettings = TelemetrySettings()
    """Logs and metrics of the daemon itself."""
    shutdown_timeout: Seconds = Field(default=30.0, gt=0)
    """The one deadline for stopping; what is left by then is counted in the log. Kubernetes, too, waits 30 s."""
    admin: AdminSettings | None = None
    """The operators' endpoint; there is none without this section."""
    reload: ReloadSettings = ReloadSettings()
    """Reloading of the configuration, beside SIGHUP and `POST /-/reload` of the admin endpoint."""
    audit: AuditSettings | None = None
    """The audit ledger; none is written without this section."""

    def without_redaction(self) -> dict[str, str]:
        """The pipelines that say `redaction: none`, with their reasons."""
        return {name: each.redaction_reason for name, each in self.pipelines.items() if each.redaction == "none"}


@dataclass(frozen=True, slots=True)
class Config:
    """A valid configuration. Components are by id (`otlp`, `otlp/clinic`), as the operator wrote it.

    `warnings` are problems that do not keep it from running.
    """

    receivers: Mapping[str, Settings]
    processors: Mapping[str, Settings]
    exporters: Mapping[str, Settings]
    connectors: Mapping[str, Settings]
    extensions: Mapping[str, Settings]
    service: Service
    tests: tuple[Case, ...] = ()
    test_places: tuple[Place, ...] = ()
    """Where each of them is written."""
    warnings: tuple[Problem, ...] = ()
