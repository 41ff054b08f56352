"""What a rule is, and the reading of rule packs: YAML in, checked rules out, every problem with its file and line."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

import config
from config.settings import Settings
from processors.redaction.checks import CHECKS
from processors.redaction.treatment import Treatment, is_scannable

__all__ = [
    "PACKS",
    "Pack",
    "Pattern",
    "Rule",
    "RuleError",
    "digest",
    "effective",
    "load_pack",
    "overridden",
    "shipped_pack",
]

PACKS = ("hipaa", "lgpd", "secrets")
"""The packs that come with Telescrub. `base`, what is never touched and what is always done, is part of every set."""


class RuleError(ValueError):
    """A rule file that cannot be used; each line of the message is `file:line: path: sentence`."""


def _is_check(name: str) -> str:
    if name not in CHECKS:
        raise ValueError(f"there is no validator of this name; there are {', '.join(CHECKS)}")
    return name


Expression = Annotated[str, Field(min_length=1), AfterValidator(is_scannable)]
Keyword = Annotated[str, Field(pattern=r"^[^\W_]")]


class Pattern(Settings):
    """Text that a rule looks for, and what else must hold for it to count."""

    match: Expression
    """A Hyperscan expression on UTF-8: no look-around, no back-references; `\\b`, `\\w` and `\\d` know ASCII only."""
    needs: Literal["nothing", "keyword", "check", "keyword or check", "keyword and check"] = "nothing"
    """`keyword`: one of the rule's keywords stands shortly before. `check`: the rule's validator accepts it."""
    part: Expression | None = None
    """An expression; only the last and longest part that it matches, of what `match` found, falls under the rule."""


class Examples(Settings):
    """A rule's own tests: a text, or a map of keys and values as in attributes or JSON."""

    match: tuple[str | dict[str, Any], ...] = ()
    """The rule must act on each of these."""
    no_match: tuple[str | dict[str, Any], ...] = ()
    """The rule must not act on any of these."""


class Rule(Treatment):
    """One identifier: where it is looked for and what happens to it."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Names the rule in metrics and, in brackets, in what stands in place of a value."""
    title: str
    """What it is, for people."""
    legal: str = ""
    """The law it serves, such as a HIPAA paragraph and letter or an LGPD article."""
    version: int = 1
    """Goes up when the rule changes."""
    keys: tuple[str, ...] = ()
    """Keys whose whole value falls under the rule, whatever its type, in any spelling; with = before it, nothing else
    may be in the key. See docs/redaction.md."""
    but: tuple[str, ...] = ()
    """Whole keys that do not fall under a key `a.*` of the rule; their values are looked at like any other."""
    in_text: Literal["word", "words", "name", "run", "line", "pairs", "never"] = "word"
    """How far a value reaches that follows one of the keys in running text (`key=value`, `key: value`): one word, up to
    the next punctuation, a name (`Last, First`), a run of anything but white space, quotes and &, up to the end of the
    line. `pairs`, for keys that are common words: one word, after `key=` and `"key":` only. Or never."""
    patterns: tuple[Pattern, ...] = ()
    """Text that falls under the rule wherever it stands. An entry may be just the expression."""
    keywords: tuple[Keyword, ...] = ()
    """Words that, shortly before a pattern, make it count; capitals do not matter."""
    within: int = Field(default=40, ge=1, le=200)
    """How many bytes before a pattern the longest keyword may end; shorter ones may begin where that one does."""
    cues: tuple[Keyword, ...] = ()
    """Words that stand right before the name of a person; the capitalised words after one are the name."""
    validator: Annotated[str, AfterValidator(_is_check)] | None = None
    """The check digit rule for `needs: check`."""
    paths: tuple[str, ...] = ()
    """Collections in paths; the segment after one of them is an id: `/patients/12345` becomes `/patients/{id}`."""
    segments: Literal["any", "numbered"] = "any"
    """Which segments are ids: all but well-known words, or only those with a digit or an @."""
    language: Literal["sql", "exception"] | None = None
    """Values under the keys are in this language: `sql`, only literals are taken out; `exception`, only what a message
    quotes."""
    all_but: tuple[str, ...] | None = None
    """Every key falls under the rule but these and kept ones: whole keys, or `a.*` for all below. The other rules act
    on what is left."""
    examples: Examples = Examples()
    """Texts and maps the rule must and must not act on; the tests run them."""

    @model_validator(mode="before")
    @classmethod
    def _short_patterns(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("patterns"), list):
            patterns = [{"match": entry} if isinstance(entry, str) else entry for entry in data["patterns"]]
            return {**data, "patterns": patterns}
        return data

    @model_validator(mode="after")
    def _is_whole(self) -> "Rule":
        needs = " ".join(pattern.needs for pattern in self.patterns)
        if "keyword" in needs and not self.keywords:
            raise ValueError("a pattern needs a keyword, but the rule has no keywords")
        if "check" in needs and self.validator is None:
            raise ValueError("a pattern needs a check, but the rule has no validator")
        if not (self.keys or self.patterns or self.paths or self.cues or self.keep_values or self.all_but is not None):
            raise ValueError("the rule looks for nothing; give it keys, patterns, cues or paths")
        return self

    @model_validator(mode="after")
    def _action_is_possible(self) -> "Rule":
        finds_text = bool(self.patterns or self.paths or self.cues)
        if self.language == "sql" and self.action not in ("mask", "keep"):
            raise ValueError(f"the action {self.action} cannot be done to literals; they are masked")
        if self.action == "keep" and finds_text:
            raise ValueError("a rule that keeps takes keys and keep_values; patterns, cues and paths are for others")
        if self.action == "generalize" and not self.generalize:
            raise ValueError("action generalize needs to know what to make of a value, such as generalize: year")
        if self.action == "truncate":
            self._can_be_truncated(finds_text)
        return self

    def _can_be_truncated(self, finds_text: bool) -> None:
        if self.truncate_to is None:
            raise ValueError("action truncate needs truncate_to, the number of characters that stay")
        if finds_text or self.in_text != "never":
            raise ValueError("action truncate is for whole values: give the rule keys and in_text: never only")
        if "164.514" in self.legal:
            raise ValueError(
                "a part of an identifier is one under 45 CFR 164.514: mask, pseudonymize or drop it instead"
            )

    @property
    def identifier_class(self) -> str:
        """The kind of identifier, within which equal values have equal tokens."""
        return self.class_ or self.id

    @property
    def mask(self) -> bytes:
        """What stands in place of a value."""
        return (self.placeholder or f"[{self.id}]").encode()


class Pack(Settings):
    """A file of rules. Where two rules find the same text, the longer one wins, then the one that comes first."""

    pack: str
    """The pack's name."""
    version: int = 1
    """Goes up when any rule changes."""
    rules: tuple[Rule, ...]
    """The rules."""


@cache
def shipped_pack(name: str) -> Pack:
    """A pack that comes with Telescrub: `base`, or one of `PACKS`."""
    return load_pack(Path(config.__file__).parent / "packs" / f"{name}.yaml")


def load_pack(path: Path) -> Pack:
    """The pack in a file.

    Raises: `RuleError` with every problem in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        return Pack.model_validate(yaml.safe_load(text))
    except OSError as problem:
        raise RuleError(f"{path}: the file cannot be read: {problem.strerror}") from None
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise RuleError(f"{path}:{line}: this is not YAML: {problem.problem}") from None
    except ValidationError as problems:
        lines = [f"{path}:{_line(tree, error['loc'])}: {_describe(tree, error)}" for error in problems.errors()]
        raise RuleError("\n".join(lines)) from None


def _describe(tree: yaml.Node | None, error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    rule = _rule_id(tree, error["loc"])
    sentence = error["msg"].removeprefix("Value error, ")
    return f"{where}{f' (rule {rule})' if rule else ''}: {sentence}"


def _child(node: yaml.Node | None, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        found: yaml.Node = node.value[part]
        return found
    return None


def _rule_id(tree: yaml.Node | None, path: Sequence[str | int]) -> str:
    node = _child(_child(_child(tree, "rules"), path[1]), "id") if len(path) > 1 else None
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _line(tree: yaml.Node | None, path: Sequence[str | int]) -> int:
    """The line of the deepest node on a path that exists."""
    line = 1
    for part in path:
        tree = _child(tree, part)
        if tree is None:
            break
        line = tree.start_mark.line + 1
    return line


def effective(sources: Sequence[Sequence[Rule]]) -> list[Rule]:
    """All rules in order; one whose id was there before takes that one's place."""
    rules: dict[str, Rule] = {}
    for source in sources:
        for rule in source:
            rules[rule.id] = rule
    return list(rules.values())


def overridden(rules: Sequence[Rule], overrides: Mapping[str, Treatment]) -> list[Rule]:
    """The rules with other treatments, by rule id; what a treatment does not set stays as it was.

    Raises: `RuleError` with every override that is not possible.
    """
    known = {rule.id for rule in rules}
    problems = [f"overrides.{name}: there is no rule of this id" for name in overrides if name not in known]
    treated = []
    for rule in rules:
        try:
            treated.append(_treated(rule, overrides[rule.id]) if rule.id in overrides else rule)
        except ValidationError as invalid:
            sentences = [error["msg"].removeprefix("Value error, ") for error in invalid.errors()]
            problems += [f"overrides.{rule.id}: {sentence}" for sentence in sentences]
    if problems:
        raise RuleError("\n".join(problems))
    return treated


def _treated(rule: Rule, treatment: Treatment) -> Rule:
    set_fields = treatment.model_dump(by_alias=True, exclude_unset=True)
    return Rule.model_validate({**rule.model_dump(by_alias=True), **set_fields})


def digest(rules: Sequence[Rule]) -> str:
    """The SHA-256 of rules in order, as canonical JSON, in hexadecimal: equal for equal rules only."""
    plain = [rule.model_dump(mode="json", by_alias=True) for rule in rules]
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()
