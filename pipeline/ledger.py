"""The audit ledger in a running daemon: adds up what processors redact, and writes it in a thread of its own.

processors ── redacted() ─► Interval ──┐
telemetry's counts of drops ───────────┴─► thread, every `interval` ─► audit.writer ─► disk
"""

import asyncio
import errno
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from types import TracebackType
from typing import NamedTuple, Self, cast

from prometheus_client import Counter
from structlog.typing import FilteringBoundLogger

from audit import rows
from audit.chain import Anchor
from audit.interval import Interval
from audit.rows import Row, Source
from audit.rules import on_record, rules_digest
from audit.writer import Writer
from config.model import AuditSettings, Config
from config.settings import Settings
from pipeline.component import Ledger, ProcessorSettings, Redacted
from pipeline.errors import Refused
from pipeline.sending.egress import checked, inspecting
from pipeline.telemetry import Telemetry
from wire.signal import Signal

__all__ = ["AuditLedger"]

_ANCHOR_SECONDS = 300.0
"""How often a row and a log line say where the ledger stands, whether or not there is anything else to say."""


class _Rules(NamedTuple):
    """The rules of one component: their digest, and the version of each."""

    digest: str
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Of:
    """`pipeline.component.Ledger` for one component, with its rules."""

    ledger: "AuditLedger"
    rules: _Rules

    def redacted(
        self, pipeline: str, component: str, signal: Signal, payload: bytes, counts: Mapping[Redacted, int]
    ) -> None:
        self.ledger.record(self.rules, pipeline, component, signal, payload, counts)


class AuditLedger:
    """The ledger on disk. Entered: writes that a run began, with which rules. Left: that it ended.

    Raises on entering: `OSError` if the ledger cannot be written.
    """

    def __init__(
        self, settings: AuditSettings, config: Config, telemetry: Telemetry, log: FilteringBoundLogger
    ) -> None:
        self._settings, self._config = settings, config
        self._telemetry, self._log = telemetry, log.bind(component="audit")
        self._interval = Interval()
        self._digests: dict[str, str] = {}
        self._pending: list[Row] = []
        self._dropped: dict[tuple[str, str, str], int] = {}
        self._failure: str | None = None
        self._head_failure: OSError | None = None
        self._anchored = time.monotonic()
        self._stopping = threading.Event()
        # One after the other: what makes rows at the end of an interval, and at a reload.
        self._making = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="audit-ledger", daemon=True)
        self._rows = Counter("telescrub_ledger_rows", "Rows of the audit ledger.", registry=telemetry.registry)
        self._failures = Counter(
            "telescrub_ledger_failures", "Writes of the audit ledger that failed.", registry=telemetry.registry
        )

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._close)

    def problems(self) -> dict[str, str]:
        """What keeps the daemon from taking data in, by component id."""
        refuses = self._failure is not None and self._settings.on_failure == "refuse"
        return {"audit": f"the audit ledger cannot be written: {self._failure}"} if refuses else {}

    @property
    def end(self) -> Anchor:
        """The last row that is on disk."""
        return self._writer.end

    def rules_digests(self) -> dict[str, str]:
        """Of the rules in force, by component."""
        return self._digests

    def of(self, config: Config, component: str) -> Ledger:
        """The ledger for a component of a configuration, which a reload may replace: what it redacts is on record with
        the rules it was built with, for as long as it works.
        """
        return _Of(self, _rules(_effective(config, component)))

    def record(
        self,
        rules: _Rules,
        pipeline: str,
        component: str,
        signal: Signal,
        payload: bytes,
        counts: Mapping[Redacted, int],
    ) -> None:
        """What was done by these rules; see `pipeline.component.Ledger`."""
        if self._failure is not None and self._settings.on_failure == "refuse":
            seconds = self._settings.interval
            sentence = f"the audit ledger cannot be written; retry after {seconds:g} s"
            raise Refused(sentence, retry_after_seconds=seconds, reason="ledger")
        if counts:
            digest, versions = rules
            by_source = {
                Source(pipeline, component, signal.value, *each, versions.get(each.rule, 0), digest): count
                for each, count in counts.items()
            }
            self._interval.add(by_source, payload)

    def _open(self) -> None:
        key = self._settings.key.get_secret_value().encode() if self._settings.key else None
        self._writer = Writer(self._settings.path, key, self._settings.rotation.max_megabytes * 2**20)
        try:
            self._write(list(self._beginning()))
        except BaseException:
            self._writer.close()
            raise
        self._log_anchor()
        if self._writer.found.state not in ("new", "whole"):
            self._log.error("the audit ledger was changed since it was last written", found=self._writer.found.state)
        if key is None:
            self._log.warning("the audit ledger has no key: rows can be written anew unseen; set service.audit.key")
        self._thread.start()

    def reloaded(self, config: Config, changed: Mapping[str, Sequence[str]]) -> None:
        """The configuration that is in force from now on, and what is `changed`: components by what happened to them.
        Only while nothing is being redacted, so that all that was redacted before is in rows before; blocks.
        """
        with self._making:
            self._pending += self._new_rows()
            self._config = config
            self._pending += [rows.reload("done", changed), *self._rules()]
        self.flush()

    def not_reloaded(self, problems: int) -> None:
        """A configuration was tried and not taken; blocks."""
        with self._making:
            self._pending += [*self._new_rows(), rows.reload("failed", {}, problems)]
        self.flush()

    def _beginning(self) -> Iterator[Row]:
        state, cut_bytes = self._writer.found
        yield rows.start(version("telescrub"), self._writer.chain.name, state, cut_bytes)
        yield from self._rules()

    def _rules(self) -> Iterator[Row]:
        """The rules of the configuration, which are in force from here on."""
        pipelines = self._config.service.pipelines
        used = dict.fromkeys(each for pipeline in pipelines.values() for each in pipeline.processors)
        redacting = [each for each in used if cast(ProcessorSettings, self._config.processors[each]).redacts]
        effective = {each: _effective(self._config, each) for each in (*checked(self._config), *redacting)}
        self._digests = {each: rules_digest(its) for each, its in effective.items()}
        for each in redacting:
            among = [name for name, pipeline in pipelines.items() if each in pipeline.processors]
            yield rows.config(each, among, self._digests[each], [on_record(rule) for rule in effective[each]])
        for name, reason in self._config.service.without_redaction().items():
            yield rows.waiver(name, reason)

    def _run(self) -> None:
        while not self._stopping.wait(self._settings.interval):
            self.flush()

    def _close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self.flush()
        if not self.flush(rows.stop()):
            self._log.error("the audit ledger lacks the last redactions of this run", problem=self._failure)
        self._log_anchor()
        self._writer.close()

    def flush(self, *last: Row) -> bool:
        """Write what there is. What cannot be written stays, and is tried again."""
        with self._making:
            return self._flush(*last)

    def _flush(self, *last: Row) -> bool:
        try:
            self._pending = self._pending or list(self._new_rows())
            if new := [*self._pending, *last]:
                self._write(new)
            self._pending = []
        except OSError as error:
            self._failed(error.strerror or str(error), errno.errorcode.get(error.errno or 0, ""))
            return False
        except Exception as error:
            # A ledger that stops in silence would let everything pass.
            self._failed(f"{type(error).__name__}, a bug", "")
            return False
        if self._failure is not None:
            self._failure = None
            self._log.info("the audit ledger is written again")
        return True

    def _failed(self, sentence: str, code: str) -> None:
        self._failures.inc()
        if self._failure is None:
            self._log.error(
                "the audit ledger cannot be written; free space there, or check the folder",
                path=str(self._settings.path),
                problem=sentence,
                code=code,
                on_failure=self._settings.on_failure,
            )
        self._failure = sentence

    def _write(self, new: list[Row]) -> None:
        self._writer.append(new)
        self._rows.inc(len(new))
        self._tell_of_the_head(self._writer.head_failure)
        if any(row["kind"] == "anchor" for row in new):
            self._log_anchor()

    def _tell_of_the_head(self, failure: OSError | None) -> None:
        """Nothing is refused for it: the rows are on disk."""
        if failure is not None:
            self._failures.inc()
        if failure is not None and self._head_failure is None:
            self._log.error(
                "ledger.head cannot be written: a cut-off end would not show; free space there, or check the folder",
                path=str(self._settings.path),
                problem=failure.strerror or str(failure),
                code=errno.errorcode.get(failure.errno or 0, ""),
            )
        if failure is None and self._head_failure is not None:
            self._log.info("ledger.head is written again")
        self._head_failure = failure

    def _new_rows(self) -> Iterator[Row]:
        for source, done in self._interval.take().items():
            yield rows.redaction(source, done)
        yield from self._drops()
        if time.monotonic() - self._anchored >= _ANCHOR_SECONDS:
            self._anchored = time.monotonic()
            yield rows.anchor()

    def _drops(self) -> Iterator[Row]:
        """What was dropped since the last time: whoever drops, counts."""
        for metric in self._telemetry.registry.restricted_registry(["telescrub_dropped_items_total"]).collect():
            for sample in metric.samples:
                labels = (sample.labels["component"], sample.labels["signal"], sample.labels["reason"])
                count = int(sample.value) - self._dropped.get(labels, 0)
                if count:
                    self._dropped[labels] = int(sample.value)
                    yield rows.drop(*labels, count)

    def _log_anchor(self) -> None:
        """For whoever keeps the daemon's log elsewhere: `telescrub audit verify --anchor sequence:mac`."""
        sequence, mac = self._writer.end
        self._log.info("ledger anchor", sequence=sequence, mac=mac)


def _effective(config: Config, component: str) -> list[Settings]:
    """The rules of a processor, or those by which an exporter looks at what it sends: of all `inspecting` processors
    before it.
    """
    processors = [component] if component in config.processors else []
    if component in checked(config):
        processors = [each for ids in inspecting(config, component).values() for each in ids]
    settings = (cast(ProcessorSettings, config.processors[each]) for each in dict.fromkeys(processors))
    return [rule for each in settings for rule in each.effective_rules()]


def _rules(effective: Sequence[Settings]) -> _Rules:
    return _Rules(rules_digest(effective), {rule.id: rule.version for rule in map(on_record, effective)})
