"""Every processor there is: the table of `processors:` in the configuration, and other spellings of its names."""

from pipeline.component import ProcessorSettings
from processors.attributes import AttributesSettings
from processors.batch import BatchSettings
from processors.collector_redaction import CollectorRedactionSettings
from processors.cumulative_to_delta import CumulativeToDeltaSettings
from processors.delta_to_cumulative import DeltaToCumulativeSettings
from processors.drop_labels import DropLabelsSettings
from processors.filter import FilterSettings
from processors.limit_cardinality import LimitCardinalitySettings
from processors.memory_limiter import MemoryLimiterSettings
from processors.redact_phi import RedactPhiSettings
from processors.resource import ResourceSettings

__all__ = ["ALIASES", "PROCESSORS"]

PROCESSORS: dict[str, type[ProcessorSettings]] = {
    "attributes": AttributesSettings,
    "batch": BatchSettings,
    "cumulative_to_delta": CumulativeToDeltaSettings,
    "delta_to_cumulative": DeltaToCumulativeSettings,
    "drop_labels": DropLabelsSettings,
    "filter": FilterSettings,
    "limit_cardinality": LimitCardinalitySettings,
    "memory_limiter": MemoryLimiterSettings,
    "redact_phi": RedactPhiSettings,
    "redaction": CollectorRedactionSettings,
    "resource": ResourceSettings,
}

ALIASES: dict[str, str] = {
    "cumulativetodelta": "cumulative_to_delta",
    "deltatocumulative": "delta_to_cumulative",
}
