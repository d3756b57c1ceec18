"""Old blocks are pruned, and whoever lacks them takes over a snapshot, whatever befalls it meanwhile."""

import pytest

from consensus.parameters import Parameters
from tests.sim.runner import run_plan
from tests.sim.scenario import Fault, Keeping, Plan, Submit, plan_of
from tests.sim.world import World

AWAY = Fault(1_000, "power", 1, 5_000)


def keeping_plan(*faults: Fault, faulty: tuple[tuple[int, str], ...] = ()) -> Plan:
    """Blocks all the time; those that are older than eighteen heights are let go."""
    return Plan(
        seed=5,
        members=4,
        parameters=Parameters(
            window=2,
            batch_bytes=4_096,
            block_bytes=65_536,
            frame_bytes=65_536,
            base_timeout_ms=500,
            max_timeout_ms=2_000,
            validity_heights=16,
            turn_heights=8,
        ),
        delay_ms=(1, 5),
        rotate_bytes=20_000,
        faulty=faulty,
        faults=faults,
        submits=tuple(Submit(at_ms, (0, 2, 3)[at_ms // 200 % 3], 1) for at_ms in range(300, 9_500, 200)),
        trouble_ms=10_000,
        keeping=Keeping(snapshot_every=8, join_gap=6, keep_blocks=1),
    )


def said(plan: Plan, number: int) -> tuple[World, list[str]]:
    """What one node did, in a run in which every promise held."""
    world = World(plan)
    found: list[str] = []
    usual = world.trace.add

    def add(at_ms: int, who: int | str, what: str, **more: object) -> None:
        if who == number:
            found.append(what)
        usual(at_ms, who, what, **more)  # type: ignore[arg-type]

    world.trace.add = add  # type: ignore[method-assign]
    world.run()
    return world, found


def count(lines: list[str], beginning: str) -> int:
    return sum(line.startswith(beginning) for line in lines)


def test_a_node_that_was_away_while_blocks_were_pruned_takes_over_a_snapshot_and_votes_on() -> None:
    world, lines = said(keeping_plan(AWAY), 1)
    assert world.nodes[0].store.whole > 1, "old blocks are gone"
    assert count(lines, "takes the snapshot at") >= 1
    assert world.nodes[1].store.first > 1 and world.nodes[1].engine.replica.status().voting


@pytest.mark.parametrize("power", [0, 1])
def test_a_crash_in_the_middle_of_it_costs_what_was_under_way_alone(power: int) -> None:
    crashes = tuple(Fault(2_000, "kill-joining", 1, 0, peer=power, amount=pieces) for pieces in (2, 4))
    _, lines = said(keeping_plan(AWAY, *crashes), 1)
    assert count(lines, "kill-joining strikes") >= 1
    later = [line for line in lines if line.startswith("taking over a snapshot")]
    assert not later[-1].endswith("pieces_here=0"), "what was gathered before is still there"
    assert count(lines, "takes the snapshot at") >= 1


def test_a_peer_that_lies_in_pieces_or_offers_is_dropped_and_the_others_serve() -> None:
    _, lines = said(keeping_plan(AWAY, faulty=((2, "liar"),)), 1)
    assert count(lines, "peer dropped from the snapshot member=member 2") >= 1
    assert count(lines, "takes the snapshot at") >= 1


def test_a_member_whose_machine_is_a_new_one_joins_by_snapshot() -> None:
    emptied = Fault(7_000, "empty", 1, 100)
    world, lines = said(keeping_plan(emptied, faulty=((1, "disk"),)), 1)
    assert count(lines, "opened at 0,") == 2 and count(lines, "takes the snapshot at") >= 1
    assert world.nodes[1].store.first > 1


def test_a_member_out_of_a_backup_follows_in_silence_and_votes_again_without_contradicting_itself() -> None:
    restored = Fault(4_000, "restore", 1, 100, amount=300)
    world, lines = said(keeping_plan(restored, faulty=((1, "disk"),)), 1)
    node = world.nodes[1]
    assert node.keeps_word, "a second word of it would have been a violation"
    back = lines.index(next(line for line in lines if line.startswith("restore for")))
    assert count(lines[back:], "says prepare") > 0
    assert not node.restored.marked and node.engine.replica.status().voting


def test_a_run_with_snapshots_replays_exactly() -> None:
    first, second = (run_plan(keeping_plan(AWAY)).trace_hash for _ in range(2))
    assert first == second


def test_a_fifth_of_the_plans_keep_snapshots_and_the_kinds_of_faults_are_drawn() -> None:
    plans = [plan for plan in map(plan_of, range(600)) if plan.keeping is not None]
    assert 80 < len(plans) < 160
    kinds = {fault.kind for plan in plans for fault in plan.faults}
    assert {"kill-joining", "empty", "restore"} <= kinds
