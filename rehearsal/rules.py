"""The processor of a configuration that redacts, item by item, with what each of its rules did."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import cast

from config.model import Config
from config.sentences import unknown
from pipeline.batch import Batch
from pipeline.component import ProcessorSettings, Redacted
from processors.redact_phi import RedactPhiSettings
from processors.redaction.rules import Rule
from rehearsal.outside import Drops, Record, built

__all__ = ["Act", "Outcome", "RuleSet", "Unclear", "items", "redacting", "rule_set"]


class Unclear(ValueError):
    """The configuration does not say which rules are meant."""


@dataclass(frozen=True, slots=True)
class Act:
    """What a rule did to an item: how often, and where (`Span.attributes`)."""

    rule: str
    title: str
    action: str
    place: str
    count: int


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """One item before and after; None if it is dropped, for `reasons` as the daemon counts them."""

    before: Batch
    after: Batch | None
    acts: tuple[Act, ...]
    reasons: tuple[str, ...] = ()


def redacting(config: Config) -> dict[str, ProcessorSettings]:
    """The settings of every processor that redacts, by id."""
    settings = {name: cast(ProcessorSettings, each) for name, each in config.processors.items()}
    return {name: each for name, each in settings.items() if each.redacts}


def rule_set(config: Config, processor: str | None) -> "RuleSet":
    """The rules of one processor; without an id there must be just one.

    Raises: `Unclear`.
    """
    there = redacting(config)
    if not there:
        raise Unclear("the configuration has no processor that redacts; add redact_phi under processors")
    if processor is not None and processor not in there:
        raise Unclear(unknown("processor that redacts", processor, there))
    if processor is None and len(there) > 1:
        raise Unclear(f"several processors of the configuration redact; choose with --processor: {', '.join(there)}")
    return RuleSet(config, processor or next(iter(there)))


class RuleSet:
    """One processor; `name` is its id, `rules` its effective rules by id."""

    def __init__(self, config: Config, name: str) -> None:
        self.name = name
        rules = redacting(config)[name].effective_rules()
        self.rules = {rule.id: rule for rule in rules if isinstance(rule, Rule)}
        self._record = Record()
        self._drops = Drops()
        self._processor = built(_item_by_item(config, name), name, self._record, self._drops.telemetry)

    def outcome(self, item: Batch) -> Outcome:
        """What becomes of a batch of one item."""
        after = self._processor.process(item)
        acts = sorted(self._record.take().items())
        return Outcome(item, after, tuple(self._act(redacted, count) for redacted, count in acts), self._drops.take())

    def _act(self, redacted: Redacted, count: int) -> Act:
        rule = self.rules.get(redacted.rule)
        return Act(redacted.rule, rule.title if rule else "", redacted.action, redacted.place, count)


def _item_by_item(config: Config, name: str) -> Config:
    """The configuration with a processor that adds nothing up: each item is shown as it is without others."""
    settings = config.processors[name]
    if not isinstance(settings, RedactPhiSettings):
        return config
    return replace(config, processors={**config.processors, name: settings.model_copy(update={"aggregation": None})})


def items(batches: Iterable[Batch]) -> list[Batch]:
    """Every item as a batch of its own."""
    return [item for batch in batches for item in batch.split(max_items=1) if item.items]
