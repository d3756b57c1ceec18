"""The last value inside of each bound and the first one outside, and states that are rarely met."""

import pytest
from msgspec import structs

from consensus.bounds import MAX_VIEW, proposal_bytes
from consensus.codec import encode
from consensus.forms import form_problem
from consensus.messages import BlockVote, Certified, Commit, NewView, Prepare, PrePrepare, ViewChange
from consensus.output import Output
from consensus.parameters import Parameters
from consensus.ready import Halt, StableRecord, ViewRecord
from consensus.types import BatchRef
from tests.consensus.fakes import WALL_MS, batch, members
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
    sign,
    view_change,
)

REF, OTHER = batch(1), batch(2)
EVERYBODY = members(4)


def at(sequence: int):
    return EVERYBODY


def changing(number: int = 1) -> Solo:
    solo = Solo(number)
    solo.batch(REF)
    solo.wait(1_000)
    return solo


# --- forms ---


def test_the_smallest_values_are_taken():
    smallest = BatchRef(bytes(32), 0, 0, 1, 1)
    assert form_problem(sign(PrePrepare(0, 0, 1, 1, (smallest,), 0)), at) is None
    assert form_problem(sign(ViewChange(0, 1, None, (), 0)), at) is None


def test_the_largest_view_is_taken_and_the_next_one_is_not():
    for view, problem in ((MAX_VIEW, None), (MAX_VIEW + 1, "form")):
        assert form_problem(sign(Commit(0, view, 1, bytes(32), 1)), at) == problem


def test_a_form_is_judged_before_any_key_is_looked_up():
    assert form_problem(sign(BlockVote(0, 1, bytes(32), 7)), at) == "stranger"
    assert form_problem(Certified(certificate(1, voters=(0, 1)), 3), at) == "quorum"
    assert form_problem(structs.replace(new_view(4, [view_change(4, 0)]), view=0), at) == "not-primary"


def test_what_prepared_in_another_epoch_is_not_of_this_view_change():
    later = members(4, epoch=1, first=4)

    def by_height(sequence: int):
        return EVERYBODY if sequence < 5 else later

    odd = sign(PrePrepare(1, 0, 5, 1, (REF,), 4))
    votes = tuple(
        structs.replace(prepared(proposal(1, (REF,))).prepares[0], replica=replica) for replica in (5, 6)
    )
    change = sign(ViewChange(0, 1, None, (structs.replace(prepared(odd), prepares=votes),), 2))
    assert form_problem(change, by_height) == "form"


def test_all_prepared_slots_lie_in_the_window_not_just_the_first():
    near, far = prepared(proposal(1, (REF,))), prepared(proposal(33, (OTHER,)))
    assert form_problem(view_change(1, 3, None, (near, far)), at) == "window"


# --- proposals ---


def test_a_batch_may_be_proposed_up_to_its_expiry():
    solo = Solo(1)
    ref = batch(1, expiry_height=2)
    solo.batch(ref)
    assert sent(solo.receive(proposal(2, (ref,))), Prepare)


def test_a_block_may_be_filled_to_the_last_byte():
    for more, problem in ((0, []), (1, ["too-large"])):
        solo = Solo(1, parameters=Parameters(block_bytes=65_536))
        refs = (batch(0, size_bytes=65_000), batch(1, size_bytes=536 + more))
        assert rules(solo.receive(proposal(1, refs))) == problem


def test_a_proposal_may_hold_refs_to_the_last_byte():
    refs = (batch(0), batch(1))
    needed = sum(len(encode(ref)) for ref in refs)
    frames = range(4_000)
    exact = next(
        n for n in frames if proposal_bytes(Parameters(window=1, frame_bytes=n), EVERYBODY) == needed
    )
    for frame_bytes, problem in ((exact, []), (exact - 1, ["too-large"])):
        solo = Solo(1, parameters=Parameters(window=1, frame_bytes=frame_bytes))
        assert rules(solo.receive(proposal(1, refs))) == problem
    ordering = Solo(1, parameters=Parameters(window=1, frame_bytes=exact)).replica._parts.ordering
    assert ordering.spare_refs_bytes(proposal(1, refs)) == 0


def test_a_single_ref_fits_where_frames_are_too_small_for_the_window():
    parameters = Parameters(window=32, frame_bytes=65_536)
    assert proposal_bytes(parameters, members(31)) < 0
    assert not rules(Solo(1, 31, parameters=parameters).receive(proposal(1, (REF,), n=31)))
    two = proposal(1, (REF, OTHER), n=31)
    assert rules(Solo(1, 31, parameters=parameters).receive(two)) == ["too-large"]


def test_a_silent_primary_proposes_nothing():
    solo = Solo(0, damage=True)
    assert not solo.replica.status().voting and not solo.batch(REF).send


def test_a_primary_that_changes_views_proposes_nothing_in_the_view_it_leaves():
    solo = Solo(0)
    solo.receive(view_change(1, 2), view_change(1, 3))
    assert solo.replica.status().changing and not sent(solo.batch(REF), PrePrepare)


def test_a_primary_goes_on_above_what_came_by_catch_up_or_was_there_at_the_start():
    solo = Solo(0)
    solo.install(certificate(5))
    assert [p.sequence for p in sent(solo.batch(REF), PrePrepare)] == [6]
    solo = Solo(0, records=[StableRecord(certificate(3))], stable=certificate(3), executed=3)
    assert [p.sequence for p in sent(solo.batch(REF), PrePrepare)] == [4]


def test_a_new_primary_that_is_behind_its_view_proposes_nothing_after_a_restart_either():
    solo = changing()
    solo.receive(view_change(1, 0, certificate(3)), view_change(1, 3))
    again = Solo(1, records=solo.log)
    assert again.replica.status().view == 1 and not sent(again.batch(REF), PrePrepare)
    assert [p.sequence for p in sent(again.install(certificate(3)), PrePrepare)] == [4]


# --- votes ---


def test_a_second_accusation_of_a_kind_is_a_rejection_only():
    solo = Solo(1, 7)
    votes = [proposal(1, (batch(number),), n=7) for number in range(3)]
    for kind in (prepare, commit):
        solo.receive(kind(votes[0], 2))
        assert len(solo.receive(kind(votes[1], 2)).evidence) == 1
        ready = solo.receive(kind(votes[2], 2))
        assert rules(ready) == ["equivocation"] and not ready.evidence
    solo.receive(block_vote(1, 2))
    assert len(solo.receive(block_vote(1, 2, header(8))).evidence) == 1
    ready = solo.receive(block_vote(1, 2, header(9)))
    assert rules(ready) == ["equivocation"] and not ready.evidence


def test_a_slot_keeps_the_decision_of_the_view_that_made_it():
    solo = Solo(3)
    solo.batch(REF)
    second = proposal(2, (REF,))
    assert not solo.decide(second).decided
    message = new_view(1, [view_change(1, r, None, (prepared(second),)) for r in (0, 1, 2)])
    solo.receive(message)
    null, again = message.proposals
    solo.decide(again)
    assert [(slot.sequence, slot.view) for slot in solo.decide(null).decided] == [(1, 1), (2, 0)]


def test_a_decided_slot_is_handed_out_when_its_predecessor_comes_by_catch_up():
    solo = Solo(1)
    solo.batch(REF)
    assert not solo.decide(proposal(2, (REF,))).decided
    assert [slot.sequence for slot in solo.install(certificate(1)).decided] == [2]


def test_votes_at_the_last_slot_of_an_epoch_stay_when_the_watermarks_move():
    later = members(5, epoch=1)
    solo = Solo(1, replica_sets=lambda sequence: EVERYBODY if sequence < 10 else later)
    last = commit(proposal(9, (REF,)), 3)
    solo.receive(last)
    solo.install(certificate(1))
    assert last in solo.replica.votes_of(3)


def test_what_is_proposed_again_at_the_end_of_reach_is_voted_on_when_the_window_comes():
    solo = Solo(3, parameters=Parameters(window=2))
    solo.batch(REF)
    stable, again = certificate(2), prepared(proposal(4, (REF,)))
    message = new_view(1, [view_change(1, r, stable, (again,)) for r in (0, 1, 2)])
    assert not sent(solo.receive(message), Prepare)
    assert prepare(message.proposals[-1], 3) in sent(solo.install(stable), Prepare)


def test_nothing_at_or_below_the_low_watermark_is_taken_up_again_in_a_new_view():
    solo = Solo(3)
    solo.install(certificate(2))
    again = prepared(proposal(2, (REF,)))
    message = new_view(1, [view_change(1, 0), view_change(1, 1, None, (again,)), view_change(1, 2)])
    assert not sent(solo.receive(message), Prepare)
    assert not solo.replica._parts.ordering.slots


def test_a_replica_that_changes_views_repeats_nothing_of_the_view_it_left():
    solo = Solo(1)
    solo.batch(REF)
    first = proposal(1, (REF,))
    solo.receive(first, prepare(first, 2))
    solo.wait(1_100)
    assert {type(message) for message in sent(solo.wait(2_000))} == {ViewChange}


def test_of_the_log_only_what_was_said_in_its_last_view_binds_in_it():
    first = proposal(1, (REF,))
    log = [first, prepare(first, 1), ViewRecord(0, 4, True), ViewRecord(0, 4, False)]
    solo = Solo(1, records=log)
    solo.batch(OTHER)
    fresh = proposal(1, (OTHER,), view=4)
    ready = solo.receive(fresh)
    assert not ready.evidence and sent(ready, Prepare) == [prepare(fresh, 1)]


def test_the_slot_at_the_high_watermark_goes_into_the_view_change():
    solo = Solo(1, parameters=Parameters(window=1))
    solo.batch(REF)
    only = proposal(1, (REF,))
    solo.receive(only, prepare(only, 2))
    [change] = sent(solo.wait(1_100), ViewChange)
    assert [p.pre_prepare for p in change.prepared] == [only]


def test_ordering_begins_anew_with_an_epoch():
    later = members(5, epoch=1)
    solo = Solo(1, replica_sets=lambda sequence: EVERYBODY if sequence < 2 else later)
    solo.enter(3)
    solo.batch(OTHER)
    solo.receive(proposal(1, (REF,), view=3))
    solo.install(certificate(1))
    first = sign(PrePrepare(1, 0, 2, WALL_MS + solo.clock_ms, (OTHER,), 0))
    [vote] = sent(solo.receive(first), Prepare)
    assert (vote.epoch, vote.view, vote.sequence) == (1, 0, 2)
    assert [slot.sequence for slot in solo.decide(first).decided] == [2]


# --- certificates ---


def test_the_first_certificate_of_all_can_be_behind():
    solo = Solo(1)
    solo.pass_on(1)
    assert solo.replica.status().behind == 1


def test_a_certificate_that_the_log_held_counts_when_execution_gets_there():
    log = [StableRecord(certificate(1)), StableRecord(certificate(2))]
    solo = Solo(1, records=log, stable=certificate(1), executed=1)
    assert (solo.replica.status().low, solo.replica.status().behind) == (1, 2)
    solo.batch(REF)
    solo.decide(proposal(2, (REF,)))
    assert solo.executed(2).certified == (certificate(2),)


def test_a_replica_begins_at_its_last_certificate_below_what_it_executed():
    log = [StableRecord(certificate(4))]
    solo = Solo(1, records=log, stable=certificate(4), executed=5)
    assert (solo.replica.status().low, solo.replica.status().executed) == (4, 5)


def test_a_certificate_for_a_block_whose_hash_is_not_at_hand_is_taken():
    solo = Solo(1, records=[StableRecord(certificate(3))], stable=certificate(3), executed=5)
    ready = solo.pass_on(4)
    assert ready.halt is None and ready.certified == (certificate(4),)


def test_a_certificate_is_told_of_once():
    solo = Solo(1)
    assert solo.install(certificate(2)).certified
    assert not solo.install(certificate(2)).certified and not solo.pass_on(2).certified


def test_a_certificate_at_the_end_of_reach_waits_for_the_execution():
    solo = Solo(1, parameters=Parameters(window=2))
    solo.pass_on(4)
    for sequence in (1, 2, 3, 4):
        solo.batch(batch(sequence))
        solo.decide(proposal(sequence, (batch(sequence),)))
        last = solo.certify(sequence) if sequence < 3 else solo.executed(sequence)
    assert last.certified == (certificate(4),)


def test_catch_up_to_another_block_than_the_own_one_halts():
    solo = Solo(1)
    solo.batch(REF)
    solo.decide(proposal(1, (REF,)))
    solo.executed(1)
    assert solo.install(certificate(1, header(9))).halt == Halt(1, header(1), header(9))


def test_the_own_vote_may_complete_the_certificate_when_voting_begins():
    solo = Solo(1, observed=False)
    solo.batch(REF)
    solo.decide(proposal(1, (REF,)))
    solo.executed(1)
    assert not solo.receive(block_vote(1, 0), block_vote(1, 2)).certified
    assert [c.height for c in solo.observe().certified] == [1]


# --- views ---


def test_a_view_is_left_for_a_later_one_only():
    parts = Solo(1).replica._parts
    with pytest.raises(AssertionError):
        parts.changer.start(0, parts.ordering.marks, Output())


def test_a_replica_is_accused_once_for_each_view():
    solo = Solo(1, 7)
    stables = [None, certificate(1, voters=range(5)), certificate(2, voters=range(5))]
    first, second, third = (view_change(5, 3, stable) for stable in stables)
    solo.receive(first)
    assert len(solo.receive(second).evidence) == 1
    ready = solo.receive(third)
    assert rules(ready) == ["equivocation"] and not ready.evidence


def test_prepared_slots_may_reach_to_the_end_of_the_window():
    solo = Solo(1, parameters=Parameters(window=2))
    assert not rules(solo.receive(view_change(1, 3, None, (prepared(proposal(2, (REF,))),))))


def test_a_peer_that_repeats_its_view_change_is_told_ours_again():
    solo = changing()
    solo.receive(view_change(1, 3))
    ready = solo.receive(view_change(1, 3))
    assert rules(ready) == ["duplicate"]
    assert [(type(out.message), out.to) for out in ready.send] == [(ViewChange, 3)]
    assert not solo.receive(view_change(2, 3)).send, "what is new needs no answer"


def test_the_new_view_timer_counts_each_replica_once():
    solo = changing(3)
    solo.receive(view_change(1, 0))
    assert not [c for c in sent(solo.wait(60_000), ViewChange) if c.view > 1]


def test_a_new_view_that_is_repeated_or_over_changes_nothing():
    solo = Solo(3)
    first = new_view(1, [view_change(1, r) for r in (0, 1, 2)])
    second = new_view(2, [view_change(2, r) for r in (0, 1, 2)])
    assert not rules(solo.receive(first))
    again = new_view(1, [view_change(1, r) for r in (0, 1, 2)])
    assert (rules(ready := solo.receive(again)), ready.persist) == (["duplicate"], ())
    solo.receive(second)
    assert (rules(ready := solo.receive(first)), ready.persist) == (["old-view"], ())
    assert solo.replica.status().view == 2


def test_of_two_new_views_for_one_view_the_first_one_stands():
    solo = Solo(3, 7)
    first, second = (new_view(1, [view_change(1, r) for r in (0, 1, 2, 4, last)], n=7) for last in (5, 6))
    solo.receive(first)
    assert not solo.receive(second).persist
    assert [m for m in solo.replica.votes_of(1) if isinstance(m, NewView)] == [first]


def test_view_changes_are_kept_for_the_views_to_come_only():
    solo = Solo(1, 7)
    solo.receive(view_change(2, 3), view_change(3, 4))
    solo.receive(new_view(2, [view_change(2, r) for r in (0, 2, 3, 5, 6)], n=7))
    assert solo.replica.status().asked == ((4, 3),)
