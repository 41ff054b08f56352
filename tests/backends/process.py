"""A real server as a child process: free ports, a folder of its own, a wait until it is ready, and a certain end.

What the servers in ``servers`` have in common, and the small HTTP client they read back with.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.backends.require import backend

Found = TypeVar("Found")
Json = Any
"""What a server answered, decoded. The servers' own documentation says what is in it."""

LOG_LINES = 40
POLL_SECONDS = 0.05
REQUEST_SECONDS = 30.0
START_SECONDS = 90.0
STOP_SECONDS = 15.0
# Only the loopback is spoken to, so a proxy from the environment must not come between.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# The kernel ends a child started with --pdeathsig when the thread that started it ends. All children are therefore
# started by one thread, which lives as long as Python does: they outlive no test run, not even a killed one.
LAUNCHER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="backends-launcher")
DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()


class ServerError(Exception):
    """A server did not start or did not answer as expected; the message has the end of its log or its answer."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of any status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Json:
        """The decoded body of a 2xx answer.

        Raises:
            ServerError: the status is another one.
        """
        if not 200 <= self.status < 300:
            raise ServerError(f"answered {self.status}: {self.body.decode(errors='replace')}")
        return json.loads(self.body)


def request(method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Send one HTTP request; an error status is an answer like any other.

    Raises:
        OSError: nobody listens there, or the connection broke.
    """
    message = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)
    try:
        with OPENER.open(message, timeout=REQUEST_SECONDS) as response:
            return Answer(response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())


def get(url: str, parameters: Mapping[str, object] | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """GET with query parameters; a list gives one parameter several values, None leaves it out."""
    given = {name: value for name, value in (parameters or {}).items() if value is not None}
    query = f"?{urllib.parse.urlencode(given, doseq=True)}" if given else ""
    return request("GET", url + query, headers=headers)


def wait_until(probe: Callable[[], Found | None], *, seconds: float = 10.0, what: str = "the expected result") -> Found:
    """Call ``probe`` until it returns something true, and return that; servers store asynchronously.

    Raises:
        TimeoutError: it returned nothing true in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        if found := probe():
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(POLL_SECONDS)


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def texts_in(value: Json) -> Iterator[str]:
    """Every text in a decoded JSON value, keys included, and numbers as text: where a leaked value would show."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


class Server(ABC):
    """A real server for the length of a ``with`` block, listening on the loopback only.

    Data, configuration and log are in ``directory``, which goes away with the block. Within the block ``stop`` and
    ``start`` make an outage: the same ports and the same folder come back.
    """

    program: str
    """The name in ``install.PROGRAMS``."""

    def __init__(self) -> None:
        self._executable = self.executable()
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._cleanup = contextlib.ExitStack()
        self._log_start = 0
        self.directory = Path()

    def executable(self) -> Path:
        """The file to run."""
        return backend(self.program)

    @abstractmethod
    def arguments(self) -> list[str]:
        """Write the configuration into ``directory`` and return the command line after the program."""

    def environment(self) -> dict[str, str]:
        """The environment variables of the process."""
        return {"HOME": str(self.directory), "TMPDIR": str(self.directory), "PATH": "/usr/bin:/bin"}

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server takes data now; may raise OSError while it is starting."""

    def port(self, name: str) -> int:
        """The port of this server that is called ``name`` in its configuration; chosen when first asked for."""
        while name not in self._ports:
            if (chosen := free_port()) not in self._ports.values():
                self._ports[name] = chosen
        return self._ports[name]

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.port(name)}"

    @property
    def log_path(self) -> Path:
        return self.directory / "log"

    @property
    def log(self) -> str:
        """What the server logged since it was last started."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as cleanup:
            folder = tempfile.TemporaryDirectory(prefix=f"{self.program}-", ignore_cleanup_errors=True)
            self.directory = Path(cleanup.enter_context(folder))
            cleanup.callback(self.stop)
            self._start_on_free_ports()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._cleanup.close()

    def _start_on_free_ports(self) -> None:
        """Start; another process may take a port between our looking and the server's listening, so try again then."""
        for attempts_left in (2, 1, 0):
            try:
                self.start()
            except ServerError:
                if "address already in use" not in self.log or not attempts_left:
                    raise
                self._ports.clear()
            else:
                return

    def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            ServerError: it ended, or was not ready in time; the message has the end of its log.
        """
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the process, without waiting."""
        command = [*DIE_WITH_US, str(self._executable), *self.arguments()]
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = LAUNCHER.submit(
                subprocess.Popen,
                command,
                cwd=self.directory,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            ).result()

    def wait_until_ready(self) -> None:
        """Wait for a process that was launched.

        Raises:
            ServerError: it ended, or was not ready in time; the message has the end of its log.
        """
        assert self._process is not None
        try:
            wait_until(self._ready_or_ended, seconds=START_SECONDS, what="the server to be ready")
        except TimeoutError:
            self.stop()
            raise ServerError(f"{self.program} was not ready in {START_SECONDS:.0f} s; {self._log_ending()}") from None
        if (code := self._process.poll()) is not None:
            self._process = None
            raise ServerError(f"{self.program} ended with exit code {code}; {self._log_ending()}")

    def _ready_or_ended(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            return True
        try:
            return self.is_ready()
        except OSError:
            return False

    def stop(self) -> None:
        """End our process and nothing else: ask, wait, and insist."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End our process at once, as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _log_ending(self) -> str:
        ending = "\n".join(self.log.splitlines()[-LOG_LINES:])
        return f"the end of its log:\n{ending}" if ending else "its log is empty"


class Store(Server):
    """A server that keeps what it is sent and can be asked for all of it."""

    @abstractmethod
    def everything_stored(self) -> Json:
        """Whatever the server would show to anybody about what it was sent, as decoded JSON.

        Raises:
            ServerError: it is more than one answer holds, so a search through the answer would prove nothing.
        """

    def texts_stored(self) -> list[str]:
        """Every text in ``everything_stored``: a value that had to be removed may be in none of them."""
        return list(texts_in(self.everything_stored()))
