"""Runs of numbers on every core, their results in the order of the numbers.

Each run depends on nothing but its number (and the planted bug), so which process it is in changes nothing.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

from tests.sim.breaks import planted

T = TypeVar("T")

PART = 4
"""So many numbers go to a process at a time."""
PARTS_AHEAD = 3
_PLANTED = ExitStack()
"""Of a process of the pool, as long as it lives."""


def jobs_here() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[int], T], numbers: Iterable[int], jobs: int, bug: str = "") -> Iterator[T]:
    """`work` of each number with the bug `bug` planted. `work` is a function of a module, or a partial of
    one; what it returns is pickled. Nothing is left running where the caller stops early."""
    waiting = iter(numbers)
    if jobs == 1:
        for number in waiting:
            # Planted for the run alone: what the caller does meanwhile is not concerned.
            with planted(bug):
                result = work(number)
            yield result
        return
    # Fresh processes: nothing of this one, such as a bug that is planted here, is in them.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (bug,))
    try:
        under_way: deque[Future[list[T]]] = deque()
        while True:
            while len(under_way) < PARTS_AHEAD * jobs and (part := list(islice(waiting, PART))):
                under_way.append(pool.submit(_work, work, part))
            if not under_way:
                return
            yield from under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(bug: str) -> None:
    # Ctrl-C is the parent's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _PLANTED.enter_context(planted(bug))


def _work(work: Callable[[int], T], numbers: list[int]) -> list[T]:
    return [work(number) for number in numbers]
