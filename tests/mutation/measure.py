"""One run of the tests without a fault: which lines each of them executes, and how long it takes."""

import json
import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import coverage
import pytest

from tests.mutation.children import PASSED, begin, run_pytest

QUICK_S = 0.3
"""CPU time of the slowest test that is asked: a fault shall be noticed by a test that names a rule, not by
luck in a long random schedule, and mutants stay cheap."""


@dataclass(frozen=True)
class Baseline:
    """Of each test (by its node id) the CPU time in s; of each file and line the tests that execute it, ""
    for what runs on import."""

    seconds: dict[str, float]
    by_line: dict[str, dict[int, list[str]]]

    def runs_on_import(self, file: str, lines: Iterable[int]) -> bool:
        by_line = self.by_line.get(file, {})
        return any("" in by_line.get(line, ()) for line in lines)

    def tests(self, file: str, lines: Iterable[int]) -> list[str]:
        """The quick ones that execute one of `lines`, the quickest first; all for what runs on import."""
        by_line = self.by_line.get(file, {})
        found = {test for line in lines for test in by_line.get(line, ())}
        if "" in found:
            found = set(self.seconds)
        quick = [test for test in found if self.seconds[test] <= QUICK_S]
        return sorted(quick, key=lambda test: (self.seconds[test], test))


class _Recorder:
    """A plugin of pytest: which test runs, and how long."""

    def __init__(self, cover: coverage.Coverage) -> None:
        self._cover = cover
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterable[None]:
        self._cover.switch_context(item.nodeid)
        started = time.process_time()
        result = yield
        self.seconds[item.nodeid] = time.process_time() - started
        self._cover.switch_context("")
        return result


def baseline(paths: Sequence[str], package: str) -> Baseline:
    """One run of `paths` without a fault. Raises RuntimeError if a test fails."""
    with tempfile.TemporaryDirectory() as folder:
        data, times = Path(folder, "lines"), Path(folder, "seconds")

        def work() -> int:
            cover = coverage.Coverage(data_file=str(data), source=[package])
            cover.start()
            recorder = _Recorder(cover)
            status = run_pytest(paths, [recorder])
            cover.stop()
            cover.save()
            times.write_text(json.dumps(recorder.seconds))
            return status

        _, status = os.waitpid(begin(work), 0)
        if status != PASSED:
            raise RuntimeError(f"the tests of {' '.join(paths)} fail without any fault: run them first")
        lines = coverage.CoverageData(str(data))
        lines.read()
        root = Path.cwd()
        by_line = {
            str(Path(file).relative_to(root)): {
                line: list(tests) for line, tests in lines.contexts_by_lineno(file).items()
            }
            for file in lines.measured_files()
        }
        return Baseline(json.loads(times.read_text()), by_line)
