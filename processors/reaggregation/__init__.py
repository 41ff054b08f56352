"""Re-aggregation: adding up series that become one because labels were taken off, across batches and instances."""

from processors.reaggregation.reaggregation import DROP, Attribute, Reaggregation, Relabel, Stream
from processors.reaggregation.settings import ReaggregationSettings

__all__ = ["DROP", "Attribute", "Reaggregation", "ReaggregationSettings", "Relabel", "Stream"]
