"""A replica's life: what may be called when, what silences it, what it keeps of later views."""

import pytest

from consensus.future import FutureBox
from consensus.messages import ViewChange
from consensus.output import Output
from consensus.parameters import Parameters
from consensus.ready import Behind, HoldRecord, StableRecord
from consensus.replica import Replica
from consensus.types import Now
from tests.consensus.fakes import CHAIN, batch, members, signer
from tests.consensus.solo import (
    Solo,
    block_vote,
    certificate,
    commit,
    prepare,
    proposal,
    rules,
    sent,
    view_change,
)

REF, OTHER = batch(1), batch(2)
EVERYBODY = members(4)
NOW = Now(10_000, 0)


def unborn() -> Replica:
    return Replica(
        chain_id=CHAIN,
        replica_id=1,
        replica_sets=lambda sequence: EVERYBODY,
        parameters=Parameters(),
        sign=signer(1),
    )


# --- what may be called when ---


def test_restore_comes_first_and_once():
    with pytest.raises(AssertionError):
        unborn().tick(NOW)
    replica = unborn()
    replica.restore((), None, 0, None, NOW)
    with pytest.raises(AssertionError):
        replica.restore((), None, 0, None, NOW)


def test_a_block_has_a_hash_and_genesis_has_none():
    for height, header_hash in ((1, None), (0, bytes(32))):
        with pytest.raises(AssertionError):
            unborn().restore((), None, height, header_hash, NOW)


def test_what_was_not_handed_out_cannot_have_been_executed():
    with pytest.raises(AssertionError):
        Solo(1).executed(1)


def test_a_new_replica_whose_peers_hold_nothing_of_it_votes():
    replica = unborn()
    replica.restore((), None, 0, None, NOW)
    replica.observed_own((), NOW)
    assert replica.status().voting and replica.status().silent_because == ""


def test_batches_of_a_certified_block_are_not_kept():
    solo = Solo(
        1,
        records=[StableRecord(certificate(1))],
        stable=certificate(1),
        executed=1,
        uncertified=[(1, (REF,))],
    )
    assert solo.replica.status().batches_here == 0


def test_who_is_still_behind_after_catch_up_asks_again_at_once():
    solo = Solo(1, parameters=Parameters(window=2))
    assert solo.pass_on(9).behind == Behind(9, 0)
    assert solo.install(certificate(3)).behind == Behind(9, 2)


def test_a_link_that_comes_up_gives_the_primary_no_more_time_unless_a_quorum_was_out_of_reach():
    solo = Solo(1)
    solo.batch(REF)
    solo.wait(900)
    solo.connected(2)
    assert sent(solo.wait(100), ViewChange)


# --- silence ---


def test_a_view_that_was_left_in_an_earlier_epoch_silences_nobody_in_a_later_one():
    later = members(5, epoch=1)
    solo = Solo(1, observed=False, replica_sets=lambda sequence: EVERYBODY if sequence < 30 else later)
    solo.observe(view_change(3, 1))
    solo.install(certificate(29))
    assert (solo.replica.status().epoch, solo.replica.status().voting) == (1, True)


def test_a_further_lost_vote_does_not_shorten_the_silence():
    solo = Solo(1, observed=False)
    solo.observe(view_change(3, 1), block_vote(5, 1))
    holds = [record for record in solo.log if isinstance(record, HoldRecord)]
    window = solo.parameters.window
    assert holds == [HoldRecord(0, 3, 1 + window), HoldRecord(0, 3, 5 + window)]


# --- what peers say of later views ---


def test_a_message_of_a_later_view_counts_once_and_contradicts_itself_once():
    solo = Solo(1)
    one, two, three = (commit(proposal(1, (batch(k),), view=5), 3) for k in (1, 2, 3))
    assert not rules(solo.receive(one))
    assert rules(solo.receive(commit(proposal(1, (batch(1),), view=5), 3))) == ["duplicate"]
    assert len(solo.receive(two).evidence) == 1
    ready = solo.receive(three)
    assert rules(ready) == ["equivocation"] and not ready.evidence


def test_entering_a_view_takes_what_was_said_in_it_and_leaves_what_is_later():
    solo = Solo(1)
    now, later = commit(proposal(1, (REF,), view=6), 2), commit(proposal(1, (REF,), view=7), 3)
    solo.receive(now, later)
    solo.enter(6)
    assert solo.replica.status().ahead == ((3, 7),)
    assert now in solo.replica.votes_of(2)
    solo.enter(7)
    assert later in solo.replica.votes_of(3) and solo.replica.status().ahead == ()


def test_a_slot_s_proposal_is_taken_before_its_votes():
    box, first = FutureBox(), proposal(1, (REF,), view=5)
    second = proposal(2, (OTHER,), view=5)
    votes = [prepare(second, 2), prepare(first, 2)]
    for message in (*votes, second, first):
        box.keep(message, Output())
    assert box.take(5) == [first, votes[1], second, votes[0]]


def test_the_first_view_ahead_of_ours_is_ahead():
    solo = Solo(1)
    solo.receive(commit(proposal(1, (REF,), view=1), 3))
    assert solo.replica.status().ahead == ((3, 1),)


def test_of_what_was_kept_for_later_views_nothing_is_left_after_clearing():
    box = FutureBox()
    one, two = (commit(proposal(1, (batch(k),), view=5), 3) for k in (1, 2))
    for _ in range(2):
        out = Output()
        box.keep(one, out)
        box.keep(two, out)
        assert len(box) == 1 and len(out.evidence) == 1
        box.clear()
        assert len(box) == 0 and box.take(5) == []
