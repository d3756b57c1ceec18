"""What is drawn of a run: titles, axes with units, values. How it is drawn stands in bench/plot.py."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from statistics import median
from typing import Literal

from msgspec import Struct

from bench.curves import NodeStages, Point, Sweep
from bench.results import Figure, Results


class Series(Struct, frozen=True):
    """One line, or one set of bars. `low` and `high` bound the values where they have a spread."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


class Chart(Struct, frozen=True):
    """`labels` name the bars, from the top down; lines have none. `mark`: a value drawn as a line across."""

    file: str
    title: str
    x_label: str
    y_label: str
    kind: Literal["lines", "bars"]
    series: tuple[Series, ...]
    labels: tuple[str, ...] = ()
    log_x: bool = False
    log_y: bool = False
    mark: float | None = None


def charts(results: Results) -> list[Chart]:
    return [*_ratios(results.figures), *_sweeps(results.sweeps), *_stages(results.stages)]


def _ratios(figures: Sequence[Figure]) -> Iterator[Chart]:
    for suite, members in groupby(figures, key=lambda one: one.suite):
        shown = [(one, one.ratio) for one in members if one.ratio is not None]
        bars = Series(
            "ratio",
            tuple(float(at) for at in range(len(shown))),
            tuple(ratio.median for _, ratio in shown),
            tuple(ratio.min for _, ratio in shown),
            tuple(ratio.p90 for _, ratio in shown),
        )
        yield Chart(
            file=f"{suite}-ratios",
            title=f"{suite}: time against the floor of the same round (median, least to 90th percentile)",
            x_label="ratio to the floor (1: as fast as the floor)",
            y_label="",
            kind="bars",
            series=(bars,),
            labels=tuple(f"{one.group}: {one.name} / {one.floor}" for one, _ in shown),
            log_x=True,
            mark=1.0,
        )


def _line(sweep: Sweep, value: Callable[[Point], float]) -> Series:
    shown = [one for one in sweep.points if value(one) > 0]
    return Series(sweep.system, tuple(one.offered_per_s for one in shown), tuple(map(value, shown)))


def _sweeps(sweeps: Sequence[Sweep]) -> Iterator[Chart]:
    drawn: tuple[tuple[str, str, str, Callable[[Point], float]], ...] = (
        ("goodput", "certified goodput", "goodput (transactions/s)", lambda one: one.goodput_per_s),
        ("p50", "median latency", "p50 as the client sees it (ms)", lambda one: one.p50_ms),
        ("p99", "99th percentile of latency", "p99 as the client sees it (ms)", lambda one: one.p99_ms),
        (
            "cpu",
            "CPU time for a commit",
            "CPU of all replicas (ms/commit)",
            lambda one: one.cpu_ns / 1e6,
        ),
    )
    for suite in dict.fromkeys(one.suite for one in sweeps):
        for file, what, label, value in drawn:
            yield Chart(
                file=f"{suite}-{file}",
                title=f"{suite}: {what} against the rate offered, four replicas",
                x_label="offered, open loop (transactions/s)",
                y_label=label,
                kind="lines",
                series=tuple(_line(one, value) for one in sweeps if one.suite == suite),
                log_x=True,
                log_y=True,
            )


def _stages(nodes: Sequence[NodeStages]) -> Iterator[Chart]:
    if not nodes:
        return
    columns = list(zip(*(one.stages for one in nodes), strict=True))
    bars = Series(
        "p50",
        tuple(float(at) for at in range(len(columns))),
        tuple(median(one.p50_ms for one in of_nodes) for of_nodes in columns),
    )
    yield Chart(
        file="network-stages",
        title="Where a commit's time goes at half the knee (median of the nodes' p50)",
        x_label="time (ms)",
        y_label="",
        kind="bars",
        series=(bars,),
        labels=tuple(f"{of_nodes[0].name}: {of_nodes[0].what}" for of_nodes in columns),
    )
