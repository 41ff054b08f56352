"""Every rule that comes with Telescrub does right by its own examples, and has some."""

import pytest

from processors.redaction.examples import failures
from processors.redaction.rules import PACKS, Examples, Rule, shipped_pack

RULES = [rule for name in (*PACKS, "base") for rule in shipped_pack(name).rules]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_examples_of_the_packs(rule: Rule) -> None:
    """Each example is redacted, each counterexample is not; every rule says which law it serves."""
    assert failures(rule) == []
    assert rule.examples.no_match
    assert rule.action == "keep" or (rule.examples.match and rule.legal)


def test_wrong_examples_are_named() -> None:
    """With the rule and the example, which the author of the rule wrote."""
    examples = Examples(match=("b", {"k": 1}), no_match=("a",))
    rule = Rule.model_validate({"id": "r", "title": "", "patterns": ["a"], "examples": examples})
    assert failures(rule) == [
        "rule r does not act on its example 'b'",
        "rule r does not act on its example {'k': 1}",
        "rule r acts on its counterexample 'a'",
    ]
