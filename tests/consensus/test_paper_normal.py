"""Castro and Liskov, OSDI 1999, sections 4.1, 4.2 and 4.6: one test for each rule of the normal case."""

from collections.abc import Callable

import pytest
from msgspec import structs

from consensus.authenticate import authenticate
from consensus.messages import Commit, Message, Prepare, PrePrepare
from consensus.parameters import Parameters
from consensus.ready import PreparedRecord, Rejection
from tests.consensus.fakes import CHAIN, WALL_MS, batch, fake_verify
from tests.consensus.solo import (
    Solo,
    certificate,
    commit,
    new_view,
    prepare,
    proposal,
    rules,
    sent,
    sign,
    view_change,
)

REF = batch(1)


def refused(solo: Solo, message: object) -> str:
    result = authenticate(message, CHAIN, solo.replica_sets, fake_verify)
    assert isinstance(result, Rejection)
    return result.rule


# --- the primary ---


def test_primary_proposes_a_ready_batch_at_once_when_nothing_is_in_flight():
    """OSDI 1999, 4.2: the primary starts the protocol immediately unless too much is in progress."""
    ready = Solo(0).batch(REF)
    [pre_prepare] = sent(ready, PrePrepare)
    assert (pre_prepare.sequence, pre_prepare.view, pre_prepare.refs) == (1, 0, (REF,))
    assert pre_prepare.time_ms == WALL_MS + 10_000


def test_primary_persists_its_pre_prepare_before_it_sends_it():
    """OSDI 1999, 4.2: the primary appends its PRE-PREPARE to the log (ours is on disk before it leaves)."""
    ready = Solo(0).batch(REF)
    assert sent(ready, PrePrepare)[0] in ready.persist


def test_primary_sends_no_prepare():
    """OSDI 1999, 4.2: PREPAREs are of the backups; the primary's PRE-PREPARE stands for its own."""
    solo = Solo(0)
    ready = solo.batch(REF)
    [pre_prepare] = sent(ready, PrePrepare)
    ready = solo.receive(prepare(pre_prepare, 1), prepare(pre_prepare, 2))
    assert not sent(ready, Prepare) and len(sent(ready, Commit)) == 1


def test_backup_proposes_nothing():
    """OSDI 1999, 4.2: sequence numbers are given by the primary alone."""
    assert not sent(Solo(1).batch(REF))


def test_primary_with_a_slot_in_flight_waits_until_a_block_is_full_enough():
    """OSDI 1999, 4.2: what comes while the protocol is in progress is buffered and sent as a group."""
    solo = Solo(0, parameters=Parameters(window=4, block_bytes=1_000_000, batch_bytes=250_000))
    assert len(sent(solo.batch(batch(0, size_bytes=1_000)), PrePrepare)) == 1
    assert not sent(solo.batch(batch(1, size_bytes=200_000)), PrePrepare)
    [second] = sent(solo.batch(batch(2, size_bytes=100_000)), PrePrepare)
    assert [ref.origin_sequence for ref in second.refs] == [1, 2]


def test_primary_proposes_the_rest_when_the_slot_in_flight_is_decided():
    """OSDI 1999, 4.2: buffered requests are multicast later as a group."""
    solo = Solo(0)
    [first] = sent(solo.batch(batch(0)), PrePrepare)
    solo.batch(batch(1))
    [second] = sent(solo.decide(first), PrePrepare)
    assert second.sequence == 2 and second.refs == (batch(1),)


def test_primary_proposes_nothing_above_the_high_watermark():
    """OSDI 1999, 4.2: a sequence number lies between the watermarks."""
    solo = Solo(0, parameters=Parameters(window=2))
    for number in range(5):
        ready = solo.batch(batch(number))
        for pre_prepare in sent(ready, PrePrepare):
            solo.decide(pre_prepare)
    assert solo.replica.status().decided == 2
    assert solo.replica.status().batches_waiting == 3


def test_primary_does_not_propose_again_what_was_ordered():
    """OSDI 1999, 4.1: exactly once."""
    solo = Solo(0)
    [first] = sent(solo.batch(REF), PrePrepare)
    solo.decide(first)
    assert not sent(solo.batch(REF), PrePrepare)
    solo.certify(1)
    assert not sent(solo.batch(REF), PrePrepare)


# --- PRE-PREPARE at a backup ---


def test_backup_prepares_a_proposal_whose_batches_are_here():
    """OSDI 1999, 4.2: a backup that accepts a PRE-PREPARE multicasts PREPARE and logs both."""
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    ready = solo.receive(pre_prepare)
    assert sent(ready) == [prepare(pre_prepare, 1)]
    assert ready.persist == (pre_prepare, prepare(pre_prepare, 1))


def test_backup_rejects_preprepare_of_another_than_the_primary():
    """OSDI 1999, 4.2: PRE-PREPARE is signed by the primary of its view."""
    solo = Solo(1)
    assert refused(solo, sign(PrePrepare(0, 0, 1, WALL_MS, (REF,), 2))) == "not-primary"


def test_backup_rejects_preprepare_of_an_earlier_view():
    """OSDI 1999, 4.2: accepted if it is in view v."""
    solo = Solo(1)
    solo.batch(REF)
    solo.enter(2)
    ready = solo.receive(proposal(1, (REF,), view=0))
    assert rules(ready) == ["old-view"] and not sent(ready, Prepare)


def test_backup_keeps_preprepare_of_a_later_view_without_acting_on_it():
    """OSDI 1999, 4.2: accepted if it is in view v, not before."""
    solo = Solo(1)
    solo.batch(REF)
    later = proposal(1, (REF,), view=2)
    assert not sent(solo.receive(later))
    assert prepare(later, 1) in sent(solo.enter(2))


def test_backup_rejects_preprepare_outside_watermarks():
    """OSDI 1999, 4.2: n lies between the low and the high watermark."""
    solo = Solo(1, parameters=Parameters(window=4))
    solo.batch(REF)
    ready = solo.receive(proposal(9, (REF,)))
    assert rules(ready) == ["beyond-watermarks"] and not sent(ready)
    ready = Solo(1, executed=3, stable=certificate(3)).receive(proposal(3, (REF,)))
    assert rules(ready) == ["below-watermarks"]


def test_backup_holds_preprepare_above_the_high_watermark_until_the_window_moves():
    """OSDI 1999, 4.2: n lies between the watermarks, which move (4.3)."""
    solo = Solo(1, parameters=Parameters(window=1))
    refs = [batch(0), batch(1)]
    solo.batch(*refs)
    second = proposal(2, (refs[1],))
    assert not sent(solo.receive(second))
    solo.decide(proposal(1, (refs[0],)))
    assert prepare(second, 1) in sent(solo.certify(1))


def test_backup_keeps_the_first_of_two_conflicting_preprepares():
    """OSDI 1999, 4.2: no PRE-PREPARE of the same view and number with another digest was accepted."""
    solo = Solo(1)
    solo.batch(REF, batch(2))
    first, second = proposal(1, (REF,)), proposal(1, (batch(2),))
    solo.receive(first)
    ready = solo.receive(second)
    assert [(e.first, e.second) for e in ready.evidence] == [(first, second)]
    assert not sent(ready)
    assert solo.replica.votes_of(0) == (first,)


@pytest.mark.parametrize("skew_ms", [2_001, -2_001])
def test_backup_does_not_prepare_a_time_too_far_from_its_clock(skew_ms: int):
    """OSDI 1999, 4.6: backups decide whether the value that the primary chose is acceptable."""
    solo = Solo(1)
    solo.batch(REF)
    ready = solo.receive(proposal(1, (REF,), time_ms=WALL_MS + solo.clock_ms + skew_ms))
    assert rules(ready) == ["clock"] and not sent(ready)


def test_backup_with_a_wrong_clock_goes_with_those_who_prepared():
    """OSDI 1999, 4.6: the decision must not depend on one replica alone."""
    solo = Solo(1)
    solo.batch(REF)
    odd = proposal(1, (REF,), time_ms=WALL_MS)
    solo.receive(odd)
    ready = solo.receive(prepare(odd, 2), prepare(odd, 3))
    assert sent(ready) == [commit(odd, 1)]


def test_backup_rejects_a_fresh_null_request():
    """OSDI 1999, 4.4: the null request is the view change's alone."""
    ready = Solo(1).receive(proposal(1))
    assert rules(ready) == ["null-request"] and not sent(ready)


def test_backup_does_not_prepare_a_batch_that_another_slot_holds():
    """OSDI 1999, 4.1: exactly once."""
    solo = Solo(1)
    solo.batch(REF)
    solo.receive(proposal(1, (REF,)))
    ready = solo.receive(proposal(2, (REF,)))
    assert rules(ready) == ["repeated-batch"] and not sent(ready)


def test_a_slot_without_its_batches_gets_no_commit_and_is_not_handed_out():
    """OSDI 1999, 4.2: prepared needs the request itself in the log."""
    solo = Solo(1)
    pre_prepare = proposal(1, (REF,))
    ready = solo.decide(pre_prepare)
    assert not sent(ready) and not ready.decided
    ready = solo.batch(REF)
    assert commit(pre_prepare, 1) in sent(ready)
    assert [slot.sequence for slot in ready.decided] == [1]


# --- prepared, committed ---


def test_prepared_needs_prepares_of_a_quorum_less_one():
    """OSDI 1999, 4.2: prepared needs 2f PREPAREs from different backups."""
    solo = Solo(1, 7)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,), n=7)
    solo.receive(pre_prepare)
    assert not sent(solo.receive(prepare(pre_prepare, 2), prepare(pre_prepare, 3)), Commit)
    assert len(sent(solo.receive(prepare(pre_prepare, 4)), Commit)) == 1


def test_prepares_for_another_digest_do_not_count():
    """OSDI 1999, 4.2: PREPAREs match the PRE-PREPARE in view, number and digest."""
    solo = Solo(1, 7)
    solo.batch(REF)
    pre_prepare, other = proposal(1, (REF,), n=7), proposal(1, (batch(2),), n=7)
    solo.receive(pre_prepare)
    assert not sent(solo.receive(*(prepare(other, r) for r in (2, 3, 4, 5))), Commit)


def test_a_prepare_of_the_primary_is_refused():
    """OSDI 1999, 4.2: the 2f PREPAREs are of backups."""
    solo = Solo(1)
    assert refused(solo, prepare(proposal(1, (REF,)), 0)) == "primary-prepares"


def test_the_prepared_certificate_is_persisted_before_the_commit():
    """OSDI 1999, 4.2: COMMIT when prepared becomes true (and what proves it is on disk)."""
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    solo.receive(pre_prepare)
    ready = solo.receive(prepare(pre_prepare, 2))
    assert [type(record) for record in ready.persist] == [PreparedRecord, Commit]
    assert sent(ready) == [ready.persist[1]]
    assert [vote.replica for vote in ready.persist[0].certificate.prepares] == [1, 2]


def test_committed_local_needs_a_quorum_of_commits_its_own_included():
    """OSDI 1999, 4.2: committed-local needs 2f + 1 COMMITs, possibly including its own."""
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    solo.receive(pre_prepare, prepare(pre_prepare, 2))
    assert not solo.receive(commit(pre_prepare, 2)).decided
    assert [slot.refs for slot in solo.receive(commit(pre_prepare, 3)).decided] == [(REF,)]


def test_committed_local_needs_prepared():
    """OSDI 1999, 4.2: committed-local needs prepared."""
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    solo.receive(pre_prepare)
    assert not solo.receive(*(commit(pre_prepare, r) for r in (0, 2, 3))).decided
    assert solo.receive(prepare(pre_prepare, 2)).decided


def test_votes_that_overtake_the_preprepare_count():
    """OSDI 1999, 4.2: no ordered delivery is relied on."""
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    solo.receive(prepare(pre_prepare, 2), commit(pre_prepare, 2), commit(pre_prepare, 3))
    assert solo.receive(pre_prepare).decided


def test_decisions_are_handed_out_in_order():
    """OSDI 1999, 4.2: executed when all lower numbers are, though they may commit out of order."""
    solo = Solo(1)
    solo.batch(batch(0), batch(1))
    assert not solo.decide(proposal(2, (batch(1),))).decided
    ready = solo.decide(proposal(1, (batch(0),)))
    assert [slot.sequence for slot in ready.decided] == [1, 2]


def test_conflicting_votes_are_evidence_and_the_first_one_stands():
    """OSDI 1999, 4.2: one PREPARE of each replica for a view and number."""
    solo = Solo(1, 7)
    solo.batch(REF)
    pre_prepare, other = proposal(1, (REF,), n=7), proposal(1, (batch(2),), n=7)
    solo.receive(pre_prepare, prepare(other, 2))
    ready = solo.receive(prepare(pre_prepare, 2))
    assert (ready.evidence[0].first, ready.evidence[0].second) == (prepare(other, 2), prepare(pre_prepare, 2))
    assert not sent(solo.receive(prepare(pre_prepare, 3), prepare(pre_prepare, 4)), Commit)


# --- what does not count ---


def test_backup_rejects_a_preprepare_whose_signature_or_digest_is_another_s():
    """OSDI 1999, 4.2: the signatures are correct and d is the digest of m."""
    signed = proposal(1, (REF,))
    assert refused(Solo(1), structs.replace(signed, signature=bytes(64))) == "signature"
    assert refused(Solo(1), structs.replace(signed, refs=(batch(2),))) == "signature"


@pytest.mark.parametrize("kind", [prepare, commit])
def test_votes_of_an_earlier_view_or_outside_the_watermarks_are_not_taken(kind: Callable[..., Message]):
    """OSDI 1999, 4.2: their view is the current one and their number lies between the watermarks."""
    solo = Solo(1, parameters=Parameters(window=4), executed=3, stable=certificate(3))
    low, reach = solo.replica.status().low, 3 + 2 * 4
    assert rules(solo.receive(kind(proposal(low, (REF,)), 3))) == ["below-watermarks"]
    assert rules(solo.receive(kind(proposal(reach + 1, (REF,)), 3))) == ["beyond-watermarks"]
    assert not rules(solo.receive(kind(proposal(low + 1, (REF,)), 3), kind(proposal(reach, (REF,)), 3)))
    solo.receive(new_view(2, [view_change(2, r, certificate(3)) for r in (0, 2, 3)]))
    assert rules(solo.receive(kind(proposal(low + 2, (REF,)), 3))) == ["old-view"]


def test_prepares_of_one_replica_count_once():
    """OSDI 1999, 4.2: 2f PREPAREs from different backups."""
    solo = Solo(1, 7)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,), n=7)
    solo.receive(pre_prepare)
    ready = solo.receive(*(prepare(pre_prepare, 2) for _ in range(5)))
    assert rules(ready) == ["duplicate"] * 4 and not sent(ready, Commit)


def test_commits_of_one_replica_count_once():
    """OSDI 1999, 4.2: 2f + 1 COMMITs from different replicas."""
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    solo.receive(pre_prepare, prepare(pre_prepare, 2))
    ready = solo.receive(*(commit(pre_prepare, 2) for _ in range(3)))
    assert rules(ready) == ["duplicate"] * 2 and not ready.decided


def test_commits_for_another_digest_do_not_count():
    """OSDI 1999, 4.2: COMMITs match the PRE-PREPARE in view, number and digest."""
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare, other = proposal(1, (REF,)), proposal(1, (batch(2),))
    solo.receive(pre_prepare, prepare(pre_prepare, 2))
    assert not solo.receive(commit(other, 2), commit(other, 3), commit(pre_prepare, 0)).decided
