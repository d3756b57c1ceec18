"""Systems under the same load in one run: each swept to its knee and beyond, then all in turn by rounds.

The sweep shows the curve and finds the knee. The figures come from the rounds: within one, every system runs
right after the others on whatever the machine is at that time, so a ratio holds where a figure would not.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench.curves import Point, Sweep
from bench.load.openloop import Load, drive
from bench.network.systems import System
from bench.results import Figure
from bench.spread import spread
from bench.timing import ClockName, order

FLOOR = "floor"
SATURATION = 1.2
OVERLOAD = 2.0
IDLE_PER_S = 10.0
RISES = 1.05
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how far. Rates per second; a sweep ends behind `beyond` that carry no half, or no more."""

    first_per_s: float = 150.0
    growth: float = 1.6
    most_points: int = 12
    beyond: int = 2
    warm_s: float = 1.0
    measured_s: float = 3.0
    rounds: int = 4

    def load(self, rate_per_s: float) -> Load:
        return Load(rate_per_s, self.warm_s, self.measured_s)

    def long_load(self, rate_per_s: float) -> Load:
        """Twice as long: what piles up under too much load shows after a while."""
        return Load(rate_per_s, self.warm_s, 2 * self.measured_s)


@dataclass
class Entry:
    """`while_up` is called once, after the sweep, while the system is still running."""

    system: System
    while_up: Callable[[Sweep], Awaitable[None]] | None = None
    rounds: dict[str, list[Point]] = field(default_factory=dict)


async def measure_point(system: System, load: Load, say: Say, what: str) -> Point:
    point = await drive(
        system.connect,
        await system.transactions(load.transactions),
        load,
        system.pids(),
        system.load_pids(),
    )
    say(
        f"{system.name}: {what}: offered {load.rate_per_s:,.0f}/s, goodput {point.goodput_per_s:,.0f}/s, "
        f"p50 {point.p50_ms:.0f} ms, p99 {point.p99_ms:.0f} ms, busy {point.busy}, late {point.late}"
    )
    return point


async def sweep(suite: str, system: System, plan: Plan, say: Say) -> Sweep:
    """From an idle system to beyond the knee. The system is running."""
    points = [await measure_point(system, plan.load(IDLE_PER_S), say, "idle")]
    rate, best, beyond = plan.first_per_s, 0.0, 0
    while len(points) < plan.most_points and beyond < plan.beyond:
        point = await measure_point(system, plan.load(rate), say, "sweep")
        points.append(point)
        rises = point.goodput_per_s > max(best * RISES, rate / 2)
        beyond = 0 if rises else beyond + 1
        best = max(best, point.goodput_per_s)
        rate *= plan.growth
    return Sweep(suite, system.name, system.title, tuple(points))


async def contest(
    suite: str, entries: Sequence[Entry], plan: Plan, say: Say
) -> tuple[list[Sweep], list[Figure]]:
    """Sweep every system, then the rounds. The first entry is the floor that all are measured against."""
    sweeps = []
    for entry in entries:
        try:
            await entry.system.start()
            found = await sweep(suite, entry.system, plan, say)
            if entry.while_up is not None:
                await entry.while_up(found)
        finally:
            entry.system.stop()
        sweeps.append(found)
    for round_ in range(plan.rounds):
        for at in order(len(entries), round_):
            await _round(entries[at], sweeps[at].knee_per_s, plan, say, f"round {round_ + 1}/{plan.rounds}")
    return sweeps, _figures(suite, entries)


async def _round(entry: Entry, knee_per_s: float, plan: Plan, say: Say, what: str) -> None:
    try:
        await entry.system.start()
        for name, share, load in (
            ("half", 0.5, plan.load),
            ("saturated", SATURATION, plan.load),
            ("overload", OVERLOAD, plan.long_load),
        ):
            point = await measure_point(
                entry.system, load(knee_per_s * share), say, f"{what}, {share:g} x knee"
            )
            entry.rounds.setdefault(name, []).append(point)
    finally:
        entry.system.stop()


def _figures(suite: str, entries: Sequence[Entry]) -> list[Figure]:
    """Ratios to the first entry round by round; each system's overload against its own saturation."""

    def group(name: str, title: str, load: str, clock: ClockName, value: Callable[[Point], float]) -> None:
        columns = {one.system.name: [value(point) for point in one.rounds[load]] for one in entries}
        found.extend(_group(suite, name, title, clock, columns, entries[0].system.name))

    found: list[Figure] = []
    group("goodput", "time between commits, saturated", "saturated", "wall", lambda one: one.wall_ns)
    group(
        "cpu", "CPU time of all replicas for a commit, saturated", "saturated", "cpu", lambda one: one.cpu_ns
    )
    group("half", "p50 at half the knee", "half", "wall", lambda one: one.p50_ms * 1e6)
    group("half p99", "p99 at half the knee", "half", "wall", lambda one: one.p99_ms * 1e6)
    for entry in entries:
        columns = {
            "saturated": [one.wall_ns for one in entry.rounds["saturated"]],
            "twice the knee": [one.wall_ns for one in entry.rounds["overload"]],
        }
        title = f"{entry.system.name}: time between commits at twice the knee"
        found += _group(suite, f"overload {entry.system.name}", title, "wall", columns, "saturated")
    return found


def _group(
    suite: str, name: str, title: str, clock: ClockName, columns: dict[str, list[float]], floor: str
) -> list[Figure]:
    found = []
    for own, raw in columns.items():
        values = tuple(max(one, 1.0) for one in raw)
        ratios = (
            ()
            if own == floor
            else tuple(mine / max(base, 1.0) for mine, base in zip(values, columns[floor], strict=True))
        )
        found.append(
            Figure(
                suite=suite,
                group=name,
                name=own,
                title=title,
                unit="transaction",
                clock=clock,
                floor=None if own == floor else floor,
                per_unit_ns=spread(values),
                ratio=spread(ratios) if ratios else None,
                wall_ns=values,
                cpu_ns=values,
                ratios=ratios,
            )
        )
    return found
