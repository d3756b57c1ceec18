"""Castro and Liskov, OSDI 1999, section 4.2: one test per rule of the normal case."""

import pytest

from consensus.authenticate import authenticate
from consensus.messages import BlockVote, Commit, Prepare, PrePrepare
from consensus.parameters import Parameters
from consensus.ready import Fetch, PreparedRecord, Rejection
from consensus.types import BatchRef
from tests.consensus.fakes import CHAIN, WALL_MS, batch, fake_verify
from tests.consensus.solo import Solo, certificate, commit, prepare, proposal, rules, sent, sign

REF = batch(1)


def refused(solo: Solo, message: object) -> str:
    result = authenticate(message, CHAIN, solo.replica_sets, fake_verify)
    assert isinstance(result, Rejection)
    return result.rule


# --- the primary ---


def test_primary_proposes_a_ready_batch_at_once_when_nothing_is_in_flight():
    ready = Solo(0).batch(REF)
    [pre_prepare] = sent(ready, PrePrepare)
    assert (pre_prepare.sequence, pre_prepare.view, pre_prepare.refs) == (1, 0, (REF,))
    assert pre_prepare.time_ms == WALL_MS + 10_000


def test_primary_persists_its_pre_prepare_before_it_sends_it():
    ready = Solo(0).batch(REF)
    assert sent(ready, PrePrepare)[0] in ready.persist


def test_primary_sends_no_prepare():
    solo = Solo(0)
    ready = solo.batch(REF)
    [pre_prepare] = sent(ready, PrePrepare)
    ready = solo.receive(prepare(pre_prepare, 1), prepare(pre_prepare, 2))
    assert not sent(ready, Prepare) and len(sent(ready, Commit)) == 1


def test_backup_proposes_nothing():
    assert not sent(Solo(1).batch(REF))


def test_primary_with_a_slot_in_flight_waits_until_a_block_is_full_enough():
    solo = Solo(0, parameters=Parameters(window=4, block_bytes=1_000_000, batch_bytes=250_000))
    assert len(sent(solo.batch(batch(0, size_bytes=1_000)), PrePrepare)) == 1
    assert not sent(solo.batch(batch(1, size_bytes=200_000)), PrePrepare)
    [second] = sent(solo.batch(batch(2, size_bytes=100_000)), PrePrepare)
    assert [ref.origin_sequence for ref in second.refs] == [1, 2]


def test_primary_proposes_the_rest_when_the_slot_in_flight_is_decided():
    solo = Solo(0)
    [first] = sent(solo.batch(batch(0)), PrePrepare)
    solo.batch(batch(1))
    [second] = sent(solo.decide(first), PrePrepare)
    assert second.sequence == 2 and second.refs == (batch(1),)


def test_primary_proposes_no_more_than_a_block_holds():
    solo = Solo(0, parameters=Parameters(block_bytes=262_144, window=1))
    [first] = sent(solo.batch(batch(0)), PrePrepare)
    solo.batch(batch(1, size_bytes=200_000), batch(2, size_bytes=100_000))
    solo.decide(first)
    [second] = sent(solo.certify(1), PrePrepare)
    assert second.refs == (batch(1, size_bytes=200_000),)


def test_primary_proposes_nothing_above_the_high_watermark():
    solo = Solo(0, parameters=Parameters(window=2))
    for number in range(5):
        ready = solo.batch(batch(number))
        for pre_prepare in sent(ready, PrePrepare):
            solo.decide(pre_prepare)
    assert solo.replica.status().decided == 2
    assert solo.replica.status().batches_waiting == 3


def test_primary_does_not_propose_an_expired_batch():
    solo = Solo(0, stable=None)
    [first] = sent(solo.batch(batch(0, expiry_height=5)), PrePrepare)
    solo.batch(batch(1, expiry_height=1), batch(2, expiry_height=2))
    [second] = sent(solo.decide(first), PrePrepare)
    assert second.refs == (batch(2, expiry_height=2),)


def test_primary_does_not_propose_again_what_was_ordered():
    solo = Solo(0)
    [first] = sent(solo.batch(REF), PrePrepare)
    solo.decide(first)
    assert not sent(solo.batch(REF), PrePrepare)
    solo.certify(1)
    assert not sent(solo.batch(REF), PrePrepare)


# --- PRE-PREPARE at a backup ---


def test_backup_prepares_a_proposal_whose_batches_are_here():
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    ready = solo.receive(pre_prepare)
    assert sent(ready) == [prepare(pre_prepare, 1)]
    assert ready.persist == (pre_prepare, prepare(pre_prepare, 1))


def test_backup_rejects_preprepare_of_another_than_the_primary():
    solo = Solo(1)
    assert refused(solo, sign(PrePrepare(0, 0, 1, WALL_MS, (REF,), 2))) == "not-primary"


def test_backup_rejects_preprepare_of_an_earlier_view():
    solo = Solo(1)
    solo.batch(REF)
    solo.enter(2)
    ready = solo.receive(proposal(1, (REF,), view=0))
    assert rules(ready) == ["old-view"] and not sent(ready, Prepare)


def test_backup_keeps_preprepare_of_a_later_view_without_acting_on_it():
    solo = Solo(1)
    solo.batch(REF)
    later = proposal(1, (REF,), view=2)
    assert not sent(solo.receive(later))
    assert prepare(later, 1) in sent(solo.enter(2))


def test_backup_rejects_preprepare_outside_watermarks():
    solo = Solo(1, parameters=Parameters(window=4))
    solo.batch(REF)
    ready = solo.receive(proposal(9, (REF,)))
    assert rules(ready) == ["beyond-watermarks"] and not sent(ready)
    ready = Solo(1, executed=3, stable=certificate(3)).receive(proposal(3, (REF,)))
    assert rules(ready) == ["below-watermarks"]


def test_backup_holds_preprepare_above_the_high_watermark_until_the_window_moves():
    solo = Solo(1, parameters=Parameters(window=1))
    refs = [batch(0), batch(1)]
    solo.batch(*refs)
    second = proposal(2, (refs[1],))
    assert not sent(solo.receive(second))
    solo.decide(proposal(1, (refs[0],)))
    assert prepare(second, 1) in sent(solo.certify(1))


def test_backup_keeps_the_first_of_two_conflicting_preprepares():
    solo = Solo(1)
    solo.batch(REF, batch(2))
    first, second = proposal(1, (REF,)), proposal(1, (batch(2),))
    solo.receive(first)
    ready = solo.receive(second)
    assert [(e.first, e.second) for e in ready.evidence] == [(first, second)]
    assert not sent(ready)
    assert solo.replica.votes_of(0) == (first,)


def test_one_accusation_of_each_kind_is_enough():
    solo = Solo(1)
    solo.batch(REF)
    solo.receive(proposal(1, (REF,)), proposal(1, (batch(2),)))
    assert not solo.receive(proposal(1, (batch(3),))).evidence


def test_a_duplicate_changes_nothing():
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    solo.receive(pre_prepare, prepare(pre_prepare, 2))
    ready = solo.receive(pre_prepare, prepare(pre_prepare, 2))
    assert rules(ready) == ["duplicate", "duplicate"]
    assert not ready.persist and not ready.send and not ready.evidence


@pytest.mark.parametrize("skew_ms", [2_001, -2_001])
def test_backup_does_not_prepare_a_time_too_far_from_its_clock(skew_ms: int):
    solo = Solo(1)
    solo.batch(REF)
    ready = solo.receive(proposal(1, (REF,), time_ms=WALL_MS + solo.clock_ms + skew_ms))
    assert rules(ready) == ["clock"] and not sent(ready)


def test_backup_with_a_wrong_clock_goes_with_those_who_prepared():
    solo = Solo(1)
    solo.batch(REF)
    odd = proposal(1, (REF,), time_ms=WALL_MS)
    solo.receive(odd)
    ready = solo.receive(prepare(odd, 2), prepare(odd, 3))
    assert sent(ready) == [commit(odd, 1)]


def test_backup_rejects_an_expired_batch():
    solo = Solo(1)
    old = batch(1, expiry_height=1)
    solo.batch(old)
    ready = solo.receive(proposal(2, (old,)))
    assert rules(ready) == ["expired-batch"] and not sent(ready)


def test_backup_rejects_a_fresh_null_request():
    ready = Solo(1).receive(proposal(1))
    assert rules(ready) == ["null-request"] and not sent(ready)


def test_backup_rejects_a_proposal_larger_than_a_block():
    solo = Solo(1, parameters=Parameters(block_bytes=262_144))
    refs = (batch(0, size_bytes=200_000), batch(1, size_bytes=100_000))
    solo.batch(*refs)
    assert rules(solo.receive(proposal(1, refs))) == ["too-large"]


def test_backup_does_not_prepare_a_batch_that_another_slot_holds():
    solo = Solo(1)
    solo.batch(REF)
    solo.receive(proposal(1, (REF,)))
    ready = solo.receive(proposal(2, (REF,)))
    assert rules(ready) == ["repeated-batch"] and not sent(ready)


# --- batches ---


def test_backup_that_lacks_batches_fetches_them_and_prepares_when_the_last_one_came():
    solo = Solo(1)
    refs = (batch(0, origin=3), batch(1, origin=1))
    pre_prepare = proposal(1, refs)
    ready = solo.receive(pre_prepare)
    assert not sent(ready)
    assert ready.fetch == (Fetch(refs[0], (3, 0)), Fetch(refs[1], (0,)))
    assert not sent(solo.batch(refs[1]))
    assert sent(solo.batch(refs[0])) == [prepare(pre_prepare, 1)]


def test_nobody_is_asked_who_is_no_member():
    ready = Solo(1).receive(proposal(1, (batch(0, origin=77),)))
    assert [fetch.sources for fetch in ready.fetch] == [(0,)]


def test_backup_asks_again_and_then_also_those_who_prepared():
    solo = Solo(1)
    ref = batch(0, origin=3)
    pre_prepare = proposal(1, (ref,))
    solo.receive(pre_prepare, prepare(pre_prepare, 2))
    [again] = set(solo.wait(600).fetch)
    assert again == Fetch(ref, (3, 0, 2))


def test_a_ref_that_differs_in_one_field_is_another_batch():
    solo = Solo(1)
    solo.batch(REF)
    forged = BatchRef(REF.digest, REF.origin, REF.origin_sequence, REF.size_bytes, REF.expiry_height + 1)
    ready = solo.receive(proposal(1, (forged,)))
    assert not sent(ready) and [fetch.ref for fetch in ready.fetch] == [forged]


def test_a_slot_without_its_batches_gets_no_commit_and_is_not_handed_out():
    solo = Solo(1)
    pre_prepare = proposal(1, (REF,))
    ready = solo.decide(pre_prepare)
    assert not sent(ready) and not ready.decided
    ready = solo.batch(REF)
    assert commit(pre_prepare, 1) in sent(ready)
    assert [slot.sequence for slot in ready.decided] == [1]


# --- prepared, committed ---


def test_prepared_needs_prepares_of_a_quorum_less_one():
    solo = Solo(1, 7)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,), n=7)
    solo.receive(pre_prepare)
    assert not sent(solo.receive(prepare(pre_prepare, 2), prepare(pre_prepare, 3)), Commit)
    assert len(sent(solo.receive(prepare(pre_prepare, 4)), Commit)) == 1


def test_prepares_for_another_digest_do_not_count():
    solo = Solo(1, 7)
    solo.batch(REF)
    pre_prepare, other = proposal(1, (REF,), n=7), proposal(1, (batch(2),), n=7)
    solo.receive(pre_prepare)
    assert not sent(solo.receive(*(prepare(other, r) for r in (2, 3, 4, 5))), Commit)


def test_a_prepare_of_the_primary_is_refused():
    solo = Solo(1)
    assert refused(solo, prepare(proposal(1, (REF,)), 0)) == "primary-prepares"


def test_the_prepared_certificate_is_persisted_before_the_commit():
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    solo.receive(pre_prepare)
    ready = solo.receive(prepare(pre_prepare, 2))
    assert [type(record) for record in ready.persist] == [PreparedRecord, Commit]
    assert sent(ready) == [ready.persist[1]]
    assert [vote.replica for vote in ready.persist[0].certificate.prepares] == [1, 2]


def test_committed_local_needs_a_quorum_of_commits_its_own_included():
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    solo.receive(pre_prepare, prepare(pre_prepare, 2))
    assert not solo.receive(commit(pre_prepare, 2)).decided
    assert [slot.refs for slot in solo.receive(commit(pre_prepare, 3)).decided] == [(REF,)]


def test_committed_local_needs_prepared():
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    solo.receive(pre_prepare)
    assert not solo.receive(*(commit(pre_prepare, r) for r in (0, 2, 3))).decided
    assert solo.receive(prepare(pre_prepare, 2)).decided


def test_votes_that_overtake_the_preprepare_count():
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    solo.receive(prepare(pre_prepare, 2), commit(pre_prepare, 2), commit(pre_prepare, 3))
    assert solo.receive(pre_prepare).decided


def test_decisions_are_handed_out_in_order():
    solo = Solo(1)
    solo.batch(batch(0), batch(1))
    assert not solo.decide(proposal(2, (batch(1),))).decided
    ready = solo.decide(proposal(1, (batch(0),)))
    assert [slot.sequence for slot in ready.decided] == [1, 2]


def test_conflicting_votes_are_evidence_and_the_first_one_stands():
    solo = Solo(1, 7)
    solo.batch(REF)
    pre_prepare, other = proposal(1, (REF,), n=7), proposal(1, (batch(2),), n=7)
    solo.receive(pre_prepare, prepare(other, 2))
    ready = solo.receive(prepare(pre_prepare, 2))
    assert (ready.evidence[0].first, ready.evidence[0].second) == (prepare(other, 2), prepare(pre_prepare, 2))
    assert not sent(solo.receive(prepare(pre_prepare, 3), prepare(pre_prepare, 4)), Commit)


def test_a_single_member_needs_nobody():
    solo = Solo(0, 1, observed=False)
    ready = solo.batch(REF)
    assert [type(record).__name__ for record in ready.persist] == ["PrePrepare", "PreparedRecord", "Commit"]
    assert [slot.sequence for slot in ready.decided] == [1]
    ready = solo.executed(1)
    assert len(sent(ready, BlockVote)) == 1 and ready.certified[0].height == 1
