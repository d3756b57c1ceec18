"""Runs the tests of the core against one mutant after another, each in a forked process of its own.

First one run without a fault: how long each test takes and which lines it executes. Then every mutant meets
the quick tests that execute its line, the quickest first, until one fails. The process forks after pytest
is imported and before the core is, so a mutant costs little more than its tests."""

import ast
import importlib.abc
import importlib.machinery
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

import coverage
import hypothesis
import pytest

from tests.mutation.mutants import Mutant

MEMORY_BYTES = 2 << 30
SPARE_CPU_S = 10
QUICK_S = 0.3
"""CPU time of the slowest test that is asked: a fault shall be noticed by a test that names a rule, not by
luck in a long random schedule, and mutants stay cheap."""
PASSED = 0


@dataclass(frozen=True)
class Baseline:
    """Of each test (by its node id) the CPU time in s; of each file and line the tests that execute it."""

    seconds: dict[str, float]
    by_line: dict[str, dict[int, list[str]]]

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


class _Chooser:
    """A plugin of pytest: only the tests that were chosen, in their order."""

    def __init__(self, chosen: Sequence[str]) -> None:
        self._chosen = chosen

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        found = {item.nodeid: item for item in items}
        # A mutant that changes which tests there are is noticed.
        assert all(test in found for test in self._chosen)
        items[:] = [found[test] for test in self._chosen]


class _Planter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module other code than its file has."""

    def __init__(self, name: str, code: CodeType) -> None:
        self._name = name
        self._code = code

    def find_spec(
        self, name: str, path: object, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=self._code.co_filename)

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)


def _in_child(work: Callable[[], int], cpu_s: int | None) -> int:
    """Fork, work, give the process number. The child is silent and leaves by its exit code."""
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
        hypothesis.settings.register_profile("mutation", derandomize=True, database=None)
        hypothesis.settings.load_profile("mutation")
        status = work()
    finally:
        os._exit(status)


def _pytest(paths: Iterable[str], plugins: list[object]) -> int:
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:timeout", "-p", "no:benchmark", "--tb=no"]
    return int(pytest.main([*options, *paths], plugins=plugins))


def baseline(paths: Sequence[str], package: str) -> Baseline:
    """One run of `paths` without a fault. Raises RuntimeError if a test fails."""
    with tempfile.TemporaryDirectory() as folder:
        data, times = Path(folder, "lines"), Path(folder, "seconds")

        def work() -> int:
            cover = coverage.Coverage(data_file=str(data), source=[package])
            cover.start()
            recorder = _Recorder(cover)
            status = _pytest(paths, [recorder])
            cover.stop()
            cover.save()
            times.write_text(json.dumps(recorder.seconds))
            return status

        _, status = os.waitpid(_in_child(work, None), 0)
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


def _start(mutant: Mutant, file: str, source: str, base: Baseline, tests: Sequence[str]) -> int:
    name = file.removesuffix(".py").replace("/", ".")
    seconds = sum(base.seconds[test] for test in tests)

    def work() -> int:
        tree = mutant.planted(ast.parse(source))
        sys.meta_path.insert(0, _Planter(name, compile(tree, str(Path(file).resolve()), "exec")))
        return _pytest(dict.fromkeys(test.split("::")[0] for test in tests), [_Chooser(tests)])

    return _in_child(work, int(3 * seconds) + SPARE_CPU_S)


def survivors(
    file: str, mutants: Sequence[Mutant], base: Baseline, jobs: int, tell: Callable[[str], None]
) -> list[str]:
    """Keys of the mutants that no test noticed, in their order. `tell` gets a line for each mutant."""
    source = Path(file).read_text(encoding="utf-8")
    running: dict[int, int] = {}
    alive: list[int] = []
    done = 0

    def reap() -> None:
        nonlocal done
        child, status = os.wait()
        index = running.pop(child)
        done += 1
        killer = "time or memory" if os.WIFSIGNALED(status) else "a test"
        if status == PASSED:
            alive.append(index)
        outcome = "SURVIVED" if status == PASSED else f"killed by {killer}"
        tell(f"{done}/{len(mutants)} {outcome}: {mutants[index].key}")

    try:
        for index, mutant in enumerate(mutants):
            tests = base.tests(file, mutant.lines)
            if not tests:
                alive.append(index)
                done += 1
                tell(f"{done}/{len(mutants)} NOT EXECUTED: {mutant.key}")
                continue
            running[_start(mutant, file, source, base, tests)] = index
            if len(running) >= jobs:
                reap()
        while running:
            reap()
    finally:
        for child in running:
            os.kill(child, signal.SIGKILL)
    return [mutants[index].key for index in sorted(alive)]
