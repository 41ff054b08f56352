"""What a rule does to what it found. An action is a function; None means that the whole value goes."""

from collections.abc import Callable, Sequence

from processors.redaction.canonical import plain
from processors.redaction.compiled import compiled
from processors.redaction.generalize import GENERALIZE
from processors.redaction.pseudonyms import Pseudonyms
from processors.redaction.rules import Rule
from processors.redaction.treatment import fully_matches_expression
from processors.redaction.values import Scalar, as_value, scalars

__all__ = ["Actions", "Counts", "Redact"]

Counts = list[tuple[str, str]]
"""An entry for each time a rule acted: the rule's id, what it did."""

Redact = Callable[[bytes, Counts], bytes | None]
"""Redacts a text by all rules, as though its key said nothing; None if it must go."""


class Actions:
    """The actions of a set of rules, which are given by number.

    Raises: `ValueError` if a rule pseudonymizes and there is no key.
    """

    def __init__(self, rules: Sequence[Rule], pseudonyms: Pseudonyms | None, this_year: Callable[[], int]) -> None:
        self._rules = rules
        self._pseudonyms = pseudonyms
        self._this_year = this_year
        for_all = tuple(value for rule in rules if rule.action == "keep" for value in rule.keep_values)
        self._some_stay = bool(for_all)
        self._stays = [_full_match((*rule.keep_values, *for_all)) for rule in rules]
        if pseudonyms is None and any(rule.action == "pseudonymize" for rule in rules):
            raise ValueError("a rule pseudonymizes, but there is no key")

    def mask(self, rule: int) -> bytes | None:
        """What takes the place of what does not stay of a rule's finds; None if that depends on what it is."""
        return self._rules[rule].mask if self._rules[rule].action == "mask" else None

    def some_stay(self, rule: int) -> bool:
        """Whether `stays` can be true."""
        return self._some_stay or self._pseudonyms is not None or bool(self._rules[rule].keep_values)

    def stays(self, rule: int, found: bytes) -> bool:
        """Whether what a rule found is one of the values it does not act on, or a token that stands for one."""
        if self._pseudonyms is not None and self._pseudonyms.is_token(found.decode("utf-8", "replace")):
            return True
        return self._stays[rule](found)

    def in_text(self, rule: int, found: bytes, counts: Counts) -> bytes | None:
        """What takes the place of a part of a text."""
        settings = self._rules[rule]
        new = self._acted(settings, [Scalar(found.decode("utf-8", "surrogateescape"), False)])
        if new != found:
            counts.append((settings.id, _done(settings, new)))
        return new

    def whole(self, rule: int, value: bytes, in_json: bool, redact: Redact, counts: Counts) -> bytes | None:
        """What takes the place of a value under a key: of the content of an AnyValue, or of JSON."""
        settings = self._rules[rule]
        at_once = settings.action in ("mask", "drop") and not settings.keep_values
        parts = None if at_once and not self._some_stay else scalars(value, in_json)
        if parts and all(self._stays_whole(rule, part.text, redact) for part in parts):
            return value
        truncates = settings.action == "truncate"
        new = _truncated(settings, parts, redact, counts) if truncates else self._acted(settings, parts)
        if parts and new == _joined([part.text for part in parts]):
            return value
        encoded = None if new is None else as_value(new, in_json)
        if encoded != value:
            counts.append((settings.id, _done(settings, new)))
        return encoded

    def _stays_whole(self, rule: int, text: str, redact: Redact) -> bool:
        value = text.encode("utf-8", "replace")
        return self.stays(rule, value) and not _may_be_json(text) and redact(value, []) == value

    def _acted(self, rule: Rule, parts: list[Scalar] | None) -> bytes | None:
        match rule.action:
            case "mask":
                return rule.mask
            case "drop":
                return None
            case "pseudonymize" if self._pseudonyms is not None:
                return _joined([self._pseudonyms.token(rule, part.text) for part in parts]) if parts else rule.mask
            case "generalize":
                return _generalized(rule, parts or [], self._this_year())
        raise ValueError(f"rule {rule.id} cannot {rule.action} here")


def _generalized(rule: Rule, parts: list[Scalar], this_year: int) -> bytes:
    texts = [_first_understood(rule, Scalar(plain(part.text), part.is_number), this_year) for part in parts]
    understood = [text for text in texts if text is not None]
    return _joined(understood) if texts and len(understood) == len(texts) else rule.mask


def _first_understood(rule: Rule, part: Scalar, this_year: int) -> str | None:
    tried = (GENERALIZE[name](part.text, part.is_number, this_year) for name in rule.generalize)
    return next((text for text in tried if text is not None), None)


def _truncated(rule: Rule, parts: list[Scalar] | None, redact: Redact, counts: Counts) -> bytes | None:
    """The first characters of what the other rules leave. JSON is masked: its keys mean less without those around."""
    if not parts or any(_may_be_json(part.text) for part in parts):
        return rule.mask
    text = redact(_joined([part.text for part in parts]), counts)
    return None if text is None else text.decode("utf-8", "replace")[: rule.truncate_to].encode()


def _may_be_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[", '"')


def _joined(texts: Sequence[str]) -> bytes:
    return ", ".join(texts).encode("utf-8", "replace")


def _done(rule: Rule, new: bytes | None) -> str:
    """What was done in the end: where an action does not understand a value, it is masked."""
    return "drop" if new is None else "mask" if new == rule.mask else rule.action


def _full_match(expressions: Sequence[str]) -> Callable[[bytes], bool]:
    """Whether a text matches one of some expressions from its start to its end."""
    if not expressions:
        return lambda text: False
    database = compiled([(fully_matches_expression(expression), 0) for expression in expressions])

    def matches(text: bytes) -> bool:
        ends: set[int] = set()
        database.scan(text, match_event_handler=lambda _id, _start, end, _flags, _: ends.add(end))
        return len(text) in ends

    return matches
