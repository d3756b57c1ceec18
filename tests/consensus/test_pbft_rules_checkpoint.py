"""OSDI 1999, section 4.3, where BLOCK-VOTE and the block's certificate take the checkpoint's place."""

import pytest

from consensus.forms import certificate_problem
from consensus.messages import BlockVote, Certified, PrePrepare, QuorumCertificate, Vote
from consensus.parameters import Parameters
from consensus.ready import Behind, Halt, StableRecord
from tests.consensus.fakes import batch, members
from tests.consensus.solo import (
    Solo,
    block_vote,
    certificate,
    commit,
    header,
    prepare,
    proposal,
    rules,
    sent,
    sign,
)


def decided(count: int = 1, *, number: int = 1, **more: object) -> Solo:
    """A replica with `count` decided slots that are not executed."""
    solo = Solo(number, **more)
    for sequence in range(1, count + 1):
        solo.batch(batch(sequence))
        solo.decide(proposal(sequence, (batch(sequence),)))
    return solo


def test_replica_persists_and_sends_its_block_vote_after_execution():
    solo = decided()
    ready = solo.executed(1)
    [vote] = sent(ready)
    assert vote == block_vote(1, 1) and vote in ready.persist


def test_a_quorum_of_equal_votes_is_the_certificate():
    solo = decided()
    solo.executed(1)
    assert not solo.receive(block_vote(1, 0)).certified
    [made] = solo.receive(block_vote(1, 3)).certified
    assert [vote.replica for vote in made.votes] == [0, 1, 3]
    assert certificate_problem(made, solo.replica_sets) is None


def test_the_certificate_is_logged_and_moves_the_watermarks():
    solo = decided()
    ready = solo.certify(1)
    assert StableRecord(ready.certified[0]) in ready.persist
    status = solo.replica.status()
    assert (status.low, status.high, status.certified) == (1, 17, 1)


def test_messages_at_or_below_the_low_watermark_are_dropped():
    solo = decided(2)
    solo.certify(1)
    pre_prepare = proposal(1, (batch(1),))
    ready = solo.receive(prepare(pre_prepare, 3), commit(pre_prepare, 3), block_vote(1, 2))
    assert rules(ready) == ["below-watermarks"] * 3
    assert {vote.sequence for vote in solo.replica.votes_of(0) if isinstance(vote, PrePrepare)} == {2}


def test_an_own_block_vote_that_a_peer_sends_back_is_not_answered_to_oneself():
    solo = decided(1)
    solo.certify(1)
    solo.wait(2_000)
    solo.receive(block_vote(1, 2))
    assert not [out for out in solo.receive(block_vote(1, 1)).send if out.to == 1]


def test_votes_for_another_header_give_no_certificate():
    solo = decided()
    solo.executed(1)
    ready = solo.receive(block_vote(1, 0, header(7)), block_vote(1, 2), block_vote(1, 3, header(8)))
    assert not ready.certified and ready.halt is None


def test_replica_halts_when_a_quorum_certified_another_header_than_its_own():
    solo = decided()
    solo.executed(1)
    ready = solo.receive(*(block_vote(1, r, header(9)) for r in (0, 2, 3)))
    assert ready.halt == Halt(1, header(1), header(9))
    assert not ready.certified


def test_replica_halts_when_it_executes_otherwise_than_what_is_certified_already():
    solo = decided()
    solo.receive(*(block_vote(1, r, header(9)) for r in (0, 2, 3)))
    assert solo.executed(1).halt == Halt(1, header(1), header(9))


def test_a_halted_replica_does_nothing_more():
    solo = decided()
    solo.receive(*(block_vote(1, r, header(9)) for r in (0, 2, 3)))
    solo.executed(1)
    ready = solo.batch(batch(5))
    assert ready.halt is not None and not ready.send and not ready.persist


def test_a_certificate_waits_for_the_own_execution():
    solo = decided()
    assert not solo.receive(*(block_vote(1, r) for r in (0, 2, 3))).certified
    assert solo.replica.status().low == 0
    assert [c.height for c in solo.executed(1).certified] == [1]


def test_a_conflicting_block_vote_is_evidence_and_the_first_one_counts():
    solo = decided()
    solo.executed(1)
    ready = solo.receive(block_vote(1, 0, header(9)), block_vote(1, 0))
    assert (ready.evidence[0].first, ready.evidence[0].second) == (
        block_vote(1, 0, header(9)),
        block_vote(1, 0),
    )
    assert not solo.receive(block_vote(1, 2)).certified
    assert solo.receive(block_vote(1, 3)).certified


def test_an_equivocating_voter_cannot_spoil_a_certificate_that_is_passed_on():
    solo = decided()
    solo.receive(block_vote(1, 2, header(9)))
    solo.receive(Certified(certificate(1, voters=(0, 2, 3)), 0))
    assert [c.height for c in solo.executed(1).certified] == [1]


def test_block_votes_are_executed_for_in_order_only():
    solo = decided(2)
    with pytest.raises(AssertionError):
        solo.replica.executed(2, header(2), solo.now())


def test_a_replica_never_votes_twice_on_a_height():
    solo = decided()
    solo.executed(1)
    again = Solo(1, records=solo.log)
    again.batch(batch(1))
    again.decide(proposal(1, (batch(1),)))
    assert not sent(again.executed(1), BlockVote)


def test_replica_halts_rather_than_vote_otherwise_than_its_log_says():
    solo = decided()
    solo.executed(1)
    again = Solo(1, records=solo.log)
    again.batch(batch(1))
    again.decide(proposal(1, (batch(1),)))
    ready = again.executed(1, header(9))
    assert ready.halt == Halt(1, header(9), header(1))
    assert not sent(ready, BlockVote)


# --- catch-up ---


def test_a_certificate_beyond_reach_asks_for_blocks_at_once():
    solo = Solo(1, parameters=Parameters(window=2))
    ready = solo.pass_on(9)
    assert ready.behind == Behind(9, 0)


def test_a_certificate_within_reach_asks_for_blocks_when_nothing_moves():
    solo = Solo(1)
    assert solo.pass_on(3).behind is None
    assert solo.wait(600).behind == Behind(3, 0)


def test_asking_again_asks_another_peer():
    solo = Solo(1)
    solo.pass_on(3)
    first = solo.wait(600).behind
    second = solo.wait(600).behind
    assert (first.source, second.source) == (0, 2)


def test_votes_of_f_plus_1_beyond_reach_prove_a_certificate_one_window_below():
    solo = Solo(1, parameters=Parameters(window=2))
    assert solo.receive(block_vote(9, 3)).behind is None
    assert solo.receive(block_vote(8, 0)).behind == Behind(6, 0)


def test_f_replicas_cannot_make_a_replica_believe_that_it_is_behind():
    solo = Solo(1, parameters=Parameters(window=2))
    ready = solo.receive(block_vote(900, 3), sign(block_vote(901, 3)))
    assert ready.behind is None and solo.wait(3_000).behind is None


def test_install_makes_its_height_executed_and_certified():
    solo = Solo(1)
    ready = solo.install(certificate(5))
    assert [c.height for c in ready.certified] == [5]
    status = solo.replica.status()
    assert (status.executed, status.certified, status.low, status.decided) == (5, 5, 5, 5)
    assert StableRecord(certificate(5)) in ready.persist


def test_install_of_less_than_was_executed_only_certifies():
    solo = decided(2)
    solo.executed(1)
    solo.executed(2)
    solo.install(certificate(1))
    status = solo.replica.status()
    assert (status.executed, status.certified) == (2, 1)


def test_batches_of_installed_blocks_are_not_proposed_again():
    solo = Solo(0, parameters=Parameters(window=1))
    solo.batch(batch(0))
    solo.batch(batch(1))
    ready = solo.install(certificate(1), ordered=(batch(0), batch(1)))
    assert not sent(ready, PrePrepare)
    assert solo.replica.status().batches_waiting == 0


def test_a_batch_of_a_slot_that_was_certified_as_a_null_request_waits_again():
    solo = Solo(0)
    solo.batch(batch(0))
    [again] = sent(solo.install(certificate(1)), PrePrepare)
    assert (again.sequence, again.refs) == (2, (batch(0),))


# --- the form of certificates ---


def broken_certificates() -> list[tuple[str, QuorumCertificate]]:
    good = certificate(1)
    a, b, c = good.votes
    return [
        ("quorum", QuorumCertificate(0, 1, header(1), (a, b))),
        ("quorum", QuorumCertificate(0, 1, header(1), (a, a, b))),
        ("quorum", QuorumCertificate(0, 1, header(1), (b, a, c))),
        ("stranger", QuorumCertificate(0, 1, header(1), (a, b, Vote(4, c.signature)))),
        ("epoch", QuorumCertificate(1, 1, header(1), good.votes)),
        ("form", QuorumCertificate(0, 1, b"short", good.votes)),
        ("form", QuorumCertificate(0, 0, header(1), good.votes)),
        ("form", QuorumCertificate(0, 1, header(1), (a, b, Vote(2, b"short")))),
    ]


@pytest.mark.parametrize(("rule", "broken"), broken_certificates())
def test_a_certificate_needs_a_quorum_of_distinct_members_in_ascending_order(
    rule: str, broken: QuorumCertificate
):
    everybody = members(4)
    assert certificate_problem(broken, lambda sequence: everybody) == rule
