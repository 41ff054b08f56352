"""Settings that the pushing and the pulled Prometheus exporter share."""

import re
from typing import Annotated

from pydantic import AfterValidator

from config.settings import Settings
from wire.prometheus_names import Strategy

__all__ = ["Labels", "ResourceLabels", "strategy"]

_SERVICE_ATTRIBUTES = frozenset({"service.name", "service.namespace", "service.instance.id"})
_LABEL_NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*")


def _are_labels(labels: dict[str, str]) -> dict[str, str]:
    if not all(_LABEL_NAME.fullmatch(name) for name in labels):
        raise ValueError("label names are letters, digits and underscores, no digit first, nor two underscores")
    if not all(labels.values()):
        raise ValueError("a label without a value is no label; give it one or leave it out")
    return labels


Labels = Annotated[dict[str, str], AfterValidator(_are_labels)]
"""Labels with their values, as Prometheus takes them."""


class ResourceLabels(Settings):
    """The Collector's `resource_to_telemetry_conversion`."""

    enabled: bool = False
    """Make every resource attribute a label of every series. Off: they are in `target_info`, once per target."""
    exclude_service_attributes: bool = False
    """Without `service.name`, `service.namespace` and `service.instance.id`, which are `job` and `instance` already."""

    def promotes(self, key: str) -> bool:
        """Whether a resource attribute becomes a label of every series."""
        return self.enabled and not (self.exclude_service_attributes and key in _SERVICE_ATTRIBUTES)


def strategy(chosen: Strategy | None, *, add_metric_suffixes: bool) -> Strategy:
    """How names are translated: as chosen, otherwise by the Collector's older switch."""
    with_suffixes = Strategy.UNDERSCORE_ESCAPING_WITH_SUFFIXES
    return chosen or (with_suffixes if add_metric_suffixes else Strategy.UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES)
