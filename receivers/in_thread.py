"""Computations whose cost grows with a request, beside the event loop where they would hold it up."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["in_thread_if_large"]

T = TypeVar("T")

_LARGE_BYTES = 256 * 1024


async def in_thread_if_large(size: int, function: Callable[..., T], *arguments: Any) -> T:
    """Call a computation whose cost grows with `size` bytes: beside the event loop where it would hold it up."""
    if size > _LARGE_BYTES:
        return await asyncio.to_thread(function, *arguments)
    return function(*arguments)
