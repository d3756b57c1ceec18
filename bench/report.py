"""The CONFIG block and the RESULTS tables."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

from bench.results import Config, Figure, Results

WIDTH = 150
"""Columns where the output is no terminal, and those that the whole tables need."""

COLUMNS = (
    ("figure", 34),
    ("clock", 5),
    ("median", 8),
    ("min", 8),
    ("p90", 8),
    ("wall", 8),
    ("per second", 13),
    ("x floor (min to p90)", 21),
    ("floor", 20),
)
"""Titles and least widths, so that the tables stand below each other."""

NARROW = ("figure", "median", "x floor (min to p90)")
"""What a narrower terminal shows; cropped, a table would lose the ratio, which is what counts."""

LEGEND = """\
median, min, p90: time per unit over the rounds, by the clock named: cpu is that of the thread
wall: the median by the wall clock; per second: units at the median
x floor: ratio to the floor in the same round, by the figure's clock; 1.10 is a tenth on top of it"""

_SCALES = ((1e9, "s"), (1e6, "ms"), (1e3, "us"))


def time_text(nanoseconds: float) -> str:
    """Three significant figures and a unit: 26.1 us."""
    for scale, unit in _SCALES:
        if nanoseconds >= scale:
            return f"{_three(nanoseconds / scale)} {unit}"
    return f"{_three(nanoseconds)} ns"


def _three(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio_text(figure: Figure) -> str:
    """Median and, in brackets, least ratio to 90th percentile; nothing for a floor."""
    if figure.ratio is None:
        return "floor"
    ratio = figure.ratio
    return f"{_ratio(ratio.median)} ({_ratio(ratio.min)} to {_ratio(ratio.p90)})"


def _ratio(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def config_table(config: Config) -> Table:
    table = Table(title="CONFIG", title_justify="left", box=box.SIMPLE, show_header=False)
    table.add_column("what", style="bold")
    table.add_column("value")
    for name, value in config.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) else value)
    return table


def _row(figure: Figure) -> tuple[str, ...]:
    times = figure.per_unit_ns
    return (
        figure.name,
        figure.clock,
        time_text(times.median),
        time_text(times.min),
        time_text(times.p90),
        time_text(median(figure.wall_ns)),
        f"{_three(1e9 / times.median)}",
        ratio_text(figure),
        figure.floor or "",
    )


def group_table(figures: Sequence[Figure], width: int = WIDTH) -> Table:
    """One group's figures, in so many columns of text."""
    first = figures[0]
    rounds = len(first.wall_ns)
    table = Table(
        title=f"{first.suite}: {first.title}; per {first.unit}, {rounds} rounds",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    shown = [index for index, (name, _) in enumerate(COLUMNS) if width >= WIDTH or name in NARROW]
    for name, least in (COLUMNS[index] for index in shown):
        text = name in ("figure", "clock", "floor")
        table.add_column(name, justify="left" if text else "right", min_width=least)
    for one in figures:
        row = _row(one)
        table.add_row(*(row[index] for index in shown))
    return table


def result_tables(results: Results, width: int = WIDTH) -> Iterator[Table]:
    for _, figures in groupby(results.figures, key=lambda one: (one.suite, one.group)):
        yield group_table(list(figures), width)


def console(*, stderr: bool = False) -> Console:
    """Of the terminal's width, or wide enough for the tables."""
    found = Console(stderr=stderr)
    return found if found.is_terminal else Console(stderr=stderr, width=WIDTH)


def print_results(out: Console, results: Results) -> None:
    out.print(config_table(results.config))
    out.print("RESULTS", style="italic")
    out.print(LEGEND, highlight=False)
    if out.width < WIDTH:
        out.print(f"{out.width} columns: the rest is shown at {WIDTH}, or with --json", highlight=False)
    for table in result_tables(results, out.width):
        out.print(table)
