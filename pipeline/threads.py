"""Work beside the event loop that others must not overtake."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Call `function` in a thread and return no sooner than it does, also when cancelled meanwhile: a thread cannot be
    stopped, and what keeps others away from its data, such as a lock of the caller's, must outlast it.
    """
    running = asyncio.get_running_loop().run_in_executor(None, partial(function, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # Nobody is there to be told.
        raise
