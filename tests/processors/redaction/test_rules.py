"""Rule packs: what is wrong with one is said with file, line and rule."""

from pathlib import Path

import pytest

from processors.redaction.rules import PACKS, Rule, RuleError, digest, effective, load_pack, overridden, shipped_pack
from processors.redaction.treatment import Treatment

WRONG = r"""pack: own
rules:
  - id: first
    title: First
    patterns:
      - '\bok\b'
      - match: '(?<=a)b'
  - id: Second
    title: Second
    keys: [a]
    colour: red
  - id: third
    title: Third
    patterns:
      - {match: '\d{9}', needs: keyword}
  - id: fourth
    title: Fourth
    patterns: ['\Aa']
    validator: lunh
"""


def problems(path: Path, text: str) -> list[str]:
    path.write_text(text)
    with pytest.raises(RuleError) as caught:
        load_pack(path)
    return [line.removeprefix(str(path)) for line in str(caught.value).splitlines()]


def test_every_problem_has_its_line(tmp_path: Path) -> None:
    """All of them at once."""
    assert problems(tmp_path / "own.yaml", WRONG) == [
        ":7: rules.0.patterns.1.match (rule first): the pattern engine does not take this: "
        "Zero-width assertions are not supported.",
        ":8: rules.1.id (rule Second): String should match pattern '^[a-z][a-z0-9_]*$'",
        ":11: rules.1.colour (rule Second): Extra inputs are not permitted",
        ":12: rules.2 (rule third): a pattern needs a keyword, but the rule has no keywords",
        ":18: rules.3.patterns.0.match (rule fourth): write ^ and $ for the start and the end of a line; "
        "\\A, \\z, \\Z, \\G and \\Q are not taken",
        ":19: rules.3.validator (rule fourth): there is no validator of this name; "
        "there are cnpj, cns, cpf, dea, iban, luhn, npi, pis, public_ip",
    ]


def test_not_yaml(tmp_path: Path) -> None:
    """Neither is a file of something else."""
    nothing = ":1: this is not YAML: expected the node content, but found '<stream end>'"
    assert problems(tmp_path / "own.yaml", "pack: [") == [nothing]
    assert problems(tmp_path / "own.yaml", "- 1")[0].startswith(":1: ")


def test_a_later_rule_takes_the_place_of_an_earlier() -> None:
    """The order is that of the first."""
    rules = [Rule(id=name, title="old", keys=("k",)) for name in ("a", "b")]
    new = Rule(id="a", title="new", keys=("k",))
    assert [(rule.id, rule.title) for rule in effective([rules, [new]])] == [("a", "new"), ("b", "old")]


def test_shipped_ids_are_unique() -> None:
    """No pack overrides another by accident."""
    ids = [rule.id for name in (*PACKS, "base") for rule in shipped_pack(name).rules]
    assert sorted(set(ids)) == sorted(ids)


def test_override_of_some_of_a_treatment() -> None:
    """What it does not set stays as it was, and so does the order."""
    rules = [Rule.model_validate({"id": name, "title": "", "keys": ["k"], "placeholder": "-"}) for name in ("a", "b")]
    changed = overridden(rules, {"b": Treatment.model_validate({"action": "pseudonymize", "class": "a"})})
    assert changed[0] == rules[0]
    assert (changed[1].action, changed[1].identifier_class, changed[1].placeholder) == ("pseudonymize", "a", "-")
    assert rules[1].identifier_class == "b"


def test_every_impossible_override_is_named() -> None:
    """All of them at once."""
    rules = [Rule(id="a", title="", keys=("k",))]
    overrides = {"a": Treatment(action="generalize"), "c": Treatment(action="drop")}
    with pytest.raises(RuleError) as caught:
        overridden(rules, overrides)
    assert str(caught.value).splitlines() == [
        "overrides.c: there is no rule of this id",
        "overrides.a: action generalize needs to know what to make of a value, such as generalize: year",
    ]


def test_digest() -> None:
    """Of all that a rule is, in order."""
    one, two = Rule(id="a", title="", keys=("k",)), Rule(id="b", title="", keys=("k",))
    digests = [
        digest(rules)
        for rules in (
            [],
            [one],
            [one, two],
            [two, one],
            [one.model_copy(update={"version": 2})],
            [Rule(id="a", title="", keys=("k",))],
        )
    ]
    assert digests[5] == digests[1]
    assert len(set(digests)) == 5


@pytest.mark.parametrize("name", [*PACKS, "base"])
def test_shipped_rules_mask(name: str) -> None:
    """Or keep: tokens and less exact values are an organisation's decision."""
    assert {rule.action for rule in shipped_pack(name).rules} <= {"mask", "keep"}
