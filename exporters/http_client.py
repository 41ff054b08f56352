"""The HTTP side that exporters share: settings, one connection pool, and the judgement of an answer."""

import io
import ssl
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from types import TracebackType
from typing import Self

import aiohttp
from pydantic import Field

from config.settings import Seconds, Secret
from config.tls import ClientTls
from pipeline.component import ExporterSettings
from pipeline.errors import Refused, Rejected, TooLarge

__all__ = ["USER_AGENT", "Answer", "HttpClient", "HttpExporterSettings", "judge"]

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


class Answer:
    """What a destination answered: status, headers and the start of the body. Its `repr` shows the status alone."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"Answer({self.status})"


class HttpClient:
    """One pool of connections to one destination. Redirects are not followed: data goes where the configuration
    says.
    """

    def __init__(self, settings: HttpExporterSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        tls: ssl.SSLContext = self._settings.tls.context()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls),
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send `body`; `headers` win over the configured ones.

        Raises: `Refused` if no answer came: connection refused or dropped, or time is up.
        """
        assert self._session is not None, "the client is used outside its context"
        own = {name: value.get_secret_value() for name, value in self._settings.headers.items()}
        try:
            async with self._session.post(
                url, data=_stream(body), headers={"User-Agent": USER_AGENT, **own, **headers}, allow_redirects=False
            ) as response:
                return Answer(response.status, response.headers, await response.content.read(_MAX_ANSWER_BYTES))
        except TimeoutError:
            raise Refused(f"no answer within {self._settings.timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Refused(f"no answer: {type(error).__name__}") from None


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
    if value.strip().isdigit():
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None
