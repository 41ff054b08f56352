"""From the bytes a client sent to a batch that every queue has, counted: the same for every transport."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from pipeline.batch import Batch, Signal
from pipeline.component import Consumer, Context
from pipeline.errors import Refused, Rejected, Unsupported
from pipeline.logs import where
from receivers.in_thread import in_thread_if_large
from wire.otlp import Malformed

__all__ = ["Intake"]


@dataclass(frozen=True, slots=True)
class Intake:
    """One transport of one receiver."""

    context: Context
    transport: str
    consumers: Mapping[Signal, Consumer]

    async def reading(self, signal: Signal, body: Awaitable[bytes]) -> bytes:
        """Wait for the bytes of a request, counting one that is rejected before it could be read."""
        try:
            return await body
        except Rejected:
            self.context.telemetry.failed(self.context.id, self.transport, signal, 1)
            raise

    async def take(self, signal: Signal, size: int, read: Callable[[], Batch]) -> int:
        """Make a batch of a request of `size` bytes with `read`, hand it over, and return its items.

        Raises: `Rejected` for bytes that are not OTLP or a signal without a pipeline; `Refused`.
        """
        telemetry, me = self.context.telemetry, self.context.id
        items = 0
        try:
            if signal not in self.consumers:
                raise Unsupported(f"no pipeline takes {signal.value} from receiver {me}")
            batch = await in_thread_if_large(size, read)
            items = batch.items
            await self.consumers[signal].consume(batch)
        except Refused:
            telemetry.refused(me, self.transport, signal, items)
            raise
        except Malformed as error:
            telemetry.failed(me, self.transport, signal, 1)
            raise Rejected(str(error)) from None
        except Rejected:
            telemetry.failed(me, self.transport, signal, max(items, 1))
            raise
        except Exception as error:
            telemetry.failed(me, self.transport, signal, max(items, 1))
            self.context.log.error("an internal error; the data was not taken", cause=where(error))
            raise
        telemetry.accepted(me, self.transport, signal, items)
        return items
