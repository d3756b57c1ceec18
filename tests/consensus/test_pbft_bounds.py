"""Quorums, sizes, memory: the arithmetic."""

import pytest

from consensus.bounds import proposal_bytes
from consensus.codec import encode
from consensus.messages import NewView, PrePrepare
from consensus.parameters import Parameters
from consensus.types import BatchRef, Now
from tests.consensus.fakes import batch, members
from tests.consensus.solo import (
    Solo,
    block_vote,
    certificate,
    commit,
    new_view,
    prepare,
    prepared,
    proposal,
    rules,
    sent,
    view_change,
)


@pytest.mark.parametrize("n", range(1, 32))
def test_quorum_arithmetic(n: int):
    group = members(n)
    f, quorum = group.f, group.quorum
    assert f == (n - 1) // 3 and quorum == -(-(n + f + 1) // 2)
    assert 2 * quorum - n >= f + 1, "two quorums share an honest replica"
    assert quorum <= n - f, "the honest ones are a quorum"
    assert quorum - 1 + 1 >= f + 1, "a prepared slot has an honest replica behind it"
    if n % 3 == 1:
        assert quorum == 2 * f + 1
    assert [group.primary(view) for view in range(2 * n)] == [*range(n), *range(n)]


@pytest.mark.parametrize("n", range(1, 32))
def test_a_slot_is_decided_by_exactly_a_quorum(n: int):
    solo = Solo(0, n)
    quorum = members(n).quorum
    decided = list(solo.batch(batch(1)).decided)
    [pre_prepare] = [vote for vote in solo.replica.votes_of(0) if isinstance(vote, PrePrepare)]
    votes = [prepare(pre_prepare, r) for r in range(1, quorum)]
    votes += [commit(pre_prepare, r) for r in range(1, quorum)]
    for vote in votes:
        assert not decided
        decided += solo.receive(vote).decided
    assert len(decided) == 1


@pytest.mark.parametrize(("n", "window"), [(1, 16), (4, 16), (7, 16), (4, 32), (16, 16), (31, 16)])
def test_the_largest_new_view_fits_a_frame(n: int, window: int):
    parameters = Parameters(window=window)
    limit = proposal_bytes(parameters, members(n))
    assert limit > 1_000
    stable = certificate(2**31, voters=range(members(n).quorum))
    certificates = []
    for sequence in range(2**31 + 1, 2**31 + window + 1):
        refs: list[BatchRef] = []
        while True:
            ref = batch(len(refs), origin=n - 1, size_bytes=2**18, expiry_height=2**31)
            if sum(len(encode(r)) for r in [*refs, ref]) > limit:
                break
            refs.append(ref)
        certificates.append(prepared(proposal(sequence, tuple(refs), n=n), n))
    changes = [view_change(1, r, stable, tuple(certificates)) for r in range(members(n).quorum)]
    message = new_view(1, changes, n)
    assert len(message.proposals) == window
    assert 0.5 * parameters.frame_bytes < len(encode(message)) <= parameters.frame_bytes


def test_primary_and_backup_agree_on_how_many_refs_a_proposal_holds():
    parameters = Parameters(frame_bytes=65_536, window=16)
    solo, backup = Solo(0, parameters=parameters), Solo(1, parameters=parameters)
    refs = [batch(number, size_bytes=100) for number in range(200)]
    proposals = sent(solo.batch(*refs), PrePrepare)
    assert any(len(p.refs) > 1 for p in proposals)
    backup.batch(*refs)
    assert not rules(backup.receive(*proposals))
    most = max(proposals, key=lambda p: len(p.refs))
    extra = tuple(batch(number, size_bytes=100) for number in range(300, 310))
    bigger = proposal(40 // 2, most.refs + extra)
    assert rules(Solo(1, parameters=parameters).receive(bigger)) == ["too-large"]


def test_a_batch_that_no_block_can_hold_is_turned_away():
    ready = Solo(0).batch(batch(1, size_bytes=4_194_305))
    assert rules(ready) == ["too-large"] and not sent(ready)


def test_messages_are_kept_for_two_windows_and_not_beyond():
    parameters = Parameters(window=2)
    solo = Solo(1, parameters=parameters)
    for sequence in range(1, 200):
        solo.receive(prepare(proposal(sequence, (batch(sequence),)), 2), block_vote(sequence, 2))
    assert len(solo.replica.votes_of(2)) == 8


def test_messages_of_later_views_are_bounded_for_each_peer():
    solo = Solo(1, 4, parameters=Parameters(window=2))
    for view in range(1, 60):
        for sequence in range(1, 30):
            later = proposal(sequence, (batch(sequence),), view=view)
            solo.receive(commit(later, 3), commit(later, 2))
            if later.replica != 2:
                solo.receive(prepare(later, 2))
    assert len(solo.replica._parts.future) <= 2 * 3 * 4


def test_messages_of_later_views_are_forgotten_with_their_slots():
    solo = Solo(1)
    for sequence in (1, 2, 3):
        solo.receive(commit(proposal(sequence, (batch(sequence),), view=5), 3))
    solo.install(certificate(2))
    assert len(solo.replica._parts.future) == 1


def test_of_a_later_view_the_newest_counts():
    solo = Solo(1)
    solo.receive(commit(proposal(1, (batch(1),), view=5), 3))
    assert rules(solo.receive(commit(proposal(1, (batch(1),), view=4), 3))) == ["superseded"]
    assert solo.replica.status().ahead == ((3, 5),)


def test_a_peer_that_went_on_to_a_later_view_is_heard_there():
    solo = Solo(1)
    earlier, later = (commit(proposal(1, (batch(1),), view=view), 3) for view in (5, 6))
    ready = solo.receive(earlier, later)
    assert not ready.evidence
    solo.enter(6)
    assert later in solo.replica.votes_of(3) and earlier not in solo.replica.votes_of(3)


def test_a_conflicting_message_of_a_later_view_is_evidence_once():
    solo = Solo(1)
    one, two, three = (commit(proposal(1, (batch(k),), view=5), 3) for k in (1, 2, 3))
    solo.receive(one)
    ready = solo.receive(two, three)
    assert [(e.first, e.second) for e in ready.evidence] == [(one, two)]


def test_what_is_certified_is_forgotten():
    solo = Solo(1, parameters=Parameters(window=4))
    for sequence in range(1, 50):
        solo.batch(batch(sequence))
        solo.decide(proposal(sequence, (batch(sequence),)))
        solo.certify(sequence)
    parts = solo.replica._parts
    assert not parts.ordering.slots and not parts.certifier.votes and len(parts.pool) == 0
    assert len(parts.pool._ordered) <= 4


def test_batches_that_expire_unordered_are_forgotten():
    solo = Solo(1)
    solo.batch(*(batch(number, expiry_height=3) for number in range(10)))
    solo.install(certificate(3))
    assert solo.replica.status().batches_here == 0


def test_time_alone_repeats_what_brought_nothing_twice_in_a_timeout():
    solo = Solo(1, 7)
    solo.batch(batch(1))
    pre_prepare = proposal(1, (batch(1),), n=7)
    solo.receive(pre_prepare)
    assert not sent(solo.wait(400))
    assert sent(solo.wait(200)) == [prepare(pre_prepare, 1)]
    assert not sent(solo.wait(300))


def test_nothing_to_do_needs_no_waking():
    solo = Solo(1)
    assert solo.tick().wake_at_ms is None
    assert solo.batch(batch(1)).wake_at_ms == solo.clock_ms + 250


def test_waking_never_lies_in_the_past():
    solo = Solo(1)
    solo.batch(batch(1))
    for _ in range(200):
        solo.clock_ms += 37
        ready = solo.replica.tick(Now(solo.clock_ms, 0))
        assert ready.wake_at_ms is None or ready.wake_at_ms > solo.clock_ms


def test_a_peer_whose_link_came_up_is_told_again():
    solo = Solo(1)
    solo.batch(batch(1), batch(2))
    solo.decide(proposal(1, (batch(1),)))
    solo.certify(1)
    second = proposal(2, (batch(2),))
    solo.receive(second, prepare(second, 3))
    ready = solo.connected(3)
    assert {outbound.to for outbound in ready.send} == {3}
    told = sent(ready)
    assert told[0].certificate.height == 1
    assert told[1:] == [prepare(second, 1), commit(second, 1)]


@pytest.mark.parametrize("late", [commit(proposal(1, (batch(1),)), 3), block_vote(1, 3)])
def test_a_peer_that_repeats_votes_on_what_is_certified_gets_the_certificate_once_in_a_while(late: object):
    solo = Solo(1)
    solo.batch(batch(1))
    solo.decide(proposal(1, (batch(1),)))
    solo.certify(1)
    assert not sent(solo.receive(late)), "late votes are normal"
    solo.wait(1_200)
    [told] = sent(solo.receive(late))
    assert told.certificate.height == 1
    assert not sent(solo.receive(late))


def test_a_peer_that_still_asks_for_the_view_gets_its_new_view():
    solo = Solo(1)
    solo.batch(batch(1))
    solo.wait(1_100)
    solo.receive(view_change(1, 0), view_change(1, 3))
    solo.wait(700)
    ready = solo.receive(view_change(1, 2))
    assert isinstance(sent(ready)[0], NewView)


def test_a_new_view_is_not_sent_to_all_again():
    solo = Solo(1)
    solo.batch(batch(1))
    solo.wait(1_100)
    ready = solo.receive(view_change(1, 0), view_change(1, 3))
    assert [outbound.to for outbound in ready.send if isinstance(outbound.message, NewView)] == [None]
    assert not sent(solo.wait(2_000), NewView)
    assert len(sent(solo.connected(3), NewView)) == 1
