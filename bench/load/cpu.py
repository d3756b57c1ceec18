"""CPU time of other processes, as Linux tells it, and of their threads."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _of_stat(text: str) -> tuple[str, int]:
    """(name, nanoseconds in user and kernel mode) of a line of /proc/*/stat."""
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return name, (int(fields[11]) + int(fields[12])) * _TICK_NS


def cpu_ns(pids: Sequence[int]) -> int:
    """All that these processes have used so far; one that is gone counts nothing."""
    total = 0
    for pid in pids:
        try:
            total += _of_stat(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8"))[1]
        except FileNotFoundError:
            continue
    return total


def threads_ns() -> dict[str, int]:
    """Of this process, by the threads' names: Python's own where it has one, numbers at the end left out."""
    named = {one.native_id: one.name for one in threading.enumerate()}
    found: dict[str, int] = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            comm, spent = _of_stat((task / "stat").read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        name = named.get(int(task.name), comm).rstrip("_-0123456789")
        found[name] = found.get(name, 0) + spent
    return found
