"""What exporters over HTTP share: credentials of extensions, certificates that change, redirects."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from config.tls import ServerTls
from exporters.otlp_http import OtlpHttp, OtlpHttpExporterSettings
from pipeline.batch import Signal
from pipeline.component import Request
from pipeline.errors import Refused, Rejected
from tests.authority import Authority
from tests.exporters.crediting import AUTH, Credits, with_credentials

REQUEST = Request(Signal.TRACES, b"", 1)


class Destination:
    """Takes those who bring `taken` in Authorization; None takes everybody. `seen` is what they brought."""

    def __init__(self, taken: str | None = None) -> None:
        self.taken, self.seen = taken, list[str | None]()
        self.location = ""
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        brought = request.headers.get("Authorization")
        self.seen.append(brought)
        if self.location:
            return web.Response(status=307, headers={"Location": self.location})
        return web.Response(status=200 if self.taken in (None, brought) else 401)


@asynccontextmanager
async def listening(destination: Destination, tls: dict[str, Any] | None = None) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/{path:.*}", destination.answer)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        context = None if tls is None else await asyncio.to_thread(ServerTls.model_validate(tls).context)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"http{'s' if tls else ''}://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def exporter(url: str, credited: Credits | None = None, **more: Any) -> OtlpHttp:
    settings = OtlpHttpExporterSettings.model_validate({"endpoint": url, **(AUTH if credited else {}), **more})
    return settings.build(with_credentials(credited or Credits()))


async def test_credentials() -> None:
    """Each request has those of the extension, over configured ones."""
    destination = Destination("Bearer one")
    async with (
        listening(destination) as url,
        exporter(url, Credits("Bearer one"), headers={"authorization": "Bearer none"}) as sending,
    ):
        await sending.send(REQUEST)
        await sending.send(REQUEST)
    assert destination.seen == ["Bearer one"] * 2


async def test_once_more_with_new_ones() -> None:
    """A destination that does not know the credentials is asked again with others, if there are others."""
    destination = Destination("Bearer two")
    credited = Credits("Bearer one", "Bearer two", "Bearer three")
    async with listening(destination) as url, exporter(url, credited) as sending:
        await sending.send(REQUEST)
        await sending.send(REQUEST)
    assert destination.seen == ["Bearer one", "Bearer two", "Bearer two"]


@pytest.mark.parametrize(
    ("credited", "asked"), [(("Bearer one",), 1), (("Bearer one", "Bearer two", "Bearer three"), 2)]
)
async def test_wrong_credentials(credited: Any, asked: int) -> None:
    """What was sent waits until they are put right: it is refused, not rejected."""
    destination = Destination("Bearer good")
    async with listening(destination) as url, exporter(url, Credits(*credited)) as sending:
        with pytest.raises(Refused, match="the destination answered 401: it does not take the credentials of auth::"):
            await sending.send(REQUEST)
    assert len(destination.seen) == asked


async def test_no_credentials_to_be_had() -> None:
    """Nothing is sent without them."""
    destination = Destination()
    async with listening(destination) as url, exporter(url, Credits(), **AUTH) as sending:
        with pytest.raises(Refused, match="the token endpoint answered 500"):
            await sending.send(REQUEST)
    assert destination.seen == []


async def test_401_without_an_extension() -> None:
    """Nobody can renew headers of the configuration: OTLP says that 401 is for good."""
    async with listening(Destination("Bearer good")) as url, exporter(url) as sending:
        with pytest.raises(Rejected, match="the destination answered 401"):
            await sending.send(REQUEST)


async def test_redirects() -> None:
    """Data and credentials go where the configuration says, and nowhere else."""
    away, destination = Destination(), Destination()
    async with listening(away) as elsewhere, listening(destination) as url:
        destination.location = f"{elsewhere}/v1/traces"
        async with exporter(url, Credits("Bearer one")) as sending:
            with pytest.raises(Rejected, match="the destination answered 307"):
                await sending.send(REQUEST)
    assert (destination.seen, away.seen) == (["Bearer one"], [])


async def test_new_certificates(tmp_path: Path) -> None:
    """New connections show the new client certificate and trust the new authorities."""
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    files = {"ca_file": str(theirs.file), **ours.issue("one")}
    destination = Destination()
    server = {**ours.issue("server"), "client_ca_file": str(ours.file), "reload_interval": "0"}
    async with (
        listening(destination, server) as url,
        exporter(url, tls={**files, "reload_interval": "1ns"}) as sending,
    ):
        with pytest.raises(Refused, match="no answer: ClientConnectorCertificateError"):
            await sending.send(REQUEST)
        theirs.trust(ours)
        assert await sending.send(REQUEST) == 0
    async with listening(destination, server) as url, exporter(url, tls={**files, "reload_interval": "1ns"}) as sending:
        theirs.issue("one")
        with pytest.raises(Refused, match="no answer: "):
            await sending.send(REQUEST)
        ours.issue("one", days=-1)
        with pytest.raises(Refused, match="no answer: "):
            await sending.send(REQUEST)
        ours.issue("one")
        assert await sending.send(REQUEST) == 0
    assert len(destination.seen) == 2
