"""Which labels and metrics a setting names: exact names, globs, regular expressions; and the lists to begin with."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from processors.otlp_objects import compile_pattern

__all__ = ["ALWAYS_DROP", "NEVER_DROP", "NamePattern", "matcher"]


def _check(pattern: str) -> str:
    _compiled(pattern)
    return pattern


def _compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > 2 and pattern[0] == pattern[-1] == "/":
        return compile_pattern(pattern[1:-1])
    return re.compile(rf"\A{translate(pattern)}")


NamePattern = Annotated[str, StringConstraints(min_length=1), AfterValidator(_check)]
"""A name, exact or with `*`, `?`, `[…]`; or `/regex/`, found anywhere in the name. Case matters."""


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a name is one of those that are meant."""
    compiled = [_compiled(pattern) for pattern in patterns]
    return lambda name: any(pattern.search(name) for pattern in compiled)


ALWAYS_DROP: tuple[str, ...] = (
    "user_id", "user_email", "user_name", "user.*", "enduser.*", "patient_*", "patient.*", "mrn", "email",
    "session_id", "session.*", "request_id", "request.id", "http.request.id", "correlation_id", "correlation.id",
    "transaction_id", "transaction.id", "trace_id", "trace.id", "span_id", "span.id", "message_id",
    "messaging.message.id", "messaging.message.conversation_id", "faas.invocation_id",
    "url.full", "url.original", "url.path", "url.query", "http.url", "http.target", "db.query.text", "db.statement",
    "client.address", "client.port", "source.address", "source.port", "network.peer.address", "network.peer.port",
    "net.peer.ip", "net.peer.port", "net.sock.peer.addr", "net.sock.peer.port", "http.client_ip", "client_ip",
    "remote_addr", "ip", "ip_address", "ip.address", "user_agent.original", "http.user_agent",
    "exception.message", "exception.stacktrace", "error.message", "timestamp", "uuid", "guid", "/[._-](uuid|guid)$/",
)  # fmt: skip
"""Names of people, of single events and of machines outside, under the names that semantic conventions and habit give
them: no two requests share them, so no sum over them means anything.
"""

NEVER_DROP: tuple[str, ...] = (
    "service.*", "job", "instance", "le", "quantile", "otel.*", "deployment.environment*",
    "http.route", "http.request.method", "http.response.status_code", "http.method", "http.status_code",
    "rpc.system", "rpc.service", "rpc.method", "db.system*", "error.type", "status", "status_code",
)  # fmt: skip
"""What dashboards and alerts group by; when these are too many, single series are folded instead."""
