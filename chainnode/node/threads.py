"""Work in a thread on what is closed when a task ends: the end waits for the thread."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], *, interrupt: Callable[[], None] = lambda: None) -> T:
    """As asyncio.to_thread; where the caller is cancelled, `interrupt` is called and the thread's end is
    waited for, whatever its outcome: LevelDB crashes when it is closed under a reader."""
    running = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        interrupt()
        await asyncio.wait([running])
        running.exception()
        raise
