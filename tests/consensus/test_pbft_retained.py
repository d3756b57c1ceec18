"""A vote log that begins anew holds all that the old one did of the present state."""

from collections.abc import Callable

import pytest

from consensus.codec import decode, encode
from consensus.messages import NewView, Prepare, PrePrepare, ViewChange
from consensus.ready import HoldRecord, PreparedRecord, Record, StableRecord, ViewRecord
from tests.consensus.fakes import batch
from tests.consensus.solo import Solo, commit, new_view, prepare, prepared, proposal, sent, view_change

REF = batch(1)
PROPOSAL = proposal(1, (REF,))


def fresh() -> Solo:
    return Solo(1)


def holding() -> Solo:
    return Solo(1, damage=True)


def waiting_for_batches() -> Solo:
    solo = Solo(1)
    solo.receive(PROPOSAL)
    return solo


def following() -> Solo:
    """Prepared by others, without a vote of its own."""
    solo = Solo(1, damage=True)
    solo.batch(REF)
    solo.decide(PROPOSAL)
    return solo


def preparing() -> Solo:
    solo = Solo(1)
    solo.batch(REF)
    solo.receive(PROPOSAL)
    return solo


def committed() -> Solo:
    solo = preparing()
    solo.receive(prepare(PROPOSAL, 2))
    return solo


def changing() -> Solo:
    solo = committed()
    solo.wait(1_100)
    return solo


def leading() -> Solo:
    solo = changing()
    solo.receive(view_change(1, 0), view_change(1, 3))
    return solo


def left() -> Solo:
    """It led a view and moves on to a later one."""
    solo = leading()
    solo.receive(view_change(3, 2), view_change(3, 3))
    return solo


def led() -> Solo:
    solo = Solo(1)
    solo.batch(REF)
    solo.receive(new_view(2, [view_change(2, r, None, (prepared(PROPOSAL),)) for r in (0, 2, 3)]))
    return solo


def proposing() -> Solo:
    solo = Solo(0)
    solo.batch(REF)
    return solo


def certified() -> Solo:
    solo = committed()
    solo.decide(PROPOSAL)
    solo.certify(1)
    return solo


def voted() -> Solo:
    solo = committed()
    solo.receive(commit(PROPOSAL, 2), commit(PROPOSAL, 3))
    solo.executed(1)
    return solo


STATES: dict[Callable[[], Solo], list[type]] = {
    fresh: [ViewRecord],
    holding: [HoldRecord, ViewRecord],
    waiting_for_batches: [ViewRecord],
    following: [HoldRecord, ViewRecord, PreparedRecord],
    preparing: [ViewRecord, PrePrepare, Prepare],
    committed: [ViewRecord, PreparedRecord, PrePrepare, Prepare, type(commit(PROPOSAL, 1))],
    changing: [ViewRecord, ViewChange, PreparedRecord],
    leading: [ViewRecord, NewView, PreparedRecord, PrePrepare],
    left: [ViewRecord, ViewChange, PreparedRecord],
    led: [ViewRecord, NewView, PrePrepare, Prepare],
    proposing: [ViewRecord, PrePrepare],
    certified: [StableRecord, ViewRecord],
}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_the_new_log_holds_what_binds_this_replica_and_no_more(state: Callable[[], Solo]):
    assert [type(record) for record in state().replica.records()] == STATES[state]


@pytest.mark.parametrize(
    "state", [*(state for state in STATES if state is not left), voted], ids=lambda state: state.__name__
)
def test_a_replica_that_starts_from_the_new_log_is_the_old_one(state: Callable[[], Solo]):
    solo = state()
    status = solo.replica.status()
    stable = next((r.certificate for r in solo.log if isinstance(r, StableRecord)), None)
    again = Solo(
        solo.number,
        records=[decode(encode(record), Record, limit_bytes=1 << 20) for record in solo.replica.records()],
        stable=stable,
        executed=status.certified,
    )
    again.batch(REF)
    new = again.replica.status()
    assert (new.epoch, new.view, new.changing, new.low, new.voting) == (
        status.epoch,
        status.view,
        status.changing,
        status.low,
        status.voting,
    )
    assert set(solo.replica.votes_of(solo.number)) <= set(again.replica.votes_of(solo.number))
    others = {prepare(proposal(1, (batch(2),)), r) for r in (2, 3)} | {proposal(1, (batch(2),))}
    said = {type(vote): vote for vote in solo.replica.votes_of(solo.number)}
    for vote in sent(again.receive(*sorted(others, key=encode))):
        assert said.get(type(vote), vote) == vote
