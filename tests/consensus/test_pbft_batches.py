"""What is ours in the normal case: batches by reference, their bounds, expiry and fetching."""

from consensus.messages import BlockVote, PrePrepare
from consensus.parameters import Parameters
from consensus.ready import Fetch
from consensus.types import BatchRef
from tests.consensus.fakes import batch
from tests.consensus.solo import Solo, prepare, proposal, rules, sent

REF = batch(1)


def test_primary_proposes_no_more_than_a_block_holds():
    solo = Solo(0, parameters=Parameters(block_bytes=262_144, window=1))
    [first] = sent(solo.batch(batch(0)), PrePrepare)
    solo.batch(batch(1, size_bytes=200_000), batch(2, size_bytes=100_000))
    solo.decide(first)
    [second] = sent(solo.certify(1), PrePrepare)
    assert second.refs == (batch(1, size_bytes=200_000),)


def test_primary_does_not_propose_an_expired_batch():
    solo = Solo(0, stable=None)
    [first] = sent(solo.batch(batch(0, expiry_height=5)), PrePrepare)
    solo.batch(batch(1, expiry_height=1), batch(2, expiry_height=2))
    [second] = sent(solo.decide(first), PrePrepare)
    assert second.refs == (batch(2, expiry_height=2),)


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


def test_backup_rejects_an_expired_batch():
    solo = Solo(1)
    old = batch(1, expiry_height=1)
    solo.batch(old)
    ready = solo.receive(proposal(2, (old,)))
    assert rules(ready) == ["expired-batch"] and not sent(ready)


def test_backup_rejects_a_proposal_larger_than_a_block():
    solo = Solo(1, parameters=Parameters(block_bytes=262_144))
    refs = (batch(0, size_bytes=200_000), batch(1, size_bytes=100_000))
    solo.batch(*refs)
    assert rules(solo.receive(proposal(1, refs))) == ["too-large"]


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


def test_a_single_member_needs_nobody():
    solo = Solo(0, 1, observed=False)
    ready = solo.batch(REF)
    assert [type(record).__name__ for record in ready.persist] == ["PrePrepare", "PreparedRecord", "Commit"]
    assert [slot.sequence for slot in ready.decided] == [1]
    ready = solo.executed(1)
    assert len(sent(ready, BlockVote)) == 1 and ready.certified[0].height == 1
