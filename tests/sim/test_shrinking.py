"""A failing scenario becomes a short one that fails in the same way, and a picture."""

import pytest

from tests.sim.breaks import planted
from tests.sim.chart import CHART_LINES, chart
from tests.sim.report import print_short
from tests.sim.runner import run_plan
from tests.sim.scenario import plan_of
from tests.sim.shrink import items_of, kind_of, shrink, size_of, told
from tests.sim.trace import Event

BUG, SEED = "order-beyond-the-turn", 11


def test_a_shrunk_scenario_has_fewer_events_and_fails_in_the_same_way() -> None:
    plan = plan_of(SEED)
    with planted(BUG):
        short = shrink(plan, max_runs=70)
        again = run_plan(short.plan)
    assert again.violation == short.outcome.violation
    assert kind_of(again.violation) == kind_of(_violation()) != ""
    assert size_of(short.plan) <= 12 < size_of(plan)
    assert not run_plan(short.plan).violation, "without the bug it passes"


def test_shrinking_is_deterministic_and_bounded_by_its_runs() -> None:
    with planted(BUG):
        first, second = (shrink(plan_of(SEED), max_runs=12) for _ in range(2))
        none = shrink(plan_of(SEED), max_runs=0)
    assert (first.plan, first.outcome.trace_hash) == (second.plan, second.outcome.trace_hash)
    assert first.runs <= 12
    assert (none.plan, none.runs) == (plan_of(SEED), 0)


def test_a_scenario_that_passes_cannot_be_shrunk() -> None:
    with pytest.raises(AssertionError):
        shrink(plan_of(SEED))


def test_the_kind_of_a_violation_leaves_out_who_and_when() -> None:
    assert kind_of("node 3 contradicts itself: prepare v0 n1") == "node # contradicts itself"
    assert kind_of("no progress within 10300 ms: height 4\n  0: down") == "no progress within # ms"
    assert kind_of("") == ""


def test_the_short_scenario_is_told_and_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with planted(BUG):
        print_short(SEED, max_runs=30)
    shown = capsys.readouterr().out.splitlines()
    assert "members, window" in shown[2]
    violation = next(at for at, line in enumerate(shown) if line.startswith("VIOLATION"))
    drawn = shown[violation + 1 :]
    assert drawn[0].split()[0] == "ms" and len(drawn) <= CHART_LINES + 2
    assert any("o--->" in line and "pre-prepare" in line for line in drawn)


def test_every_event_of_a_scenario_is_told() -> None:
    plan = plan_of(SEED)
    assert len(told(plan)) == 1 + len(items_of(plan))


def test_the_chart_shows_who_speaks_to_whom_what_is_lost_and_who_is_down() -> None:
    events = [
        Event(5, 1, "killed"),
        Event(9, 2, "partition for 300 (0, 3)", fault=True),
        Event(10, 0, "says prepare to [1, 2, 3]", {1: False, 2: True, 3: True}),
        Event(11, 3, "(mute) says commit to 0", {0: True}),
        Event(11, 3, "(mute) says commit to 2", {2: True}),
        Event(12, 0, "says prepare to [3]", {3: True}),
        Event(13, "-", "healed"),
        Event(14, 1, "starts"),
    ]
    assert chart(events, 4) == [
        "     ms  0   1   2   3",
        "      5  |   *   |   |  killed",
        "      9  |   .   !   |  partition for 300 (0, 3)",
        "     10  o---x--->--->  prepare",
        "     11  <---.---<---o  (mute) says commit",
        "     13  =============  healed",
        "     14  |   *   |   |  starts",
    ]
    assert chart(events, 4, lines=2)[1:2] == ["         (4 lines above)"]


def _violation() -> str:
    with planted(BUG):
        return run_plan(plan_of(SEED)).violation
