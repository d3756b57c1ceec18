"""The faulty members of the simulator really do what they are for, and honest ones withstand it."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from consensus.codec import encode
from consensus.messages import Commit
from tests.sim import bounds
from tests.sim.breaks import planted
from tests.sim.links import Links
from tests.sim.runner import run_plan
from tests.sim.scenario import Fault, Plan, full_house, plan_of
from tests.sim.strategies import BY_NAME
from tests.sim.trace import Violation
from tests.sim.world import World


def said(plan: Plan) -> list[str]:
    """What happened, of a run in which every promise held."""
    world = World(plan)
    found: list[str] = []
    usual = world.trace.add

    def add(at_ms: int, who: int | str, what: str, **more: object) -> None:
        found.append(f"{who} {what}")
        usual(at_ms, who, what, **more)  # type: ignore[arg-type]

    world.trace.add = add  # type: ignore[method-assign]
    world.run()
    return found


def with_faulty(name: str) -> Plan:
    plan = full_house(4)
    submits = tuple(
        replace(one, at_ms=one.at_ms + delay) for delay in range(0, 2_000, 100) for one in plan.submits
    )
    return replace(plan, faulty=((0, name),), submits=submits, trouble_ms=4_500)


def some(lines: Iterable[str], *parts: str) -> bool:
    return any(all(part in line for part in parts) for line in lines)


@pytest.mark.parametrize("name", list(BY_NAME))
def test_every_strategy_is_withstood_from_the_first_primary_on(name: str) -> None:
    assert some(said(with_faulty(name)), "certified")


def test_twins_contradict_each_other_and_are_convicted() -> None:
    plan = with_faulty("twins")
    # Votes that many miss: so slots wait, and both twins are heard on them.
    lossy = tuple(Fault(at_ms, "lossy", 1, 900) for at_ms in (1_500, 2_500, 3_500))
    lines = said(replace(plan, faults=lossy))
    assert sum(line == "0 starts" for line in lines) == 2, "two processes"
    assert some(lines, "evidence against 0")


def test_an_equivocator_is_convicted() -> None:
    assert some(said(with_faulty("equivocator")), "evidence against 0")


def test_certificates_of_a_forger_are_refused() -> None:
    lines = said(with_faulty("forger"))
    assert some(lines, "refuses a message of 0: quorum")


def test_a_mutators_messages_of_another_epoch_are_refused() -> None:
    lines = said(with_faulty("mutator"))
    assert some(lines, "refuses a message of 0: epoch") or some(lines, "refuses a message of 0: signature")


def test_votes_that_are_changed_under_way_are_refused_by_their_signature() -> None:
    plan = replace(full_house(4), faulty=(), faults=(Fault(500, "twist", 0, 1_500, amount=30),))
    lines = said(plan)
    assert some(lines, "refuses a message", "signature") and some(lines, "certified")


def test_a_turncoat_is_believed_by_a_backup_that_forgot_its_new_view_alone() -> None:
    plan = plan_of(219)
    assert "turncoat" in dict(plan.faulty).values() and not run_plan(plan).violation
    with planted("forget-new-view"):
        assert "forgot what its view proposes again" in run_plan(plan).violation


def test_a_peer_is_linked_with_one_of_two_twins_at_a_time() -> None:
    plan = with_faulty("twins")
    world = World(plan)
    links: Links = world.links
    first, second = world.nodes[0], world.nodes[4]
    assert (first.number, second.number) == (0, 0)
    for node in world.nodes:
        node.start()
    world.scheduler.run_until(400)
    assert links.is_up(first, 1) and not links.is_up(second, 1)
    links.turn(0, 1, 1)
    world.scheduler.run_until(800)
    assert links.is_up(second, 1) and not links.is_up(first, 1)


def test_bytes_beyond_their_bound_are_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "VOTE_BYTES", 1)
    with pytest.raises(Violation, match="bytes of votes"):
        World(with_faulty("mute")).run()


def test_a_vote_is_no_larger_than_the_bounds_take_it_for() -> None:
    assert len(encode(Commit(2**40, 2**40, 2**53, bytes(32), 2**31, bytes(64)))) < bounds.VOTE_BYTES
