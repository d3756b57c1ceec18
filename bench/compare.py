"""What moved between two runs, beyond the noise.

A figure with a floor is compared by its ratio to it, so that a slower machine is no slower code; a floor is
compared by its time, which tells of the machine and the libraries. Something moved when the 95 % intervals
of both medians lie apart and the medians differ by more than two runs of the same code were seen to differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from bench.results import Figure, Results
from bench.spread import median_interval

LEAST_CHANGE = 0.08
"""Two runs of the same code differ by this much without a reason that could be named."""


@dataclass(frozen=True, slots=True)
class Move:
    """A figure in two runs: medians, of ratios or (for a floor) of nanoseconds per unit."""

    suite: str
    group: str
    name: str
    is_floor: bool
    old: float
    new: float

    @property
    def change(self) -> float:
        """0.1: a tenth slower; -0.1: a tenth faster."""
        return self.new / self.old - 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """`moved` by size of the change; `steady` counts the rest. `gone`, `added`: names in one run only.
    `config`: what differs in the conditions, as (what, old, new)."""

    moved: tuple[Move, ...]
    steady: int
    gone: tuple[str, ...]
    added: tuple[str, ...]
    config: tuple[tuple[str, str, str], ...]


def _series(figure: Figure) -> tuple[Sequence[float], float]:
    """The rounds that are compared, and their median."""
    if figure.ratio is None:
        return figure.samples_ns, figure.per_unit_ns.median
    return figure.ratios, figure.ratio.median


def move(old: Figure, new: Figure) -> Move | None:
    """The move from one figure to the other, None where it is within the noise."""
    (old_rounds, before), (new_rounds, after) = _series(old), _series(new)
    old_low, old_high = median_interval(old_rounds)
    new_low, new_high = median_interval(new_rounds)
    found = Move(new.suite, new.group, new.name, new.ratio is None, before, after)
    apart = new_low > old_high or new_high < old_low
    return found if apart and abs(found.change) > LEAST_CHANGE else None


def _by_name(results: Results) -> dict[tuple[str, str, str], Figure]:
    return {(one.suite, one.group, one.name): one for one in results.figures}


def compare(old: Results, new: Results) -> Comparison:
    before, after = _by_name(old), _by_name(new)
    moves = [move(before[key], after[key]) for key in before if key in after]
    moved = sorted((one for one in moves if one is not None), key=lambda one: -abs(one.change))
    names = list(dict.fromkeys([*old.config, *new.config]))
    differing = [
        (name, str(old.config.get(name, "-")), str(new.config.get(name, "-")))
        for name in names
        if old.config.get(name) != new.config.get(name)
    ]
    return Comparison(
        moved=tuple(moved),
        steady=len(moves) - len(moved),
        gone=tuple(": ".join(key) for key in before if key not in after),
        added=tuple(": ".join(key) for key in after if key not in before),
        config=tuple(differing),
    )


def _table(title: str, moves: Sequence[Move], unit: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("figure")
    for name in (f"old ({unit})", f"new ({unit})", "change"):
        table.add_column(name, justify="right")
    for one in moves:
        word = "slower" if one.change > 0 else "faster"
        table.add_row(
            f"{one.suite}: {one.group}: {one.name}",
            f"{one.old:,.4g}",
            f"{one.new:,.4g}",
            f"{abs(one.change):.0%} {word}",
        )
    return table


def print_comparison(out: Console, comparison: Comparison) -> None:
    for name, before, after in comparison.config:
        out.print(f"differs: {name}: {before} -> {after}", markup=False)
    figures = [one for one in comparison.moved if not one.is_floor]
    floors = [one for one in comparison.moved if one.is_floor]
    if figures:
        out.print(_table("MOVED: ratio to the floor", figures, "x floor"))
    if floors:
        out.print(_table("The floors themselves moved: the machine or a library", floors, "ns per unit"))
    for name in comparison.gone:
        out.print(f"only in the old run: {name}", markup=False)
    for name in comparison.added:
        out.print(f"only in the new run: {name}", markup=False)
    least = f"{LEAST_CHANGE:.0%}"
    out.print(
        f"{len(comparison.moved)} moved, {comparison.steady} stayed within the noise "
        f"(intervals of the medians overlap, or less than {least})."
    )
