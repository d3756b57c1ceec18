"""Which own votes, seen outside, the log lacks: each kind, at each edge. And what peers hold of a replica."""

import pytest

from consensus.ballot import CHAIN_LACKS_THE_LOG, LOG_LACKS_THE_CHAIN, PEERS_KNOW_MORE, RESTORED
from consensus.messages import BlockVote, Certified, NewView, PrePrepare, ViewChange
from consensus.parameters import Parameters
from consensus.ready import HoldRecord, StableRecord, ViewRecord
from tests.consensus.fakes import batch, members
from tests.consensus.solo import (
    Solo,
    block_vote,
    certificate,
    commit,
    header,
    new_view,
    prepare,
    prepared,
    proposal,
    rules,
    sent,
    view_change,
)

REF, OTHER = batch(1), batch(2)
FIRST = proposal(1, (REF,))


def preparing(number: int = 1) -> Solo:
    solo = Solo(number)
    solo.batch(REF)
    solo.receive(FIRST, prepare(FIRST, 2))
    return solo


def votes_after(log: list, *seen: object, **more: object) -> bool:
    """Whether a replica that starts from `log` still votes when peers show it `seen`."""
    again = Solo(1, records=log, observed=False, **more)
    again.observe(*seen)
    return again.replica.status().voting


def test_a_block_vote_is_looked_up_above_what_the_log_forgot():
    log = [StableRecord(certificate(5)), ViewRecord(0, 0, False)]
    known = {"stable": certificate(5), "executed": 5}
    assert votes_after(log, block_vote(5, 1, header(9)), **known), "certified, so dropped from the log"
    assert not votes_after(log, block_vote(6, 1), **known)
    assert votes_after([*log, block_vote(6, 1)], block_vote(6, 1), **known)
    assert not votes_after([*log, block_vote(6, 1)], block_vote(6, 1, header(9)), **known)


def test_a_slot_vote_is_looked_up_above_what_the_log_forgot():
    log = [StableRecord(certificate(5)), ViewRecord(0, 0, False)]
    known = {"stable": certificate(5), "executed": 5}
    assert votes_after(log, prepare(proposal(5, (REF,)), 1), **known)
    assert not votes_after(log, prepare(proposal(6, (REF,)), 1), **known)


def test_votes_of_the_view_before_are_in_the_log_and_those_of_the_next_are_not():
    log = [ViewRecord(0, 2, True), ViewRecord(0, 2, False)]
    assert votes_after(log, commit(proposal(1, (REF,), view=1), 1))
    assert not votes_after(log, commit(proposal(1, (REF,), view=3), 1))


def test_the_own_view_change_is_the_log_s_or_it_is_lost():
    solo = preparing()
    [change] = sent(solo.wait(1_100), ViewChange)
    assert votes_after(solo.log, change)
    assert not votes_after(solo.log, view_change(1, 1))
    entered = [*solo.log, ViewRecord(0, 1, False)]
    assert votes_after(entered, change), "the view is entered, so it was said before"


def test_the_own_new_view_is_lost_if_the_log_is_still_changing():
    solo = preparing()
    solo.wait(1_100)
    changing = list(solo.log)
    [message] = sent(solo.receive(view_change(1, 0), view_change(1, 3)), NewView)
    assert not votes_after(changing, message)
    assert votes_after(solo.log, message)


def test_a_primary_s_proposals_are_in_its_new_view_or_in_its_log():
    solo = preparing()
    solo.wait(1_100)
    [message] = sent(solo.receive(view_change(1, 0), view_change(1, 3)), NewView)
    again = message.proposals[0]
    before = [record for record in solo.log if record != again]
    assert votes_after(before, again)
    assert not votes_after(before, proposal(2, (OTHER,), view=1))
    solo = Solo(0)
    [mine] = sent(solo.batch(REF), PrePrepare)
    known = Solo(0, records=solo.log, observed=False)
    known.observe(mine)
    assert known.replica.status().voting
    other = Solo(0, records=solo.log, observed=False)
    other.observe(proposal(1, (OTHER,)))
    assert not other.replica.status().voting


def test_a_slot_vote_of_the_view_that_is_being_entered_is_lost():
    solo = preparing()
    solo.wait(1_100)
    assert not votes_after(solo.log, commit(proposal(1, (REF,), view=1), 1))


def test_a_block_vote_binds_no_view():
    solo = Solo(1, observed=False)
    solo.observe(block_vote(5, 1))
    [hold] = [record for record in solo.log if isinstance(record, HoldRecord)]
    assert hold == HoldRecord(0, 0, 5 + solo.parameters.window)


def test_a_damaged_log_of_a_node_that_executed_nothing_holds_it_for_a_window():
    solo = Solo(1, damage=True, parameters=Parameters(window=4))
    assert [r for r in solo.log if isinstance(r, HoldRecord)] == [HoldRecord(0, 0, 4)]


def test_an_empty_log_beside_an_empty_chain_is_a_new_node():
    assert Solo(1).replica.status().voting
    assert not any(isinstance(record, HoldRecord) for record in Solo(1).log)


# --- starting from the log ---


def test_own_votes_up_to_the_end_of_reach_are_taken_from_the_log():
    parameters = Parameters(window=2)
    log = [block_vote(4, 1), prepare(proposal(4, (REF,)), 1)]
    held = Solo(1, records=log, parameters=parameters).replica.votes_of(1)
    assert set(held) == set(log)


def test_a_prepared_slot_at_the_end_of_reach_is_taken_from_the_log():
    solo = Solo(1, parameters=Parameters(window=1))
    solo.receive(FIRST)
    log = [*preparing().log]
    again = Solo(1, records=log, parameters=Parameters(window=1))
    [change] = sent(wait_for_batches(again), ViewChange)
    assert [p.pre_prepare for p in change.prepared] == [FIRST]


def wait_for_batches(solo: Solo):
    solo.batch(REF)
    return solo.wait(1_100)


def test_proposals_that_the_log_holds_stand_after_a_restart():
    for log in (preparing().log, [r for r in preparing().log if not isinstance(r, PrePrepare)]):
        again = Solo(1, records=log)
        again.batch(REF, OTHER)
        assert [e.first for e in again.receive(proposal(1, (OTHER,))).evidence] == [FIRST]


def test_what_the_own_new_view_proposed_again_stands_after_a_restart():
    solo = preparing()
    solo.wait(1_100)
    [message] = sent(solo.receive(view_change(1, 0), view_change(1, 3)), NewView)
    log = [record for record in solo.log if not isinstance(record, PrePrepare)]
    again = Solo(1, records=log)
    assert {message.view_changes[1], message, message.proposals[0]} <= set(again.replica.votes_of(1))


def test_a_view_change_that_led_nowhere_is_forgotten_when_a_view_was_entered():
    solo = preparing()
    [change] = sent(solo.wait(1_100), ViewChange)
    changing = Solo(1, records=solo.log)
    assert changing.replica.status().asked == ((1, 1),)
    entered = Solo(1, records=[*solo.log, ViewRecord(0, 2, False)])
    assert entered.replica.status().asked == () and change not in entered.replica.votes_of(1)


def test_an_old_new_view_of_its_own_is_forgotten_when_the_view_was_left():
    solo = preparing()
    solo.wait(1_100)
    solo.receive(view_change(1, 0), view_change(1, 3))
    again = Solo(1, records=[*solo.log, ViewRecord(0, 3, False)])
    assert not sent(again.connected(2), NewView)
    left = Solo(1, records=[*solo.log, ViewRecord(0, 3, True)])
    assert not sent(left.connected(2), NewView)


def ends_at_one(sequence: int):
    """Its epoch ends with the first slot, so that is where its reach ends too."""
    return members(4) if sequence < 2 else members(5, epoch=1)


def test_what_the_log_holds_of_the_last_slot_of_an_epoch_stands_after_a_restart():
    for log in (preparing().log, [FIRST]):
        again = Solo(1, records=log, replica_sets=ends_at_one)
        again.batch(REF, OTHER)
        assert [e.first for e in again.receive(proposal(1, (OTHER,))).evidence] == [FIRST]
    again = Solo(1, records=preparing().log, replica_sets=ends_at_one)
    [change] = sent(wait_for_batches(again), ViewChange)
    assert [p.pre_prepare for p in change.prepared] == [FIRST]


def test_a_proposal_whose_own_vote_was_cut_off_is_voted_on_after_a_restart():
    again = Solo(1, records=[FIRST])
    assert sent(again.batch(REF)) == [prepare(FIRST, 1)]


def test_a_log_that_was_cut_off_behind_an_epoch_s_last_certificate_begins_the_next_one():
    log = [ViewRecord(0, 3, False), view_change(4, 1), StableRecord(certificate(1))]
    again = Solo(1, records=log, stable=certificate(1), executed=1, replica_sets=ends_at_one)
    status = again.replica.status()
    assert (status.epoch, status.view, status.changing, status.asked) == (1, 0, False, ())


# --- what peers hold ---


def test_peers_hand_out_a_view_change_and_a_new_view_that_led_into_the_view():
    solo = Solo(3)
    changes = [view_change(1, r) for r in (0, 1, 2)]
    message = new_view(1, changes)
    solo.receive(message)
    assert solo.replica.votes_of(0) == (changes[0],)
    assert solo.replica.votes_of(1) == (changes[1], message)
    assert solo.replica.votes_of(3) == ()


def test_peers_hand_out_a_primary_s_proposal_out_of_a_prepared_certificate():
    solo = Solo(3)
    solo.receive(new_view(1, [view_change(1, r, None, (prepared(FIRST),)) for r in (0, 1, 2)]))
    kept = Solo(1, records=preparing().log)
    kept.wait(0)
    kept.batch(REF)
    kept.wait(1_100)
    assert FIRST in kept.replica.votes_of(0) and prepare(FIRST, 2) in kept.replica.votes_of(2)
    assert FIRST not in kept.replica.votes_of(2)


@pytest.mark.parametrize("kind", [prepare, commit])
def test_an_own_vote_that_comes_back_is_not_counted_again(kind):
    solo = preparing()
    assert rules(solo.receive(kind(FIRST, 1))) == ["own-message"]


def test_a_certificate_that_a_replica_passed_on_itself_is_no_vote():
    solo = Solo(1)
    assert solo.receive(Certified(certificate(1), 1)).halt is None and solo.replica.status().voting


# --- why it does not rely on its log ---


@pytest.mark.parametrize(
    ("start", "shown", "height", "lack"),
    [
        ({}, (block_vote(5, 1),), 21, PEERS_KNOW_MORE),
        ({"damage": True}, (), 16, LOG_LACKS_THE_CHAIN),
        ({"records": [StableRecord(certificate(9))]}, (), 25, CHAIN_LACKS_THE_LOG),
        ({"restored": True}, (), 32, RESTORED),
        ({"records": [HoldRecord(0, 0, 7)]}, (), 0, ""),
        ({}, (), 0, ""),
    ],
)
def test_what_is_wrong_with_the_log_is_told_as_far_as_it_is_known(start, shown, height, lack):
    solo = Solo(1, observed=False, **start)
    solo.observe(*shown)
    assert solo.replica.held_back == (height, lack)
    said = solo.replica.status().silent_because
    assert said.endswith(lack) and (not lack or f"not before height {height} has a certificate" in said)


def test_who_only_catches_up_has_nothing_wrong_with_its_log():
    solo = Solo(1, observed=False)
    solo.observe(Certified(certificate(40), 2))
    assert [record for record in solo.log if isinstance(record, HoldRecord)]
    assert solo.replica.held_back == (0, "")
    assert "what it said on earlier ones is not known here" in solo.replica.status().silent_because


def test_who_was_silent_until_a_view_gives_its_block_votes_when_that_begins():
    """With a full window nothing is executed any more that would bring them."""
    solo = Solo(1, parameters=Parameters(window=1), records=[HoldRecord(0, 2, 0)])
    solo.batch(REF)
    solo.decide(FIRST)
    assert not sent(solo.executed(1))
    ready = solo.enter(2)
    assert [vote.height for vote in sent(ready, BlockVote)] == [1]
    assert [record for record in solo.log if isinstance(record, BlockVote)] == sent(ready, BlockVote)
