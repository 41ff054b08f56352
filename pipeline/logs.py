"""The daemon's own log: one line an event, for people or as JSON, on standard error."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import FilteringBoundLogger, Processor

__all__ = ["logger"]

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
