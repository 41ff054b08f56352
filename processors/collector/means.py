"""All that a configuration of `redaction` says, ready for use."""

from dataclasses import dataclass

from processors.collector.expressions import Matches
from processors.collector.keys import Keys
from processors.collector.masks import Mask
from processors.collector.sanitizers import Sanitizers
from processors.collector.summary import Level
from processors.collector.texts import Texts

__all__ = ["Means"]


@dataclass(frozen=True, slots=True)
class Means:
    """`action` is the word for what `mask` does; `all_types` says that numbers are looked at everywhere."""

    keys: Keys
    texts: Texts
    allowed_values: Matches
    sanitizers: Sanitizers
    mask: Mask
    action: str
    summary: Level
    all_types: bool
