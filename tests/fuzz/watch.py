"""What must hold for every input: nothing of it in log lines and in the texts of exceptions."""

import logging
from typing import Any

import structlog

from pipeline.component import Context
from pipeline.deadline import Deadline
from pipeline.telemetry import Telemetry
from tests.fuzz.words import CANARY
from tests.payloads import Healthy

__all__ = ["Broken", "Log", "check_texts", "context"]


class Broken(Exception):
    """Something does not hold that must. The sentence says what; inputs are made up, so it may quote them."""


def check_texts(error: BaseException | None) -> None:
    """That neither an error nor what is shown as its cause quotes the input. Raises: `Broken`."""
    while error is not None:
        if CANARY in f"{error} {error!r}".lower():
            raise Broken(f"{type(error).__name__} quotes the input: {error!r}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


class Log(logging.Handler):
    """Takes the place of the daemon's log and of Python's, and looks at every line."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        root = logging.getLogger()
        root.handlers = [self]
        root.setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        """A line of a library's."""
        # Of a library only who and where is told, never what: `pipeline.logs`.
        self.lines.append(f"{record.name} {record.module}:{record.lineno}")

    def event(self, logger: Any, name: str, event: Any) -> str:
        """A line of our own, as structlog calls its last processor."""
        line = f"{name} {event!r}"
        self.lines.append(line)
        raise structlog.DropEvent

    def check(self) -> None:
        """That no line since the last call quotes an input. Raises: `Broken`."""
        lines, self.lines = self.lines, []
        for line in lines:
            if CANARY in line.lower():
                raise Broken(f"a log line quotes the input: {line}")


def context(name: str, log: Log) -> Context:
    """A context with counters of its own, that logs into `log`."""
    logger = structlog.wrap_logger(
        structlog.PrintLogger(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        processors=[log.event],
    )
    bound: Any = logger.bind()
    return Context(name, Telemetry(), bound, Healthy(), Deadline(1.0))
