"""What was acknowledged against what arrived: losses, duplicates by their cause, and order."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chaos.clients import Export, Item
from tests.chaos.recorder import Recorder
from wire.signal import Signal

__all__ = ["Account", "account", "account_of_receipts"]


@dataclass
class Account:
    """Of one signal at one destination."""

    destination: str
    signal: Signal
    acknowledged: int = 0
    refused: int = 0
    """Items whose export failed for good; they may be there or not."""
    lost: int = 0
    in_flight: int = 0
    """Duplicates of what was being sent when the daemon was killed."""
    answer_lost: int = 0
    """Duplicates of what its client sent again, because the daemon was killed before it could say that it had it."""
    unexplained: int = 0
    """Any other duplicates."""
    out_of_order: int = 0
    examples: list[Item] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.unexplained or self.out_of_order)

    def __str__(self) -> str:
        return (
            f"{self.signal.value:8}{self.destination:12} acknowledged {self.acknowledged:7}  not {self.refused:6}  "
            f"lost {self.lost:4}  twice: in flight {self.in_flight:5}, answer lost {self.answer_lost:5}, "
            f"unexplained {self.unexplained:3}  out of order {self.out_of_order:3}"
        )


def account(destination: str, signal: Signal, exports: Iterable[Export], stored: Collection[Item]) -> Account:
    """For a destination that only tells what it has."""
    found = Counter(stored)
    result = Account(destination, signal)
    for export in exports:
        if export.signal is not signal:
            continue
        if not export.acknowledged:
            result.refused += len(export.items)
            continue
        result.acknowledged += len(export.items)
        missing = [item for item in export.items if not found[item]]
        result.lost += len(missing)
        result.examples += missing[:3]
    return result


def account_of_receipts(signal: Signal, exports: Sequence[Export], recorder: Recorder, workers: int) -> Account:
    """For the recorder, fed by so many workers at once: also every duplicate and its cause, and with one worker the
    order.

    In flight when the daemon was killed can only have been what came last in a life, one request for each worker.
    """
    places: dict[Item, list[int]] = defaultdict(list)
    lives: list[int] = []
    for place, (receipt, items) in enumerate(recorder.items(signal)):
        lives.append(receipt.life)
        for item in items:
            places[item].append(place)
    last = _last_of_lives(lives, workers)
    result = account("recorder", signal, exports, places)
    for export in exports:
        for item in export.items:
            _explain(result, export, item, places.get(item, []), lives, last)
    if workers == 1:
        result.out_of_order = _out_of_order(places)
    return result


def _last_of_lives(lives: Sequence[int], workers: int) -> set[int]:
    """The places of what came last in each life but the last."""
    last: set[int] = set()
    for life in set(lives) - {max(lives, default=0)}:
        last.update([place for place, each in enumerate(lives) if each == life][-workers:])
    return last


def _explain(
    result: Account, export: Export, item: Item, places: Sequence[int], lives: Sequence[int], last: Collection[int]
) -> None:
    """Each receipt but the last is a duplicate: why was the item sent once more after it?"""
    for earlier, later in pairwise(places):
        if earlier in last and lives[later] > lives[earlier]:
            result.in_flight += 1
        elif export.began != export.ended or not export.acknowledged:
            result.answer_lost += 1
        else:
            result.unexplained += 1
            result.examples.append(item)


def _out_of_order(places: dict[Item, list[int]]) -> int:
    """Items that came for the first time after a later one of the same client had come."""
    newest: dict[str, int] = defaultdict(int)
    wrong = 0
    for item in places:
        wrong += item.number < newest[item.client]
        newest[item.client] = max(newest[item.client], item.number)
    return wrong
