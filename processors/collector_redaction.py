"""`redaction`: the Collector's processor of this name, with its keys and semantics, looking everywhere.

The Collector's processor sees attributes and log bodies; what a blocked value promises to mask is masked here in every
text of OTLP, however it is disguised (docs/redaction_collector.md lists the differences). The file is not named after
its key because `processors/redaction/` is the engine behind `redact_phi`, whose means this processor uses as well.
"""

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, model_validator

from config.settings import Secret, Settings
from pipeline.batch import Batch, Signal
from pipeline.component import Context, ProcessorSettings
from processors.collector.expressions import Blocking, Condition, Matches
from processors.collector.glance import Glance
from processors.collector.keys import Keys, rule
from processors.collector.masks import UNKEYED, HashFunction, action, mask
from processors.collector.means import Means
from processors.collector.sanitizers import DbSanitizerSettings, Sanitizers, UrlSanitizerSettings
from processors.collector.series import join, series
from processors.collector.summary import Level
from processors.collector.texts import Texts
from processors.collector.walk import Walk
from processors.otlp_objects import points, prune, remove_if, scopes

__all__ = ["CollectorRedaction", "CollectorRedactionSettings"]

_MOST_BYTES = 2**20
"""Of a text that may be disguised. Log lines are cut at 256 KiB by Loki, so that 1 MiB leaves room."""
_MOST_DEPTH = 32
_LEAST_KEY_BYTES = {"hmac-sha256": 32, "hmac-sha512": 64}


def _in_lower_case(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class CollectorRule(Settings):
    """A rule as the ledger keeps it."""

    id: str
    title: str
    action: str
    legal: str = ""
    version: int = 1
    patterns: tuple[str, ...] = ()


class CollectorRedactionSettings(ProcessorSettings):
    """The Collector's `redaction` processor. Without settings it removes all attributes, as there."""

    redacts: ClassVar[bool] = True

    allow_all_keys: bool = False
    """Whether attributes stay whose keys are not in `allowed_keys`."""
    allowed_keys: tuple[str, ...] = ()
    """Keys of attributes, and of pairs in log bodies, that stay; others are removed. Exact; none if there are none."""
    ignored_keys: tuple[str, ...] = ()
    """Keys whose values nothing is done to; they need not be allowed."""
    ignored_key_patterns: tuple[Condition, ...] = ()
    """The same by expressions, found anywhere in the key unless they have `^` and `$`, as all expressions here."""
    blocked_key_patterns: tuple[Condition, ...] = ()
    """Expressions; the whole value under a key that matches one is masked, in maps and JSON, too."""
    blocked_values: tuple[Blocking, ...] = ()
    """Expressions; what matches one is masked, one expression after the other."""
    allowed_values: tuple[Condition, ...] = ()
    """Expressions; a value that matches one anywhere stays as it is. They go before `blocked_key_patterns` on
    attributes, and before `blocked_values`."""
    redact_all_types: bool = False
    """Also look at numbers and truth values, by what they are as text; one in which something is found becomes text."""
    hash_function: Annotated[HashFunction, BeforeValidator(_in_lower_case)] = ""
    """What takes the place of a match, in hexadecimal; by default `****`. Take `hmac-sha256`: the others are no
    redaction, for whoever lists all social security numbers finds each."""
    hmac_key: Secret = Secret("")
    """The key for `hmac-…`, 32 bytes or more, for `hmac-sha512` 64; best as `${env:NAME}` or `${file:PATH}`."""
    summary: Level = ""
    """What is added to a record's attributes: `debug` keys and counts, `info` counts, `silent` (default) nothing."""
    url_sanitizer: UrlSanitizerSettings = UrlSanitizerSettings()
    """Takes ids out of URLs."""
    db_sanitizer: DbSanitizerSettings = DbSanitizerSettings()
    """Takes values out of statements of databases."""

    @model_validator(mode="after")
    def _key_is_long(self) -> "CollectorRedactionSettings":
        least = _LEAST_KEY_BYTES.get(self.hash_function, 0)
        size = len(self.hmac_key.get_secret_value().encode())
        if size < least:
            there = f"hmac_key has {size} bytes" if size else "there is no hmac_key"
            raise ValueError(
                f"hash_function {self.hash_function} needs an hmac_key of {least} bytes or more and {there}; "
                f"make one with: openssl rand -hex {least}"
            )
        return self

    def effective_rules(self) -> list[CollectorRule]:
        """What the configuration asks for, in the order in which it is done."""
        done = action(self.hash_function)
        rules = []
        if not self.allow_all_keys:
            title = "Attributes that are not in allowed_keys"
            rules.append(CollectorRule(id="not_allowed_key", title=title, action="drop", patterns=self.allowed_keys))
        for kind, patterns in (
            ("blocked_key_pattern", self.blocked_key_patterns),
            ("blocked_value", self.blocked_values),
        ):
            title = f"Expression of {kind}s"
            rules += [
                CollectorRule(id=rule(kind, number), title=title, action=done, patterns=(pattern,))
                for number, pattern in enumerate(patterns)
            ]
        return rules + self._sanitizer_rules()

    def _sanitizer_rules(self) -> list[CollectorRule]:
        settings = {"url_sanitizer": self.url_sanitizer, "db_sanitizer": self.db_sanitizer}
        enabled = {
            "url_sanitizer": self.url_sanitizer.enabled,
            "db_sanitizer": Sanitizers(UrlSanitizerSettings(), self.db_sanitizer).in_bodies,
        }
        return [
            CollectorRule(id=name, title=each.model_dump_json(exclude_defaults=True), action="mask")
            for name, each in settings.items()
            if enabled[name]
        ]

    def means(self) -> Means:
        """All of it ready for use."""
        masked = mask(self.hash_function, self.hmac_key.get_secret_value().encode())
        keys = self._keys()
        return Means(
            keys,
            Texts(keys, self.blocked_values, masked, _MOST_BYTES, _MOST_DEPTH),
            Matches(self.allowed_values),
            Sanitizers(self.url_sanitizer, self.db_sanitizer),
            masked,
            action(self.hash_function),
            self.summary,
            self.redact_all_types,
        )

    def build(self, context: Context) -> "CollectorRedaction":
        if self.hash_function in UNKEYED:
            context.log.warning(
                "whoever can list the possible values can turn these hashes back; set hash_function: hmac-sha256",
                hash_function=self.hash_function,
            )
        return CollectorRedaction(context, self.means(), self._glance())

    def _glance(self) -> Glance | None:
        """What tells that nothing is to be done; None where something always may be."""
        sanitizers = Sanitizers(self.url_sanitizer, self.db_sanitizer)
        if self.redact_all_types or self.summary in ("info", "debug") or sanitizers.in_names:
            return None
        return Glance(self._keys(), self.blocked_values, frozenset(sanitizers.attributes), _MOST_DEPTH)

    def _keys(self) -> Keys:
        return Keys(
            None if self.allow_all_keys else frozenset(self.allowed_keys),
            frozenset(self.ignored_keys),
            self.ignored_key_patterns,
            self.blocked_key_patterns,
        )


class CollectorRedaction:
    """Redacts decoded batches, item by item."""

    def __init__(self, context: Context, means: Means, glance: Glance | None) -> None:
        self._context = context
        self._glance = glance
        self._means = means

    def process(self, batch: Batch) -> Batch | None:
        """The batch redacted; the same object if nothing was done; None if nothing is left."""
        walk = Walk(self._means, batch.signal is Signal.LOGS)
        try:
            redacted = self._redacted(batch, walk)
        except Exception as failure:
            # The class only: the text of an exception may hold data.
            self._context.log.error("a batch was dropped: its redaction failed", error=type(failure).__name__)
            self._context.telemetry.dropped(self._context.id, batch.signal, "redaction_failed", batch.items)
            return None
        self._count(redacted, walk)
        return redacted if redacted.items or not batch.items else None

    def _redacted(self, batch: Batch, walk: Walk) -> Batch:
        if self._glance is not None and self._glance.is_clean(batch.signal, batch.payload):
            return batch
        message = batch.decode()
        is_metrics = batch.signal is Signal.METRICS
        before = series(message) if is_metrics else []
        walk.message(message)
        if not (walk.counts or walk.failed or walk.summed_up):
            return batch
        joined = join(message, before) if is_metrics else {}
        for reason, count in joined.items():
            self._context.telemetry.dropped(self._context.id, batch.signal, reason, count)
        if walk.failed:
            _remove_empty(batch.signal, message)
        if walk.failed or joined:
            prune(batch.signal, message)
        return Batch.encode(batch.signal, message)

    def _count(self, batch: Batch, walk: Walk) -> None:
        """Put on record what was done; the ledger first, because it may refuse."""
        context, telemetry = self._context, self._context.telemetry
        context.ledger.redacted(context.pipeline, context.id, batch.signal, batch.payload, walk.counts)
        for redacted, count in walk.counts.items():
            telemetry.redacted(redacted.rule, batch.signal, redacted.action, count)
        if walk.failed:
            telemetry.dropped(context.id, batch.signal, "redaction_failed", walk.failed)


def _remove_empty(signal: Signal, message: Any) -> None:
    """Take out the items on which redaction failed."""
    for _, _, items in scopes(signal, message):
        for holder in map(points, items) if signal is Signal.METRICS else (items,):
            remove_if(holder, lambda item: not item.ByteSize())
