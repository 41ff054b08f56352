"""The sockets servers listen on, bound apart from the servers, so that a new server can take over from an old one
without a connection being turned away between the two.

A server gets duplicates: the one listening socket behind them, with the connections that wait to be accepted, lives as
long as any of them. gRPC binds its own sockets: for it whole servers are kept (receivers/grpc_server.py), and the port,
by a socket that does not listen.
"""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar, cast

__all__ = ["Closable", "Sockets", "move_socket", "parse_address", "remove_socket"]

_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""Errors for an address family this machine does not have: `localhost` may be ::1 where there is no IPv6."""


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `localhost:4317`, `0.0.0.0:4317`, `[::1]:4317` or `:4317` (every address).

    Raises: `ValueError`.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError("write it as host:port, such as localhost:4317, with a port from 0 to 65535")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)


class Closable(Protocol):
    """What `Sockets` keep."""

    async def close(self) -> None:
        """It is not used any more."""
        ...


K = TypeVar("K", bound=Closable)


@dataclass(slots=True)
class _Kept:
    """One thing that is kept, while there is one, and how many servers use it or wait for it to be made."""

    thing: Closable | None = None
    users: int = 0
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


class _Bound:
    """Sockets bound to the addresses of one endpoint."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self.sockets = sockets

    async def close(self) -> None:
        await asyncio.to_thread(_close, self.sockets)


class _UnixSocket(socket.socket):
    """A bound unix socket, whose path goes with it unless somebody else has taken it over."""

    inode = 0

    def close(self) -> None:
        if self.inode and self.fileno() >= 0:
            remove_socket(self.getsockname(), self.inode)
        super().close()


class Sockets:
    """Bound sockets by endpoint; what no server uses any more is closed, unless it is `held`.

    Of an endpoint with port 0 every `owner` has a port of its own, and the same one each time as long as it is bound.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], _Kept] = {}
        self._holds = 0

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Until this is left, what no server uses stays bound for the next one: connections wait meanwhile."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            await self._close_unused()

    @asynccontextmanager
    async def listening(
        self, endpoint: str, owner: str, *, unix: bool = False
    ) -> AsyncIterator[Sequence[socket.socket]]:
        """Sockets bound to `host:port`, or to the path of a unix socket, for one server, which may close them.

        Raises: `OSError` for an address that cannot be used.
        """
        bind = _bind_unix if unix else _bind_tcp
        async with self._bound("listening", endpoint, owner, bind) as bound:
            copies: list[socket.socket] = []
            try:
                copies += [_copy(each) for each in bound]
                yield copies
            finally:
                _close(copies)

    @asynccontextmanager
    async def reserved(self, endpoint: str, owner: str) -> AsyncIterator[int]:
        """The port of `host:port`, kept for servers that bind it themselves, with SO_REUSEPORT, as gRPC does. It closes
        connections that the old server has not accepted when it stops; clients connect again.

        Raises: `OSError` for an address that cannot be used.
        """
        async with self._bound("reserved", endpoint, owner, _reserve_tcp) as bound:
            yield int(bound[0].getsockname()[1])

    @asynccontextmanager
    async def _bound(
        self, use: str, endpoint: str, owner: str, bind: Callable[[str], Sequence[socket.socket]]
    ) -> AsyncIterator[Sequence[socket.socket]]:
        async def make() -> _Bound:
            return _Bound(await asyncio.to_thread(bind, endpoint))

        async with self.kept((use, endpoint, owner if endpoint.endswith(":0") else ""), make) as bound:
            yield bound.sockets

    @asynccontextmanager
    async def kept(self, key: tuple[str, ...], make: Callable[[], Awaitable[K]]) -> AsyncIterator[K]:
        """What another server made for the same key, or a new one; closed when nobody uses it any more."""
        kept = self._kept.setdefault(key, _Kept())
        kept.users += 1
        try:
            async with kept.changing:
                if kept.thing is None:
                    kept.thing = await make()
            yield cast(K, kept.thing)
        finally:
            kept.users -= 1
            await self._close_unused()

    async def _close_unused(self) -> None:
        for key, kept in list(self._kept.items()):
            if self._is_unused(kept) and kept.thing is not None:
                async with kept.changing:
                    if self._is_unused(kept) and kept.thing is not None:
                        thing, kept.thing = kept.thing, None
                        await thing.close()
            if self._is_unused(kept) and kept.thing is None:
                self._kept.pop(key, None)

    def _is_unused(self, kept: _Kept) -> bool:
        return not (kept.users or self._holds)


def remove_socket(path: str, inode: int | None = None) -> None:
    """Remove a unix socket that nobody listens on any more, and, if given, only the one with `inode`. Anything else at
    `path` is left alone.
    """
    with suppress(FileNotFoundError):
        found = Path(path).stat()
        if stat.S_ISSOCK(found.st_mode) and inode in (None, found.st_ino):
            Path(path).unlink()


def move_socket(path: str, to: str) -> int:
    """Put a unix socket in the place of another, for the daemon's user alone; gives its inode, for `remove_socket`."""
    Path(path).chmod(0o600)
    Path(path).replace(to)
    return Path(to).stat().st_ino


def _copy(bound: socket.socket) -> socket.socket:
    return socket.socket(bound.family, bound.type, bound.proto, fileno=os.dup(bound.fileno()))


def _bind_unix(path: str) -> Sequence[socket.socket]:
    """A socket for the daemon's user alone. One left by a process that was killed is replaced."""
    remove_socket(path)
    bound = _UnixSocket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(path)
        bound.inode = Path(path).stat().st_ino
        # Nobody can connect before it listens.
        Path(path).chmod(0o600)
    except OSError as error:
        bound.close()
        raise _named(path, error) from None
    return [bound]


def _bind_tcp(endpoint: str) -> Sequence[socket.socket]:
    bound = _bind_all(endpoint, reuse_port=False)
    try:
        for each in bound:
            # Elsewhere than on Linux two sockets can be bound to one address; only one can listen.
            each.listen(1024)
    except OSError as error:
        _close(bound)
        raise _named(endpoint, error) from None
    return bound


def _reserve_tcp(endpoint: str) -> Sequence[socket.socket]:
    """Sockets that keep a port for others of this user with SO_REUSEPORT; first without, to see that it is free."""
    _, port = parse_address(endpoint)
    if port:
        _close(_bind_all(endpoint, reuse_port=False))
    return _bind_all(endpoint, reuse_port=True)


def _bind_all(endpoint: str, *, reuse_port: bool) -> list[socket.socket]:
    """A socket for each address of the host; with port 0 for the first one alone, since a port that is free on one may
    be taken on another.
    """
    host, port = parse_address(endpoint)
    bound: list[socket.socket] = []
    absent: OSError | None = None
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(infos):
            try:
                bound.append(_bind(family, address, reuse_port=reuse_port))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
            if bound and not port:
                return bound
        if absent is not None and not bound:
            raise absent
    except OSError as error:
        _close(bound)
        raise _named(endpoint, error) from None
    return bound


def _bind(family: int, address: object, *, reuse_port: bool) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)  # type: ignore[arg-type]
    except BaseException:
        bound.close()
        raise
    return bound


def _close(bound: Sequence[socket.socket]) -> None:
    for each in bound:
        each.close()


def _named(endpoint: str, error: OSError) -> OSError:
    why = "is another program using it?" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
    return OSError(f"cannot listen on {endpoint}; {why}")
