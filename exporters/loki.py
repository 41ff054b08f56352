"""Loki's push API: log records as protobuf streams with few labels; the encoding is `wire.loki`'s. See docs/loki.md."""

import re
import time
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from config.settings import ByteSize, Seconds, Settings
from exporters.http_client import Answer, HttpExporter, HttpExporterSettings, judge
from pipeline.batch import Batch, Signal
from pipeline.component import Context, Encoded, Request
from pipeline.errors import Rejected
from wire.loki import Limits, encode, label_name
from wire.sent_loki import said

__all__ = ["Loki", "LokiLimits", "LokiSettings"]

_PUSH_PATH = "/loki/api/v1/push"
_RETRYABLE = frozenset({429, 499, 500, 502, 503, 504})
_TENANT = re.compile(r"[A-Za-z0-9!\-_.*'()]{1,150}")


class LokiLimits(Settings):
    """What Loki accepts, in the names and with the defaults of its `limits_config`; copy what you changed there."""

    max_label_names_per_series: int = Field(default=15, ge=1)
    """Labels of a stream; Loki does not count `service_name`, which it adds where it is missing."""
    max_label_name_length: int = Field(default=1024, ge=16)
    """Bytes of a label's name."""
    max_label_value_length: int = Field(default=2048, ge=16)
    """Bytes of a label's value; an attribute with a longer one becomes structured metadata."""
    max_line_size: ByteSize = Field(default=256 * 2**10, ge=1024)
    """Bytes of a line; a longer one is cut, marked ` [truncated]` and counted: its beginning is worth having."""
    max_structured_metadata_size: ByteSize = Field(default=64 * 2**10, ge=1024)
    """Bytes of all names and values of an entry's structured metadata; the longest values are cut first."""
    max_structured_metadata_entries_count: int = Field(default=128, ge=16)
    """Pairs of structured metadata of an entry; those of scope and resource are left out first."""
    reject_old_samples_max_age: Seconds = Field(default=168 * 3600.0, ge=0)
    """Older records are dropped and counted here: Loki would answer 400 to the whole request. 0 = leave it to Loki."""
    creation_grace_period: Seconds = Field(default=600.0, ge=0)
    """Records further in the future are dropped and counted here, for the same reason. 0 = leave it to Loki."""

    def of_an_entry(self) -> Limits:
        return Limits(
            max_line_size=self.max_line_size,
            max_label_value_length=self.max_label_value_length,
            max_structured_metadata_size=self.max_structured_metadata_size,
            max_structured_metadata_entries_count=self.max_structured_metadata_entries_count,
            reject_old_samples_max_age_ns=int(self.reject_old_samples_max_age * 1e9),
            creation_grace_period_ns=int(self.creation_grace_period * 1e9),
        )


class LokiSettings(HttpExporterSettings):
    """Settings of the `loki` exporter."""

    endpoint: str
    """Loki's address, such as `http://loki:3100`, or the whole push URL where a gateway has another path."""
    labels: tuple[str, ...] = (
        "service.name",
        "service.namespace",
        "deployment.environment",
        "deployment.environment.name",
        "k8s.cluster.name",
        "k8s.namespace.name",
        "k8s.container.name",
    )
    """Resource attributes that become labels, with `_` for `.`. Each combination of values is a stream, and many
    streams make Loki slow. What differs per pod, process or request is better structured metadata, searchable too."""
    tenant_id: str = ""
    """Sent as X-Scope-OrgID; empty for a Loki with `auth_enabled: false`."""
    max_request_bytes: ByteSize = Field(default=2**20, ge=64 * 2**10)
    """Size of a push before compression. A tenant's burst is 6 MB, and a larger push never gets through; gateways often
    take 4 MB; a push that fails is sent again in full. 1 MiB is far from all three and already compresses well."""
    limits: LokiLimits = LokiLimits()
    """What Loki accepts."""

    def content(self, request: Request) -> Batch:
        return Batch(Signal.LOGS, said(request.body), request.items)

    def signals(self) -> frozenset[Signal]:
        return frozenset({Signal.LOGS})

    @field_validator("endpoint")
    @classmethod
    def _complete(cls, endpoint: str) -> str:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError("this is not an address of Loki; write it like http://loki:3100")
        return endpoint if parts.path.strip("/") else parts._replace(path=_PUSH_PATH).geturl()

    @field_validator("tenant_id")
    @classmethod
    def _one_tenant(cls, tenant_id: str) -> str:
        if tenant_id and (_TENANT.fullmatch(tenant_id) is None or tenant_id in (".", "..")):
            raise ValueError(
                "a tenant is 1 to 150 letters, digits and ! - _ . * ' ( ), and not . or .. alone; one per exporter"
            )
        return tenant_id

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [label_name(key) for key in self.labels]
        if len(set(names)) < len(names):
            raise ValueError("two of the labels get the same name, because every . becomes _; keep one of them")
        if len(set(names) - {"service_name"}) > self.limits.max_label_names_per_series:
            raise ValueError(
                f"Loki allows {self.limits.max_label_names_per_series} labels beside service_name, and these are more;"
                " leave the others to structured metadata"
            )
        if max(map(len, names), default=0) > self.limits.max_label_name_length:
            raise ValueError(f"a label name is over {self.limits.max_label_name_length} bytes")
        if self.tenant_id and "x-scope-orgid" in {name.lower() for name in self.headers}:
            raise ValueError("tenant_id and the header X-Scope-OrgID say the same thing; give one of them")
        return self

    def build(self, context: Context) -> "Loki":
        return Loki(self, context)


class Loki(HttpExporter):
    """Sends log records to Loki. Requests may overtake each other: it takes lines up to an hour out of order."""

    def __init__(self, settings: LokiSettings, context: Context, now_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__(settings, context)
        self.max_request_bytes = settings.max_request_bytes
        self._url = settings.endpoint
        self._labels = {key: label_name(key) for key in settings.labels}
        self._limits = settings.limits.of_an_entry()
        self._headers = {"Content-Type": "application/x-protobuf"}
        if settings.tenant_id:
            self._headers["X-Scope-OrgID"] = settings.tenant_id
        self._context = context
        self._now_ns = now_ns

    def encode(self, batch: Batch) -> Encoded:
        now = self._now_ns()
        pushes, dropped, shortened = encode(batch.payload, self._labels, self._limits, self.max_request_bytes, now)
        for reason, records in shortened.items():
            self._context.telemetry.shortened(self._context.id, batch.signal, reason, records)
        return Encoded([Request(batch.signal, push.body, push.entries) for push in pushes], dropped)

    async def send(self, request: Request) -> int:
        answer = await self.post(self._url, request.body, self._headers)
        if answer.status == 400:
            return _ignored(answer, request.items)
        if answer.status in _ADVICE:
            raise Rejected(f"Loki answered {answer.status}: {_ADVICE[answer.status]}")
        judge(answer, _RETRYABLE)
        return 0


_ADVICE = {
    260: "ingestion is blocked for this tenant; see block_ingestion_until in its limits_config",
    401: "it wants to know who is sending; set tenant_id, or an Authorization header in headers",
    403: "this sender may not push to this tenant; check headers and tenant_id",
    404: f"there is no push API at this path; endpoint is Loki's address, or a gateway's URL ending in {_PUSH_PATH}",
    422: "it found no stream in the request",
}

_TOTAL_IGNORED = re.compile(rb"total ignored: (\d{1,9}) out of (\d{1,9}) for stream: ")


def _ignored(answer: Answer, entries: int) -> int:
    """How many of a push's entries Loki left out when it answered 400, which may mean that it stored the others.

    Its text is believed only where it speaks of exactly this push: one stream with all of the entries. The push is not
    sent again: what was stored would be stored twice.
    Raises: `Rejected` where the number cannot be known.
    """
    totals = [(int(ignored), int(total)) for ignored, total in _TOTAL_IGNORED.findall(answer.body)]
    if len(totals) == 1 and totals[0][1] == entries and 0 < totals[0][0] <= entries:
        return totals[0][0]
    raise Rejected(
        f"Loki answered 400 to a push of {entries} entries and may have stored some of them;"
        " its metric loki_discarded_samples_total has the reason"
    )
