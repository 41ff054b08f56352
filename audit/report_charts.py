"""Charts of the HTML report, as SVG that stands in the page itself."""

from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["SIGNALS", "spark", "trend"]

SIGNALS = ("traces", "metrics", "logs")
"""In the order in which they are stacked; each has a class of its own in the page's style."""

_WIDTH, _HEIGHT, _TOP, _BOTTOM = 900, 200, 22, 18


def trend(bars: Mapping[str, Mapping[str, int]], drops: Mapping[str, int], gaps: Sequence[str]) -> str:
    """Redactions over time, a bar for each hour or day in which the signals are stacked; below it dropped items.

    `gaps` are the labels of bars in which the ledger has a hole.
    """
    if not bars:
        return ""
    highest = max(sum(each.values()) for each in bars.values()) or 1
    step = _WIDTH / len(bars)
    parts = [_grid(highest)]
    for number, (label, counts) in enumerate(bars.items()):
        parts.append(_bar(number * step, step, label, counts, highest))
        if label in gaps:
            parts.append(_mark(number * step, f"gap in the ledger, {label}"))
    first, last = next(iter(bars)), list(bars)[-1]
    unit = "an hour" if ":" in first else "a day"
    legend = "".join(f'<span class="key"><i class="{signal}"></i>{signal}</span>' for signal in SIGNALS)
    dropped = _dropped(drops, step) if any(drops.values()) else ""
    return (
        f'<p class="quiet">Values redacted, {unit} each. {legend}<span class="key"><i class="gap"></i>gap</span></p>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="Redactions over time, at most {highest:,} {unit}">{"".join(parts)}'
        f'<text x="0" y="{_HEIGHT - 3}">{first}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 3}" text-anchor="end">{last if len(bars) > 1 else ""}</text></svg>{dropped}'
    )


def _grid(highest: int) -> str:
    floor = _HEIGHT - _BOTTOM
    lines = [f'<line x1="0" x2="{_WIDTH}" y1="{y}" y2="{y}"/>' for y in (_TOP, (_TOP + floor) // 2, floor)]
    return f'<g class="grid">{"".join(lines)}</g><text x="0" y="{_TOP - 6}">{highest:,}</text>'


def _bar(left: float, step: float, label: str, counts: Mapping[str, int], highest: int) -> str:
    floor, parts = float(_HEIGHT - _BOTTOM), []
    said = ", ".join(f"{signal} {count:,}" for signal, count in counts.items() if count)
    title = f"<title>{label}: {sum(counts.values()):,}{f' ({said})' if said else ''}</title>"
    for signal, count in counts.items():
        height = max(count / highest * (_HEIGHT - _TOP - _BOTTOM), 1 if count else 0)
        floor -= height
        if count:
            parts.append(
                f'<rect class="{escape(signal)}" x="{left + step * 0.1:.1f}" y="{floor:.1f}" width="{step * 0.8:.1f}" '
                f'height="{height:.1f}"/>'
            )
    return f"<g>{title}{''.join(parts)}</g>"


def _mark(left: float, title: str) -> str:
    return (
        f'<line class="gap" x1="{left:.1f}" x2="{left:.1f}" y1="{_TOP - 4}" y2="{_HEIGHT - _BOTTOM}">'
        f"<title>{title}</title></line>"
    )


def _dropped(drops: Mapping[str, int], step: float) -> str:
    highest = max(drops.values())
    bars = "".join(
        f'<rect class="drops" x="{number * step + step * 0.1:.1f}" y="{52 - count / highest * 40:.1f}" '
        f'width="{step * 0.8:.1f}" height="{count / highest * 40:.1f}"><title>{label}: {count:,}</title></rect>'
        for number, (label, count) in enumerate(drops.items())
    )
    return (
        f'<p class="quiet">Items dropped, at most {highest:,}.</p>'
        f'<svg viewBox="0 0 {_WIDTH} 54" role="img" aria-label="Dropped items over time, at most {highest:,}">'
        f'<g class="grid"><line x1="0" x2="{_WIDTH}" y1="52" y2="52"/></g>{bars}</svg>'
    )


def spark(counts: Mapping[str, int]) -> str:
    """The same as a small chart for a line of a table."""
    highest = max(counts.values(), default=0) or 1
    step = 120 / max(len(counts), 1)
    width = max(step * 0.85, 0.6)
    heights = (max(count / highest * 18, 1) if count else 0 for count in counts.values())
    bars = "".join(
        f'<rect x="{number * step:.1f}" y="{20 - height:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
        for number, height in enumerate(heights)
        if height
    )
    return f'<svg class="spark" viewBox="0 0 120 20" role="img" aria-label="at most {highest:,}">{bars}</svg>'
