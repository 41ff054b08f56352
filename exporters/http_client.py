"""The HTTP side that exporters share: settings, one connection pool, and the judgement of an answer."""

import asyncio
import io
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from types import TracebackType
from typing import Self

import aiohttp
from multidict import CIMultiDict
from pydantic import Field

from config.auth import AuthSettings
from config.settings import Seconds, Secret
from config.tls import ClientTls
from exporters.names import Names
from pipeline.component import Context, ExporterSettings
from pipeline.errors import Refused, Rejected, TooLarge
from pipeline.serving.authentication import HeaderSource, header_source

__all__ = ["USER_AGENT", "Answer", "HttpExporter", "HttpExporterSettings", "NoAnswer", "judge"]

USER_AGENT = f"telescrub/{version('telescrub')}"

_MAX_ANSWER_BYTES = 4 * 2**20
"""OTLP's default limit for a response; a longer one is not read further."""


class HttpExporterSettings(ExporterSettings):
    """Settings of every exporter that speaks HTTP."""

    headers: dict[str, Secret] = Field(default_factory=dict)
    """Sent with every request; values are secrets."""
    timeout: Seconds = Field(default=30.0, gt=0)
    """For one attempt, from connecting to the last byte of the answer."""
    tls: ClientTls = ClientTls()
    """For `https://` addresses."""
    auth: AuthSettings | None = None
    """Where credentials come from: the id of an extension. A 401 then means that they are to be put right, and what
    was sent waits until they are."""


class Answer:
    """What a destination answered: status, headers and the start of the body. Its `repr` shows the status alone."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"Answer({self.status})"


class NoAnswer(Refused):
    """A request was sent, at least in part, and nothing is known of it: the destination may have what it carried."""


class HttpExporter:
    """What exporters over HTTP are made of: one pool of connections to one destination.

    Redirects are not followed: data goes where the configuration says and nowhere else.
    """

    def __init__(self, settings: HttpExporterSettings, context: Context) -> None:
        self._timeout_seconds, self._tls, self._log = settings.timeout, settings.tls, context.log
        self._source = header_source(context, settings.auth)
        self._own_headers = {name: value.get_secret_value() for name, value in settings.headers.items()}

    async def __aenter__(self) -> Self:
        self._tls_context = tls = await asyncio.to_thread(self._tls.context, self._log.warning)
        self._names = Names()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, resolver=self._names),
            timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._names.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send `body`; `headers` win over the configured ones.

        Raises: `Refused` if there is no connection, `NoAnswer` if it broke or time is up; `Refused` if the credentials
        of an extension cannot be had, or are not taken.
        """
        sent = CIMultiDict({"User-Agent": USER_AGENT})
        sent.update(self._own_headers)
        sent.update(headers)
        if self._source is None:
            return await self._ask(url, body, sent)
        return await self._ask_authorized(self._source, url, body, sent)

    async def _ask_authorized(self, source: HeaderSource, url: str, body: bytes, headers: CIMultiDict[str]) -> Answer:
        """With the credentials of an extension; once more with new ones where the destination does not know them."""
        sent = headers.copy()
        await source.authorize(sent)
        answer = await self._ask(url, body, sent)
        if answer.status == 401 and await source.renew(sent):
            await source.authorize(headers)
            answer = await self._ask(url, body, headers)
        if answer.status == 401:
            raise Refused("the destination answered 401: it does not take the credentials of auth::authenticator")
        return answer

    async def _ask(self, url: str, body: bytes, headers: CIMultiDict[str]) -> Answer:
        await self._tls_context.refresh()
        try:
            async with self._session.post(url, data=_stream(body), headers=headers, allow_redirects=False) as response:
                return Answer(response.status, response.headers, await _start_of(response.content))
        except aiohttp.ClientConnectorError as error:
            raise Refused(f"no answer: {type(error).__name__}") from None
        except TimeoutError:
            raise NoAnswer(f"no answer within {self._timeout_seconds:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f"no answer: {type(error).__name__}") from None


async def _start_of(content: aiohttp.StreamReader) -> bytes:
    """A body, or as much of it as is looked at."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _MAX_ANSWER_BYTES:
            break
    return bytes(body[:_MAX_ANSWER_BYTES])


def _stream(body: bytes) -> bytes | io.BytesIO:
    """aiohttp writes bytes in one go, and a file in pieces: over 1 MiB it asks for the latter."""
    return body if len(body) <= 2**20 else io.BytesIO(body)


def judge(answer: Answer, retryable: Collection[int]) -> None:
    """Return for a 2xx; otherwise raise what the status means. The body is not quoted: destinations echo data in it.

    Raises: `Refused` for a status in `retryable`, with the Retry-After hint; `TooLarge` for 413; `Rejected` for the
    rest.
    """
    if 200 <= answer.status < 300:
        return
    message = f"the destination answered {answer.status}"
    if answer.status in retryable:
        raise Refused(message, retry_after_seconds=_retry_after(answer.headers.get("Retry-After")))
    raise TooLarge(message) if answer.status == 413 else Rejected(message)


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header: delta-seconds or an HTTP date (RFC 9110 §10.2.3); None if absent or
    unreadable.
    """
    if value is None:
        return None
    if (seconds := value.strip()).isdecimal():
        return float(seconds)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None
