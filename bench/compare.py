"""What moved between two runs, beyond the noise.

A figure with a floor is compared by its ratio to it, so that a slower machine is no slower code; a floor is
compared by its time, which tells of the machine and the libraries. Something moved when the 95 % intervals
of both medians lie apart and the medians differ by more than two runs of the same code were seen to differ.
A figure that waits for a disk or a second core is not judged where its floor waited longer or shorter than
before: only the work on top stays the same then, not the ratio.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

from bench.results import Figure, Results
from bench.spread import median_interval

LEAST_CHANGE = 0.12
"""Runs of the same code on a busy machine differed by up to a tenth."""
FEWEST_ROUNDS = 4
"""Of two runs of the same code, four rounds of each lie wholly apart by chance in 2 of 70 cases; three of
each in 2 of 20: nothing can be said of those."""


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
    """`moved` by size of the change; `steady` counts what stayed.

    `unjudged` names what has another floor, or one that waited otherwise; `few` what has too few rounds;
    `gone` and `added` what is in one run only. `config`: what differs in the conditions, as (what, old, new).
    """

    moved: tuple[Move, ...]
    steady: int
    unjudged: tuple[str, ...]
    few: tuple[str, ...]
    gone: tuple[str, ...]
    added: tuple[str, ...]
    config: tuple[tuple[str, str, str], ...]


def _move(figure: Figure, old: Sequence[float], new: Sequence[float]) -> Move | None:
    """From the old rounds to the new ones, None where they differ by noise alone."""
    (old_low, old_high), (new_low, new_high) = median_interval(old), median_interval(new)
    found = Move(figure.suite, figure.group, figure.name, figure.ratio is None, median(old), median(new))
    apart = new_low > old_high or new_high < old_low
    return found if apart and abs(found.change) > LEAST_CHANGE else None


def _key(figure: Figure, name: str) -> tuple[str, str, str]:
    return figure.suite, figure.group, name


def _waited_otherwise(figure: Figure, times: Mapping[tuple[str, str, str], Move | None]) -> bool:
    assert figure.floor is not None
    return figure.clock == "wall" and times.get(_key(figure, figure.floor)) is not None


def compare(old: Results, new: Results) -> Comparison:
    before = {_key(one, one.name): one for one in old.figures}
    after = {_key(one, one.name): one for one in new.figures}
    common = [key for key in before if key in after]
    times = {key: _move(after[key], before[key].samples_ns, after[key].samples_ns) for key in common}
    moved: list[Move] = []
    unjudged: list[str] = []
    few: list[str] = []
    for key in common:
        was, now = before[key], after[key]
        if min(len(was.wall_ns), len(now.wall_ns)) < FEWEST_ROUNDS:
            few.append(": ".join(key))
            continue
        if now.floor is None and was.floor is None:
            found = times[key]
        elif now.floor != was.floor or _waited_otherwise(now, times):
            unjudged.append(": ".join(key))
            continue
        else:
            found = _move(now, was.ratios, now.ratios)
        if found is not None:
            moved.append(found)
    names = list(dict.fromkeys([*old.config, *new.config]))
    return Comparison(
        moved=tuple(sorted(moved, key=lambda one: -abs(one.change))),
        steady=len(common) - len(moved) - len(unjudged) - len(few),
        unjudged=tuple(unjudged),
        few=tuple(few),
        gone=tuple(": ".join(key) for key in before if key not in after),
        added=tuple(": ".join(key) for key in after if key not in before),
        config=tuple(
            (name, str(old.config.get(name, "-")), str(new.config.get(name, "-")))
            for name in names
            if old.config.get(name) != new.config.get(name)
        ),
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
    for name in comparison.unjudged:
        out.print(f"not judged, its floor is not what it was: {name}", markup=False)
    for name in comparison.few:
        out.print(f"not judged, fewer than {FEWEST_ROUNDS} rounds: {name}", markup=False)
    for name in comparison.gone:
        out.print(f"only in the old run: {name}", markup=False)
    for name in comparison.added:
        out.print(f"only in the new run: {name}", markup=False)
    least = f"{LEAST_CHANGE:.0%}"
    out.print(
        f"{len(comparison.moved)} moved, {comparison.steady} stayed within the noise "
        f"(intervals of the medians overlap, or less than {least})."
    )
