"""`redact_phi`: takes protected health information out of every text-bearing place of a batch, by rules that are data.

What has nothing to redact passes as the same bytes. What cannot be looked at does not pass.
"""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from config.settings import ByteSize
from pipeline.batch import Batch
from pipeline.component import Context, ProcessorSettings, Redacted
from processors.reaggregation import ReaggregationSettings
from processors.redaction.engine import Changes, Engine
from processors.redaction.inspection import Inspection
from processors.redaction.places import place_name
from processors.redaction.pseudonyms import PseudonymKey, Pseudonyms
from processors.redaction.rules import PACKS, Rule, effective, load_pack, overridden, shipped_pack
from processors.redaction.series import Series
from processors.redaction.treatment import FullExpression, Treatment
from wire import otlp, schema

__all__ = ["RedactPhi", "RedactPhiSettings"]


class RedactPhiSettings(ProcessorSettings):
    """Settings of `redact_phi`. Without any, all packs that come with Telescrub are on."""

    redacts: ClassVar[bool] = True
    inspects: ClassVar[bool] = True

    packs: tuple[str, ...] = PACKS
    """Names of rule packs that come with Telescrub, in order of precedence. All by default: nothing is forgotten."""
    rule_files: tuple[Path, ...] = ()
    """Rule packs of one's own, as YAML files. A rule whose id is there already takes that rule's place."""
    rules: tuple[Rule, ...] = ()
    """Rules written here, after those of `rule_files`; the same holds for their ids."""
    overrides: dict[str, Treatment] = Field(default_factory=dict)
    """What rules do with what they find, by rule id, such as `cpf: {action: pseudonymize}`; all else stays."""
    pseudonym_keys: tuple[PseudonymKey, ...] = ()
    """Keys for the action `pseudonymize`, for all data or per tenant. The newest makes the tokens; those of the others
    are known as tokens, so that a key can be changed on one Telescrub after the other."""
    unknown_attributes: Literal["scan", "allow_list"] = "scan"
    """What happens to attributes, and to pairs of structured bodies and of JSON, that nobody named: their values are
    scanned, or all whose keys are not in `allowed_keys` or kept are dropped, whatever the rules say of them."""
    allowed_keys: tuple[str, ...] = ()
    """For `allow_list`: whole keys, or `a.*` for all below. A map's own key must be there, too."""
    keep_values: tuple[FullExpression, ...] = ()
    """Expressions; what a rule found and one of these matches in full stays."""
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

    aggregation: ReaggregationSettings | None = ReaggregationSettings()
    """How series of metrics are added up that become one because attributes were taken off their points. `null`: not at
    all; each is passed on, and they overwrite one another in the destination."""

    @field_validator("packs")
    @classmethod
    def _are_known(cls, packs: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [pack for pack in packs if pack not in PACKS]
        if unknown:
            raise ValueError(f"there is no pack {', '.join(unknown)}; there are {', '.join(PACKS)}")
        return packs

    @field_validator("pseudonym_keys")
    @classmethod
    def _epochs_differ(cls, keys: tuple[PseudonymKey, ...]) -> tuple[PseudonymKey, ...]:
        if len({(key.tenant, key.epoch) for key in keys}) < len(keys):
            raise ValueError("two keys have the same epoch; a new key needs a higher one")
        return keys

    _effective: list[Rule] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _rules_are_possible(self) -> "RedactPhiSettings":
        # Read once: what was checked is what runs, and what the ledger says.
        self._effective = self._read_rules()
        if self.allowed_keys and self.unknown_attributes != "allow_list":
            raise ValueError("allowed_keys do nothing without unknown_attributes: allow_list")
        keyless = [rule.id for rule in self.effective_rules() if rule.action == "pseudonymize"]
        if keyless and not self.pseudonym_keys:
            raise ValueError(
                f"{', '.join(keyless)} cannot be pseudonymized without a key; give one, such as "
                "pseudonym_keys: [{epoch: 1, key: '${env:TELESCRUB_PSEUDONYM_KEY}'}]"
            )
        return self

    def files(self) -> tuple[Path, ...]:
        return self.rule_files

    def effective_rules(self) -> list[Rule]:
        """The rules that these settings mean, in order of precedence, as the files were when the settings were read."""
        return self._effective

    def _read_rules(self) -> list[Rule]:
        """Raises: `RuleError`."""
        packs = [shipped_pack(name).rules for name in (*self.packs, "base")]
        files = [load_pack(path).rules for path in self.rule_files]
        return overridden(effective([*packs, *files, self.rules, self._own_rules()]), self.overrides)

    def _own_rules(self) -> list[Rule]:
        rules = []
        if self.unknown_attributes == "allow_list":
            title = "Attributes that are not in allowed_keys of the settings"
            rules.append(Rule(id="not_allowed", title=title, action="drop", all_but=self.allowed_keys))
        if self.keep_keys:
            rules.append(Rule(id="keep_keys", title="keep_keys of the settings", action="keep", keys=self.keep_keys))
        if self.keep_values:
            title = "keep_values of the settings"
            rules.append(Rule(id="keep_values", title=title, action="keep", keep_values=self.keep_values))
        if self.path_words:
            words = Rule(id="path_words", title="path_words of the settings", placeholder="{id}", paths=self.path_words)
            rules.append(words)
        return rules

    def inspector(self) -> Inspection:
        rules = self.effective_rules()
        pseudonyms = Pseudonyms(self.pseudonym_keys, rules) if self.pseudonym_keys else None
        return Inspection(rules, self.max_value_bytes, self.max_depth, pseudonyms)

    def build(self, context: Context) -> "RedactPhi":
        rules = self.effective_rules()
        pseudonyms = Pseudonyms(self.pseudonym_keys, rules) if self.pseudonym_keys else None
        engine = Engine(rules, self.max_value_bytes, self.max_depth, pseudonyms)
        epoch = pseudonyms and pseudonyms.epoch
        context.log.info("redaction rules", rules=len(rules), digest=engine.rules_digest, key_epoch=epoch)
        return RedactPhi(context, engine, self.aggregation)


class RedactPhi:
    """The processor: one engine, and the counting of what it did. `rules_digest` is that of its effective rules."""

    _told_of_a_tenant_without_a_key = False

    def __init__(self, context: Context, engine: Engine, aggregation: ReaggregationSettings | None = None) -> None:
        self._context = context
        self._engine = engine
        self.rules_digest = engine.rules_digest
        self._series = None if aggregation is None else Series(aggregation, context)
        if (series := self._series) is not None:
            self.storage, self.tick, self.restore = series.storage, series.tick, series.restore
            self.changes, self.everything = series.changes, series.everything

    @property
    def key_epoch(self) -> int | None:
        """The epoch of the key that makes tokens now."""
        return None if self._engine.pseudonyms is None else self._engine.pseudonyms.epoch

    def process(self, batch: Batch) -> Batch | None:
        """The batch redacted; the same object if nothing was found; None if nothing is left of it."""
        pseudonyms = self._engine.pseudonyms
        if pseudonyms is not None and not pseudonyms.choose(batch.tenant) and pseudonyms.is_needed:
            self._drop_without_key(batch)
            return None
        try:
            changes = self._engine.changes(batch.payload, schema.ROOT[batch.signal])
            payload = otlp.splice(batch.signal, batch.payload, changes.edits) if changes.edits else batch.payload
        except Exception as failure:
            # The class only: the text of an exception may hold data.
            self._context.log.error("a batch was dropped: its redaction failed", error=type(failure).__name__)
            self._context.telemetry.dropped(self._context.id, batch.signal, "redaction_failed", batch.items)
            return None
        self._count(batch, payload, changes)
        if not changes.edits:
            return self._added_up(batch, batch, changes)
        left = batch.items - changes.failed_items
        if changes.failed_items and not left:
            return None
        return self._added_up(batch, replace(batch, payload=payload, items=left), changes)

    def _added_up(self, before: Batch, after: Batch, changes: Changes) -> Batch | None:
        return after if self._series is None else self._series.added_up(before, after, changes)

    def _drop_without_key(self, batch: Batch) -> None:
        """Drop a batch. One line for all of them: nothing in it could say which tenant it is."""
        self._context.telemetry.dropped(self._context.id, batch.signal, "no_pseudonym_key", batch.items)
        if not self._told_of_a_tenant_without_a_key:
            self._told_of_a_tenant_without_a_key = True
            self._context.log.error(
                "a batch was dropped: pseudonym_keys has no key for its tenant; further ones are only counted"
            )

    def _count(self, batch: Batch, payload: bytes, changes: Changes) -> None:
        """Put on record what was done; the ledger first, because it may refuse."""
        context, telemetry = self._context, self._context.telemetry
        epochs = {"pseudonymize": str(self.key_epoch)}
        counts = {
            Redacted(rule, action, place_name(place), epochs.get(action, "")): count
            for (rule, action, place), count in changes.redactions.items()
        }
        if changes.unreadable:
            counts[Redacted("over_budget", "drop", "")] = changes.unreadable
        context.ledger.redacted(context.pipeline, context.id, batch.signal, payload, counts)
        for (rule, action, _), count in changes.redactions.items():
            telemetry.redacted(rule, batch.signal, action, count)
        if changes.unreadable:
            telemetry.redacted("over_budget", batch.signal, "drop", changes.unreadable)
        if changes.failed_items:
            telemetry.dropped(self._context.id, batch.signal, "redaction_failed", changes.failed_items)
