"""Tables of sweeps and of a commit's stages."""

from collections.abc import Sequence
from statistics import mean, median

from rich import box
from rich.console import Console
from rich.table import Table

from bench.curves import NodeStages, Point, Sweep
from bench.results import Results

_COLUMNS = (
    ("offered/s", 9),
    ("goodput/s", 9),
    ("p50 ms", 8),
    ("p95 ms", 8),
    ("p99 ms", 8),
    ("max ms", 8),
    ("busy", 7),
    ("refused", 7),
    ("late", 6),
    ("CPU ms/tx", 9),
    ("load's share of CPU", 19),
)


def _row(point: Point) -> tuple[str, ...]:
    latencies = (point.p50_ms, point.p95_ms, point.p99_ms, point.max_ms)
    return (
        f"{point.offered_per_s:,.0f}",
        f"{point.goodput_per_s:,.0f}",
        *(f"{one:,.1f}" for one in latencies),
        *(f"{one:,}" for one in (point.busy, point.refused, point.late)),
        f"{point.cpu_ns / 1e6:.2f}" if point.goodput_per_s else "-",
        f"{point.generator_share:.0%}",
    )


def sweep_table(sweep: Sweep) -> Table:
    table = Table(
        title=f"{sweep.suite}: {sweep.title}; knee {sweep.knee_per_s:,.0f}/s, peak {sweep.peak_per_s:,.0f}/s",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    for name, least in _COLUMNS:
        table.add_column(name, justify="right", min_width=least)
    for point in sweep.points:
        table.add_row(*_row(point))
    return table


def stage_table(nodes: Sequence[NodeStages]) -> Table:
    """The median of the nodes' figures; every node tells of its own transactions."""
    table = Table(
        title="Where a commit's time goes at half the knee: median of the nodes",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    for name in ("stage", "what"):
        table.add_column(name)
    for name in ("p50 ms", "p95 ms", "mean ms"):
        table.add_column(name, justify="right")
    for of_nodes in zip(*(one.stages for one in nodes), strict=True):
        figures = [median(getattr(one, name) for one in of_nodes) for name in ("p50_ms", "p95_ms", "mean_ms")]
        table.add_row(of_nodes[0].name, of_nodes[0].what, *(f"{one:,.2f}" for one in figures))
    return table


def thread_table(nodes: Sequence[NodeStages]) -> Table:
    table = Table(
        title="CPU of a node by thread, in cores: mean of the nodes",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("thread")
    table.add_column("cores", justify="right")
    names = dict.fromkeys(name for one in nodes for name in one.threads_s)
    shares = {name: mean(one.threads_s.get(name, 0.0) / one.seconds for one in nodes) for name in names}
    for name, share in sorted(shares.items(), key=lambda one: -one[1]):
        if share >= 0.0005:
            table.add_row(name, f"{share:.3f}")
    return table


def print_curves(out: Console, results: Results) -> None:
    for one in results.sweeps:
        out.print(sweep_table(one))
    if results.stages:
        out.print(stage_table(results.stages))
        out.print(thread_table(results.stages))
