"""OSDI 1999, section 4.4 in the signed form: one test for each rule of the view change."""

from consensus.forms import form_problem
from consensus.messages import (
    Commit,
    NewView,
    Prepare,
    PrePrepare,
    ViewChange,
)
from consensus.parameters import Parameters
from consensus.ready import ViewRecord
from tests.consensus.fakes import CHAIN, batch, members
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

REF = batch(1)


EVERYBODY = members(4)


def at(sequence: int):
    return EVERYBODY


def waiting(number: int = 1, **more: object) -> Solo:
    """A backup with a batch that the primary does not order."""
    solo = Solo(number, **more)
    solo.batch(REF)
    return solo


def suspecting(number: int = 1, **more: object) -> Solo:
    solo = waiting(number, **more)
    solo.wait(1_000)
    assert solo.replica.status().changing
    return solo


# --- VIEW-CHANGE ---


def test_view_change_carries_the_stable_certificate_and_what_prepared_above_it():
    """OSDI 1999, 4.4: VIEW-CHANGE with n, C and P."""
    solo = Solo(1)
    for sequence in (1, 2, 3):
        solo.batch(batch(sequence))
    solo.decide(proposal(1, (batch(1),)))
    solo.certify(1)
    second, third = proposal(2, (batch(2),)), proposal(3, (batch(3),))
    solo.receive(second, prepare(second, 2), third)
    [change] = sent(solo.wait(1_100), ViewChange)
    assert change.stable_height == 1
    assert [p.pre_prepare for p in change.prepared] == [second]
    assert form_problem(change, at) is None


def test_view_change_is_persisted_before_it_is_sent():
    """OSDI 1999, 4.4: the view that is asked for is in the log before VIEW-CHANGE leaves."""
    ready = waiting().wait(1_100)
    assert ready.persist == (ViewRecord(0, 1, True), view_change(1, 1))


def test_replica_that_changes_views_accepts_nothing_of_the_old_view():
    """OSDI 1999, 4.4: it stops accepting messages other than checkpoints and those of views."""
    solo = suspecting()
    pre_prepare = proposal(1, (REF,))
    ready = solo.receive(pre_prepare, prepare(pre_prepare, 2), commit(pre_prepare, 2))
    assert rules(ready) == ["old-view"] * 3
    assert not sent(ready, Prepare) and not sent(ready, Commit)


def test_replica_that_changes_views_still_takes_block_votes_and_certificates():
    """OSDI 1999, 4.4: CHECKPOINTs are still accepted."""
    solo = Solo(1)
    solo.batch(REF, batch(2))
    solo.decide(proposal(1, (REF,)))
    solo.wait(1_100)
    assert solo.replica.status().changing
    assert sent(solo.executed(1)) == [block_vote(1, 1)]
    assert solo.receive(block_vote(1, 0), block_vote(1, 2)).certified
    assert solo.replica.status().low == 1


def test_only_the_newest_view_change_of_a_replica_is_kept():
    """OSDI 1999, 4.5.2: views only grow."""
    solo = Solo(1, 7)
    solo.receive(view_change(5, 3))
    assert rules(solo.receive(view_change(4, 3))) == ["superseded"]
    solo.receive(view_change(6, 3))
    assert solo.replica.status().asked == ((3, 6),)


def test_two_view_changes_of_one_view_are_evidence():
    """OSDI 1999, 4.4: one VIEW-CHANGE of each replica for a view."""
    solo = Solo(1, 7)
    first, second = view_change(5, 3), view_change(5, 3, certificate(1, voters=range(5)))
    solo.receive(first)
    ready = solo.receive(second)
    assert [(e.first, e.second) for e in ready.evidence] == [(first, second)]


def test_a_certificate_in_a_view_change_moves_the_watermarks():
    """OSDI 1999, 4.4: C proves the checkpoint to whoever reads it."""
    solo = Solo(1)
    solo.batch(REF)
    solo.decide(proposal(1, (REF,)))
    solo.executed(1)
    solo.receive(view_change(1, 3, certificate(1)))
    assert solo.replica.status().low == 1


def test_a_view_change_with_slots_outside_its_window_is_rejected():
    """OSDI 1999, 4.4: P lies between the watermarks above n."""
    solo = Solo(1, parameters=Parameters(window=2))
    far = view_change(1, 3, None, (prepared(proposal(3, (REF,))),))
    assert rules(solo.receive(far)) == ["window"]


# --- NEW-VIEW at the new primary ---


def test_new_primary_needs_view_changes_of_a_quorum():
    """OSDI 1999, 4.4: 2f VIEW-CHANGEs of others and the one it sent itself."""
    solo = suspecting()
    assert not sent(solo.receive(view_change(1, 0)), NewView)
    [message] = sent(solo.receive(view_change(1, 3)), NewView)
    assert [change.replica for change in message.view_changes] == [0, 1, 3]
    assert form_problem(message, at) is None


def test_new_view_is_persisted_before_it_is_sent():
    """OSDI 1999, 4.4: the primary appends the messages in O to its log."""
    solo = suspecting()
    ready = solo.receive(view_change(1, 0), view_change(1, 3))
    assert sent(ready, NewView)[0] in ready.persist
    assert ViewRecord(0, 1, False) in ready.persist


def test_new_primary_proposes_again_what_prepared_in_the_highest_view():
    """OSDI 1999, 4.4: the digest in the PRE-PREPARE with the highest view number in V."""
    solo = suspecting()
    old, newer = proposal(1, (batch(7),), view=0), proposal(1, (batch(8),), view=2)
    solo.receive(view_change(5, 0, None, (prepared(old),)), view_change(5, 2, None, (prepared(newer),)))
    assert solo.replica.status().view == 5
    [entered] = [r for r in solo.log if isinstance(r, NewView)]
    assert [(p.view, p.refs, p.time_ms) for p in entered.proposals] == [(5, (batch(8),), newer.time_ms)]


def test_new_primary_fills_gaps_with_null_requests_up_to_the_highest_prepared_slot():
    """OSDI 1999, 4.4: d-null where no set in P has the number."""
    solo = suspecting()
    third = proposal(3, (batch(7),))
    ready = solo.receive(view_change(1, 0, None, (prepared(third),)), view_change(1, 3))
    [message] = sent(ready, NewView)
    assert [(p.sequence, p.refs, p.time_ms) for p in message.proposals] == [
        (1, (), 0),
        (2, (), 0),
        (3, third.refs, third.time_ms),
    ]


def test_new_view_starts_above_the_latest_stable_certificate():
    """OSDI 1999, 4.4: min-s is the latest stable checkpoint in V."""
    solo = suspecting()
    low, high = proposal(2, (batch(7),)), proposal(4, (batch(8),))
    ready = solo.receive(
        view_change(1, 0, None, (prepared(low),)),
        view_change(1, 3, certificate(3), (prepared(high),)),
    )
    [message] = sent(ready, NewView)
    assert [p.sequence for p in message.proposals] == [4]


def test_new_primary_goes_on_above_the_slots_it_proposed_again():
    """OSDI 1999, 4.4: thereafter the protocol proceeds as in the normal case."""
    solo = suspecting()
    again = proposal(2, (batch(7),))
    ready = solo.receive(view_change(1, 0, None, (prepared(again),)), view_change(1, 3))
    assert [(p.sequence, p.refs) for p in sent(ready, PrePrepare)] == []
    ready = solo.batch(batch(7))
    null, old = next(r for r in solo.log if isinstance(r, NewView)).proposals
    solo.decide(null)
    ready = solo.decide(old)
    assert [(p.sequence, p.refs) for p in sent(ready, PrePrepare)] == [(3, (REF,))]


def test_new_primary_that_is_behind_the_view_proposes_nothing_fresh():
    """OSDI 1999, 4.4: where min-s is beyond its own checkpoint, the primary needs that state first."""
    solo = suspecting()
    ready = solo.receive(view_change(1, 0, certificate(3)), view_change(1, 3))
    assert sent(ready, NewView) and not sent(ready, PrePrepare)
    ready = solo.install(certificate(3))
    assert [p.sequence for p in sent(ready, PrePrepare)] == [4]


# --- NEW-VIEW at a backup ---


def test_backup_enters_the_view_and_prepares_what_is_proposed_again():
    """OSDI 1999, 4.4: it multicasts PREPARE for each message in O and enters the view."""
    solo = suspecting(3)
    old = proposal(1, (REF,))
    message = new_view(1, [view_change(1, 0), view_change(1, 1, None, (prepared(old),)), view_change(1, 2)])
    ready = solo.receive(message)
    assert sent(ready) == [prepare(message.proposals[0], 3)]
    status = solo.replica.status()
    assert (status.view, status.changing) == (1, False)


def test_backup_that_did_not_ask_follows_a_quorum_into_the_view():
    """OSDI 1999, 4.4: NEW-VIEW is accepted for what it holds."""
    solo = Solo(3)
    solo.enter(2)
    assert solo.replica.status().view == 2


def test_the_time_of_what_is_proposed_again_is_not_checked():
    """OSDI 1999, 4.4: what prepared is proposed as it was, its time with it."""
    solo = suspecting(3)
    old = proposal(1, (REF,))
    solo.wait(60_000)
    message = new_view(1, [view_change(1, 0), view_change(1, 1, None, (prepared(old),)), view_change(1, 2)])
    assert sent(solo.receive(message), Prepare)


def test_the_expiry_of_what_is_proposed_again_is_not_checked():
    """OSDI 1999, 4.4: what prepared is proposed as it was, whatever has expired."""
    solo = Solo(3)
    old = batch(5, expiry_height=1)
    solo.batch(old)
    again = prepared(proposal(2, (old,)))
    message = new_view(1, [view_change(1, 0), view_change(1, 1, None, (again,)), view_change(1, 2)])
    assert [vote.sequence for vote in sent(solo.receive(message), Prepare)] == [1, 2]


def test_a_null_request_is_decided_as_an_empty_slot():
    """OSDI 1999, 4.4: the null request goes through the protocol, its execution is a no-op."""
    solo = Solo(3)
    again = prepared(proposal(2, (REF,)))
    message = new_view(1, [view_change(1, 0), view_change(1, 1, None, (again,)), view_change(1, 2)])
    solo.receive(message)
    [slot] = solo.decide(message.proposals[0]).decided
    assert slot.is_null and slot.view == 1


def test_backup_fetches_batches_of_what_is_proposed_again_from_those_who_prepared():
    """OSDI 1999, 4.4: a replica may obtain a missing request from another."""
    solo = Solo(3)
    again = prepared(proposal(1, (batch(5, origin=0),)))
    message = new_view(1, [view_change(1, 0), view_change(1, 1, None, (again,)), view_change(1, 2)])
    ready = solo.receive(message)
    assert not sent(ready)
    assert [fetch.sources for fetch in ready.fetch] == [(0, 1, 2)]
    assert sent(solo.batch(batch(5, origin=0)), Prepare)


def test_a_slot_that_was_executed_takes_part_again_but_is_not_executed_again():
    """OSDI 1999, 4.4: replicas redo the protocol and avoid re-executing."""
    solo = Solo(3)
    solo.batch(REF)
    old = proposal(1, (REF,))
    solo.decide(old)
    solo.executed(1)
    message = new_view(1, [view_change(1, r, None, (prepared(old),)) for r in (0, 1, 2)])
    ready = solo.receive(message)
    assert sent(ready, Prepare)
    ready = solo.decide(message.proposals[0])
    assert sent(ready, Commit) and not ready.decided


def test_a_slot_that_was_decided_gets_no_vote_with_other_content():
    """OSDI 1999, 4.5.1: what committed-local is chosen in every later view."""
    solo = Solo(3)
    solo.batch(REF)
    solo.decide(proposal(1, (REF,)))
    again = prepared(proposal(2, (batch(9),)))
    message = new_view(1, [view_change(1, 0), view_change(1, 1, None, (again,)), view_change(1, 2)])
    ready = solo.receive(message)
    assert "decided-otherwise" in rules(ready) and not sent(ready)
    null = message.proposals[0]
    assert not sent(solo.receive(prepare(null, 0), prepare(null, 2)), Commit)


def test_votes_that_overtook_the_new_view_count():
    """OSDI 1999, 4.2: no ordered delivery is relied on."""
    solo = Solo(3)
    solo.batch(REF)
    old = proposal(1, (REF,))
    message = new_view(1, [view_change(1, r, None, (prepared(old),)) for r in (0, 1, 2)])
    [again] = message.proposals
    solo.receive(prepare(again, 0), prepare(again, 2), *(commit(again, r) for r in (0, 1, 2)))
    assert solo.receive(message).decided


def test_votes_that_overtook_the_new_view_count_while_views_change():
    """OSDI 1999, 4.2: no ordered delivery is relied on."""
    solo = suspecting(3)
    old = proposal(1, (REF,))
    message = new_view(1, [view_change(1, r, None, (prepared(old),)) for r in (0, 1, 2)])
    [again] = message.proposals
    solo.receive(prepare(again, 0), prepare(again, 2), *(commit(again, r) for r in (0, 1, 2)))
    assert solo.receive(message).decided


def test_two_new_views_of_one_view_are_evidence():
    """OSDI 1999, 4.4: one NEW-VIEW for a view."""
    solo = Solo(3, 7)
    first = new_view(1, [view_change(1, r) for r in (0, 1, 2, 4, 5)], n=7)
    second = new_view(1, [view_change(1, r) for r in (0, 1, 2, 4, 6)], n=7)
    solo.receive(first)
    ready = solo.receive(second)
    assert [(e.first, e.second) for e in ready.evidence] == [(first, second)]


def test_the_slot_digest_does_not_change_with_the_view():
    """OSDI 1999, 4.4: the digest is that of the PRE-PREPARE in V."""
    assert proposal(1, (REF,), view=0).digest(CHAIN) == proposal(1, (REF,), view=3).digest(CHAIN)


def test_view_change_carries_of_a_slot_what_prepared_last():
    """OSDI 1999, 4.4: P has for each number the certificate of the view in which it prepared last."""
    solo = Solo(3)
    solo.batch(REF)
    old = proposal(1, (REF,))
    solo.receive(old, prepare(old, 2))
    message = new_view(1, [view_change(1, r, None, (prepared(old),)) for r in (0, 1, 2)])
    solo.receive(message)
    [again] = message.proposals
    solo.receive(prepare(again, 0), prepare(again, 2))
    [change] = sent(solo.wait(1_100), ViewChange)
    assert [(p.pre_prepare, p.pre_prepare.view) for p in change.prepared] == [(again, 1)]


def test_new_primary_counts_only_view_changes_for_its_view():
    """OSDI 1999, 4.4: 2f valid VIEW-CHANGEs for view v + 1."""
    solo = suspecting()
    ready = solo.receive(view_change(1, 0), view_change(2, 3))
    assert not sent(ready, NewView) and solo.replica.status().changing
    assert sent(solo.receive(view_change(1, 2)), NewView)


def test_new_primary_adopts_the_latest_stable_certificate():
    """OSDI 1999, 4.4: if min-s is beyond its own checkpoint, the primary takes that proof over."""
    solo = suspecting()
    solo.decide(proposal(1, (REF,)))
    solo.receive(view_change(1, 0, certificate(1)))
    solo.receive(view_change(1, 3))
    assert solo.replica.status().behind == 1


def test_a_view_that_was_entered_takes_no_view_change_any_more():
    """OSDI 1999, 4.4: VIEW-CHANGEs are for the views to come."""
    solo = Solo(3)
    solo.enter(2)
    assert rules(solo.receive(view_change(1, 0), view_change(2, 0))) == ["old-view", "old-view"]
    assert not rules(solo.receive(view_change(3, 0)))
