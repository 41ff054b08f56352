"""`forward` passes batches on as they are."""

from connectors.forward import ForwardSettings
from pipeline.batch import Batch, Signal
from tests.payloads import context


def test_forward_passes_the_same_batch() -> None:
    """What goes in comes out, the same object."""
    batch = Batch(Signal.LOGS, b"", 0)
    assert ForwardSettings().build(context("forward")).route(batch) is batch
