"""`redact_phi`: takes protected health information out of every text-bearing place of a batch, by rules that are data.

What has nothing to redact passes as the same bytes. What cannot be looked at does not pass.
"""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from config.settings import ByteSize
from pipeline.batch import Batch
from pipeline.component import Context, ProcessorSettings
from processors.redaction.engine import Changes, Engine
from processors.redaction.rules import PACKS, Rule, effective, load_pack, shipped_pack
from wire import otlp, schema

__all__ = ["RedactPhi", "RedactPhiSettings"]


class RedactPhiSettings(ProcessorSettings):
    """Settings of `redact_phi`. Without any, all packs that come with Telescrub are on."""

    redacts: ClassVar[bool] = True

    packs: tuple[str, ...] = PACKS
    """Names of rule packs that come with Telescrub, in order of precedence. All by default: nothing is forgotten."""
    rule_files: tuple[Path, ...] = ()
    """Rule packs of one's own, as YAML files. A rule whose id is there already takes that rule's place."""
    rules: tuple[Rule, ...] = ()
    """Rules written here, after those of `rule_files`; the same holds for their ids."""
    keep_keys: tuple[str, ...] = ()
    """Keys whose values are never touched, beside those of the pack `base`: whole keys, or `a.*` for all below."""
    path_words: tuple[str, ...] = ()
    """Words that name a collection of people or records in paths, beside those of the packs: what follows is an id."""
    max_value_bytes: ByteSize = Field(default=2**20, gt=0)
    """A larger value in which something was found is replaced as a whole. Log lines are cut at 256 KiB by Loki, so that
    1 MiB leaves room."""
    max_depth: int = Field(default=32, ge=1, le=100)
    """How deep values, JSON and texts within texts may be nested; what is deeper is replaced as a whole. Protobuf's own
    limit is 100."""

    @field_validator("packs")
    @classmethod
    def _are_known(cls, packs: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [pack for pack in packs if pack not in PACKS]
        if unknown:
            raise ValueError(f"there is no pack {', '.join(unknown)}; there are {', '.join(PACKS)}")
        return packs

    @model_validator(mode="after")
    def _files_are_rules(self) -> "RedactPhiSettings":
        self.effective_rules()
        return self

    def effective_rules(self) -> list[Rule]:
        """The rules that these settings mean, in order of precedence.

        Raises: `RuleError`.
        """
        packs = [shipped_pack(name).rules for name in (*self.packs, "base")]
        files = [load_pack(path).rules for path in self.rule_files]
        return effective([*packs, *files, self.rules, self._own_rules()])

    def _own_rules(self) -> list[Rule]:
        rules = []
        if self.keep_keys:
            rules.append(Rule(id="keep_keys", title="keep_keys of the settings", action="keep", keys=self.keep_keys))
        if self.path_words:
            words = Rule(id="path_words", title="path_words of the settings", placeholder="{id}", paths=self.path_words)
            rules.append(words)
        return rules

    def build(self, context: Context) -> "RedactPhi":
        return RedactPhi(context, Engine(self.effective_rules(), self.max_value_bytes, self.max_depth))


class RedactPhi:
    """The processor: one engine, and the counting of what it did."""

    def __init__(self, context: Context, engine: Engine) -> None:
        self._context = context
        self._engine = engine

    def process(self, batch: Batch) -> Batch | None:
        """The batch redacted; the same object if nothing was found; None if nothing is left of it."""
        try:
            changes = self._engine.changes(batch.payload, schema.ROOT[batch.signal])
            payload = otlp.splice(batch.signal, batch.payload, changes.edits) if changes.edits else batch.payload
        except Exception as failure:
            # The class only: the text of an exception may hold data.
            self._context.log.error("a batch was dropped: its redaction failed", error=type(failure).__name__)
            self._context.telemetry.dropped(self._context.id, batch.signal, "redaction_failed", batch.items)
            return None
        self._count(batch, changes)
        if not changes.edits:
            return batch
        left = batch.items - changes.failed_items
        return None if changes.failed_items and not left else replace(batch, payload=payload, items=left)

    def _count(self, batch: Batch, changes: Changes) -> None:
        telemetry = self._context.telemetry
        for redaction, count in changes.redactions.items():
            telemetry.redacted(redaction.rule, batch.signal, redaction.action, count)
        if changes.unreadable:
            telemetry.redacted("over_budget", batch.signal, "drop", changes.unreadable)
        if changes.failed_items:
            telemetry.dropped(self._context.id, batch.signal, "redaction_failed", changes.failed_items)
