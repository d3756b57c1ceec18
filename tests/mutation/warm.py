"""Mutants of functions that run in tests alone: the tests are collected once, each child swaps one function's
code."""

import ast
import importlib
import inspect
import os
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType
from typing import Any

import pytest

from tests.mutation.children import SPARE_CPU_S, Crowd, begin
from tests.mutation.mutants import Mutant

Target = tuple[int, Mutant, Sequence[str], float]
"""Number, mutant, node ids of its tests in order, their seconds."""


class Loop:
    """A plugin of pytest: in place of running the tests once, runs some of them for each mutant."""

    def __init__(self, file: str, source: str, targets: Sequence[Target], jobs: int, channel: int) -> None:
        self._file = file
        self._source = source
        self._targets = targets
        self._crowd = Crowd(jobs, self._tell)
        self._channel = channel
        self._failed = False

    def _tell(self, index: int, status: int) -> None:
        os.write(self._channel, f"{index} {status}\n".encode())

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        module = importlib.import_module(self._file.removesuffix(".py").replace("/", "."))
        for index, mutant, tests, seconds in self._targets:

            def work(mutant: Mutant = mutant, tests: Sequence[str] = tests) -> int:
                swap(module, mutant, self._source, self._file)
                return self._run([items[test] for test in tests])

            self._crowd.add(index, begin(work, int(3 * seconds) + SPARE_CPU_S))
        self._crowd.finish()
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed

    def _run(self, items: Sequence[pytest.Item]) -> int:
        for item in items:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if self._failed:
                return 1
        return 0


def swap(module: Any, mutant: Mutant, source: str, file: str) -> None:
    """Put the mutant's code into the function that it lies in, wherever that is held."""
    code = compile(mutant.planted(ast.parse(source)), file, "exec")
    holder: Any = module
    for name in mutant.scope.split("."):
        code = next(one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == name)
        holder = inspect.getattr_static(holder, name)
        function = _function(holder)
        if function is not None:
            function.__code__ = code
            return
    raise AssertionError(f"{mutant.scope} is no function")


def _function(holder: Any) -> FunctionType | None:
    if isinstance(holder, property):
        holder = holder.fget
    if isinstance(holder, classmethod | staticmethod):
        holder = holder.__func__
    forget: Callable[[], None] | None = getattr(holder, "cache_clear", None)
    if forget is not None:
        forget()
        holder = holder.__wrapped__
    return holder if isinstance(holder, FunctionType) else None
