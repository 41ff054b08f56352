"""Looking at what is about to leave: whether rules would still take something out of it."""

import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote_to_bytes

from pipeline.batch import Batch
from processors.redaction.edits import Changes
from processors.redaction.engine import Engine
from processors.redaction.pseudonyms import Pseudonyms
from processors.redaction.rules import Rule
from wire import schema
from wire.protobuf import fields

__all__ = ["Inspection"]

_UNREADABLE = b"[unreadable]"
_WORD = re.compile(rb"[A-Za-z0-9\x80-\xff]+")


class Inspection:
    """`pipeline.component.Inspector`, by a set of rules and an engine of its own.

    What redaction leaves is nothing to it: placeholders, tokens, what was made less exact. Rules that only observe are
    left out, and those that drop what is not listed: names that an exporter makes are on nobody's list.
    """

    def __init__(
        self, rules: Sequence[Rule], max_value_bytes: int, max_depth: int, pseudonyms: Pseudonyms | None
    ) -> None:
        acting = [rule for rule in rules if rule.action != "observe" and rule.all_but is None]
        self._engine = Engine(acting, max_value_bytes, max_depth, pseudonyms)
        masks = {_UNREADABLE, *(rule.mask for rule in acting)}
        tokens = [pseudonyms.expression.encode()] if pseudonyms else []
        self._left = re.compile(b"|".join([*_expressions(masks), *tokens]))
        self._one_at_a_time = threading.Lock()

    def findings(self, batch: Batch) -> Mapping[str, int]:
        """By rule; `over_budget` is what cannot be looked at. Raises: any exception on which the engine fails."""
        root = schema.ROOT[batch.signal]
        with self._one_at_a_time:
            changes = self._engine.changes(batch.payload, root)
            if not changes.edits:
                return {}
            # A placeholder can read as part of a key, or as a value: look again with one that says nothing.
            blank = self._left.sub(_blank, batch.payload)
            changes = self._engine.changes(blank, root)
        return _counts(changes) if _loses_words(changes, blank) else {}


def _blank(left: re.Match[bytes]) -> bytes:
    """A word of as many bytes, so that the lengths in the payload stay right."""
    return b"_" + b"z" * (len(left[0]) - 2) + b"_"


def _expressions(masks: Iterable[bytes]) -> list[bytes]:
    """For placeholders, also as the end of a name that was made of one; a single sign, as `?` in SQL, needs none."""
    longest_first = sorted((mask for mask in masks if len(mask) > 2), key=len, reverse=True)
    in_names = [re.escape(re.sub(rb"[^A-Za-z0-9]+", b"_", mask)) + rb"(?![A-Za-z0-9])" for mask in longest_first]
    return [*map(re.escape, longest_first), *(each for each in in_names if each.startswith(b"_"))]


def _loses_words(changes: Changes, payload: bytes) -> bool:
    """Whether the edits would take more away than signs: those come and go around what was redacted."""
    return bool(changes.failed_items) or any(
        _words(payload[start:end]) - _words(new) for start, end, new in changes.edits
    )


def _words(edited: bytes) -> Counter[bytes]:
    """The words of a text, or of an AnyValue: its tag and length are none, but may look like one."""
    if edited[:1] == b"\x0a":
        _, _, start, end = next(fields(edited, 0, len(edited)))
        edited = edited[start:] if end == len(edited) else edited
    return Counter(word for word in _WORD.findall(unquote_to_bytes(edited)) if word.strip(b"z"))


def _counts(changes: Changes) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for (rule, _, _), count in changes.redactions.items():
        found[rule] += count
    return found + Counter({"over_budget": changes.unreadable + changes.failed_items})
