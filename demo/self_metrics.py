"""The daemon's own metrics before and after: what it redacted by which rule, what its processors left out."""

from collections import Counter
from collections.abc import Mapping

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from wire.signal import Signal

__all__ = ["Samples", "difference", "left_out", "redactions", "scrape"]

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
"""(sample name, labels in order) → value."""


async def scrape(url: str) -> Samples | None:
    """All samples of the page; None if there is none to be had."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(url) as response,
        ):
            text = await response.text()
            if response.status != 200:
                return None
    except (aiohttp.ClientError, TimeoutError):
        return None
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def difference(before: Samples, after: Samples) -> Samples:
    """By how much each sample grew."""
    return {key: value - before.get(key, 0.0) for key, value in after.items()}


def redactions(grown: Samples) -> dict[tuple[str, str], dict[Signal, int]]:
    """(rule, action) → redactions by signal, most first."""
    found: dict[tuple[str, str], dict[Signal, int]] = {}
    for (name, labels), value in grown.items():
        if name == "telescrub_redactions_total" and value:
            label = dict(labels)
            by_signal = found.setdefault((label["rule"], label["action"]), dict.fromkeys(Signal, 0))
            by_signal[Signal(label["signal"])] += int(value)
    return dict(sorted(found.items(), key=lambda entry: -sum(entry[1].values())))


def left_out(grown: Samples) -> dict[Signal, int]:
    """Items that went into processors and did not come out: merged into others, filtered or dropped, and counted."""
    left: Counter[str] = Counter()
    for (name, labels), value in grown.items():
        signal = dict(labels).get("otel_signal", "")
        if name == "otelcol_processor_incoming_items":
            left[signal] += int(value)
        elif name == "otelcol_processor_outgoing_items":
            left[signal] -= int(value)
    return {signal: left[signal.value] for signal in Signal}
