"""`telescrub demo`: sends telemetry with planted PHI to the running daemon and shows what came out of it."""

import asyncio
import secrets
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from demo.examples import examples
from demo.output import Output, leaves, read
from demo.planted import Planted, Search
from demo.self_metrics import Samples, difference, left_out, redactions, scrape
from demo.send import Sender
from demo.telemetry import Round, generate, run_name
from wire.signal import Signal

__all__ = ["Demo", "run"]

_CONNECT_SECONDS = 3.0
_POLL_SECONDS = 0.5
_LEAK_ROWS = 30


@dataclass(slots=True)
class _Sent:
    """What a run sent: the last round for the examples, all planted values, and how many items the daemon took."""

    last: Round
    planted: dict[str, Planted]
    items: dict[Signal, int]
    refused: dict[Signal, int]
    retries: int


@dataclass(frozen=True, slots=True)
class Demo:
    """What to send and where the running daemon is; `rate` is rounds per second, without a `seed` one is drawn."""

    seconds: float = 10
    rate: float = 4
    seed: int | None = None
    grpc_endpoint: str = "localhost:4317"
    json_logs_url: str = "http://localhost:4319"
    data_directory: Path = Path("telescrub-data")
    metrics_url: str = "http://localhost:8888/metrics"
    arrival_seconds: float = 20.0
    """What has not come out after this long is called missing: longer than any batch timer."""


async def run(demo: Demo, console: Console) -> int:
    """Run the demo; 0 if everything arrived and nothing planted is in it, otherwise 1."""
    seed = secrets.randbelow(2**31) if demo.seed is None else demo.seed
    if not await _answers(demo.grpc_endpoint):
        console.print(
            f"[red]No daemon answers on {demo.grpc_endpoint}.[/] "
            "Start one with [bold]make run[/] or [bold]telescrub run[/]."
        )
        return 1
    # The time makes the name unique: a seed may be used again, and then its old output must not count.
    name = run_name(seed * 10**20 + time.time_ns())
    console.print(f"seed {seed}, run {name}")
    before = await scrape(demo.metrics_url)
    async with Sender(demo.grpc_endpoint, demo.json_logs_url) as sender:
        sent = await _send(sender, seed, name, demo.seconds, demo.rate, console)
    if sum(sent.items.values()) == 0:
        console.print("[red]The daemon took nothing:[/] it refused or rejected every request. Its log says why.")
        return 1
    output, grown = await _arrival(demo, name, sent, before, console)
    if not output.lines:
        _nothing_to_read(demo.data_directory, output, demo.metrics_url, console)
        return 1
    return _report(sent, output, grown, demo.metrics_url, console)


async def _answers(endpoint: str) -> bool:
    host, _, port = endpoint.rpartition(":")
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), _CONNECT_SECONDS)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _send(sender: Sender, seed: int, name: str, seconds: float, rate: float, console: Console) -> _Sent:
    """Send a round every 1/rate seconds; a daemon that is slow gets fewer of them, not more at once."""
    planted: dict[str, Planted] = {}
    count = max(round(seconds * rate), 1)
    rounds = generate(seed, time.time_ns(), interval_nano=round(1e9 / rate), run=name)
    with Progress(
        SpinnerColumn(), TextColumn("sending"), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn(),
        console=console,
    ) as progress:  # fmt: skip
        task = progress.add_task("", total=count)
        begin = time.monotonic()
        for number, one in zip(range(count), rounds, strict=False):
            await asyncio.sleep(max(begin + number / rate - time.monotonic(), 0))
            await sender.send(one)
            planted |= {item.value: item for item in one.planted}
            progress.update(task, advance=1, description=_counts(sender.sent))
    return _Sent(one, planted, sender.sent, sender.refused, sender.retries)


def _counts(items: dict[Signal, int]) -> str:
    return f"{items[Signal.TRACES]} spans, {items[Signal.METRICS]} points, {items[Signal.LOGS]} log lines"


async def _arrival(
    demo: Demo, name: str, sent: _Sent, before: Samples | None, console: Console
) -> tuple[Output, Samples | None]:
    """The output and the growth of the daemon's metrics, once nothing is missing or time is up."""
    deadline = time.monotonic() + demo.arrival_seconds
    with console.status("waiting for it to come out"):
        while True:
            after = await scrape(demo.metrics_url)
            grown = None if before is None or after is None else difference(before, after)
            output = await asyncio.to_thread(read, demo.data_directory, name)
            if not any(_missing(sent, output, grown).values()) or time.monotonic() > deadline:
                return output, grown
            await asyncio.sleep(_POLL_SECONDS)


def _missing(sent: _Sent, output: Output, grown: Samples | None) -> dict[Signal, int]:
    """Items the daemon took that neither came out nor were merged or filtered, as far as it says so."""
    left = left_out(grown or {})
    return {signal: max(sent.items[signal] - output.items[signal] - left[signal], 0) for signal in Signal}


def _nothing_to_read(folder: Path, output: Output, metrics_url: str, console: Console) -> None:
    what = "has nothing of this run" if output.files else "has no traces.jsonl, metrics.jsonl or logs.jsonl"
    console.print(
        f"[yellow]{folder.absolute()} {what}[/], so there is nothing to compare. If the daemon sends to Prometheus, "
        f"Jaeger or Loki, look there and at {metrics_url}; if it writes to another directory, name it with "
        "[bold]--data-directory[/]."
    )


def _report(sent: _Sent, output: Output, grown: Samples | None, metrics_url: str, console: Console) -> int:
    """Print examples and totals, and judge."""
    for table in examples(sent.last, output):
        console.print(table, "")
    console.print(_totals(sent, output, left_out(grown or {})), "")
    if grown is None:
        console.print(f"[yellow]{metrics_url} does not answer, so redactions cannot be shown by rule.[/]")
    else:
        console.print(_redactions(grown), "")
    search = Search(sent.planted.values())
    leaks = _leaks(search, output)
    if leaks:
        console.print(_leak_table(leaks), "")
    return _verdict(len({value for value, *_ in leaks}), _missing(sent, output, grown), search.values, output, console)


def _leaks(search: Search, output: Output) -> set[tuple[str, str, Signal, str]]:
    """(value, kind, signal, place) of everything planted that came out."""
    return {
        (leak.value, leak.kind, signal, place)
        for signal, line in output.lines
        if search.find(line)
        for place, text in leaves(orjson.loads(line))
        for leak in search.find(text.encode())
    }


def _leak_table(leaks: set[tuple[str, str, Signal, str]]) -> Table:
    table = Table(title="Leaks", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False)
    for heading in ("kind", "signal", "place", "values"):
        table.add_column(heading, overflow="fold")
    counts = Counter((kind, signal.value, place) for _, kind, signal, place in leaks)
    for (kind, signal, place), count in counts.most_common(_LEAK_ROWS):
        table.add_row(kind, signal, Text(place), str(count))
    return table


def _totals(sent: _Sent, output: Output, left: dict[Signal, int]) -> Table:
    table = Table(title="Totals", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False)
    for heading in ("", "sent", "came out", "merged or filtered", "refused"):
        table.add_column(heading, justify="left" if not heading else "right")
    for signal, noun in zip(Signal, ("spans", "data points", "log records"), strict=True):
        numbers = (sent.items[signal], output.items[signal], left[signal], sent.refused[signal])
        table.add_row(noun, *map(str, numbers))
    return table


def _redactions(grown: Samples) -> Table:
    table = Table(
        title="Redactions by rule", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False
    )
    table.add_column("rule")
    table.add_column("action")
    for signal in Signal:
        table.add_column(signal.value, justify="right")
    for (rule, action), by_signal in redactions(grown).items():
        table.add_row(rule, action, *(str(by_signal[signal]) for signal in Signal))
    return table


def _verdict(leaks: int, missing: dict[Signal, int], values: int, output: Output, console: Console) -> int:
    kilobytes = sum(len(line) for _, line in output.lines) // 1000
    if leaks:
        console.print(f"[bold red]{leaks} of {values} planted values came through.[/]")
    else:
        console.print(
            f"[bold green]0 leaks:[/] none of {values} planted values is in {kilobytes} kB of output, "
            "be it as it was, in digits, percent-encoded, JSON-escaped or in base64."
        )
    lost = [f"{count} {signal.items}" for signal, count in missing.items() if count]
    if lost:
        console.print(f"[bold red]Missing:[/] {', '.join(lost)} did not come out.")
    else:
        console.print("[bold green]Everything that was sent came out.[/]")
    return 1 if leaks or lost else 0
