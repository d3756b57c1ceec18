"""The node's two clocks, read here and nowhere else."""

import os
import time
from pathlib import Path

from consensus.types import Now


def now() -> Now:
    """Monotonic and wall time (Unix) in milliseconds."""
    return Now(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def process_age_ms() -> int:
    """How long ago this process began (Linux: field 22 of /proc/self/stat, in clock ticks since boot)."""
    stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    began_ticks = int(stat.rpartition(")")[2].split()[19])
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1_000) - began_ticks * 1_000 // os.sysconf(
        "SC_CLK_TCK"
    )
