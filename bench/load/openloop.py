"""An open-loop load generator: transactions leave when they are due, whatever became of those before.

Latency counts from the moment a transaction was due, not from when it was written: a system that stalls
cannot hide it by slowing the generator down (coordinated omission).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from msgspec import Struct

from bench.curves import Point
from bench.load.cpu import cpu_ns
from bench.load.feed import Answer
from bench.spread import percentile

TICK_S = 0.002
UNANSWERED = -1


class Sink(Protocol):
    """One replica's way in; takes (number, transaction)."""

    def send(self, items: Sequence[tuple[int, bytes]]) -> None: ...

    def close(self) -> None: ...


Answered = Callable[[int, Answer], None]
Connect = Callable[[Answered], Awaitable[list[Sink]]]
"""Opens a way in to each replica; every answer is told."""


class Load(Struct, frozen=True):
    """`warm_s` is driven and not counted; then `measured_s`; answers are awaited for `drain_s` more."""

    rate_per_s: float
    warm_s: float = 1.0
    measured_s: float = 4.0
    drain_s: float = 20.0

    @property
    def transactions(self) -> int:
        return int(self.rate_per_s * (self.warm_s + self.measured_s))


class Tally:
    """When each transaction was due and what its answer was."""

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.answers = [UNANSWERED] * count
        self.answered_s = [0.0] * count
        self.left = count
        self.done = asyncio.Event()
        if not count:
            self.done.set()

    def answered(self, number: int, answer: Answer) -> None:
        if self.answers[number] != UNANSWERED:
            return
        self.answers[number] = answer
        self.answered_s[number] = self._clock()
        self.left -= 1
        if not self.left:
            self.done.set()

    def point(self, load: Load, began_s: float, cpu_s: float, generator_s: float, lag_s: float) -> Point:
        """`began_s`: when number 0 was due."""
        opens, closes = began_s + load.warm_s, began_s + load.warm_s + load.measured_s
        latencies: dict[int, list[float]] = {kind: [] for kind in (UNANSWERED, *Answer)}
        within = 0
        for number, answer in enumerate(self.answers):
            due, at = began_s + number / load.rate_per_s, self.answered_s[number]
            within += answer == Answer.COMMITTED and opens <= at < closes
            if due >= opens:
                latencies[answer].append((at - due) * 1_000)
        good, busy = latencies[Answer.COMMITTED], latencies[Answer.BUSY]
        return Point(
            offered_per_s=load.rate_per_s,
            goodput_per_s=within / load.measured_s,
            committed=len(good),
            busy=len(busy),
            refused=len(latencies[Answer.REFUSED]),
            late=len(latencies[Answer.LATE]) + len(latencies[UNANSWERED]),
            p50_ms=percentile(good, 50),
            p95_ms=percentile(good, 95),
            p99_ms=percentile(good, 99),
            max_ms=max(good, default=0.0),
            busy_p50_ms=percentile(busy, 50),
            measured_s=load.measured_s,
            cpu_s=cpu_s,
            generator_cpu_s=generator_s,
            generator_lag_ms=lag_s * 1_000,
        )


async def drive(
    connect: Connect,
    transactions: Sequence[bytes],
    load: Load,
    pids: Sequence[int] = (),
    own_pids: Sequence[int] = (),
) -> Point:
    """Send `load.transactions` of them, to the replicas in turn. `pids`: the system's processes; `own_pids`:
    those that belong to the load beside this one."""
    count = load.transactions
    assert len(transactions) >= count, f"{len(transactions)} transactions, {count} are due"
    tally = Tally(count)
    sinks = await connect(tally.answered)
    try:
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            spending = tasks.create_task(_spent(load, pids, own_pids))
            sending = tasks.create_task(_send_all(sinks, transactions, load, began_s))
        with suppress(TimeoutError):  # what is left counts as late
            async with asyncio.timeout(load.drain_s):
                await tally.done.wait()
    finally:
        for sink in sinks:
            sink.close()
    return tally.point(load, began_s, *spending.result(), sending.result())


async def _spent(load: Load, pids: Sequence[int], own_pids: Sequence[int]) -> tuple[float, float]:
    """CPU seconds of the system and of the load within the measured time."""

    def spent() -> tuple[int, int]:
        return cpu_ns(pids), time.process_time_ns() + cpu_ns(own_pids)

    await asyncio.sleep(load.warm_s)
    before = spent()
    await asyncio.sleep(load.measured_s)
    after = spent()
    return (after[0] - before[0]) / 1e9, (after[1] - before[1]) / 1e9


async def _send_all(
    sinks: Sequence[Sink], transactions: Sequence[bytes], load: Load, began_s: float
) -> float:
    """The longest that a transaction left after it was due (seconds)."""
    count, sent, lag_s = load.transactions, 0, 0.0
    while sent < count:
        now_s = time.monotonic()
        due = min(count, int((now_s - began_s) * load.rate_per_s) + 1)
        if due > sent:
            lag_s = max(lag_s, now_s - began_s - sent / load.rate_per_s)
            for at, sink in enumerate(sinks):
                first = sent + (at - sent) % len(sinks)
                items = [(number, transactions[number]) for number in range(first, due, len(sinks))]
                if items:
                    sink.send(items)
            sent = due
        await asyncio.sleep(TICK_S)
    return lag_s
