"""A node's two clocks: each with an offset of its own, the wall clock with jumps."""

from dataclasses import dataclass

from consensus.types import Now
from tests.ledger.world import GENESIS_MS
from tests.sim.scheduler import Scheduler

FIRST_WALL_MS = GENESIS_MS + 60_000


@dataclass
class Clock:
    """`monotonic_ms` is the monotonic clock's reading at simulated time 0 (a reboot sets it anew), `skew_ms`
    how far the wall clock is ahead."""

    scheduler: Scheduler
    monotonic_ms: int
    skew_ms: int = 0

    def now(self) -> Now:
        at = self.scheduler.now_ms
        return Now(self.monotonic_ms + at, FIRST_WALL_MS + at + self.skew_ms)
