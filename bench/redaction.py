"""What redaction costs: against receiving the same bytes, with PHI in every span, and by the number of rules.

python -m bench.redaction
"""

import time
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from bench.payloads import logs, spans
from pipeline.batch import Batch, Signal
from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.telemetry import Telemetry
from processors.redact_phi import RedactPhi, RedactPhiSettings
from wire.otlp import COMPILED

_ITEMS = 512
_ROUNDS = 40
_REPEATS = 7


class _Healthy:
    def problems(self) -> Mapping[str, str]:
        return {}


def microseconds(work: Callable[[], object], items: int) -> float:
    """CPU time per item: the least of several runs, which the machine's other work disturbed least."""
    best = float("inf")
    for _ in range(_REPEATS):
        started = time.process_time()
        for _ in range(_ROUNDS):
            work()
        best = min(best, time.process_time() - started)
    return best / _ROUNDS / items * 1e6


def processor(extra_rules: int = 0) -> RedactPhi:
    """All packs, and as many more rules of two patterns and two keys each."""
    rules = [
        {
            "id": f"extra_{number}",
            "title": "made up",
            "keys": [f"extra_key_{number}", f"other_{number}_code"],
            "patterns": [rf"\bX{number:03d}-\d{{4}}-\d{{2}}\b", rf"\bY{number:03d}[A-Z]{{2}}\d{{6}}\b"],
        }
        for number in range(extra_rules)
    ]
    context = Context("redact_phi", Telemetry(), structlog.get_logger(), _Healthy(), Deadline(1.0))
    return RedactPhiSettings.model_validate({"rules": rules}).build(context)


def main() -> None:
    """Print the table."""
    clean, dirty, bodies = spans(_ITEMS), spans(_ITEMS, with_phi=True), logs(_ITEMS)
    no_path = spans(_ITEMS, name="RecordsController.show")
    print(f"kernels {'compiled' if COMPILED else 'as Python'}; µs of CPU per item, {_ITEMS} items in a request")
    redact = processor()
    cases = {
        "check what was received, clean span": (lambda: Batch.received(Signal.TRACES, clean)),
        "redact a clean span": (lambda: redact.process(Batch(Signal.TRACES, clean, _ITEMS))),
        "redact a clean span whose name is no path": (lambda: redact.process(Batch(Signal.TRACES, no_path, _ITEMS))),
        "redact a span with PHI in two places": (lambda: redact.process(Batch(Signal.TRACES, dirty, _ITEMS))),
        "redact a log record of nested JSON with three identifiers": (
            lambda: redact.process(Batch(Signal.LOGS, bodies, _ITEMS))
        ),
    }
    figures = {name: microseconds(work, _ITEMS) for name, work in cases.items()}
    for name, figure in figures.items():
        print(f"{figure:8.2f}  {name}")
    ratio = figures["redact a span with PHI in two places"] / figures["redact a clean span"]
    print(f"{ratio:8.2f}  times the cost of a clean span when every span carries PHI in two places")
    few = len(RedactPhiSettings().effective_rules())
    first = 0.0
    for extra in (0, 100, 460):
        more = processor(extra)
        figure = microseconds(partial(more.process, Batch(Signal.TRACES, clean, _ITEMS)), _ITEMS)
        first = first or figure
        print(f"{figure:8.2f}  clean span, {few + extra} rules ({figure / first:.2f} times the packs alone)")


if __name__ == "__main__":
    main()
