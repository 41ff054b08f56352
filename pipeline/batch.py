"""What flows: OTLP bytes with a signal and a count, the same type for traces, metrics and logs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from google.protobuf.message import Message

from wire import otlp
from wire.signal import Signal

__all__ = ["Batch", "Signal"]


@dataclass(frozen=True, slots=True, repr=False)
class Batch:
    """One serialized `Export…ServiceRequest`, immutable; who changes it makes a new one.

    `payload` is clean OTLP: `wire.otlp.sanitize` has seen it, so it parses, its strings are UTF-8 and it holds no
    unknown field.
    `items` counts spans, data points or log records. `tenant` is whose they are, as the client said; empty if nobody
    asks. It is data: it never appears in a log line, a metric or the ledger.
    """

    signal: Signal
    payload: bytes
    items: int
    tenant: str = ""

    @classmethod
    def received(cls, signal: Signal, payload: bytes) -> "Batch":
        """A batch from bytes a client sent.

        Raises: `wire.otlp.Malformed` if they are not OTLP.
        """
        clean, items = otlp.sanitize(signal, payload)
        return cls(signal, clean, items)

    @classmethod
    def encode(cls, signal: Signal, message: Message) -> "Batch":
        """A batch from a decoded message, as `decode` gives it."""
        payload = message.SerializeToString()
        return cls(signal, payload, otlp.count(signal, payload))

    def decode(self) -> Message:
        """The protobuf message (`TracesData`, `MetricsData` or `LogsData`), a copy of one's own to change."""
        return otlp.decode(self.signal, self.payload)

    def split(self, *, max_items: int = 0, max_bytes: int = 0) -> "Sequence[Batch]":
        """The same items in order, in batches within both limits (0 = none); a single item over `max_bytes` stands
        alone.
        """
        parts = otlp.split(self.signal, self.payload, self.items, max_items, max_bytes)
        return [replace(self, payload=payload, items=items) for payload, items in parts]

    @staticmethod
    def join(batches: "Sequence[Batch]") -> "Batch":
        """One batch of the items of many of the same signal and tenant, in order: protobuf joins repeated fields by
        concatenation.
        """
        if len(batches) == 1:
            return batches[0]
        payload = b"".join(batch.payload for batch in batches)
        return replace(batches[0], payload=payload, items=sum(batch.items for batch in batches))

    def __repr__(self) -> str:
        return f"Batch({self.signal.value}, {self.items} {self.signal.items}, {len(self.payload)} bytes)"
