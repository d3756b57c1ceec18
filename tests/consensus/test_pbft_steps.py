"""What follows from an input: who is told, who is asked, what wakes the replica, what moves it."""

import pytest
from msgspec import structs

from consensus.messages import Certified, Commit, NewView, Prepare, PrePrepare, ViewChange
from consensus.output import Output
from consensus.parameters import Parameters
from consensus.ready import Behind, HoldRecord, Ready, StableRecord
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
    sign,
    view_change,
)

REF, OTHER = batch(1), batch(2)
FIRST = proposal(1, (REF,))
EVERYBODY, LATER = members(4), members(5, epoch=1)


def joins_at(height: int):
    return lambda sequence: EVERYBODY if sequence < height else LATER


def changing(number: int = 1) -> Solo:
    solo = Solo(number)
    solo.batch(REF)
    solo.wait(1_000)
    return solo


def told(ready: Ready, kind: type) -> list[int | None]:
    return [outbound.to for outbound in ready.send if isinstance(outbound.message, kind)]


def executed(**more: object) -> Solo:
    """One slot is executed here and not certified."""
    solo = Solo(1, **more)
    solo.batch(REF)
    solo.decide(FIRST)
    solo.executed(1)
    return solo


# --- time ---


def test_a_pause_of_its_own_is_not_held_against_the_primary_for_a_batch_either():
    solo = Solo(1)
    solo.batch(REF)
    solo.wait(400)
    assert not solo.wait(1_500, step_ms=1_500).relay and not solo.wait(400).relay
    assert solo.wait(100).relay


@pytest.mark.parametrize(("expiry_height", "asks"), [(16, False), (17, True)])
def test_a_batch_keeps_the_timer_running_if_it_lives_longer_than_the_window(expiry_height: int, asks: bool):
    solo = Solo(1)
    solo.batch(batch(1, expiry_height=expiry_height))
    assert bool(sent(solo.wait(2_000), ViewChange)) == asks


def test_the_pulse_does_not_run_while_views_change():
    solo = changing()
    assert "pulse" not in dict(solo.replica.timers(solo.now()))


def test_a_replica_wakes_while_it_changes_views_or_is_behind_though_nothing_waits():
    solo = Solo(1)
    assert solo.tick().wake_at_ms is None
    assert solo.receive(view_change(4, 2), view_change(4, 3)).wake_at_ms is not None
    assert Solo(1).pass_on(3).wake_at_ms is not None


def test_a_replica_that_cannot_catch_up_gives_up_on_the_primary_after_four_timeouts():
    solo = Solo(1)
    solo.batch(REF)
    solo.pass_on(5)
    assert not sent(solo.wait(3_900), ViewChange) and sent(solo.wait(200), ViewChange)


# --- who is told ---


def test_when_voting_begins_those_who_are_linked_are_told():
    solo = Solo(1, records=[prepare(FIRST, 1)], observed=False)
    solo.disconnected(3)
    assert told(solo.observe(), Prepare) == [0, 2]


def test_a_vote_of_the_view_before_is_answered_when_the_view_is_settled():
    solo = changing()
    solo.receive(view_change(1, 0), view_change(1, 3))
    late = prepare(proposal(2, (OTHER,)), 2)
    assert not sent(solo.receive(late, view_change(1, 2)), NewView), "it may have been under way"
    solo.wait(499)
    assert not sent(solo.receive(late), NewView)
    solo.wait(1)
    assert told(solo.receive(late), NewView) == [2]
    solo.wait(999)
    assert not sent(solo.receive(late), NewView), "once in a timeout"
    solo.wait(1)
    assert told(solo.receive(late), NewView) == [2]


def test_a_vote_on_what_was_certified_half_a_timeout_ago_is_answered():
    solo = executed()
    solo.receive(block_vote(1, 0), block_vote(1, 2))
    late = commit(FIRST, 3)
    solo.wait(499, step_ms=499)
    assert not sent(solo.receive(late), Certified)
    solo.wait(501, step_ms=501)
    assert not sent(solo.receive(late), Certified)
    solo.wait(500, step_ms=500)
    assert told(solo.receive(late), Certified) == [3]


# --- who is asked ---


def test_blocks_are_asked_for_once_and_again_when_the_replica_falls_behind_anew():
    solo = Solo(1, parameters=Parameters(window=2))
    assert solo.pass_on(4).behind is None, "within reach"
    assert solo.pass_on(5).behind == Behind(5, 0)
    assert solo.receive(view_change(3, 2)).behind is None, "asked already"
    solo.install(certificate(5))
    assert solo.pass_on(10).behind == Behind(10, 2)
    assert solo.replica.status().behind == 10


@pytest.mark.parametrize("kind", [prepare, commit])
def test_slot_votes_beyond_reach_tell_how_far_others_are(kind):
    solo = Solo(1, parameters=Parameters(window=2))
    assert solo.receive(kind(proposal(9, (REF,)), 3)).behind is None
    assert solo.receive(kind(proposal(8, (REF,)), 2)).behind == Behind(6, 2)


def test_votes_of_a_later_epoch_tell_how_far_others_are():
    solo = Solo(1, replica_sets=joins_at(4), parameters=Parameters(window=2))
    votes = [sign(Commit(1, 0, 5, bytes(32), replica)) for replica in (2, 3)]
    ready = solo.receive(*votes)
    assert rules(ready) == ["epoch", "epoch"] and solo.replica.status().behind == 3


def test_votes_of_an_earlier_epoch_tell_nothing():
    solo = Solo(1, replica_sets=joins_at(2), parameters=Parameters(window=1))
    solo.install(certificate(1))
    ready = solo.receive(*(commit(FIRST, replica) for replica in (2, 3)))
    assert rules(ready) == ["epoch", "epoch"] and ready.behind is None
    assert rules(solo.receive(block_vote(1, 3))) == ["epoch"]


# --- certificates that come inside of messages ---


def test_a_view_change_brings_the_certificate_that_leads_into_its_epoch():
    solo = executed(replica_sets=joins_at(2))
    change = sign(structs.replace(view_change(1, 3, certificate(1)), epoch=1))
    assert not rules(solo.receive(change))
    assert (solo.replica.status().epoch, solo.replica.status().asked) == (1, ((3, 1),))


def test_a_new_view_brings_its_latest_certificate_even_into_its_epoch():
    solo = executed()
    solo.receive(new_view(2, [view_change(2, 0), view_change(2, 2, certificate(1)), view_change(2, 3)]))
    assert (solo.replica.status().low, solo.replica.status().view) == (1, 2)
    solo = executed(replica_sets=joins_at(2))
    changes = [sign(structs.replace(view_change(2, r, certificate(1)), epoch=1)) for r in (0, 2, 3, 4)]
    message = sign(NewView(1, 2, tuple(changes), (), 2))
    assert not rules(solo.receive(message))
    assert (solo.replica.status().epoch, solo.replica.status().view) == (1, 2)


# --- silence ---


def test_a_silent_replica_is_not_drawn_into_a_view():
    solo = Solo(1, damage=True)
    solo.receive(view_change(4, 2), view_change(4, 3))
    assert not solo.replica.status().changing


def test_peers_that_are_as_far_leave_no_mark_in_the_log_and_those_further_do():
    log = [StableRecord(certificate(5))]
    known = {"stable": certificate(5), "executed": 5, "observed": False}
    solo = Solo(1, records=log, **known)
    assert not solo.observe(Certified(certificate(5), 2)).persist
    solo = Solo(1, records=log, **known)
    assert solo.observe(Certified(certificate(6), 2)).persist == (HoldRecord(0, 0, 6),)


# --- what the primary and the backups may take for granted ---


def test_a_new_primary_that_is_behind_its_view_proposes_not_even_full_blocks():
    parameters = Parameters(block_bytes=65_536)
    full = batch(3, size_bytes=65_000)
    solo = Solo(1, parameters=parameters)
    solo.batch(full)
    solo.wait(1_000)
    ready = solo.receive(view_change(1, 0, certificate(3)), view_change(1, 3))
    assert sent(ready, NewView) and not sent(ready, PrePrepare)
    again = Solo(1, parameters=parameters, records=solo.log)
    assert not sent(again.batch(full), PrePrepare)
    assert [p.sequence for p in sent(again.install(certificate(3)), PrePrepare)] == [4]


def test_votes_are_not_repeated_before_half_a_timeout_in_a_view_that_was_just_entered():
    solo = changing(3)
    solo.wait(400)
    message = new_view(1, [view_change(1, r) for r in (0, 1, 2)])
    solo.receive(message)
    fresh = proposal(1, (REF,), view=1)
    assert sent(solo.receive(fresh), Prepare)
    assert not sent(solo.wait(400))


def test_a_proposal_that_is_not_taken_is_not_measured_for_fairness():
    solo = Solo(1)
    ordering = solo.replica._parts.ordering
    assert not ordering.on_pre_prepare(proposal(1), solo.now(), Output()), "a fresh null request"
    assert ordering.on_pre_prepare(FIRST, solo.now(), Output())
    assert not ordering.on_pre_prepare(proposal(1, (REF,)), solo.now(), Output()), "a duplicate"


def test_a_doubt_about_the_clock_names_the_time_and_another_one_does_not():
    solo = Solo(1)
    solo.batch(REF)
    odd = proposal(1, (REF,), time_ms=5)
    assert [(r.rule, r.detail) for r in solo.receive(odd).rejections] == [("clock", "5")]
    again = proposal(2, (REF,))
    assert [(r.rule, r.detail) for r in solo.receive(again).rejections] == [("repeated-batch", "")]


def test_a_peer_whose_view_change_lies_outside_the_window_is_told_the_certificate():
    solo = Solo(1, parameters=Parameters(window=2))
    solo.install(certificate(1))
    far = view_change(1, 3, None, (prepared(proposal(3, (REF,))),))
    ready = solo.receive(far)
    assert rules(ready) == ["window"] and told(ready, Certified) == [3]
