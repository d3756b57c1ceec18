"""The timing core: cases of a group are run in turn, round after round.

A shared machine drifts by tens of percent within a minute. So a figure is compared with its floor round by
round: whatever slows the machine down meets both, and the median of the rounds' ratios stays put. What
only computes is judged by the processor's time, which other programs on the same cores do not spend.
"""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Clock = Callable[[], int]
"""Nanoseconds, never going back."""
ClockName = Literal["cpu", "wall"]


@dataclass(frozen=True, slots=True)
class Clocks:
    """`cpu` is that of the measuring thread. What LevelDB compacts in a thread of its own is not in it: in a
    whole process's time it would fall on whichever case happens to run then."""

    wall: Clock = time.perf_counter_ns
    cpu: Clock = time.thread_time_ns


CLOCKS = Clocks()


@dataclass(frozen=True, slots=True)
class Case:
    """Something to be timed. `run` does `operations` operations of `unit` and gets what `prepare` returned.

    With `prepare`, which is not timed, every sample is one call; without, `run` gets None and is repeated
    until a sample is long enough. `floor` names the case of the same group that this one is measured
    against; a case without is a floor itself. `clock`: which one judges it; "wall" where waiting is part
    of the matter, for a disk or another thread.
    """

    name: str
    unit: str
    operations: int
    run: Callable[[Any], object]
    prepare: Callable[[], Any] | None = None
    floor: str | None = None
    clock: ClockName = "cpu"


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: `case_ns` for each case of a group, preparation included, within the bounds of
    rounds; `sample_ns` is the least length of a sample of cases without preparation."""

    case_ns: int = 600_000_000
    sample_ns: int = 4_000_000
    min_rounds: int = 7
    max_rounds: int = 31


@dataclass(frozen=True, slots=True)
class Measured:
    """One value a round: nanoseconds per operation by both clocks, and the ratios to the floor's of the same
    round by the case's clock (empty for a floor)."""

    case: Case
    wall_ns: tuple[float, ...]
    cpu_ns: tuple[float, ...]
    ratios: tuple[float, ...]


def check_cases(cases: Sequence[Case]) -> None:
    """Names are distinct, and every floor that is named is there."""
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), "a name stands twice in a group"
    for case in cases:
        assert case.operations > 0
        assert case.floor is None or (case.floor in names and case.floor != case.name), case.floor
    assert any(case.floor is None for case in cases), "a group needs a floor"


def _call(case: Case, repeats: int, clocks: Clocks) -> tuple[int, int]:
    """Nanoseconds of `repeats` calls: wall and CPU."""
    prepared = case.prepare() if case.prepare is not None else None
    run, wall, cpu = case.run, clocks.wall, clocks.cpu
    wall_started, cpu_started = wall(), cpu()
    for _ in range(repeats):
        run(prepared)
    cpu_ended, wall_ended = cpu(), wall()
    return wall_ended - wall_started, cpu_ended - cpu_started


def _repeats(case: Case, effort: Effort, clocks: Clocks) -> int:
    """How often a sample calls `run`; warms the case up."""
    took, _ = _call(case, 1, clocks)
    if case.prepare is not None:
        return 1
    repeats = 1
    while took < effort.sample_ns:
        repeats *= 2
        took, _ = _call(case, repeats, clocks)
    return repeats


def order(count: int, round_: int) -> list[int]:
    """The order of a round: every case gets every place, and not always the same neighbour before it."""
    rotated = [(at + round_) % count for at in range(count)]
    return rotated[::-1] if round_ // count % 2 else rotated


def measure(
    cases: Sequence[Case],
    effort: Effort,
    *,
    clocks: Clocks = CLOCKS,
    on_round: Callable[[int], None] = lambda _: None,
) -> list[Measured]:
    """Time the cases of one group in interleaved rounds; `on_round` is told each round's number.

    The garbage collector stays on, as in the node, but does not look at what was built before.
    """
    check_cases(cases)
    repeats = [_repeats(case, effort, clocks) for case in cases]
    wall_ns: list[list[float]] = [[] for _ in cases]
    cpu_ns: list[list[float]] = [[] for _ in cases]
    budget_ns = effort.case_ns * len(cases)
    gc.collect()
    gc.freeze()
    try:
        started, rounds = clocks.wall(), 0
        while rounds < effort.min_rounds or (
            rounds < effort.max_rounds and clocks.wall() - started < budget_ns
        ):
            on_round(rounds)
            for at in order(len(cases), rounds):
                wall, cpu = _call(cases[at], repeats[at], clocks)
                operations = repeats[at] * cases[at].operations
                wall_ns[at].append(wall / operations)
                cpu_ns[at].append(cpu / operations)
            rounds += 1
    finally:
        gc.unfreeze()
    places = {case.name: at for at, case in enumerate(cases)}
    found = []
    for at, case in enumerate(cases):
        of_clock = wall_ns if case.clock == "wall" else cpu_ns
        ratios = () if case.floor is None else _ratios(of_clock[at], of_clock[places[case.floor]])
        found.append(Measured(case, tuple(wall_ns[at]), tuple(cpu_ns[at]), ratios))
    return found


def _ratios(own: Sequence[float], floor: Sequence[float]) -> tuple[float, ...]:
    # A clock that stood still gives no ratio: counted as a picosecond.
    return tuple(mine / max(theirs, 1e-3) for mine, theirs in zip(own, floor, strict=True))
