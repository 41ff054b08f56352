"""Commands about queues and dead letters, done by a running daemon or to the files of a stopped one.

A running daemon is asked over its admin endpoint. A stopped one's files are opened as it would open them; their locks
tell whether it has really stopped.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

import aiohttp
import orjson

from config.model import Config
from pipeline.component import ExporterSettings
from pipeline.logs import logger
from pipeline.operating.admin import AUTHORIZATION
from pipeline.operating.operations import Operating
from pipeline.queues.dead_letters import DeadLetters, letter_file
from pipeline.queues.file import QueueFile
from pipeline.queues.queue import Queue
from pipeline.queues.storage import StorageSettings, storage_of
from pipeline.telemetry import Telemetry

__all__ = ["ask", "durable"]

T = TypeVar("T")

_TIMEOUT_SECONDS = 300.0


def ask(
    config: Config,
    path: str,
    do: Callable[[Operating], Coroutine[Any, Any, Sequence[object]]],
    exporter: str | None = None,
    reason: str | None = None,
) -> list[dict[str, Any]]:
    """Have it done by the running daemon, or by ourselves to the files of a stopped one; the answer as plain values.

    Raises: `OSError`, `ValueError` with a sentence.
    """
    query = urlencode({name: value for name, value in (("exporter", exporter), ("reason", reason)) if value})
    try:
        answered = asyncio.run(_asked(config, path, query))
        if answered is None:
            answered = orjson.loads(orjson.dumps(asyncio.run(_done(config, do))))
    except KeyError:
        raise ValueError(f"there is no exporter {exporter}, or it keeps nothing on disk") from None
    return answered


async def _asked(config: Config, path: str, query: str) -> list[dict[str, Any]] | None:
    """What the running daemon answers; None if none listens. Raises: `KeyError` for an exporter that is not there."""
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
        raise KeyError
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
        for exporter, settings, storage in durable(config):
            own = log.bind(component=exporter)
            store = QueueFile(exporter, storage, telemetry, own)
            queues[exporter] = await stack.enter_async_context(Queue(exporter, settings.sending_queue, {}, store))
            dead = letter_file(exporter, storage, telemetry, own)
            kept = DeadLetters(exporter, settings.dead_letter, dead, telemetry, own)
            letters[exporter] = await stack.enter_async_context(kept)
        yield Operating(lambda: queues, lambda: letters, telemetry)


def durable(config: Config) -> Iterator[tuple[str, ExporterSettings, StorageSettings]]:
    """Exporters that keep something on disk, and where."""
    for exporter, settings in config.exporters.items():
        own = cast(ExporterSettings, settings)
        storage = storage_of(config.extensions, own.sending_queue.storage)
        if storage is not None:
            yield exporter, own, storage
