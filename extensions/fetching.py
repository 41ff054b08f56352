"""Small requests to the servers that issue credentials: over TLS, to the address that is configured and no other, with
bounds on the size of an answer and its time.
"""

import asyncio
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from config.tls import ClientTls
from pipeline.errors import Refused

__all__ = ["Fetching", "is_loopback", "secure_url"]

_MAX_ANSWER_BYTES = 2**20
"""Key sets and tokens are a few KiB."""


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def secure_url(url: str) -> str:
    """An address that credentials may be asked of. Raises: `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname and parts.username is None:
        return url
    if parts.scheme == "http" and is_loopback(url) and parts.username is None:
        return url
    raise ValueError("this must be an https:// address without a user; http:// is for localhost alone")


class Fetching:
    """A session for one issuer; to be closed. Redirects are not followed."""

    def __init__(self, tls: ClientTls, timeout_seconds: float, what: str, say: Callable[[str], None]) -> None:
        self._tls, self._timeout_seconds, self._what, self._say = tls, timeout_seconds, what, say
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Raises: `OSError` for TLS files that cannot be used."""
        self._context = await asyncio.to_thread(self._tls.context, self._say)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._context),
            timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str) -> Mapping[str, Any]:
        """The JSON object at an address. Raises: `Refused`."""
        status, found = await self._ask("GET", url)
        if status != 200:
            raise Refused(f"{self._what} answered {status}")
        return found

    async def post(
        self, url: str, form: list[tuple[str, str]], headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, Any]]:
        """Status and JSON object (empty where the answer is none) of the answer to a form. Raises: `Refused`."""
        return await self._ask("POST", url, data=form, headers=headers)

    async def _ask(self, method: str, url: str, **kind: Any) -> tuple[int, Mapping[str, Any]]:
        if self._session is None:
            raise Refused(f"{self._what} cannot be asked before the daemon has started")
        await self._context.refresh()
        try:
            async with self._session.request(method, url, allow_redirects=False, **kind) as response:
                return response.status, _object(await self._bounded(response.content))
        except TimeoutError:
            raise Refused(f"{self._what} did not answer within {self._timeout_seconds:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Refused(f"{self._what} did not answer: {type(error).__name__}") from None

    async def _bounded(self, content: aiohttp.StreamReader) -> bytes:
        body = bytearray()
        async for chunk in content.iter_any():
            body += chunk
            if len(body) > _MAX_ANSWER_BYTES:
                raise Refused(f"{self._what} answered with more than {_MAX_ANSWER_BYTES} bytes")
        return bytes(body)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
