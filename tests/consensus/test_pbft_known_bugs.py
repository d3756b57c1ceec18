"""Bugs that other PBFT systems had, each as a test that this one does not have it."""

from collections.abc import Iterator
from typing import Any

import pytest

from consensus.messages import BlockVote, Commit, NewView, Prepare, PrePrepare, SignedMessage, ViewChange
from consensus.parameters import Parameters
from consensus.ready import Ready, Record
from tests.consensus.cluster import Cluster
from tests.consensus.fakes import WALL_MS, batch
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
    sent,
    view_change,
)

REF, OTHER = batch(1), batch(2)


def key_of_vote(message: SignedMessage) -> tuple[Any, ...]:
    if isinstance(message, BlockVote):
        return ("block-vote", message.height)
    return (type(message).__name__, message.view, getattr(message, "sequence", 0))


def a_life() -> Iterator[tuple[list[Record], list[SignedMessage]]]:
    """Log and sent votes of replica 1 after each of its inputs: a slot, a view change, a slot as primary."""
    solo = Solo(1)
    told: list[SignedMessage] = []

    def done(ready: Ready) -> tuple[list[Record], list[SignedMessage]]:
        told.extend(sent(ready))
        return list(solo.log), list(told)

    pre_prepare = proposal(1, (REF,))
    yield done(solo.batch(REF))
    yield done(solo.receive(pre_prepare))
    yield done(solo.receive(prepare(pre_prepare, 2)))
    yield done(solo.receive(commit(pre_prepare, 2), commit(pre_prepare, 3)))
    yield done(solo.executed(1))
    yield done(solo.batch(OTHER))
    yield done(solo.wait(1_200))
    old = prepared(pre_prepare)
    yield done(solo.receive(view_change(1, 0, None, (old,)), view_change(1, 3)))
    again = next(record for record in solo.log if isinstance(record, NewView)).proposals[0]
    yield done(solo.receive(prepare(again, 2), prepare(again, 3), commit(again, 2), commit(again, 3)))


def temptations() -> list[SignedMessage]:
    """What would make a forgetful replica vote otherwise."""
    first = [proposal(1, (OTHER,)), proposal(2, (OTHER,)), proposal(1, (OTHER,), view=2)]
    votes = [
        vote for p in first for r in (0, 2, 3) for vote in (prepare(p, r), commit(p, r)) if r != p.replica
    ]
    changes = [view_change(1, 0), view_change(1, 2), view_change(1, 3)]
    return [*first, *votes, *changes, new_view(2, [view_change(2, r) for r in (0, 2, 3)])]


@pytest.mark.parametrize("step", range(9))
def test_no_equivocation_after_a_crash_with_a_torn_log(step: int):
    """cometbft #6031. The log is cut behind every record that was durable when the last vote left, and behind
    each of those that the next input appended but did not get to send."""
    steps = list(a_life())
    log, told = steps[step]
    following = steps[step + 1][0] if step + 1 < len(steps) else log
    for length in range(len(log), len(following) + 1):
        again = Solo(1, records=following[:length])
        again.batch(REF, OTHER)
        said = {key_of_vote(vote): vote for vote in told}
        for vote in sent(again.receive(*temptations())) + sent(again.wait(3_000)):
            assert said.setdefault(key_of_vote(vote), vote) == vote


def test_new_view_takes_the_highest_stable_certificate_not_the_first():
    """indy-plenum #1506: the checkpoint was selected wrongly."""
    solo = Solo(1)
    solo.batch(REF)
    solo.wait(1_100)
    changes = [view_change(1, 0, certificate(2)), view_change(1, 3, certificate(7))]
    [message] = sent(solo.receive(*changes), NewView)
    assert max(change.stable_height for change in message.view_changes) == 7
    assert message.proposals == ()


def test_a_proposal_made_again_is_not_measured_against_the_clock():
    """indy-plenum #1488: perpetual view changes. Here the cluster stands still for a minute."""
    cluster = Cluster(4)
    cluster.filter = lambda sender, to, message: not isinstance(message, Commit)
    cluster.submit(REF)
    cluster.run(500)
    cluster.partition((0,), (1,), (2,), (3,))
    cluster.run(60_000)
    cluster.filter = lambda sender, to, message: True
    cluster.heal()
    cluster.run_until(lambda: cluster.height() >= 1, 10_000)
    assert all(cluster.ordered(node) == [REF] for node in cluster.nodes)


def test_one_view_change_for_a_huge_view_drags_nobody():
    """FISCO-BCOS #2211, indy-node #1720."""
    cluster = Cluster(4)
    cluster.byzantine = {3}
    for view in (10, 10**6, 2**39):
        for node in cluster.nodes[:3]:
            node.receive(view_change(view, 3))
    cluster.submit(REF)
    cluster.run_until(lambda: cluster.height((0, 1, 2)) == 1)
    assert {node.replica.status().view for node in cluster.nodes[:3]} == {0}


def test_racing_views_meet():
    """FISCO-BCOS #2211: replicas that each asked for another view come together."""
    cluster = Cluster(4, delay_ms=(1, 400))
    cluster.loss = 0.3
    for number in range(10):
        cluster.submit(batch(number))
    cluster.run(20_000)
    cluster.loss, cluster.delay_ms = 0.0, (1, 10)
    cluster.heal()
    cluster.run_until(lambda: all(len(set(cluster.ordered(node))) == 10 for node in cluster.nodes), 60_000)


def test_back_off_does_not_diverge():
    """besu #7642: round timers of 4096 s, and replicas never met again. Here no NEW-VIEW gets through for ten
    minutes, then everything does."""
    cluster = Cluster(4)
    cluster.filter = lambda sender, to, message: not isinstance(message, NewView | PrePrepare)
    cluster.submit(REF)
    cluster.run(600_000)
    timeouts = [node.replica.status().timeout_ms for node in cluster.nodes]
    assert max(timeouts) <= cluster.parameters.max_timeout_ms
    cluster.filter = lambda sender, to, message: True
    cluster.run_until(lambda: cluster.height() == 1, 2 * cluster.parameters.max_timeout_ms)


def test_a_partitioned_replica_does_not_run_ahead_in_views():
    """besu #7642: what is alone stays where it is, so it need not be waited for."""
    cluster = Cluster(4)
    cluster.partition((0, 1, 2), (3,))
    cluster.submit(REF)
    cluster.run(600_000)
    assert cluster.nodes[3].replica.status().view <= 1
    cluster.heal()
    cluster.run_until(lambda: cluster.height() == 1, 5_000)


def test_what_is_proposed_again_needs_its_batches_in_the_new_view_too():
    """besu #6613: a prepared block was not validated again. Its certificate is (see test_paper_newview.py),
    and nobody prepares it without its batches."""
    solo = Solo(3)
    old = prepared(proposal(1, (REF,)))
    message = new_view(1, [view_change(1, r, None, (old,)) for r in (0, 1, 2)])
    ready = solo.receive(message)
    assert not sent(ready, Prepare) and [fetch.ref for fetch in ready.fetch] == [REF]
    ready = solo.receive(prepare(message.proposals[0], 0), prepare(message.proposals[0], 2))
    assert not sent(ready, Commit)


def test_years_of_messages_from_the_future_fit_in_bounds():
    """besu, indy-plenum #1542: future messages were buffered without bound."""
    solo = Solo(1, parameters=Parameters(window=4))
    for number in range(2_000):
        later = proposal(1 + number % 40, (batch(number),), view=1 + number, time_ms=WALL_MS + number)
        for replica in (2, 3):
            solo.receive(commit(later, replica), block_vote(1 + number, replica))
    parts = solo.replica._parts
    assert len(parts.future) <= 2 * 8 and len(parts.certifier.votes) <= 8 and len(parts.ordering.slots) <= 8


def test_catch_up_and_decision_of_one_height_do_not_both_count():
    """fabric #5076, SmartBFT #622: a slot is handed out, and its block comes by catch-up before execution."""
    solo = Solo(1)
    solo.batch(REF, OTHER)
    assert [slot.sequence for slot in solo.decide(proposal(1, (REF,))).decided] == [1]
    solo.install(certificate(1), ordered=(REF,))
    with pytest.raises(AssertionError):
        solo.replica.executed(1, header(1), solo.now())
    ready = solo.decide(proposal(2, (OTHER,)))
    assert [slot.sequence for slot in ready.decided] == [2]
    assert sent(solo.executed(2), BlockVote) == [block_vote(2, 1)]


def test_a_height_that_a_peer_invents_moves_nothing():
    """CVE-2025-24371: block sync believed a peer's height."""
    solo = Solo(1)
    for height in (100, 10**6, 2**60):
        solo.receive(block_vote(height, 3))
    assert solo.wait(2_000).behind is None and solo.replica.status().behind is None


def test_a_second_conflicting_vote_does_not_erase_the_first():
    """tari-ootle #2649."""
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare, other = proposal(1, (REF,)), proposal(1, (OTHER,))
    solo.receive(pre_prepare, prepare(pre_prepare, 2), commit(pre_prepare, 2), commit(pre_prepare, 3))
    ready = solo.receive(commit(other, 2), prepare(other, 2))
    assert {type(evidence.first) for evidence in ready.evidence} == {Commit, Prepare}
    assert commit(pre_prepare, 2) in solo.replica.votes_of(2)
    assert commit(other, 2) not in solo.replica.votes_of(2)


def test_a_view_change_that_is_repeated_otherwise_does_not_replace_the_first():
    """tari-ootle #2649, for view changes."""
    solo = Solo(1, 7)
    first = view_change(3, 2, None, (prepared(proposal(1, (REF,), n=7), 7),))
    solo.receive(first, view_change(3, 2))
    assert [vote for vote in solo.replica.votes_of(2) if isinstance(vote, ViewChange)] == [first]
