"""What a target of fuzzing is: how its inputs are made, and what is done with one."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pipeline.batch import Batch
from tests.fuzz.messages import message
from tests.fuzz.mutate import mutated
from tests.fuzz.watch import Broken, check_texts
from wire import otlp
from wire.signal import Signal

__all__ = ["Check", "Target", "must", "otlp_of", "received", "request", "signal_of"]

Check = Callable[[bytes], bool]
"""Does with an input what the daemon would: True if it was taken, False if it was turned away as documented.

Raises: `Broken`, or whatever else must not happen.
"""


@dataclass(frozen=True, slots=True)
class Target:
    """`make` gives an input, `open` the check; `share` of all inputs are for it, by what one costs."""

    make: Callable[[Random], bytes]
    open: Callable[[], Check]
    share: int


_SIGNALS = tuple(Signal)


def signal_of(data: bytes) -> Signal:
    """The first byte of an input says of which signal the rest is."""
    return _SIGNALS[data[0] % 3] if data else Signal.TRACES


def request(random: Random) -> bytes:
    """An input of any signal."""
    return otlp_of(random, random.choice(_SIGNALS))


def otlp_of(random: Random, signal: Signal) -> bytes:
    """An input of one signal: a request that was changed here and there."""
    return bytes((_SIGNALS.index(signal),)) + mutated(random, message(random, signal), message(random, signal))


def received(data: bytes) -> Batch | None:
    """The batch that a receiver makes of an input; None if it turns it away."""
    try:
        return Batch.received(signal_of(data), data[1:])
    except otlp.Malformed as error:
        check_texts(error)
        return None


def must(holds: object, sentence: str) -> None:
    """Raises: `Broken`."""
    if not holds:
        raise Broken(sentence)
