"""`drop_labels`: takes named attributes off metric data points and adds up the points that become the same series,
across batches and instances (see `processors.reaggregation` and docs/metrics.md).

The labels leave exemplars too, which exist to hold what points do not.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import translate
from typing import Annotated, TypeVar

from pydantic import Field, StringConstraints

from pipeline.batch import Batch, Signal
from pipeline.component import Context, ProcessorSettings
from processors.reaggregation import Attribute, Reaggregation, ReaggregationSettings, Stream

__all__ = ["DropLabels", "DropLabelsSettings"]

_Glob = Annotated[str, StringConstraints(min_length=1)]

_Name = TypeVar("_Name")
_MOST_REMEMBERED = 10_000
"""Names whose answer is remembered: a client may invent any number of them."""


class DropLabelsSettings(ProcessorSettings):
    """Which labels to drop, from which metrics. Names are OTLP's (`user.id`), exact or with `*`, `?` and `[…]`."""

    labels: list[_Glob] = Field(min_length=1)
    """Attributes of data points to drop."""
    metrics: tuple[_Glob, ...] = ("*",)
    """Metrics to drop them from; by default all."""
    keep: tuple[_Glob, ...] = ()
    """Attributes to keep although `labels` names them."""
    aggregation: ReaggregationSettings = ReaggregationSettings()
    """How the series that become one are added up."""

    def signals(self) -> frozenset[Signal]:
        return frozenset({Signal.METRICS})

    def build(self, context: Context) -> "DropLabels":
        return DropLabels(self, context)


class _Remembered(dict[_Name, bool]):
    """Whether a name fits, by name."""

    def __init__(self, fits: Callable[[_Name], bool]) -> None:
        super().__init__()
        self._fits: Callable[[_Name], bool] = fits

    def __missing__(self, name: _Name) -> bool:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        self[name] = fits = self._fits(name)
        return fits


def _matcher(globs: Iterable[str]) -> Callable[[str], object]:
    return re.compile("|".join(map(translate, globs)) or r"(?!)").match


class DropLabels:
    """Drops the labels; what collapses is added up by `Reaggregation`, which also holds back and remembers."""

    def __init__(self, settings: DropLabelsSettings, context: Context) -> None:
        named, kept, metric = map(_matcher, (settings.labels, settings.keep, settings.metrics))
        self._drops: _Remembered[bytes] = _Remembered(
            lambda key: named(key.decode()) is not None and kept(key.decode()) is None
        )
        self._metrics: _Remembered[str] = _Remembered(lambda name: metric(name) is not None)
        added_up = Reaggregation(settings.aggregation, context, strip=self._drops.__getitem__)
        self._apply, self.storage, self.tick = added_up.apply, added_up.storage, added_up.tick
        self.restore, self.changes, self.everything = added_up.restore, added_up.changes, added_up.everything

    def process(self, batch: Batch) -> Batch | None:
        return self._apply(batch, self._relabel)

    def _relabel(self, stream: Stream, attributes: Sequence[Attribute]) -> Sequence[Attribute] | None:
        if not self._metrics[stream.name]:
            return None
        drops = self._drops
        left = [each for each in attributes if not drops[each[0]]]
        return left if len(left) < len(attributes) else None
