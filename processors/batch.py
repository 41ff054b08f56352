"""`batch`: how each exporter downstream merges queue entries into one request.

It stands last among a pipeline's processors and holds no data: the acknowledgement to the client never waits for it,
and each exporter merges on its own, behind its queue. The machine reads these settings; nothing is built from them.
"""

from pydantic import Field, field_validator, model_validator

from config.settings import Seconds
from pipeline.component import ProcessorSettings
from pipeline.queues.queue import Merge

__all__ = ["BatchSettings"]


class BatchSettings(ProcessorSettings):
    """The Collector's `batch` processor, with its defaults."""

    send_batch_size: int = Field(default=8192, ge=0)
    """Spans, data points or log records after which a request is sent without waiting for more; 0 = do not wait."""
    timeout: Seconds = Field(default=0.2, ge=0)
    """The longest wait for more items; 0 = send at once."""
    send_batch_max_size: int = Field(default=0, ge=0)
    """The most items in one request; larger batches are split; 0 = no limit."""
    metadata_keys: tuple[str, ...] = ()
    """The Collector's batches per value of a client's header; refused, since batches carry no headers."""

    @field_validator("metadata_keys")
    @classmethod
    def _no_metadata(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value:
            raise ValueError(
                "no client metadata is kept with the data, so batches cannot be kept apart by it; leave it out"
            )
        return value

    @model_validator(mode="after")
    def _holds_a_batch(self) -> "BatchSettings":
        if 0 < self.send_batch_max_size < self.send_batch_size:
            raise ValueError(
                f"send_batch_max_size {self.send_batch_max_size} is below send_batch_size {self.send_batch_size}; "
                "raise it, or leave it out for no limit"
            )
        return self

    def merge(self) -> Merge:
        """What the exporters downstream are told."""
        return Merge(size=self.send_batch_size, max_size=self.send_batch_max_size, timeout=self.timeout)
