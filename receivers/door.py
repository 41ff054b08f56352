"""The door of a receiver: what a request passes before anything of its body is read, the same for every transport."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self, cast

from pydantic import Field, model_validator

from config.settings import Seconds, Settings
from pipeline.batch import Signal
from pipeline.component import Guard
from pipeline.errors import Refused
from receivers.admission import Admission, AdmissionSettings, Place
from receivers.authentication import AuthenticatedSettings, Gate
from receivers.intake import Intake

__all__ = ["Door", "DoorSettings", "MiddlewareSettings"]


_LARGEST = {"max_recv_msg_size_mib": 2**20, "max_request_body_size": 1}
"""What transports call their largest request, and its unit in bytes."""


class MiddlewareSettings(Settings):
    """One of `middlewares`."""

    id: str = Field(min_length=1)
    """Id of an extension that can turn requests away, such as `memory_limiter`; `service::extensions` must name it
    too."""


class DoorSettings(AuthenticatedSettings, AdmissionSettings):
    """What every protocol of a receiver asks of requests before it reads them."""

    middlewares: list[MiddlewareSettings] = Field(default_factory=list)
    """Extensions that may turn a request away, in this order. A `memory_limiter` that stands first in a pipeline is
    asked without being named here."""
    read_timeout: Seconds = Field(default=60.0, gt=0)
    """Most seconds until the whole of a request has come. The Collector waits for ever; a place is held meanwhile."""

    @model_validator(mode="after")
    def _room_for_two(self) -> Self:
        for key, unit in _LARGEST.items():
            needed = 2 * unit * getattr(self, key, 0)
            if needed > self.max_bytes_in_flight:
                raise ValueError(
                    f"{key} is more than half of max_bytes_in_flight, so that one slow client could keep the others "
                    f"out; lower it, or set max_bytes_in_flight to {-(-needed // 2**20)}MiB or more"
                )
        return self


class Door:
    """Lets requests in: as many as there are places for, and while no guard of the signal says no."""

    def __init__(self, settings: DoorSettings, intake: Intake) -> None:
        self._context = intake.context
        self.gate = Gate(settings, self._context)
        self._admission = Admission(self._context.id, settings)
        named = [cast(Guard, self._context.extension(each.id)) for each in settings.middlewares]
        self._guards = {signal: list(named) for signal in Signal}
        for signal, consumer in intake.consumers.items():
            if isinstance(consumer, Guard):
                self._guards[signal].append(consumer)

    @asynccontextmanager
    async def admitted(self, signal: Signal, client: str, size: int) -> AsyncIterator[Place]:
        """Hold a place for a request of a client, of `size` bytes as far as is known (0 if not), until it is answered.

        Raises: `Refused`; whatever is refused within is counted here, by its reason.
        """
        try:
            async with self._admission.place(client, size) as place:
                for guard in self._guards[signal]:
                    guard.admit()
                yield place
        except Refused as error:
            self._context.telemetry.refused_request(self._context.id, signal, error.reason)
            raise

    def turned_away(self, reason: str) -> None:
        """Count a connection that was closed for what it did."""
        self._context.telemetry.refused_request(self._context.id, "", reason)
