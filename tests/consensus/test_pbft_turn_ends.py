"""The view in which the next turn begins is none of this one, to the view; what a jump over a turn leaves."""

from consensus.messages import Certified, ViewChange
from consensus.parameters import Parameters
from consensus.ready import HoldRecord, StableRecord, ViewRecord
from consensus.types import TURN_VIEWS
from tests.consensus.fakes import batch, members
from tests.consensus.solo import Solo, certificate, commit, new_view, proposal, rules, sent, view_change

SHORT = Parameters(window=4, turn_heights=3)
NEXT = TURN_VIEWS
"""The first view of turn 1, which begins at height 4."""
LATER = certificate(3)


def test_whoever_asks_for_the_next_turns_first_view_draws_nobody_along():
    solo = Solo(0, parameters=SHORT)
    ready = solo.receive(view_change(NEXT, 2, LATER), view_change(NEXT, 3, LATER))
    assert not sent(ready, ViewChange) and not solo.replica.status().changing


def test_whoever_asks_for_the_next_turns_first_view_starts_no_clock_in_this_one():
    solo = Solo(1, parameters=SHORT)
    solo.batch(batch(0))
    assert sent(solo.wait(1_100), ViewChange)
    solo.receive(view_change(NEXT, 2, LATER), view_change(NEXT, 3, LATER))
    assert solo.replica.status().view == 1 and solo.replica.status().changing
    assert "new-view" not in dict(solo.replica.timers(solo.now()))


def test_a_new_view_for_the_next_turns_first_view_is_refused():
    solo = Solo(0, parameters=SHORT)
    changes = [view_change(NEXT, replica, LATER) for replica in (1, 2, 3)]
    assert rules(solo.receive(new_view(NEXT, changes))) == ["turn"]
    assert solo.replica.status().view == 0


def test_a_chain_that_is_older_than_its_log_is_not_in_the_next_turns_first_view():
    records = [StableRecord(certificate(3)), StableRecord(certificate(4)), ViewRecord(0, NEXT, False)]
    solo = Solo(3, parameters=SHORT, records=records, stable=certificate(2), executed=2)
    assert solo.replica.status().view == 0


def test_a_jump_into_the_next_turn_leaves_nothing_of_the_slots_below_it():
    solo = Solo(1, parameters=SHORT)
    kept = [commit(proposal(5, (batch(5),), view=view), 3 - view + NEXT) for view in (NEXT, NEXT + 1)]
    assert not rules(solo.receive(*kept))
    assert not rules(solo.install(certificate(5)))
    assert len(solo.replica._parts.future) == 0


def test_whoever_mixes_two_turns_in_a_view_change_is_told_where_the_others_are():
    solo = Solo(0, parameters=SHORT)
    solo.install(LATER)
    ready = solo.receive(view_change(1, 2, LATER))
    assert rules(ready) == ["turn"]
    assert [(outbound.message, outbound.to) for outbound in ready.send] == [(Certified(LATER, 0), 2)]


def test_what_was_executed_already_is_nothing_to_catch_up_with():
    first = certificate(4)
    solo = Solo(1, observed=False, records=[StableRecord(first)], stable=first, executed=5)
    ready = solo.observe(Certified(certificate(5), 2))
    assert not [record for record in ready.persist if isinstance(record, HoldRecord)]
    assert solo.replica.status().voting


def test_a_certificate_of_a_later_epoch_holds_a_restored_replica_from_that_epochs_first_view_on():
    sets = {0: members(4), 1: members(4, epoch=1)}
    solo = Solo(1, observed=False, restored=True, replica_sets=lambda sequence: sets[sequence > 30])
    solo.enter(2)
    ready = solo.observe(Certified(certificate(40, epoch=1), 2))
    hold = [record for record in ready.persist if isinstance(record, HoldRecord)][-1]
    assert (hold.epoch, hold.view) == (1, 0)


def test_a_log_that_came_into_a_turn_twice_ends_in_the_first_view_of_it_and_still_holds():
    """The chain was set aside: the log knew a later view of the turn, the copy came into the turn anew."""
    records = [
        StableRecord(LATER),
        ViewRecord(0, NEXT + 2, True),
        HoldRecord(0, NEXT + 2, 8),
        ViewRecord(0, NEXT, False),
    ]
    status = Solo(3, parameters=SHORT, records=records, stable=LATER, executed=3).replica.status()
    assert (status.view, status.changing, status.voting) == (NEXT, False, False)
