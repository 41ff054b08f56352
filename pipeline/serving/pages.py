"""What pages for programs share: answers in JSON, when to come again, and the door that keeps web pages out.

A browser can be made to send requests to any address of the machine it runs on. It is known by headers that it cannot
leave out, and by the name that it asks for.
"""

import math
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from config.model import is_this_machine

__all__ = ["answer", "by_a_name_of_this_machine", "not_for_browsers", "retry_after"]


def answer(content: Any, status: int = 200) -> web.Response:
    """Any plain values and dataclasses, as JSON."""
    # Some keys are signals.
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    return web.Response(status=status, body=orjson.dumps(content, option=option), content_type="application/json")


def retry_after(seconds: float | None) -> dict[str, str]:
    """The header of HTTP (RFC 9110 section 10.2.3), in whole seconds, at least one; none without a hint."""
    return {} if seconds is None else {"Retry-After": str(max(math.ceil(seconds), 1))}


@web.middleware
async def not_for_browsers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn web pages away."""
    # Fetch Metadata Request Headers §2 and Fetch §3.1: a page can neither set nor leave out these.
    if "Origin" in request.headers or "Sec-Fetch-Site" in request.headers:
        return answer({"error": "this endpoint is for commands, not for web pages"}, 403)
    return await handler(request)


@web.middleware
async def by_a_name_of_this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in only who asks for localhost or an address of this machine for itself alone."""
    # A page of a domain whose name its owner lets point to this machine names that domain.
    host = request.headers.get("Host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if not is_this_machine(name):
        return answer({"error": "ask for localhost: without auth this endpoint is for this machine alone"}, 403)
    return await handler(request)
