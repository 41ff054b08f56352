"""What the configuration says: which labels go and stay, how many values and series there may be, and what then."""

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Literal

from pydantic import Field

from config.settings import Settings
from processors.cardinality.names import ALWAYS_DROP, NEVER_DROP, NamePattern, matcher

__all__ = ["Action", "Limit", "LimitSettings", "MetricRules", "OverrideSettings", "rules_by_metric"]


class Action(StrEnum):
    """What happens above a limit."""

    DROP_LABEL = "drop_label"
    OVERFLOW = "overflow"
    DROP_SERIES = "drop_series"


class Limit(StrEnum):
    """What was exceeded: the values of a label, the series of a metric, or all series together."""

    VALUES = "values"
    SERIES = "series"
    TOTAL = "total"


class OverrideSettings(Settings):
    """Other rules for some metrics; what is left out is as for all."""

    metrics: list[NamePattern] = Field(min_length=1)
    """The metrics meant, by OTLP's names."""
    action: Action | None = None
    """What happens above a limit."""
    max_values_per_label: int | None = Field(default=None, ge=1)
    """Distinct values of one label within the window."""
    max_series_per_metric: int | None = Field(default=None, ge=1)
    """Series of one metric within the window."""
    always_drop: tuple[NamePattern, ...] | None = None
    """Labels to drop always, instead of those for all metrics."""
    never_drop: tuple[NamePattern, ...] | None = None
    """Labels never to drop, instead of those for all metrics."""


class LimitSettings(Settings):
    """The rules for all metrics, and the exceptions from them."""

    mode: Literal["enforce", "observe"] = "enforce"
    """`observe` counts and decides as `enforce` would, and changes nothing: to see first what it would do."""
    always_drop: tuple[NamePattern, ...] = ALWAYS_DROP
    """Labels that go however few values they have: names, globs, `/regex/`. By default what names a person, a single
    request or a network address."""
    never_drop: tuple[NamePattern, ...] = NEVER_DROP
    """Labels that stay although `always_drop` names them or they have many values; by default what dashboards group by.
    Series that are too many on their account are folded into one."""
    max_values_per_label: int = Field(default=1000, ge=1)
    """Distinct values of one label of one metric within the window. A label of more is a list of things, not a sort."""
    max_series_per_metric: int = Field(default=10_000, ge=1)
    """Series of one metric within the window, of all its sources together: a hundred sources of a hundred each."""
    max_series: int = Field(default=1_000_000, ge=1)
    """Series of all metrics together within the window. Each costs about 100 bytes here, several kB in Prometheus."""
    action: Action = Action.DROP_LABEL
    """Above a limit: `drop_label` takes the label off and adds up what becomes one series; `overflow` lets known values
    pass and makes new ones `__other__`, and whole series one with `otel.metric.overflow` alone; `drop_series` drops
    what is new, counted."""
    overrides: tuple[OverrideSettings, ...] = ()
    """Other rules for some metrics; the first that fits a metric holds."""


class MetricRules:
    """What holds for one metric."""

    def __init__(self, settings: LimitSettings, override: OverrideSettings | None) -> None:
        own = {} if override is None else override.model_dump(exclude_none=True)
        self.action: Action = own.get("action", settings.action)
        self.max_values: int = own.get("max_values_per_label", settings.max_values_per_label)
        self.max_series: int = own.get("max_series_per_metric", settings.max_series_per_metric)
        self.always_drops = matcher(own.get("always_drop", settings.always_drop))
        self.never_drops = matcher(own.get("never_drop", settings.never_drop))
        # Names in exemplars are tested again and again, and are not remembered by any metric.
        self.drops_from_exemplars = lru_cache(4096)(lambda name: self.always_drops(name) and not self.never_drops(name))


def rules_by_metric(settings: LimitSettings) -> Callable[[str], MetricRules]:
    """The rules for a metric of a name."""
    general = MetricRules(settings, None)
    special = [(matcher(each.metrics), MetricRules(settings, each)) for each in settings.overrides]

    def rules(name: str) -> MetricRules:
        return next((rules for fits, rules in special if fits(name)), general)

    return rules
