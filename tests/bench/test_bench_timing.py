"""The timing core on clocks that only move when a case says so."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from bench.timing import Case, Clocks, Effort, check_cases, measure, order

EFFORT = Effort(case_ns=0, sample_ns=1, min_rounds=4, max_rounds=4)


@dataclass
class Machine:
    """Two clocks; `slowness` is what the machine multiplies all work with."""

    wall_ns: int = 0
    cpu_ns: int = 0
    slowness: int = 1
    log: list[str] = field(default_factory=list)

    @property
    def clocks(self) -> Clocks:
        return Clocks(lambda: self.wall_ns, lambda: self.cpu_ns)

    def work(self, name: str, cpu_ns: int, waiting_ns: int = 0) -> Callable[[object], None]:
        def run(_: object) -> None:
            self.log.append(name)
            self.cpu_ns += cpu_ns * self.slowness
            self.wall_ns += (cpu_ns + waiting_ns) * self.slowness

        return run


def test_figures_are_nanoseconds_per_operation() -> None:
    machine = Machine()
    floor = Case("floor", "thing", 10, machine.work("floor", 1_000))
    own = Case("own", "thing", 5, machine.work("own", 1_000), floor="floor")
    measured = measure([floor, own], EFFORT, clocks=machine.clocks)
    assert measured[0].cpu_ns == (100.0,) * 4
    assert measured[1].cpu_ns == (200.0,) * 4
    assert measured[1].ratios == (2.0,) * 4
    assert measured[0].ratios == ()


def test_a_machine_that_slows_down_does_not_move_the_ratio() -> None:
    machine = Machine()

    def slow_down(round_: int) -> None:
        machine.slowness = 1 + round_

    cases = [
        Case("floor", "thing", 1, machine.work("floor", 100)),
        Case("own", "thing", 1, machine.work("own", 110), floor="floor"),
    ]
    measured = measure(cases, EFFORT, clocks=machine.clocks, on_round=slow_down)
    assert measured[1].cpu_ns == (110.0, 220.0, 330.0, 440.0)
    assert measured[1].ratios == pytest.approx((1.1,) * 4)


def test_what_others_do_on_the_processor_counts_for_the_wall_clock_alone() -> None:
    machine = Machine()
    cases = [
        Case("floor", "thing", 1, machine.work("floor", 100)),
        Case("computes", "thing", 1, machine.work("computes", 100, waiting_ns=300), floor="floor"),
        Case("waits", "thing", 1, machine.work("waits", 100, waiting_ns=300), floor="floor", clock="wall"),
    ]
    _, computes, waits = measure(cases, EFFORT, clocks=machine.clocks)
    assert computes.ratios == (1.0,) * 4
    assert waits.ratios == (4.0,) * 4
    assert computes.wall_ns == waits.wall_ns == (400.0,) * 4


def test_each_round_runs_every_case_once_and_gives_each_every_place() -> None:
    orders = [order(3, round_) for round_ in range(6)]
    assert all(sorted(one) == [0, 1, 2] for one in orders)
    for case in range(3):
        assert {one.index(case) for one in orders} == {0, 1, 2}
    followers = {(one[at], one[at + 1]) for one in orders for at in range(2)}
    assert len(followers) == 6, "no case has always the same one before it"


def test_cases_are_interleaved() -> None:
    machine = Machine()
    cases = [Case(name, "thing", 1, machine.work(name, 10)) for name in ("a", "b", "c")]
    measure(cases, EFFORT, clocks=machine.clocks)
    rounds = machine.log[-12:]
    assert [sorted(rounds[at : at + 3]) for at in range(0, 12, 3)] == [["a", "b", "c"]] * 4


def test_a_short_case_is_repeated_until_a_sample_is_long_enough() -> None:
    machine = Machine()
    effort = Effort(case_ns=0, sample_ns=1_000, min_rounds=1, max_rounds=1)
    case = Case("short", "thing", 1, machine.work("short", 300))
    measured = measure([case], effort, clocks=machine.clocks)
    assert machine.log.count("short") == 1 + 2 + 4 + 4
    assert measured[0].cpu_ns == (300.0,)


def test_preparation_is_made_anew_for_every_sample_and_is_not_timed() -> None:
    machine = Machine()
    given: list[object] = []

    def prepare() -> int:
        machine.work("prepare", 5_000)(None)
        return machine.log.count("prepare")

    def run(prepared: object) -> None:
        given.append(prepared)
        machine.work("run", 7)(None)

    measured = measure([Case("own", "thing", 1, run, prepare)], EFFORT, clocks=machine.clocks)
    assert measured[0].cpu_ns == measured[0].wall_ns == (7.0,) * 4
    assert given == [1, 2, 3, 4, 5]


def test_time_bounds_the_rounds_between_the_least_and_the_most() -> None:
    machine = Machine()
    cases = [Case("one", "thing", 1, machine.work("one", 1_000))]

    def rounds(case_ns: int) -> int:
        effort = Effort(case_ns=case_ns, sample_ns=1, min_rounds=3, max_rounds=9)
        return len(measure(cases, effort, clocks=machine.clocks)[0].wall_ns)

    assert rounds(0) == 3
    assert rounds(5_000) == 5
    assert rounds(1_000_000) == 9


@pytest.mark.parametrize(
    "floors",
    [{"a": None, "b": "c"}, {"a": "b", "b": "a"}, {"a": None, "b": "b"}],
    ids=["unknown floor", "no floor at all", "its own floor"],
)
def test_a_group_without_a_true_floor_is_refused(floors: dict[str, str | None]) -> None:
    cases = [Case(name, "thing", 1, lambda _: None, floor=floor) for name, floor in floors.items()]
    with pytest.raises(AssertionError):
        check_cases(cases)


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(AssertionError, match="twice"):
        check_cases([Case("a", "thing", 1, lambda _: None)] * 2)
