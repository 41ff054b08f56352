"""`resource`: set, delete, hash, extract and convert resource attributes, as in the Collector.

`hash` is an unsalted SHA-256 and no redaction: see `processors/attributes.py`.
"""

from pydantic import Field

from pipeline.batch import Batch
from pipeline.component import Context, ProcessorSettings
from processors.attribute_actions import ActionSettings, compile_actions
from processors.otlp_objects import resources

__all__ = ["Resource", "ResourceSettings"]


class ResourceSettings(ProcessorSettings):
    """The Collector's `resource` processor."""

    attributes: list[ActionSettings] = Field(min_length=1)
    """What to do with the attributes of every resource, in order."""

    def build(self, context: Context) -> "Resource":
        return Resource(self)


class Resource:
    """Does the actions on every resource."""

    def __init__(self, settings: ResourceSettings) -> None:
        self._change = compile_actions(settings.attributes)

    def process(self, batch: Batch) -> Batch:
        message = batch.decode()
        changed = False
        for envelope in resources(batch.signal, message):
            changed = self._change(envelope.resource.attributes) or changed
        return Batch.encode(batch.signal, message) if changed else batch
