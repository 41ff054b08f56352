"""Looking up the name of a destination, in a thread of its exporter's own.

The resolver of the system waits for a name server that does not answer, 10 s and more, in one of the few threads that
the whole process has for this (uvloop: two lookups at once): one destination's name would hold up the connections of
all.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

__all__ = ["Names"]


class Names(AbstractResolver):
    """aiohttp's resolver for one exporter; it asks once at a time for a name, and remembers it for 10 s, outside of
    this.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises: `OSError`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _addresses, host, port, family)

    async def close(self) -> None:
        """A lookup that is under way ends in its own time."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
    return [
        ResolveResult(
            hostname=host,
            # With the scope of a link-local address, as connect needs it.
            host=socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0],
            port=port,
            family=family,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for family, _, protocol, _, address in found
    ]
