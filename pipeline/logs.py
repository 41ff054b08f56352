"""The daemon's own log: one line an event, for people or as JSON, on standard error."""

import logging
import sys
import threading
from typing import Any, Literal

import structlog
from structlog.typing import FilteringBoundLogger, Processor

__all__ = ["logger", "speak_for_libraries", "where"]

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


def logger(
    level: Literal["debug", "info", "warn", "error"] = "info", encoding: Literal["console", "json"] = "console"
) -> FilteringBoundLogger:
    """A logger to bind a component's id to. Exceptions are never rendered: tracebacks quote values."""
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if encoding == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    bound: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
    )
    return bound


def where(error: BaseException) -> str:
    """An unexpected exception as class and place; its message may quote data and is left out."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(where(each) for each in error.exceptions)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}{place}"


class _Libraries(logging.Handler):
    """What libraries log: who and where, but not what. Their messages quote requests and values."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        cause = where(error) if error is not None else f"{record.module}:{record.lineno}"
        self._log.warning("a library reports a problem", library=record.name, cause=cause)


def speak_for_libraries(log: FilteringBoundLogger) -> None:
    """From now on `log` alone writes about problems: neither Python's logging nor its hooks for lost exceptions do."""

    def ended(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        log.error("a bug ended the process", cause=where(error))

    def lost(unraisable: Any) -> None:
        log.error("an exception was lost", cause=where(unraisable.exc_value) if unraisable.exc_value else "")

    logging.basicConfig(handlers=[_Libraries(log)], level=logging.WARNING, force=True)
    sys.excepthook = ended
    sys.unraisablehook = lost
    threading.excepthook = lost
