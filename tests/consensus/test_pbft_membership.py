"""Who votes is asked at every sequence: a change of members takes over at its activation height."""

from consensus.messages import BlockVote, PrePrepare
from consensus.parameters import Parameters
from consensus.ready import StableRecord, ViewRecord
from consensus.rules import Watermarks
from tests.consensus.cluster import Cluster
from tests.consensus.fakes import batch, members
from tests.consensus.solo import Solo, certificate, commit, new_view, proposal, rules, sent, sign, view_change

FIRST = members(4)
JOINED = members(5, epoch=1)
LEFT = members(3, epoch=1, first=1)


def joins_at(height: int, later=JOINED):
    return lambda sequence: FIRST if sequence < height else later


def test_watermarks_end_before_the_activation_height():
    marks = Watermarks.above(5, Parameters(), joins_at(10))
    assert (marks.low, marks.high, marks.reach, marks.epoch) == (5, 9, 9, 0)
    marks = Watermarks.above(9, Parameters(), joins_at(10))
    assert (marks.low, marks.high, marks.reach, marks.epoch) == (9, 25, 41, 1)


def test_no_slot_at_the_activation_height_is_proposed_before_the_block_ahead_is_certified():
    solo = Solo(0, replica_sets=joins_at(2))
    [first] = sent(solo.batch(batch(0)), PrePrepare)
    solo.batch(batch(1))
    assert not sent(solo.decide(first), PrePrepare)
    [second] = sent(solo.certify(1), PrePrepare)
    assert (second.sequence, second.epoch, second.view) == (2, 1, 0)


def test_views_restart_with_an_epoch():
    solo = Solo(1, replica_sets=joins_at(2))
    solo.enter(3)
    assert solo.replica.status().view == 3
    ready = solo.install(certificate(1))
    status = solo.replica.status()
    assert (status.epoch, status.view, status.changing) == (1, 0, False)
    assert ViewRecord(1, 0, False) in ready.persist


def test_nothing_of_the_epoch_before_is_kept():
    solo = Solo(1, replica_sets=joins_at(3))
    solo.receive(commit(proposal(2, (batch(0),), view=5), 3), view_change(7, 2))
    solo.install(certificate(2))
    status = solo.replica.status()
    assert not status.ahead and not status.asked and not status.slots


def test_messages_of_another_epoch_are_rejected():
    solo = Solo(1, replica_sets=joins_at(2))
    pre_prepare = proposal(1, (batch(0),))
    solo.install(certificate(1))
    assert rules(solo.receive(pre_prepare, view_change(1, 2))) == ["epoch", "epoch"]


def test_a_log_of_the_epoch_before_does_not_set_the_view():
    solo = Solo(1, replica_sets=joins_at(2))
    solo.enter(3)
    solo.install(certificate(1))
    again = Solo(1, replica_sets=joins_at(2), records=solo.log, stable=certificate(1), executed=1)
    assert (again.replica.status().epoch, again.replica.status().view) == (1, 0)


def test_a_replica_that_left_follows_without_voting():
    solo = Solo(0, replica_sets=joins_at(2, LEFT))
    solo.install(certificate(1))
    status = solo.replica.status()
    assert not status.voting and status.silent_because == "not a member at this height"
    assert not sent(solo.batch(batch(0)))


def test_a_member_that_joins_follows_and_then_votes():
    cluster = Cluster(5, replica_sets=joins_at(6), parameters=Parameters(window=4))
    for number in range(12):
        cluster.submit(batch(number))
        cluster.run(200)
    cluster.run_until(lambda: all(len(cluster.ordered(node)) == 12 for node in cluster.nodes))
    joined = cluster.nodes[4].replica.status()
    assert joined.voting and joined.epoch == 1
    # With five members the quorum is four: without the new one it takes all of the old ones.
    cluster.crash(3)
    cluster.submit(batch(50))
    cluster.run_until(lambda: all(batch(50) in cluster.ordered(n) for n in cluster.nodes if n.alive))


def test_members_that_leave_are_not_needed_any_more():
    cluster = Cluster(4, replica_sets=joins_at(3, LEFT))
    for number in range(4):
        cluster.submit(batch(number))
        cluster.run(200)
    cluster.crash(0)
    cluster.submit(batch(9))
    cluster.run_until(lambda: all(batch(9) in cluster.ordered(n) for n in cluster.nodes if n.alive))
    assert cluster.nodes[1].replica.status().view == 0


def test_a_new_view_of_the_epoch_before_is_rejected():
    solo = Solo(1, replica_sets=joins_at(2))
    solo.install(certificate(1))
    assert rules(solo.receive(new_view(2, [view_change(2, r) for r in (0, 2, 3)]))) == ["epoch"]


def test_an_own_vote_of_a_later_epoch_is_lost_and_one_of_an_earlier_epoch_is_not():
    for activation, voting in ((2, True), (5, False)):
        solo = Solo(
            1,
            replica_sets=joins_at(activation),
            records=[StableRecord(certificate(1))],
            stable=certificate(1),
            executed=1,
            observed=False,
        )
        epoch = 0 if voting else 1
        solo.observe(sign(BlockVote(epoch, 1 if voting else 5, bytes(32), 1)))
        assert solo.replica.status().voting == voting


def test_a_stranger_has_no_key():
    assert FIRST.key(3) is not None and FIRST.key(4) is None
