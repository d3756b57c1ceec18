"""Twins keep honest members from nothing: they agree, and in the end they go on. A planted bug is caught."""

import pytest

from tests.sim.breaks import planted
from tests.twins.__main__ import main
from tests.twins.runner import PARAMETERS, Result, TwinsViolation, leaders_set, run_scenario
from tests.twins.scenario import PHASES, VIEWS, partitions_of, scenario

QUICK = range(0, 60, 6)
KEPT = (1868,)
"""What once failed: one member lacked the last block, and nobody had a reason to speak."""
CAUGHT_WITHIN = {
    "quorum-minus-one": 30,
    "wrong-null-request": 10,
    "accept-conflicting-preprepare": 20,
    "forget-prepared-with-the-view": 40,
}


@pytest.mark.parametrize("first", QUICK)
def test_honest_members_agree_and_go_on_beside_a_twin(first: int) -> None:
    for number in range(first, first + 6):
        result = run_scenario(scenario(number))
        assert result.views >= VIEWS and result.height > 0


@pytest.mark.parametrize("number", range(4))
def test_honest_members_agree_and_go_on_beside_two_twins_of_seven(number: int) -> None:
    assert run_scenario(scenario(number, 7, 2)).views >= VIEWS


@pytest.mark.parametrize("number", KEPT)
def test_a_scenario_that_once_failed_passes(number: int) -> None:
    assert run_scenario(scenario(number)).views >= VIEWS


def test_twins_are_convicted_by_what_they_said_twice() -> None:
    assert sum(run_scenario(scenario(number)).evidence > 0 for number in range(10)) >= 8


@pytest.mark.parametrize("bug", CAUGHT_WITHIN)
def test_a_planted_bug_is_caught(bug: str) -> None:
    with planted(bug):
        assert any(_fails(number) for number in range(CAUGHT_WITHIN[bug]))


def _fails(number: int) -> bool:
    try:
        run_scenario(scenario(number))
    except TwinsViolation:
        return True
    return False


def test_a_scenario_replays_exactly() -> None:
    first, second = (run_scenario(scenario(3)) for _ in range(2))
    assert isinstance(first, Result) and first == second
    assert scenario(3) == scenario(3) != scenario(4)


def test_every_division_into_two_parts_is_there_once() -> None:
    found = partitions_of(5, 2)
    assert len(found) == len(set(found)) == 2**4
    assert (0, 0, 0, 0, 0) in found and (0, 1, 1, 1, 1) in found
    assert len(partitions_of(4, 3)) == 14  # Stirling numbers of the second kind: 1 + 7 + 6


def test_samples_reach_every_partition_and_every_leader() -> None:
    views = [view for number in range(400) for view in scenario(number).views]
    assert {view.leader for view in views} == {0, 1, 2, 3}
    assert {parts for view in views for parts in view.phases} == set(partitions_of(5, 2))


def test_slots_that_follow_each_other_may_meet_other_partitions() -> None:
    plans = [view for number in range(20) for view in scenario(number).views]
    assert any(view.phases[:PHASES] != view.phases[PHASES:] for view in plans)
    assert any(len(set(view.phases)) == 1 for view in plans)


def test_the_scenario_says_who_leads_and_then_members_take_turns() -> None:
    plan = scenario(9)
    members = leaders_set(plan)
    assert [members.primary(view) for view in range(VIEWS)] == [view.leader for view in plan.views]
    assert [members.primary(view) for view in range(8, 12)] == [0, 1, 2, 3]
    assert (members.n, members.f, members.quorum) == (4, 1, 3)
    assert PARAMETERS.window > 1, "several slots are under way at once"


def test_the_command_counts_and_ends_with_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scenarios", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 0 failed"


def test_the_command_shows_the_scenario_of_a_violation_and_how_to_replay_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--scenarios", "30", "--break", "quorum-minus-one"]) == 0
    shown = capsys.readouterr().out
    assert "VIOLATION: agreement" in shown and "view 0: " in shown and " leads; " in shown
    assert "replay: make twins SCENARIO=" in shown and "BREAK=quorum-minus-one" in shown
    assert shown.splitlines()[-1] == "caught"


def test_the_command_fails_where_a_planted_bug_is_not_caught(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scenarios", "1", "--break", "trust-any-block"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "NOT caught by 1 scenarios"


@pytest.mark.parametrize("scenarios", ["0", "-3", "many"])
def test_no_scenarios_at_all_are_refused(scenarios: str) -> None:
    with pytest.raises(SystemExit):
        main(["--scenarios", scenarios])
