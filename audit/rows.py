"""The kinds of rows, without what the writer adds: time, sequence and MAC.

What stands in a row comes from the configuration, the rule files and the code; nothing of a payload, no key from data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "Redactions",
    "Row",
    "RuleOnRecord",
    "Source",
    "anchor",
    "config",
    "drop",
    "redaction",
    "reload",
    "start",
    "stop",
    "waiver",
]

Row = dict[str, object]


class Source(NamedTuple):
    """What redacted what: a processor in a pipeline, by a rule, in one sort of place (`Span.attributes`).

    `epoch` is that of the key of a pseudonym; empty for other actions. `version` is the rule's, 0 if it has none;
    `rules_digest` is over all rules of the processor.
    """

    pipeline: str
    component: str
    signal: str
    rule: str
    action: str
    place: str
    epoch: str
    version: int
    rules_digest: str


@dataclass(frozen=True, slots=True)
class Redactions:
    """How much of it there was in an interval: values, batches, and the running digest over those batches."""

    count: int
    batches: int
    digest: str


class RuleOnRecord(NamedTuple):
    """What the ledger keeps of a rule. `examples` is how many tests of its own the rule has; `finds` is `text` if it
    finds something in running text, `keys` if it acts only on values under its keys.
    """

    id: str
    version: int
    title: str
    legal: str
    action: str
    examples: int
    finds: str = "text"


def start(version: str, chain: str, found: str, cut_bytes: int) -> Row:
    """A run begins. `found` is how the ledger was: see `audit.writer.Found`."""
    return {"kind": "start", "version": version, "chain": chain, "found": found, "cut_bytes": cut_bytes}


def stop() -> Row:
    """A run has ended, and everything it did is in the rows before."""
    return {"kind": "stop"}


def config(component: str, pipelines: Sequence[str], rules_digest: str, rules: Sequence[RuleOnRecord]) -> Row:
    """The rules a redacting processor runs with from here on."""
    return {
        "kind": "config",
        "component": component,
        "pipelines": list(pipelines),
        "rules_digest": rules_digest,
        "rules": [rule._asdict() for rule in rules],
    }


def reload(outcome: str, changed: Mapping[str, Sequence[str]], problems: int = 0) -> Row:
    """Another configuration was to be taken: `done` or `failed`. What is `changed` are ids of components, by what
    happened to them. The rules in force follow, where it was done.
    """
    components = {what: list(ids) for what, ids in changed.items()}
    return {"kind": "reload", "outcome": outcome, "changed": components, "problems": problems}


def waiver(pipeline: str, reason: str) -> Row:
    """A pipeline runs without redaction, by the operator's word."""
    return {"kind": "waiver", "pipeline": pipeline, "reason": reason}


def redaction(source: Source, done: Redactions) -> Row:
    """What a rule did in an interval; `time` is the interval's end."""
    return {
        "kind": "redaction",
        **source._asdict(),
        "count": done.count,
        "batches": done.batches,
        "digest": done.digest,
    }


def drop(component: str, signal: str, reason: str, count: int) -> Row:
    """Items a component dropped in an interval."""
    return {"kind": "drop", "component": component, "signal": signal, "reason": reason, "count": count}


def anchor() -> Row:
    """A sign of life, and the first row of each further file; the writer adds the MAC of the row before, `previous`."""
    return {"kind": "anchor"}
