"""Work in a thread ends before what it works on is closed."""

import asyncio
import threading

import pytest

from chainnode.node.threads import in_thread
from tests.node.stand_ins import until


async def test_a_cancelled_caller_waits_for_the_threads_end():
    started, go_on, ended = threading.Event(), threading.Event(), []

    def work() -> None:
        started.set()
        go_on.wait()
        ended.append(True)
        raise ValueError("of no interest to one who was cancelled")

    task = asyncio.create_task(in_thread(work, interrupt=go_on.set))
    await until(started.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_outcome_and_error_come_back():
    assert await in_thread(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)
