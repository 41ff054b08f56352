"""The receivers as clients see them: raw bytes on a socket to the HTTP servers, messages and raw frames to gRPC."""

import asyncio
import gzip
import socket
import threading
from contextlib import AsyncExitStack, suppress
from random import Random

import grpc

from pipeline.batch import Batch
from receivers.json_logs import JsonLogsSettings
from receivers.otlp import OtlpSettings
from tests.fuzz import words
from tests.fuzz.mutate import damaged
from tests.fuzz.target import Check, Target, must, request, signal_of
from tests.fuzz.watch import Broken, Log, context
from wire.signal import Signal

__all__ = ["SOCKETS"]


class _Taking:
    """Every pipeline: takes everything."""

    async def consume(self, batch: Batch) -> None:
        return


class _Servers:
    """The receivers, running in a thread of their own."""

    def __init__(self) -> None:
        self.log = Log()
        self.ports: dict[str, int] = {}
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), name="servers", daemon=True).start()
        must(self._ready.wait(30), "the servers do not start")

    async def _serve(self) -> None:
        consumers = dict.fromkeys(Signal, _Taking())
        protocols = {"grpc": {"endpoint": "localhost:0"}, "http": {"endpoint": "localhost:0"}}
        otlp = OtlpSettings.model_validate({"protocols": protocols})
        logs = JsonLogsSettings.model_validate({"endpoint": "localhost:0", "tenant_header": "X-Scope-OrgID"})
        async with AsyncExitStack() as stack:
            receiver = await stack.enter_async_context(otlp.build(context("otlp", self.log), consumers))
            lines = await stack.enter_async_context(logs.build(context("json_logs", self.log), consumers))
            assert receiver.grpc is not None
            assert receiver.http is not None
            self.ports = {"grpc": receiver.grpc.port, "http": receiver.http.port, "json_logs": lines.port}
            self._ready.set()
            await asyncio.Event().wait()

    def exchange(self, name: str, data: bytes, wait_seconds: float) -> bytes:
        """Send bytes, wait for the start of an answer, say that there is no more, read until the server closes."""
        answer = bytearray()
        connection = socket.create_connection(("127.0.0.1", self.ports[name]), timeout=_PATIENCE)
        # A server may close as soon as it has seen enough.
        with connection, suppress(ConnectionError):
            connection.sendall(data)
            connection.settimeout(wait_seconds)
            with suppress(TimeoutError):
                answer += connection.recv(65536)
            connection.settimeout(_PATIENCE)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        return bytes(answer)


_PATIENCE = 30.0
_WAIT = 0.02
"""An answer to whole requests comes sooner; parts of requests get none."""
_EACH = 50
"""Inputs, after which a good request must be taken."""


# ---- HTTP ----

_PATHS = ("/v1/traces", "/v1/metrics", "/v1/logs", "/", "/v1/json", "/v1/x?y=%zz", "*", "http://[/", "/%2e%2e/", "//")
_HEADERS = (
    *(
        "Content-Encoding: gzip",
        "Content-Encoding: zstd",
        "Content-Encoding: br",
        "Content-Encoding: \xff",
        "Expect: 100-continue",
    ),
    *("Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Content-Length: 5", "Content-Length: +5"),
    *(
        "Content-Length: 99999999999999999999",
        "Content-Type: application/json; charset=zzz",
        "Content-Type: ;;;",
        "Host:",
    ),
    *(
        "X-Scope-OrgID: a",
        "X-Scope-OrgID: ../" + words.CANARY,
        "Origin: " + words.CANARY,
        "Upgrade: h2c",
        "Upgrade: websocket",
    ),
    *(
        "Connection: upgrade",
        "Cookie: " + words.CANARY + "=\x01",
        "Authorization: Basic " + words.CANARY,
        "A" * 9000 + ": x",
    ),
    *(" folded: x", "no colon " + words.CANARY, ": empty", "X: " + words.CANARY * 1200, "\x00: x", "Range: bytes=0-0"),
)
_TYPES = (*("application/x-protobuf",) * 8, "application/json", "text/plain")


def _http(random: Random) -> bytes:
    """The first byte chooses the server; then a request, well-formed or changed."""
    data = request(random)
    body = data[1:][:65536]
    path = f"/v1/{signal_of(data).value}"
    headers = [f"Content-Type: {random.choice(_TYPES)}", "Host: localhost", "Connection: close"]
    if random.random() < 0.3:
        body = gzip.compress(body)
        headers.append("Content-Encoding: gzip")
    if random.random() < 0.15:
        size = random.choice((1, 7, 100, 10**6))
        body = b"".join(
            b"%x\r\n%b\r\n" % (len(body[at : at + size]), body[at : at + size]) for at in range(0, len(body), size)
        )
        body += b"0\r\n\r\n"
        headers.append("Transfer-Encoding: chunked")
    else:
        headers.append(f"Content-Length: {len(body) + random.choice((0,) * 20 + (1, -1, 10**9))}")
    for _ in range(random.choice((0, 0, 0, 1, 2))):
        headers.insert(random.randrange(len(headers) + 1), random.choice(_HEADERS))
    method = random.choice(
        ("POST",) * 20 + ("GET", "OPTIONS", "HEAD", "TRACE", "CONNECT", "post", words.CANARY, "\x16\x03\x01")
    )
    path = path if random.random() < 0.8 else random.choice(_PATHS)
    line = f"{method} {path} {random.choice(('HTTP/1.1',) * 20 + ('HTTP/1.0', 'HTTP/9.9', ''))}"
    head = "\r\n".join([line, *headers, "", ""]).encode("latin-1", errors="replace")
    if random.random() < 0.2:
        head = damaged(random, head)
    server = random.choice((0, 0, 0, 1))
    head = head.replace(path.encode(), b"/", 1) if server and random.random() < 0.8 else head
    return bytes((server,)) + head + (damaged(random, body) if random.random() < 0.1 else body)


_GOOD = (
    b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
_GOOD_LOGS = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def _http_check() -> Check:
    servers = _Servers()
    count = 0

    def check(data: bytes) -> bool:
        nonlocal count
        count += 1
        name, good = ("http", _GOOD) if not data or data[0] % 2 == 0 else ("json_logs", _GOOD_LOGS)
        answer = servers.exchange(name, data[1:], _WAIT)
        servers.log.check()
        must(words.CANARY.encode() not in answer.lower(), "an answer quotes the request")
        must(b" 500 " not in answer[:20], "the server says that it failed")
        if count % _EACH == 0:
            must(servers.exchange(name, good, 10.0).startswith(b"HTTP/1.1 200"), "a good request is not taken any more")
        return answer.startswith(b"HTTP/1.1 200")

    return check


# ---- gRPC ----

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def _frame(kind: int, flags: int, stream: int, content: bytes, lie: int = 0) -> bytes:
    """RFC 9113, section 4.1."""
    length = max(len(content) + lie, 0) & 0xFFFFFF
    return length.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + content


def _literal(name: str, value: str) -> bytes:
    """A header that is not indexed, without Huffman coding (RFC 7541, section 6.2.2)."""
    out = b"\x00"
    for text in (name.encode("latin-1"), value.encode("latin-1")):
        size = len(text)
        out += bytes((size,)) if size < 127 else b"\x7f" + _rest(size - 127)
        out += text
    return out


def _rest(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return out + bytes((number,))


_MORE = (
    *(("grpc-encoding", "gzip"), ("grpc-encoding", "zstd"), ("grpc-timeout", "0n"), ("grpc-timeout", words.CANARY)),
    *(("x-canary", words.CANARY), ("content-type", "application/grpc+json"), (":path", "/"), ("bin-bin", "\xff\xff")),
    *(("a" * 300, "x" * 9000), ("Upper", "x"), ("connection", "close"), ("", ""), ("grpc-status-details-bin", "=")),
)


def _frames(random: Random) -> bytes:
    """The first byte: 0, 1 or 2 is the signal of a message that a real client sends, 3 is raw frames."""
    payload = request(random)
    if random.random() < 0.6:
        return bytes((payload[0] % 3,)) + payload[1:]
    out = _PREFACE if random.random() < 0.97 else damaged(random, _PREFACE)
    out += _frame(4, 0, 0, b"" if random.random() < 0.7 else random.randbytes(random.choice((6, 12, 5))))
    for stream in range(1, random.choice((2, 2, 4, 20)), 2):
        out += _call(random, stream, payload[1:][:16000], list(Signal)[payload[0] % 3])
    if random.random() < 0.5:
        kind = random.randrange(12)
        out += _frame(
            kind, random.randrange(256), random.choice((0, 1, 2, 2**31)), random.randbytes(random.choice((0, 4, 8, 17)))
        )
    return b"\x03" + (damaged(random, out) if random.random() < 0.3 else out)


def _call(random: Random, stream: int, payload: bytes, signal: Signal) -> bytes:
    headers = [
        *((":method", "POST"), (":scheme", "http"), (":path", signal.method), (":authority", "localhost")),
        *(("content-type", "application/grpc"), ("te", "trailers")),
    ]
    for _ in range(random.choice((0, 0, 1, 3))):
        headers.insert(random.randrange(len(headers) + 1), random.choice(_MORE))
    block = b"".join(_literal(*each) for each in headers)
    if random.random() < 0.1:
        block = damaged(random, block)
    size = len(payload) + random.choice((0,) * 12 + (1, -1, 2**31, 2**32 - 1 - len(payload)))
    message = bytes((random.choice((0,) * 9 + (1, 2)),)) + (size & 0xFFFFFFFF).to_bytes(4, "big") + payload
    lie = random.choice((0,) * 15 + (1, -1, 10**6))
    return _frame(1, 4, stream, block) + _frame(0, random.choice((1, 1, 1, 0, 9)), stream, message, lie)


def _grpc_check() -> Check:
    servers = _Servers()
    channel = grpc.insecure_channel(f"127.0.0.1:{servers.ports['grpc']}")
    calls = {signal: channel.unary_unary(signal.method) for signal in Signal}
    count = 0

    def check(data: bytes) -> bool:
        nonlocal count
        count += 1
        if data and data[0] == 3:
            answer = servers.exchange("grpc", data[1:], _WAIT)
            servers.log.check()
            if count % _EACH == 0:
                calls[Signal.LOGS](b"", timeout=_PATIENCE)
            return b"grpc-status" in answer
        try:
            calls[signal_of(data)](data[1:], timeout=_PATIENCE)
        except grpc.RpcError as error:
            _check_refusal(error)
            return False
        finally:
            servers.log.check()
        return True

    return check


def _check_refusal(error: grpc.RpcError) -> None:
    if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
        raise Broken(f"the server answers {error.code()}: {error.details()}")
    must(words.CANARY not in error.details().lower(), "an answer quotes the request")


SOCKETS = {
    "http": Target(_http, _http_check, 8),
    "grpc": Target(_frames, _grpc_check, 8),
}
