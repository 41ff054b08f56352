"""Rule packs: what is wrong with one is said with file, line and rule."""

from pathlib import Path

import pytest

from processors.redaction.rules import PACKS, Rule, RuleError, effective, load_pack, shipped_pack

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
        ":18: rules.3.patterns.0.match (rule fourth): write ^ and $ for the start and the end of a text; "
        "\\A, \\z, \\Z, \\G and \\Q are not taken",
        ":19: rules.3.validator (rule fourth): there is no validator of this name; "
        "there are cnpj, cns, cpf, dea, iban, luhn, npi, pis",
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
