"""Runs the tests of the core against one mutant after another, each in a forked process of its own.

First one run without a fault (measure.py). Then every mutant meets the quick tests that execute its line, the
quickest first, until one fails. Where those lines run in tests alone, all tests are collected once and the
process forks behind that (warm.py). Where they run on import too, the child begins before the core is
imported (here), for what was made of the core on import would else be of another one."""

import ast
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from tests.mutation.children import PASSED, SPARE_CPU_S, Crowd, begin, run_pytest
from tests.mutation.measure import Baseline
from tests.mutation.mutants import Mutant
from tests.mutation.warm import Loop, Target


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


def _cold(file: str, source: str, target: Target) -> int:
    """A child that imports the core with the mutant in it."""
    _, mutant, tests, seconds = target
    name = file.removesuffix(".py").replace("/", ".")

    def work() -> int:
        tree = mutant.planted(ast.parse(source))
        sys.meta_path.insert(0, _Planter(name, compile(tree, str(Path(file).resolve()), "exec")))
        return run_pytest(dict.fromkeys(test.split("::")[0] for test in tests), [_Chooser(tests)])

    return begin(work, int(3 * seconds) + SPARE_CPU_S)


def _warm(
    file: str, source: str, targets: Sequence[Target], jobs: int, ended: Callable[[int, int], None]
) -> None:
    """A child that collects all tests once and forks for each of `targets`."""
    reading, writing = os.pipe()

    def work() -> int:
        os.close(reading)
        files = dict.fromkeys(test.split("::")[0] for _, _, tests, _ in targets for test in tests)
        return run_pytest(files, [Loop(file, source, targets, jobs, writing)])

    child = begin(work)
    os.close(writing)
    with os.fdopen(reading) as lines:
        for line in lines:
            index, status = line.split()
            ended(int(index), int(status))
    os.waitpid(child, 0)


def survivors(
    file: str, mutants: Sequence[Mutant], base: Baseline, jobs: int, tell: Callable[[str], None]
) -> list[str]:
    """Keys of the mutants that no test noticed, in their order. `tell` gets a line for each mutant."""
    source = Path(file).read_text(encoding="utf-8")
    outcomes: dict[int, str] = {}

    def ended(index: int, status: int) -> None:
        killer = "time or memory" if os.WIFSIGNALED(status) else "a test"
        note(index, "SURVIVED" if status == PASSED else f"killed by {killer}")

    def note(index: int, outcome: str) -> None:
        outcomes[index] = outcome
        tell(f"{len(outcomes)}/{len(mutants)} {outcome}: {mutants[index].key}")

    warm: list[Target] = []
    crowd = Crowd(jobs, ended)
    for index, mutant in enumerate(mutants):
        tests = base.tests(file, mutant.lines)
        target = (index, mutant, tests, sum(base.seconds[test] for test in tests))
        if not tests:
            note(index, "NOT EXECUTED")
        elif base.runs_on_import(file, mutant.lines):
            crowd.add(index, _cold(file, source, target))
        else:
            warm.append(target)
    crowd.finish()
    if warm:
        _warm(file, source, warm, jobs, ended)
    assert len(outcomes) == len(mutants), "each mutant has an outcome"
    return [mutants[index].key for index in sorted(outcomes) if not outcomes[index].startswith("killed")]
