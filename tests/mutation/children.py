"""Forked processes: silent, bounded, and told apart by how they end."""

import os
import resource
from collections.abc import Callable, Iterable

import hypothesis
import pytest

MEMORY_BYTES = 2 << 30
SPARE_CPU_S = 10
PASSED = 0


def begin(work: Callable[[], int], cpu_s: int | None = None) -> int:
    """Fork, work, give the process number. The child leaves by its exit code; more than `cpu_s` of CPU time
    ends it."""
    child = os.fork()
    if child:
        return child
    status = 3
    try:
        if cpu_s is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        status = work()
    finally:
        os._exit(status)


def run_pytest(paths: Iterable[str], plugins: list[object]) -> int:
    hypothesis.settings.register_profile("mutation", derandomize=True, database=None)
    hypothesis.settings.load_profile("mutation")
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:timeout", "-p", "no:benchmark", "--tb=no"]
    return int(pytest.main([*options, *paths], plugins=plugins))


class Crowd:
    """At most `jobs` children at a time."""

    def __init__(self, jobs: int, ended: Callable[[int, int], None]) -> None:
        """`ended(index, status)` is called for each."""
        self._jobs = jobs
        self._ended = ended
        self._running: dict[int, int] = {}

    def add(self, index: int, child: int) -> None:
        self._running[child] = index
        if len(self._running) >= self._jobs:
            self._reap()

    def _reap(self) -> None:
        child, status = os.wait()
        self._ended(self._running.pop(child), status)

    def finish(self) -> None:
        while self._running:
            self._reap()
