"""A real HTTP server between the daemon and a destination, which answers some requests itself: with the statuses that
the destination would not give when a test wants them.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from tests.backends.process import request

__all__ = ["Statuses", "Verdict", "answers", "passes", "takes_at_most"]


class Verdict(NamedTuple):
    """An answer without a body."""

    status: int
    headers: Mapping[str, str] = {}


Mood = Callable[[bytes], Verdict | None]
"""What to answer to a body; None: what the destination answers."""


def passes(_body: bytes) -> None:
    """As if it were not there."""
    return


def answers(status: int, **headers: str) -> Mood:
    """The same to everything; `_` in names of headers stands for `-`."""
    verdict = Verdict(status, {name.replace("_", "-"): value for name, value in headers.items()})
    return lambda _: verdict


def takes_at_most(most_bytes: int) -> Mood:
    """413 to what is larger, as a gateway before the destination answers."""
    return lambda body: Verdict(413) if len(body) > most_bytes else None


class Statuses:
    """The server for the length of a `with` block, before `upstream` (a URL). `mood` may be changed at any time."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.mood: Mood = passes
        handler = type("Handler", (_Handler,), {"statuses": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="statuses", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    @property
    def url(self) -> str:
        """As `upstream`, but with this server's address."""
        return urlsplit(self._upstream)._replace(netloc=f"127.0.0.1:{self.port}").geturl()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, body: bytes, headers: Mapping[str, str]) -> tuple[Verdict, bytes]:
        if (verdict := self.mood(body)) is not None:
            return verdict, b""
        answer = request("POST", self._upstream, body=body, headers=headers)
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN_HEADERS}
        return Verdict(answer.status, kept), answer.body


_OWN_HEADERS = frozenset({"connection", "content-length", "date", "host", "server", "transfer-encoding"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    statuses: Statuses

    def do_POST(self) -> None:
        # The other side may go at any time, also within a header: that is what it is here for.
        with suppress(OSError, ValueError):
            body = self.rfile.read(int(self.headers.get("Content-Length", -1)))
            if len(body) == int(self.headers.get("Content-Length", -1)):
                self._answer(body)
                return
        self.close_connection = True

    def _answer(self, body: bytes) -> None:
        sent = {name: value for name, value in self.headers.items() if name.lower() not in _OWN_HEADERS}
        verdict, answer = self.statuses.answer(body, sent)
        self.send_response(verdict.status)
        for name, value in verdict.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        return
