"""The account of a run: what it calls lost, twice for which reason, and out of order."""

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from tests.chaos.account import Account, account, account_of_receipts
from tests.chaos.clients import Export, Item
from tests.chaos.recorder import Receipt, Recorder
from wire.signal import Signal


def export(number: int, *, began: int = 0, ended: int = 0, acknowledged: bool = True) -> Export:
    return Export(Signal.TRACES, (Item("a", number),), began, ended, acknowledged)


def received(*requests: tuple[int, list[int]]) -> Recorder:
    """A recorder that got requests: in which life, and with which numbers."""
    recorder = Recorder()
    for life, numbers in requests:
        data = TracesData()
        resource = data.resource_spans.add()
        resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="a")))
        resource.scope_spans.add().spans.extend(Span(span_id=each.to_bytes(8)) for each in numbers)
        recorder.receipts.append(Receipt(life, Signal.TRACES, data.SerializeToString()))
    return recorder


def test_what_is_missing_is_lost() -> None:
    """Only if it was acknowledged."""
    found = account("x", Signal.TRACES, [export(1), export(2), export(3, acknowledged=False)], [Item("a", 1)])
    assert found == Account("x", Signal.TRACES, acknowledged=2, refused=1, lost=1, examples=[Item("a", 2)])


def test_twice_because_it_was_in_flight() -> None:
    """It came last in one life, and again in the next."""
    recorder = received((0, [1]), (0, [2]), (1, [2]))
    found = account_of_receipts(Signal.TRACES, [export(1), export(2)], recorder, workers=1)
    assert (found.lost, found.in_flight, found.answer_lost, found.unexplained) == (0, 1, 0, 0)
    assert found.is_good


def test_twice_because_its_answer_was_lost() -> None:
    """Its client sent it in two lives."""
    found = account_of_receipts(Signal.TRACES, [export(1, ended=1)], received((1, [1]), (1, [1])), workers=1)
    assert (found.in_flight, found.answer_lost, found.unexplained) == (0, 1, 0)


def test_twice_for_no_reason() -> None:
    """It had been answered before the last request of its life."""
    recorder = received((0, [1]), (0, [2]), (1, [1]))
    found = account_of_receipts(Signal.TRACES, [export(1), export(2)], recorder, workers=1)
    assert (found.unexplained, found.examples, found.is_good) == (1, [Item("a", 1)], False)


def test_out_of_order() -> None:
    """A number after a higher one of the same client, unless it had come before."""
    recorder = received((0, [1]), (0, [3]), (0, [2]), (0, [4]))
    found = account_of_receipts(Signal.TRACES, [export(number) for number in range(1, 5)], recorder, workers=1)
    assert (found.out_of_order, found.is_good) == (1, False)
