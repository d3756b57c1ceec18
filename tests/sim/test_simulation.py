"""The simulator keeps its own promises: seeds pass, replay exactly, and planted bugs are caught."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from genesis.errors import EXIT_USAGE
from tests.sim.__main__ import main
from tests.sim.breaks import BREAKS, planted
from tests.sim.parallel import in_order
from tests.sim.runner import run_plan, run_seed
from tests.sim.scenario import full_house, plan_of
from tests.sim.table import SIZES, cost_of

QUICK_SEEDS = range(1_000_000, 1_000_020)
QUICK_BREAKS = {
    "send-before-persist": 5,
    "skip-view-change-certificates": 20,
    "never-suspect": 20,
    "order-beyond-the-turn": 2,
}
"""With how many seeds each is to be caught."""
SEEDS_FILE = Path(__file__).with_name("seeds.txt")
ROOT = SEEDS_FILE.parent.parent.parent


def kept_seeds() -> list[int]:
    """Seeds that once failed."""
    lines = SEEDS_FILE.read_text(encoding="utf-8").splitlines()
    return [int(line.split()[0]) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("seed", QUICK_SEEDS)
def test_every_promise_holds_for_the_seed(seed: int) -> None:
    outcome = run_seed(seed)
    assert not outcome.violation, "\n".join([outcome.violation, *outcome.tail])


@pytest.mark.parametrize("seed", kept_seeds())
def test_a_seed_that_once_failed_passes(seed: int) -> None:
    outcome = run_seed(seed)
    assert not outcome.violation, "\n".join([outcome.violation, *outcome.tail])


@pytest.mark.parametrize("name", QUICK_BREAKS)
def test_a_planted_bug_is_caught(name: str) -> None:
    with planted(name):
        assert any(run_seed(seed).violation for seed in range(QUICK_BREAKS[name]))


def test_the_bugs_are_planted_in_at_least_ten_places_and_taken_out_again() -> None:
    places = {(str(owner), name) for one in BREAKS.values() for owner, name, _ in one.patches}
    assert len(places) >= 10
    patches = [patch for one in BREAKS.values() for patch in one.patches]
    before = [owner.__dict__[name] for owner, name, _ in patches]
    for name in BREAKS:
        with planted(name):
            assert [owner.__dict__[attribute] for owner, attribute, _ in patches] != before
    assert [owner.__dict__[name] for owner, name, _ in patches] == before


@pytest.mark.parametrize("members", SIZES)
def test_every_promise_holds_with_as_many_faulty_members_as_there_may_be(members: int) -> None:
    plan = full_house(members)
    assert len(plan.faulty) == (members - 1) // 3
    outcome = run_plan(plan)
    assert not outcome.violation, "\n".join([outcome.violation, *outcome.tail])
    assert outcome.height > 0


@pytest.mark.parametrize("members", [4, 7])
def test_a_block_without_faults_costs_three_votes_of_everybody_to_everybody(members: int) -> None:
    cost = cost_of(members, blocks=3)
    assert cost.votes == 3 * members * (members - 1)
    assert cost.vote_bytes < 160 * cost.votes


def test_a_plan_keeps_its_number_of_members() -> None:
    assert plan_of(3, 10).members == 10
    assert plan_of(3) == plan_of(3)


@pytest.mark.parametrize("seed", [7])
def test_a_seed_replays_exactly_in_another_process(seed: int) -> None:
    code = f"from tests.sim.runner import run_seed; print(run_seed({seed}).trace_hash)"
    found = {run_seed(seed).trace_hash}
    for hash_seed in ("0", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    assert len(found) == 1


def test_seeds_that_run_on_several_cores_come_out_the_same_and_in_their_order() -> None:
    bug = "send-before-persist"
    found = [
        [(one.seed, one.violation, one.trace_hash) for one in in_order(run_seed, range(6), jobs, bug)]
        for jobs in (1, 2)
    ]
    assert found[0] == found[1]
    assert [seed for seed, *_ in found[0]] == list(range(6)) and found[0][0][1]


def test_different_seeds_are_different_runs() -> None:
    assert run_seed(3).trace_hash != run_seed(4).trace_hash


def test_all_planted_bugs_are_tried_in_turn_and_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = "send-before-persist"
    for name in [name for name in BREAKS if name != kept]:
        monkeypatch.delitem(BREAKS, name)
    monkeypatch.setitem(BREAKS, "harmless", type(BREAKS[kept])("nothing", ()))
    assert main(["--break", "all", "--seeds", "1"]) == 1
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert shown[0].startswith("send-before-persist seed 0 votes leave")
    assert shown[1:] == ["harmless NOT caught by 1 seeds nothing", "1 caught, 1 missed"]


@pytest.mark.parametrize("hours", ["0", "-1", "long"])
def test_a_soak_of_no_hours_is_refused(hours: str) -> None:
    with pytest.raises(SystemExit):
        main(["--soak", hours])


def test_a_soak_counts_on_and_says_where_the_next_one_begins(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--soak", "0.00001", "--first", "31", "--jobs", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("FIRST=32")


def test_a_soak_stops_at_the_first_failure_with_a_short_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    with planted("send-before-persist"):
        assert main(["--soak", "1", "--first", "0", "--jobs", "1"]) == 1
    shown = capsys.readouterr().out
    assert "the same in short" in shown and shown.splitlines()[-1] == "0 passed, 1 failed"


def test_the_command_ends_with_a_count_and_zero_where_all_passed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 0 failed"


def test_the_command_prints_what_a_planted_bug_did_and_how_to_replay_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--seeds", "5", "--break", "send-before-persist", "--no-shrink"]) == 0
    shown = capsys.readouterr().out
    assert "VIOLATION: node" in shown and shown.splitlines()[-1] == "caught"
    assert "replay: make sim SEED=0 BREAK=send-before-persist" in shown


def test_the_command_fails_where_a_planted_bug_is_not_caught(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    harmless = next(iter(BREAKS.values()))
    monkeypatch.setitem(BREAKS, "harmless", type(harmless)("nothing", ()))
    assert main(["--seeds", "1", "--break", "harmless"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "NOT caught by 1 seeds"


def test_the_command_fails_and_shows_the_replay_where_a_seed_fails(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with planted("send-before-persist"):
        assert main(["--seed", "0", "--no-shrink"]) == 1
    shown = capsys.readouterr().out
    assert "replay: make sim SEED=0" in shown and shown.splitlines()[-1] == "0 passed, 1 failed"


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_run_without_a_single_seed_is_refused_and_does_not_pass(
    count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["--seeds", count])
    assert refused.value.code == EXIT_USAGE
    said = capsys.readouterr()
    assert "a number from 1 up is needed" in said.err and "passed" not in said.out
