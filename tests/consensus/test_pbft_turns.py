"""Turns: after so many heights the next member leads, in views of the turn's own."""

import pytest

from consensus.messages import Commit, NewView, Prepare, PrePrepare, ViewChange
from consensus.parameters import Parameters
from consensus.ready import HoldRecord, PreparedRecord, Record, StableRecord, ViewRecord
from consensus.rules import Watermarks, turn_of
from consensus.types import TURN_VIEWS
from tests.consensus.cluster import Cluster
from tests.consensus.fakes import batch, members
from tests.consensus.solo import (
    Solo,
    certificate,
    commit,
    new_view,
    prepare,
    proposal,
    rules,
    sent,
    view_change,
)

SHORT = Parameters(window=4, turn_heights=3)
NEXT = TURN_VIEWS
"""The first view of turn 1, which begins at height 4."""
REFS = (batch(0),)


def marks(low: int, parameters: Parameters = SHORT) -> Watermarks:
    return Watermarks.above(low, parameters, lambda sequence: members(4))


@pytest.mark.parametrize(("sequence", "turn"), [(1, 0), (3, 0), (4, 1), (6, 1), (7, 2)])
def test_a_turn_is_so_many_heights(sequence: int, turn: int):
    assert turn_of(sequence, 3) == turn
    assert turn_of(sequence, 0) == 0


def test_the_next_member_leads_each_turn_and_each_view_of_it():
    group = members(4)
    leaders = [[group.primary(turn * TURN_VIEWS + view) for view in range(4)] for turn in range(5)]
    assert leaders == [[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1], [3, 0, 1, 2], [0, 1, 2, 3]]


def test_the_window_ends_with_the_turn_and_what_comes_of_the_next_one_is_stored():
    assert [(marks(low).high, marks(low).reach, marks(low).first_view) for low in (0, 2, 3, 5)] == [
        (3, 8, 0),
        (3, 10, 0),
        (6, 11, NEXT),
        (6, 13, NEXT),
    ]
    endless = Parameters(window=4, turn_heights=0)
    assert (marks(2, endless).high, marks(2, endless).first_view) == (6, 0)
    assert marks(0).end_of_views == NEXT and marks(3).end_of_views == 2 * NEXT


def ends_its_turn(solo: Solo) -> None:
    for height in (1, 2, 3):
        ref = batch(100 + height)
        [*_, own] = [*sent(solo.batch(ref), PrePrepare), proposal(height, (ref,))]
        solo.decide(own)
        solo.certify(height)


def test_the_primary_of_a_turn_proposes_nothing_beyond_it_and_the_next_one_goes_on_at_once():
    first, second = Solo(0, parameters=SHORT), Solo(1, parameters=SHORT)
    for solo in (first, second):
        ends_its_turn(solo)
        assert solo.replica.status().view == NEXT and solo.replica.status().primary == 1
    assert not sent(first.batch(batch(0)), PrePrepare)
    [own] = sent(second.batch(batch(0)), PrePrepare)
    assert (own.sequence, own.view, own.replica) == (4, NEXT, 1)


def test_a_slot_of_the_next_turn_waits_for_the_certificate_ahead_of_it():
    solo = Solo(0, parameters=SHORT)
    for height in (1, 2, 3):
        [own] = sent(solo.batch(batch(100 + height)), PrePrepare)
        solo.decide(own)
        solo.executed(height)
    solo.batch(batch(0))
    ahead = proposal(4, REFS, view=NEXT)
    ready = solo.receive(ahead, prepare(ahead, 2), prepare(ahead, 3))
    assert not sent(ready) and not rules(ready)
    ready = solo.pass_on(3)
    assert [type(message) for message in sent(ready)] == [Prepare, Commit]
    assert solo.replica.status().view == NEXT


@pytest.mark.parametrize(("sequence", "view"), [(3, NEXT), (4, 0), (4, 2 * NEXT), (6, 2 * NEXT + 1)])
def test_a_slot_is_ordered_in_the_views_of_its_own_turn_alone(sequence: int, view: int):
    wrong = proposal(sequence, REFS, view=view)
    solo = Solo((wrong.replica + 1) % 4, parameters=SHORT)
    solo.batch(batch(0))
    assert rules(solo.receive(wrong)) == ["turn"]
    voter = (wrong.replica + 2) % 4
    assert rules(solo.receive(prepare(wrong, voter), commit(wrong, voter))) == ["turn", "turn"]
    assert not solo.replica.status().ahead


def test_views_that_were_changed_are_over_with_the_turn():
    solo = Solo(0, parameters=SHORT)
    solo.enter(2)
    assert solo.replica.status().view == 2
    ready = solo.install(certificate(3))
    assert ViewRecord(0, NEXT, False) in ready.persist
    assert (solo.replica.status().view, solo.replica.status().changing) == (NEXT, False)
    assert rules(solo.receive(view_change(3, 2, certificate(2)))) == ["old-view"]


def test_a_view_change_under_way_is_over_with_the_turn():
    solo = Solo(0, parameters=SHORT)
    solo.receive(view_change(1, 2), view_change(1, 3))
    assert solo.replica.status().changing
    ready = solo.install(certificate(3))
    assert not solo.replica.status().changing and solo.replica.status().view == NEXT
    assert not solo.replica.status().asked and not sent(ready, ViewChange)


def test_whoever_asks_for_a_view_of_a_later_turn_draws_nobody_along_before_it():
    solo = Solo(0, parameters=SHORT)
    later = certificate(3)
    ready = solo.receive(view_change(NEXT + 1, 2, later), view_change(NEXT + 1, 3, later))
    assert not sent(ready, ViewChange) and not solo.replica.status().changing
    ready = solo.install(later)
    [change] = sent(ready, ViewChange)
    assert change.view == NEXT + 1


def test_a_quorum_for_a_later_turn_starts_no_clock_in_this_one():
    solo = Solo(0, parameters=SHORT)
    solo.receive(view_change(1, 2), view_change(1, 3))
    assert dict(solo.replica.timers(solo.now())) == {"new-view": 1_000}
    other = Solo(1, parameters=SHORT)
    later = certificate(3)
    other.batch(batch(0))
    other.receive(*(view_change(NEXT + 1, replica, later) for replica in (0, 2, 3)))
    assert "new-view" not in dict(other.replica.timers(other.now()))


@pytest.mark.parametrize(
    ("view", "height"),
    [
        pytest.param(1, 3, id="a certificate of the next turn"),
        pytest.param(NEXT + 1, 2, id="a certificate of the turn before"),
        pytest.param(2 * NEXT, 3, id="a view of the turn after"),
    ],
)
def test_a_view_change_shows_a_certificate_of_its_own_turn(view: int, height: int):
    solo = Solo(0, parameters=SHORT)
    ready = solo.receive(view_change(view, 2, certificate(height)))
    assert rules(ready) == ["turn"] and not solo.replica.status().asked


def test_a_new_view_of_another_turn_is_refused():
    solo = Solo(0, parameters=SHORT)
    later = certificate(3)
    changes = [view_change(NEXT + 1, replica, later) for replica in (1, 2, 3)]
    assert rules(solo.receive(new_view(NEXT + 1, changes))) == ["turn"]
    assert solo.replica.status().view == 0
    solo.install(later)
    solo.receive(new_view(NEXT + 1, changes))
    assert solo.replica.status().view == NEXT + 1


def test_a_new_view_whose_view_changes_are_of_two_turns_is_refused():
    solo = Solo(0, parameters=SHORT)
    mixed = [view_change(1, 1), view_change(1, 2), view_change(1, 3, certificate(3))]
    solo.install(certificate(2))
    assert rules(solo.receive(new_view(1, mixed))) == ["turn"]
    assert solo.replica.status().view == 0


def restarted(records: list[Record], height: int, number: int = 3, **more) -> Solo:
    return Solo(
        number, parameters=SHORT, records=records, stable=certificate(height), executed=height, **more
    )


def test_a_restart_finds_the_turn_by_its_certificate_where_the_view_was_cut_off_the_log():
    solo = restarted([ViewRecord(0, 2, False), StableRecord(certificate(3))], 3)
    assert (solo.replica.status().view, solo.replica.status().voting) == (NEXT, True)


def test_a_restart_knows_the_view_of_the_turn_it_is_in():
    ended = ViewRecord(0, 2, True)
    records = [ended, StableRecord(certificate(3)), ViewRecord(0, NEXT, False), ViewRecord(0, NEXT + 1, True)]
    status = restarted(records, 3).replica.status()
    assert (status.view, status.changing) == (NEXT + 1, True)
    assert restarted(records[:3], 3).replica.status().view == NEXT


def test_a_chain_that_is_older_than_its_log_does_not_enter_the_logs_turn():
    certificates = [StableRecord(certificate(height)) for height in (3, 4)]
    solo = restarted([*certificates, ViewRecord(0, NEXT + 2, True)], 2)
    status = solo.replica.status()
    assert (status.view, status.changing, status.voting) == (0, False, False)
    assert [record for record in solo.log if isinstance(record, HoldRecord)] == [
        HoldRecord(0, NEXT + 2, 4 + SHORT.window)
    ]


def test_what_the_log_keeps_of_a_turn_rebuilds_it():
    solo = Solo(2, parameters=SHORT)
    solo.install(certificate(3))
    solo.batch(batch(0))
    own = proposal(4, REFS, view=NEXT)
    solo.receive(own, prepare(own, 0), prepare(own, 3))
    again = restarted(list(solo.replica.records()), 3, number=2)
    assert any(isinstance(record, PreparedRecord) for record in again.replica.records())
    assert again.replica.records() == solo.replica.records()


def alive(cluster: Cluster):
    return [node for node in cluster.nodes if node.alive]


@pytest.mark.parametrize("seed", range(8))
def test_a_crashed_member_costs_its_turns_a_view_change_each_and_no_batch(seed: int):
    cluster = Cluster(4, seed=seed, parameters=SHORT)
    cluster.crash(1)
    for number in range(40):
        cluster.submit(batch(number))
        cluster.run(200)
    cluster.run_until(
        lambda: all(batch(number) in cluster.ordered(node) for node in alive(cluster) for number in range(40))
    )
    views = [message.view for _, _, message in cluster.sent if isinstance(message, NewView)]
    assert views, "the crashed member's turn came"
    assert all(members(4).primary(view - 1) == 1 for view in views), "nobody else lost a view"


@pytest.mark.parametrize("seed", range(4))
def test_turns_pass_without_a_message_repeated_where_nothing_is_lost(seed: int):
    cluster = Cluster(4, seed=seed, parameters=SHORT)
    for number in range(60):
        cluster.submit(batch(number))
        cluster.run(40)
    cluster.run_until(lambda: all(len(cluster.ordered(node)) == 60 for node in cluster.nodes))
    proposers = {message.replica for _, _, message in cluster.sent if isinstance(message, PrePrepare)}
    assert proposers == {0, 1, 2, 3}
    assert not any(isinstance(message, ViewChange) for _, _, message in cluster.sent)
    assert all(node.replica.status().view % TURN_VIEWS == 0 for node in cluster.nodes)
