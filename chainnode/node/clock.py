"""The node's two clocks, read here and nowhere else."""

import time

from consensus.types import Now


def now() -> Now:
    """Monotonic and wall time (Unix) in milliseconds."""
    return Now(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)


def wall_ms() -> int:
    return time.time_ns() // 1_000_000
