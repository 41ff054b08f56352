"""`telescrub queue` and `telescrub deadletter`: what operators do about what was not delivered.

A running daemon is asked over its admin endpoint. A stopped one's files are opened as it would open them; their locks
tell whether it has really stopped.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import urlencode

import aiohttp
import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from config.model import Config
from pipeline.component import ExporterSettings
from pipeline.logs import logger
from pipeline.operating.admin import AUTHORIZATION
from pipeline.operating.draining import drain
from pipeline.operating.operations import Operating
from pipeline.queues.dead_letters import DeadLetters, letter_file
from pipeline.queues.file import QueueFile
from pipeline.queues.listing import Listed, listed
from pipeline.queues.queue import Queue
from pipeline.queues.storage import StorageSettings, storage_of
from pipeline.telemetry import Telemetry

__all__ = ["deadletter_commands", "queue_commands"]

T = TypeVar("T")

Load = Callable[[list[Path] | None], Config]
"""Reads configuration files, or exits with what is wrong with them."""

Files = Annotated[
    list[Path] | None,
    typer.Option("--config", "-c", help="Configuration file; repeatable, later files win. Default: the built-in one."),
]
Exporter = Annotated[str | None, typer.Option(help="Id of one exporter; otherwise all.")]
Reason = Annotated[str | None, typer.Option(help="Only letters with this reason, as `deadletter list` shows them.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_TIMEOUT_SECONDS = 300.0


def queue_commands(load: Load) -> typer.Typer:
    """`telescrub queue`."""
    app = typer.Typer(help="Look at the queues before the exporters, send or forget what is in them.")

    @app.command("list")
    def show(config: Files = None) -> None:
        """List the queue files: entries, items, bytes, the oldest; and damaged ones that were moved aside."""
        with _told():
            _show_files(_files(load(config)))

    @app.command("peek-counts")
    def peek_counts(config: Files = None) -> None:
        """Count what is in the queue files by signal; never what it is, nor whose."""
        with _told():
            _show_counts(_files(load(config)))

    @app.command("drain")
    def send_rest(
        config: Files = None,
        patience: Annotated[
            float, typer.Option(help="Seconds without a delivery after which the rest is left.", min=0.1)
        ] = 60.0,
    ) -> None:
        """Send what a stopped daemon left in its queues: exit 0 when they are empty, otherwise 1."""
        with _told():
            left = asyncio.run(drain(load(config), logger(), patience))
        for exporter, items in left.items():
            typer.secho(f"{exporter}: {items} items are left in its queue", fg="yellow", err=True)
        typer.echo("every queue is empty" if not left else "some destinations did not take what waits for them")
        raise typer.Exit(int(bool(left)))

    @app.command("purge")
    def purge(config: Files = None, exporter: Exporter = None, yes: Yes = False) -> None:
        """Forget what waits in the queues. It was acknowledged, and nobody will send it again."""
        loaded = load(config)
        _ask(yes, f"Forget for good what waits before {exporter or 'every exporter'}?")
        with _told():
            for each in _do(loaded, "queues/purge", lambda on: on.purge_queues(exporter), exporter):
                typer.echo(f"{each['exporter']}: {each['items']} items are forgotten, {each['left']} are being sent")

    return app


def deadletter_commands(load: Load) -> typer.Typer:
    """`telescrub deadletter`."""
    app = typer.Typer(help="Look at what could not be delivered, send it once more, or let it go.")

    @app.command("list")
    def show(config: Files = None) -> None:
        """List the dead letters by exporter, signal and reason, with the age of the oldest."""
        with _told():
            _show_letters(_do(load(config), "deadletter", lambda on: on.dead_letters()))

    @app.command("replay")
    def replay(config: Files = None, exporter: Exporter = None, reason: Reason = None) -> None:
        """Put dead letters back into their exporter's queue: exit 0 if all are, 1 if it became full before."""
        with _told():
            told = _do(load(config), "deadletter/replay", lambda on: on.replay(exporter, reason), exporter, reason)
        for each in told:
            typer.echo(f"{each['exporter']}: {each['letters']} letters, {each['items']} items, are in the queue again")
            if each["stopped"]:
                typer.secho(f"{each['exporter']}: the others stay: {each['stopped']}", fg="yellow", err=True)
        raise typer.Exit(int(any(each["stopped"] for each in told)))

    @app.command("purge")
    def purge(config: Files = None, exporter: Exporter = None, reason: Reason = None, yes: Yes = False) -> None:
        """Let dead letters go for good."""
        loaded = load(config)
        _ask(yes, f"Let the dead letters of {exporter or 'every exporter'} go for good?")
        with _told():
            done = _do(loaded, "deadletter/purge", lambda on: on.purge_dead_letters(exporter, reason), exporter, reason)
        for each in done:
            typer.echo(f"{each['exporter']}: {each['items']} items are gone")

    return app


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except KeyError as missing:
        typer.secho(f"there is no exporter {missing.args[0]}, or it keeps nothing on disk", fg="red", err=True)
        raise typer.Exit(1) from None
    except (OSError, ValueError) as wrong:
        typer.secho(str(wrong), fg="red", err=True)
        raise typer.Exit(1) from None


def _ask(yes: bool, question: str) -> None:
    if not yes:
        typer.confirm(question, abort=True)


def _do(
    config: Config,
    path: str,
    do: Callable[[Operating], Coroutine[Any, Any, Sequence[object]]],
    exporter: str | None = None,
    reason: str | None = None,
) -> list[dict[str, Any]]:
    """Have it done by the running daemon, or by ourselves to the files of a stopped one; the answer as plain values.

    Raises: `OSError`, `ValueError` with a sentence; `KeyError` for an exporter that is not there.
    """
    query = urlencode({name: value for name, value in (("exporter", exporter), ("reason", reason)) if value})
    answered = asyncio.run(_asked(config, path, query))
    if answered is not None:
        return answered
    told: list[dict[str, Any]] = orjson.loads(orjson.dumps(asyncio.run(_done(config, do))))
    return told


async def _asked(config: Config, path: str, query: str) -> list[dict[str, Any]] | None:
    """What the running daemon answers; None if none listens."""
    admin = config.service.admin
    if admin is None:
        return None
    scheme, tls = "http", None
    if admin.tls is not None:
        scheme, tls = "https", await asyncio.to_thread(ssl.create_default_context, cafile=admin.tls.cert_file)
    headers = {"Authorization": os.environ[AUTHORIZATION]} if AUTHORIZATION in os.environ else {}
    url = f"{scheme}://{admin.endpoint}/-/{path}?{query}"
    method = "POST" if "/" in path else "GET"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)) as session,
            session.request(method, url, headers=headers, ssl=tls or True, allow_redirects=False) as answer,
        ):
            body = await answer.read()
            status = answer.status
    except aiohttp.ClientConnectorCertificateError:
        raise ValueError(f"{admin.endpoint} has another certificate than service::admin::tls names") from None
    except aiohttp.ClientConnectorError:
        return None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ValueError(
            f"{admin.endpoint} does not answer as an admin endpoint does: {type(error).__name__}"
        ) from None
    if status == 404:
        raise KeyError("of this name")
    if status != 200:
        raise ValueError(f"{admin.endpoint} answered {status}; with auth, set {AUTHORIZATION} to what it wants to see")
    told: list[dict[str, Any]] = orjson.loads(body)
    return told


async def _done(config: Config, do: Callable[[Operating], Coroutine[Any, Any, T]]) -> T:
    try:
        async with _opened(config) as operating:
            return await do(operating)
    except OSError as error:
        raise OSError(f"{error}. {_unreached(config)}") from None


def _unreached(config: Config) -> str:
    if config.service.admin is None:
        return "Commands reach a running daemon through service::admin, which this configuration does not have"
    return f"No daemon answers at service::admin::endpoint, {config.service.admin.endpoint}"


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[Operating]:
    """The queues and dead letters of a stopped daemon. Raises: `OSError` if it runs, which its locks show."""
    telemetry, log = Telemetry(), logger("error")
    queues: dict[str, Queue] = {}
    letters: dict[str, DeadLetters] = {}
    async with AsyncExitStack() as stack:
        for exporter, settings, storage in _durable(config):
            own = log.bind(component=exporter)
            store = QueueFile(exporter, storage, telemetry, own)
            queues[exporter] = await stack.enter_async_context(Queue(exporter, settings.sending_queue, {}, store))
            dead = letter_file(exporter, storage, telemetry, own)
            kept = DeadLetters(exporter, settings.dead_letter, dead, telemetry, own)
            letters[exporter] = await stack.enter_async_context(kept)
        yield Operating(lambda: queues, lambda: letters, telemetry)


def _durable(config: Config) -> Iterator[tuple[str, ExporterSettings, StorageSettings]]:
    for exporter, settings in config.exporters.items():
        own = cast(ExporterSettings, settings)
        storage = storage_of(config.extensions, own.sending_queue.storage)
        if storage is not None:
            yield exporter, own, storage


def _files(config: Config) -> list[Listed]:
    """The files in every folder that the configuration names."""
    folders = dict.fromkeys(storage.folder for _, _, storage in _durable(config))
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


def _show_letters(told: Sequence[dict[str, Any]]) -> None:
    table = Table("exporter", "signal", "reason", "letters", "items", "bytes", "oldest")
    for each in told:
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
