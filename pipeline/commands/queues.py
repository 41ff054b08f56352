"""`telescrub queue` and `telescrub deadletter`: what operators do about what was not delivered."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from config.model import Config
from pipeline.commands.asking import ask, durable
from pipeline.commands.shared import ConfigFiles, Load, told
from pipeline.logs import logger
from pipeline.operating.draining import drain
from pipeline.queues.listing import Listed, listed

__all__ = ["deadletter_commands", "queue_commands"]

Exporter = Annotated[str | None, typer.Option(help="Id of one exporter; otherwise all.")]
Reason = Annotated[str | None, typer.Option(help="Only letters with this reason, as `deadletter list` shows them.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def queue_commands(load: Load) -> typer.Typer:
    """`telescrub queue`."""
    app = typer.Typer(help="Look at the queues before the exporters, send or forget what is in them.")

    @app.command("list")
    def show(config: ConfigFiles = None) -> None:
        """List the queue files: entries, items, bytes, the oldest; and damaged ones that were moved aside."""
        with told():
            _show_files(_files(load(config)))

    @app.command("peek-counts")
    def peek_counts(config: ConfigFiles = None) -> None:
        """Count what is in the queue files by signal; never what it is, nor whose."""
        with told():
            _show_counts(_files(load(config)))

    @app.command("drain")
    def send_rest(
        config: ConfigFiles = None,
        patience: Annotated[
            float, typer.Option(help="Seconds without a delivery after which the rest is left.", min=0.1)
        ] = 60.0,
    ) -> None:
        """Send what a stopped daemon left in its queues: exit 0 when they are empty, otherwise 1."""
        with told():
            left = asyncio.run(drain(load(config), logger(), patience))
        for exporter, items in left.items():
            typer.secho(f"{exporter}: {items} items are left in its queue", fg="yellow", err=True)
        typer.echo("every queue is empty" if not left else "some destinations did not take what waits for them")
        raise typer.Exit(int(bool(left)))

    @app.command("purge")
    def purge(config: ConfigFiles = None, exporter: Exporter = None, yes: Yes = False) -> None:
        """Forget what waits in the queues. It was acknowledged, and nobody will send it again."""
        loaded = load(config)
        _confirm(yes, f"Forget for good what waits before {exporter or 'every exporter'}?")
        with told():
            for each in ask(loaded, "queues/purge", lambda on: on.purge_queues(exporter), exporter):
                left = f"{each['left']} are being sent or cannot be read now"
                typer.echo(f"{each['exporter']}: {each['items']} items are forgotten, {left}")

    return app


def deadletter_commands(load: Load) -> typer.Typer:
    """`telescrub deadletter`."""
    app = typer.Typer(help="Look at what could not be delivered, send it once more, or let it go.")

    @app.command("list")
    def show(config: ConfigFiles = None) -> None:
        """List the dead letters by exporter, signal and reason, with the age of the oldest."""
        with told():
            _show_letters(ask(load(config), "deadletter", lambda on: on.dead_letters()))

    @app.command("replay")
    def replay(config: ConfigFiles = None, exporter: Exporter = None, reason: Reason = None) -> None:
        """Put dead letters back into their exporter's queue: exit 0 if all are, 1 if it became full before."""
        with told():
            replayed = ask(load(config), "deadletter/replay", lambda on: on.replay(exporter, reason), exporter, reason)
        for each in replayed:
            typer.echo(f"{each['exporter']}: {each['letters']} letters, {each['items']} items, are in the queue again")
            if each["stopped"]:
                typer.secho(f"{each['exporter']}: the others stay: {each['stopped']}", fg="yellow", err=True)
        raise typer.Exit(int(any(each["stopped"] for each in replayed)))

    @app.command("purge")
    def purge(config: ConfigFiles = None, exporter: Exporter = None, reason: Reason = None, yes: Yes = False) -> None:
        """Let dead letters go for good."""
        loaded = load(config)
        _confirm(yes, f"Let the dead letters of {exporter or 'every exporter'} go for good?")
        with told():
            done = ask(loaded, "deadletter/purge", lambda on: on.purge_dead_letters(exporter, reason), exporter, reason)
        for each in done:
            typer.echo(f"{each['exporter']}: {each['items']} items are gone")

    return app


def _confirm(yes: bool, question: str) -> None:
    if not yes:
        typer.confirm(question, abort=True)


def _files(config: Config) -> list[Listed]:
    """The files in every folder that the configuration names."""
    folders = dict.fromkeys(storage.folder for _, _, storage in durable(config))
    return [each for folder in folders for each in listed(folder)]


def _show_files(files: Sequence[Listed]) -> None:
    # Names are what one types next: they are never cut off.
    exporter, file = (Column(name, overflow="fold") for name in ("exporter", "file"))
    table = Table(exporter, file, "entries", "items", "bytes", "oldest", "on disk")
    for each in files:
        total = each.total
        counts = ["?"] * 3 if each.is_damaged else [f"{n:,}" for n in (total.entries, total.items, total.bytes)]
        age = "" if not total.entries else _age(total.oldest_seconds)
        table.add_row(each.exporter, each.file, *counts, age, f"{each.size:,}")
    _print(table, "there are no queue files")


def _show_counts(files: Sequence[Listed]) -> None:
    table = Table("exporter", "signal", "entries", "items", "bytes")
    for each in files:
        for signal, content in each.by_signal.items() if each.kind == "queue" else ():
            counts = (f"{n:,}" for n in (content.entries, content.items, content.bytes))
            table.add_row(each.exporter, signal.value, *counts)
    _print(table, "every queue file is empty")


def _show_letters(letters: Sequence[dict[str, Any]]) -> None:
    table = Table("exporter", "signal", "reason", "letters", "items", "bytes", "oldest")
    for each in letters:
        for kept in each["letters"]:
            counts = (f"{kept[n]:,}" for n in ("letters", "items", "bytes"))
            table.add_row(each["exporter"], kept["signal"], kept["reason"], *counts, _age(kept["oldest_seconds"]))
    _print(table, "there are no dead letters")


def _print(table: Table, nothing: str) -> None:
    if table.row_count:
        Console().print(table)
    else:
        typer.echo(nothing)


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
