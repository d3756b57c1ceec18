"""OSDI 1999, section 4.3: one test for each rule. BLOCK-VOTE and the block's certificate take the
checkpoint's place."""

import pytest

from consensus.forms import certificate_problem
from consensus.messages import BlockVote, Certified, PrePrepare, QuorumCertificate, Vote
from consensus.parameters import Parameters
from consensus.ready import StableRecord
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
)


def decided(count: int = 1, *, number: int = 1, **more: object) -> Solo:
    """A replica with `count` decided slots that are not executed."""
    solo = Solo(number, **more)
    for sequence in range(1, count + 1):
        solo.batch(batch(sequence))
        solo.decide(proposal(sequence, (batch(sequence),)))
    return solo


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


def test_replica_persists_and_sends_its_block_vote_after_execution():
    """OSDI 1999, 4.3: a replica that produces a checkpoint multicasts CHECKPOINT."""
    solo = decided()
    ready = solo.executed(1)
    [vote] = sent(ready)
    assert vote == block_vote(1, 1) and vote in ready.persist


def test_a_quorum_of_equal_votes_is_the_certificate():
    """OSDI 1999, 4.3: 2f + 1 CHECKPOINTs with the same digest are the proof."""
    solo = decided()
    solo.executed(1)
    assert not solo.receive(block_vote(1, 0)).certified
    [made] = solo.receive(block_vote(1, 3)).certified
    assert [vote.replica for vote in made.votes] == [0, 1, 3]
    assert certificate_problem(made, solo.replica_sets) is None


def test_the_certificate_is_logged_and_moves_the_watermarks():
    """OSDI 1999, 4.3: the checkpoint protocol advances the watermarks; H = h + k."""
    solo = decided()
    ready = solo.certify(1)
    assert StableRecord(ready.certified[0]) in ready.persist
    status = solo.replica.status()
    assert (status.low, status.high, status.certified) == (1, 17, 1)


def test_messages_at_or_below_the_low_watermark_are_dropped():
    """OSDI 1999, 4.3: messages up to the stable checkpoint are discarded."""
    solo = decided(2)
    solo.certify(1)
    pre_prepare = proposal(1, (batch(1),))
    ready = solo.receive(prepare(pre_prepare, 3), commit(pre_prepare, 3), block_vote(1, 2))
    assert rules(ready) == ["below-watermarks"] * 3
    assert {vote.sequence for vote in solo.replica.votes_of(0) if isinstance(vote, PrePrepare)} == {2}


def test_votes_for_another_header_give_no_certificate():
    """OSDI 1999, 4.3: the same sequence number with the same digest."""
    solo = decided()
    solo.executed(1)
    ready = solo.receive(block_vote(1, 0, header(7)), block_vote(1, 2), block_vote(1, 3, header(8)))
    assert not ready.certified and ready.halt is None


def test_a_certificate_waits_for_the_own_execution():
    """OSDI 1999, 4.3: the state behind the proof is this replica's own."""
    solo = decided()
    assert not solo.receive(*(block_vote(1, r) for r in (0, 2, 3))).certified
    assert solo.replica.status().low == 0
    assert [c.height for c in solo.executed(1).certified] == [1]


def test_a_conflicting_block_vote_is_evidence_and_the_first_one_counts():
    """OSDI 1999, 4.3: signed by different replicas, so once by each."""
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
    """OSDI 1999, 4.3: the proof stands by itself."""
    solo = decided()
    solo.receive(block_vote(1, 2, header(9)))
    solo.receive(Certified(certificate(1, voters=(0, 2, 3)), 0))
    assert [c.height for c in solo.executed(1).certified] == [1]


def test_block_votes_are_executed_for_in_order_only():
    """OSDI 1999, 4.2: execution is sequential."""
    solo = decided(2)
    with pytest.raises(AssertionError):
        solo.replica.executed(2, header(2), solo.now())


def test_a_replica_never_votes_twice_on_a_height():
    """OSDI 1999, 4.3: one CHECKPOINT for each, whatever happens to the replica."""
    solo = decided()
    solo.executed(1)
    again = Solo(1, records=solo.log)
    again.batch(batch(1))
    again.decide(proposal(1, (batch(1),)))
    assert not sent(again.executed(1), BlockVote)


@pytest.mark.parametrize(("rule", "broken"), broken_certificates())
def test_a_certificate_needs_a_quorum_of_distinct_members_in_ascending_order(
    rule: str, broken: QuorumCertificate
):
    """OSDI 1999, 4.3: 2f + 1 CHECKPOINTs signed by different replicas."""
    everybody = members(4)
    assert certificate_problem(broken, lambda sequence: everybody) == rule


def test_votes_of_one_replica_count_once():
    """OSDI 1999, 4.3: 2f + 1 CHECKPOINTs signed by different replicas, possibly its own among them."""
    solo = decided()
    solo.executed(1)
    ready = solo.receive(*(block_vote(1, 2) for _ in range(4)))
    assert rules(ready) == ["duplicate"] * 3 and not ready.certified


def test_an_earlier_certificate_than_the_stable_one_is_dropped():
    """OSDI 1999, 4.3: earlier checkpoints are discarded too."""
    solo = decided(2)
    solo.certify(1)
    solo.certify(2)
    assert not solo.pass_on(1).certified
    assert solo.replica.status().low == 2
    assert StableRecord(certificate(1)) not in solo.replica.records()


def test_votes_beyond_twice_the_window_are_not_kept():
    """OSDI 1999, 4.2: faulty replicas cannot exhaust the space of sequence numbers."""
    solo = Solo(1, parameters=Parameters(window=2))
    assert rules(solo.receive(block_vote(5, 2), block_vote(4, 2))) == ["beyond-watermarks"]
    assert solo.replica.votes_of(2) == (block_vote(4, 2),)
