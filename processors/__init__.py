"""Every processor there is: the table of `processors:` in the configuration, and other spellings of its names."""

from pipeline.component import ProcessorSettings
from processors.attributes import AttributesSettings
from processors.batch import BatchSettings
from processors.drop_labels import DropLabelsSettings
from processors.filter import FilterSettings
from processors.memory_limiter import MemoryLimiterSettings
from processors.redact_phi import RedactPhiSettings
from processors.resource import ResourceSettings

__all__ = ["ALIASES", "PROCESSORS"]

PROCESSORS: dict[str, type[ProcessorSettings]] = {
    "attributes": AttributesSettings,
    "batch": BatchSettings,
    "drop_labels": DropLabelsSettings,
    "filter": FilterSettings,
    "memory_limiter": MemoryLimiterSettings,
    "redact_phi": RedactPhiSettings,
    "resource": ResourceSettings,
}

ALIASES: dict[str, str] = {}
