"""The Collector's `sending_queue`: how much may wait before an exporter, where, and what if that is too much."""

import math
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, field_validator

from config.settings import ByteSize, Seconds, Settings
from pipeline.queues.storage import NO_STORAGE

__all__ = ["QueueSettings", "WhenFull"]

WhenFull = Literal["refuse", "drop_oldest", "drop_new"]

_MEMORY_REQUESTS = 1000
_MEMORY_BYTES = 256 * 2**20
_DISK_BYTES = 2**30


class QueueSettings(Settings):
    """The Collector's `sending_queue`."""

    enabled: bool = True
    """The Collector's switch. There is no way without a queue: it is what an acknowledged request is kept in."""
    num_consumers: int = Field(default=4, ge=1)
    """Requests to the destination at once. Where order matters (remote-write) the exporter sets 1."""
    storage: str = "file_storage"
    """The id of the `file_storage` extension that keeps what waits; that of the default needs no entry under
    `extensions`. `none`: what waits is in memory, and gone when the daemon dies."""
    queue_size: int | None = Field(default=None, ge=1)
    """Most that may wait or be under way, counted as `sizer` says. Without it a queue in memory takes 1000 requests,
    the Collector's default, and one on disk as many as its other limits allow."""
    sizer: Literal["requests", "items", "bytes"] = "requests"
    """What `queue_size` counts: received requests, items (spans, points, records) or bytes."""
    max_bytes: ByteSize | None = None
    """Most bytes that may wait, whatever the sizer. By default 1 GiB on disk, an hour of 1,000 spans a second at 300
    bytes; 256 MiB in memory, because 1000 requests of 20 MiB would be more than a machine has."""
    max_items: int | None = Field(default=None, ge=1)
    """Most items that may wait; no limit by default."""
    max_age: Seconds = Field(default=0.0, ge=0)
    """What has waited longer is dropped and counted as `too_old`; 0 = nothing is too old."""
    when_full: WhenFull = "refuse"
    """What happens to a batch for which there is no room: `refuse` it for all destinations, so that its client sends it
    again; `drop_oldest`, what has waited longest here; or `drop_new`, the copy of the batch that is for this
    destination. What is dropped is counted as `queue_full`."""
    wait_for_result: bool = False
    """The Collector's switch to answer only when the destination has it. Only `false` is taken."""
    block_on_overflow: bool = False
    """The Collector's switch to let clients wait while the queue is full. Only `false` is taken."""
    batch: None = None
    """The Collector's batching within the queue. Here the `batch` processor says how what waits is merged."""

    @field_validator("enabled")
    @classmethod
    def _stays_on(cls, enabled: bool) -> bool:
        if not enabled:
            raise ValueError(
                "the queue cannot be switched off; it keeps what was acknowledged; limit it with queue_size"
            )
        return enabled

    @field_validator("max_bytes")
    @classmethod
    def _holds_something(cls, most: int | None) -> int | None:
        if most is not None and most < 1:
            raise ValueError("a queue must be able to hold something; give a size such as 1GiB")
        return most

    @field_validator("wait_for_result")
    @classmethod
    def _answers_when_it_is_stored(cls, wait: bool) -> bool:
        if wait:
            raise ValueError(
                "clients are answered when a batch is stored, so that slow destinations keep nobody waiting; remove it"
            )
        return wait

    @field_validator("block_on_overflow")
    @classmethod
    def _refuses(cls, block: bool) -> bool:
        if block:
            raise ValueError(
                "a full queue tells clients when to come back instead of letting them wait; remove it, or see when_full"
            )
        return block

    @field_validator("batch", mode="before")
    @classmethod
    def _is_merged_by_the_processor(cls, batch: Any) -> None:
        if batch is not None:
            raise ValueError("what waits is merged as the batch processor says; put one last into the pipelines")

    @property
    def is_durable(self) -> bool:
        return self.storage != NO_STORAGE

    def most(self, unit: str, *, is_durable: bool) -> float:
        """The limit of requests, items or bytes; infinite if there is none."""
        limits: list[float] = [self.queue_size] if unit == self.sizer and self.queue_size is not None else []
        if unit == "requests" and self.queue_size is None and not is_durable:
            limits.append(_MEMORY_REQUESTS)
        if unit == "items" and self.max_items is not None:
            limits.append(self.max_items)
        if unit == "bytes":
            limits.append(self.max_bytes or (_DISK_BYTES if is_durable else _MEMORY_BYTES))
        return min(limits, default=math.inf)

    def limits(self, *, is_durable: bool) -> Iterator[tuple[str, int]]:
        """Every unit that has a limit, and the limit; that of the sizer first."""
        for unit in sorted(("requests", "items", "bytes"), key=lambda unit: unit != self.sizer):
            most = self.most(unit, is_durable=is_durable)
            if most < math.inf:
                yield unit, int(most)
