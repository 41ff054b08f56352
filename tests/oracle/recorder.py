"""An HTTP server that answers yes to everything and keeps what it was sent: where the daemon's exporters send to."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self

__all__ = ["Received", "Recorder"]


class Received(NamedTuple):
    """One request."""

    path: str
    encoding: str
    body: bytes


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(Received(self.path, self.headers.get("Content-Encoding", ""), body))
        # What OTLP answers; Prometheus and Loki answer without a body.
        self.send_response(200 if self.path.startswith("/v1/") else 204)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[Received] = []


class Recorder:
    """The server, for the length of a `with` block."""

    def __enter__(self) -> Self:
        self._server = _Server()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="recorder", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self) -> list[Received]:
        """What came since the last time."""
        count = len(self._server.received)
        taken = self._server.received[:count]
        del self._server.received[:count]
        return taken
