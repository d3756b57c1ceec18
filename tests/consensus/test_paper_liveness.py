"""OSDI 1999, sections 4.4 (timers) and 4.5.2: when a replica asks for another view."""

from consensus.messages import (
    ViewChange,
)
from consensus.parameters import Parameters
from consensus.ready import Relay
from tests.consensus.fakes import batch, members
from tests.consensus.solo import (
    Solo,
    proposal,
    sent,
    view_change,
)

REF = batch(1)


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


# --- the timer ---


def test_backup_asks_for_the_next_view_when_a_batch_waits_for_the_timeout():
    """OSDI 1999, 4.4: a timer that expires in view v starts the change to v + 1."""
    solo = waiting()
    assert not sent(solo.wait(900), ViewChange)
    assert sent(solo.wait(100), ViewChange) == [view_change(1, 1)]


def test_backup_whose_batches_are_ordered_asks_for_nothing():
    """OSDI 1999, 4.4: the timer stops when nothing waits."""
    assert not sent(Solo(1).wait(30_000), ViewChange)


def test_progress_restarts_the_timer():
    """OSDI 1999, 4.4: it restarts if another request waits."""
    solo = waiting()
    solo.batch(batch(2))
    solo.wait(900)
    solo.decide(proposal(1, (REF,)))
    solo.certify(1)
    assert not sent(solo.wait(900), ViewChange)
    assert sent(solo.wait(200), ViewChange)


def test_a_slot_that_is_not_certified_keeps_the_timer_running():
    """OSDI 1999, 4.4: a backup waits for the execution (here: for its certificate)."""
    solo = waiting()
    solo.decide(proposal(1, (REF,)))
    solo.executed(1)
    assert sent(solo.wait(1_100), ViewChange)


def test_primary_does_not_suspect_itself():
    """OSDI 1999, 4.4: the timer is a backup's."""
    solo = Solo(0)
    solo.batch(REF)
    assert not sent(solo.wait(30_000), ViewChange)


# --- liveness, section 4.5.2 ---


def test_f_plus_1_view_changes_for_later_views_make_a_replica_join_the_smallest():
    """OSDI 1999, 4.5.2: f + 1 VIEW-CHANGEs for later views: it sends one for the smallest."""
    solo = Solo(1)
    assert not sent(solo.receive(view_change(7, 2)), ViewChange)
    assert sent(solo.receive(view_change(4, 3)), ViewChange) == [view_change(4, 1)]


def test_f_view_changes_move_nobody():
    """OSDI 1999, 4.5.2: faulty replicas cannot force view changes."""
    solo = Solo(1, 7)
    ready = solo.receive(view_change(1, 2), view_change(10**9, 3))
    assert not sent(ready, ViewChange) and solo.replica.status().view == 0


def test_the_new_view_timer_starts_when_a_quorum_asks_not_before():
    """OSDI 1999, 4.5.2: it waits for 2f + 1 VIEW-CHANGEs, then starts its timer."""
    solo = suspecting(3)
    assert not [c for c in sent(solo.wait(60_000), ViewChange) if c.view > 1]
    solo.receive(view_change(1, 0), view_change(1, 2))
    assert [c.view for c in sent(solo.wait(1_100), ViewChange) if c.view > 1] == [2]


def test_the_timeout_doubles_with_each_fruitless_view_change_up_to_its_cap():
    """OSDI 1999, 4.5.2: this time it waits 2T (ours is capped)."""
    solo = suspecting(parameters=Parameters(max_timeout_ms=4_000))
    timeouts = []
    for view in range(1, 8):
        timeouts.append(solo.replica.status().timeout_ms)
        if view % 4 == 1:
            # This replica would lead; let the others go on without it.
            solo.receive(view_change(view + 1, 2), view_change(view + 1, 3))
            continue
        solo.receive(view_change(view, 2), view_change(view, 3))
        solo.wait(timeouts[-1])
        assert solo.replica.status().view == view + 1
    assert timeouts == [1_000, 2_000, 4_000, 4_000, 4_000, 4_000, 4_000]


def test_progress_in_a_new_view_resets_the_timeout():
    """OSDI 1999, 4.5.2: the time is that of view changes without a request executed between."""
    solo = suspecting()
    solo.receive(view_change(2, 2), view_change(2, 3))
    assert solo.replica.status().timeout_ms == 2_000
    solo.enter(2)
    assert solo.replica.status().timeout_ms == 2_000
    solo.decide(proposal(1, (REF,), view=2, time_ms=proposal(1, (REF,)).time_ms + 1_000))
    assert solo.replica.status().timeout_ms == 1_000


def test_a_batch_is_relayed_to_the_primary_before_it_is_suspected():
    """OSDI 1999, 4.1: a request that comes to a backup is relayed to the primary."""
    solo = waiting()
    assert not solo.wait(400).relay
    assert solo.wait(200).relay == (Relay(REF, 0),)


def test_a_new_view_in_which_nothing_is_executed_is_left_after_twice_the_time():
    """OSDI 1999, 4.5.2: the timer also expires before a request is executed in the new view; then 2T."""
    solo = suspecting(3)
    solo.enter(1)
    assert not sent(solo.wait(900), ViewChange)
    assert [change.view for change in sent(solo.wait(200), ViewChange)] == [2]
    assert solo.replica.status().timeout_ms == 2_000


def test_f_faulty_primaries_in_a_row_are_the_most():
    """OSDI 1999, 4.5.2: p = v mod |R|, so at most f views in a row have a faulty primary."""
    for n in range(4, 32):
        group = members(n)
        leaders = [group.primary(view) for view in range(group.f + 1)]
        assert len(set(leaders)) == group.f + 1
