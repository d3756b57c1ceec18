"""Members leave and come back while everything else goes wrong too."""

from dataclasses import replace

import pytest

from genesis.membership import DEMOTE, PROMOTE, ROTATE
from tests.sim.breaks import planted
from tests.sim.runner import run_plan
from tests.sim.scenario import Change, Plan, full_house, plan_of
from tests.sim.shrink import items_of, told
from tests.sim.world import World

CHANGES = (Change(700, DEMOTE, 2), Change(3_000, PROMOTE, 2))


def changing_plan() -> Plan:
    """Members come and go in a house of seven with one faulty member."""
    plan = full_house(7)
    submits = tuple(
        replace(one, at_ms=one.at_ms + delay) for delay in range(0, 4_000, 200) for one in plan.submits
    )
    return replace(plan, faulty=plan.faulty[:1], changes=CHANGES, submits=submits, trouble_ms=6_000)


def test_members_that_leave_and_come_back_begin_epochs() -> None:
    world = World(changing_plan())
    world.run()
    epochs = world.chain.schedule.epochs
    assert [one.voters.n for one in epochs] == [7, 6, 7]
    assert 2 not in epochs[1].voters.ids and 2 in epochs[2].voters.ids
    assert world.checks.top > epochs[2].first_height, "it goes on in the last one"


def test_a_member_that_changes_its_keys_votes_with_the_new_one() -> None:
    changes = (Change(700, ROTATE, 3), Change(3_000, ROTATE, 3))
    world = World(replace(changing_plan(), changes=changes))
    world.run()
    epochs, keys = world.chain.schedule.epochs, list(world.chain.corpus.keys_of(3))
    assert [one.voters.key(3) for one in epochs] == keys[:3]
    assert world.checks.top > epochs[2].first_height


def test_a_view_that_goes_on_with_an_epoch_is_caught() -> None:
    with planted("views-go-on-with-an-epoch"):
        assert run_plan(changing_plan()).violation


def test_changes_are_events_of_a_scenario() -> None:
    plan = changing_plan()
    assert set(CHANGES) <= set(items_of(plan))
    assert "    700 ms  the members demote node 2" in told(plan)


@pytest.mark.parametrize("seed", range(60))
def test_no_plan_asks_for_fewer_voters_than_its_faulty_members_allow(seed: int) -> None:
    plan = plan_of(seed)
    if plan.changes:
        assert len(plan.faulty) <= (plan.members - 2) // 3
