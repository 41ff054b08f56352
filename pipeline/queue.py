"""The queue before each exporter: bounded, in memory, in order. The interface is the one a durable queue implements."""

from typing import Literal

from pydantic import Field

from config.settings import ByteSize, Settings

__all__ = ["QueueSettings"]


class QueueSettings(Settings):
    """The Collector's `sending_queue`."""

    num_consumers: int = Field(default=4, ge=1)
    """Requests to the destination at once. Where order matters (remote-write) the exporter sets 1."""
    queue_size: int = Field(default=1000, ge=1)
    """Most that may wait, counted as `sizer` says."""
    sizer: Literal["requests", "items", "bytes"] = "requests"
    """What `queue_size` counts: received requests, items (spans, points, records) or bytes."""
    max_bytes: ByteSize = Field(default=256 * 2**20, ge=1)
    """Most bytes that may wait, whatever the sizer: 1000 requests of 20 MiB would be more than a machine has."""
