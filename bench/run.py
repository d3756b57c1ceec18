"""Running suites: one after the other, each group measured before the next is built."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.config import describe
from bench.results import VERSION, Figure, Results, figures_of
from bench.suite import Sizes, Suite
from bench.timing import Effort, measure

RESULTS = Path(__file__).resolve().parent / "results"

Progress = Callable[[Suite, str, int], None]
"""Suite, title of the group, round."""


def _quiet(_suite: Suite, _group: str, _round: int) -> None:
    pass


def run_suite(suite: Suite, sizes: Sizes, effort: Effort, folder: Path, progress: Progress) -> list[Figure]:
    """Measure one suite; what it writes goes below `folder` and is removed."""
    figures: list[Figure] = []
    with TemporaryDirectory(dir=folder, prefix=f".{suite.name}-") as own:
        for group in suite.build(sizes, Path(own)):
            measured = measure(group.cases, effort, on_round=partial(progress, suite, group.title))
            figures += figures_of(suite.name, group, measured)
    names = [(one.group, one.name) for one in figures]
    assert len(set(names)) == len(names), f"{suite.name}: a name stands for two figures"
    return figures


def run(
    suites: Sequence[Suite],
    sizes: Sizes,
    effort: Effort,
    *,
    folder: Path = RESULTS,
    progress: Progress = _quiet,
) -> Results:
    """Measure the suites in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    config = describe(sizes, effort, folder)
    started, began = datetime.now(UTC), time.monotonic()
    figures = [figure for suite in suites for figure in run_suite(suite, sizes, effort, folder, progress)]
    seconds = round(time.monotonic() - began, 1)
    return Results(VERSION, started.isoformat(timespec="seconds"), seconds, config, tuple(figures))


def results_path(results: Results, folder: Path = RESULTS) -> Path:
    """<timestamp>.json"""
    return folder / f"{datetime.fromisoformat(results.started):%Y%m%dT%H%M%SZ}.json"
