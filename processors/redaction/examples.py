"""Runs the examples that every rule carries."""

from typing import Any

import orjson

from processors.redaction.engine import Engine
from processors.redaction.rules import Rule
from wire.redact import SCAN

__all__ = ["failures"]


def failures(rule: Rule) -> list[str]:
    """A sentence for each example of a rule that the rule, by itself, does not do right by, whatever its action."""
    finding = rule if rule.action == "keep" else rule.model_copy(update={"action": "mask"})
    engine = Engine([finding], max_value_bytes=2**20, max_depth=32)
    missed = [example for example in rule.examples.match if not _acts(engine, example)]
    wrong = [example for example in rule.examples.no_match if _acts(engine, example)]
    return [
        *(f"rule {rule.id} does not act on its example {example!r}" for example in missed),
        *(f"rule {rule.id} acts on its counterexample {example!r}" for example in wrong),
    ]


def _acts(engine: Engine, example: str | dict[str, Any]) -> bool:
    text = example.encode() if isinstance(example, str) else orjson.dumps(example)
    return engine.document(text, SCAN, 0, []) != text
