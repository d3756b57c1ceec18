"""Restart, damage, roll-back: a replica never votes against what it said before."""

import pytest

from consensus.codec import decode, encode
from consensus.messages import BlockVote, Certified, Commit, NewView, Prepare, PrePrepare, ViewChange
from consensus.parameters import Parameters
from consensus.ready import HoldRecord, PreparedRecord, Record, StableRecord, ViewRecord
from tests.consensus.cluster import Cluster
from tests.consensus.fakes import batch
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
OTHER = batch(2)


def restarted(solo: Solo, **more: object) -> Solo:
    """From the log alone, through its bytes."""
    records = [decode(encode(record), Record, limit_bytes=1 << 20) for record in solo.log]
    again = Solo(solo.number, records=records, parameters=solo.parameters, **more)
    again.batch(REF, OTHER)
    return again


def prepared_backup() -> Solo:
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    solo.receive(pre_prepare, prepare(pre_prepare, 2))
    return solo


# --- the log ---


def test_a_new_replica_votes_only_when_peers_said_what_they_hold():
    solo = Solo(1, observed=False)
    solo.batch(REF)
    assert not sent(solo.receive(proposal(1, (REF,))))
    assert not solo.replica.status().voting
    assert sent(solo.observe()) == [prepare(proposal(1, (REF,)), 1)]


def test_restart_does_not_prepare_another_proposal_for_a_slot():
    again = restarted(prepared_backup())
    ready = again.receive(proposal(1, (OTHER,)))
    assert not sent(ready) and len(ready.evidence) == 1


def test_restart_goes_on_where_it_was():
    again = restarted(prepared_backup())
    pre_prepare = proposal(1, (REF,))
    ready = again.receive(commit(pre_prepare, 2), commit(pre_prepare, 3))
    assert [slot.sequence for slot in ready.decided] == [1]
    assert not sent(ready, Commit), "it was given before the stop"


def test_restart_of_the_primary_proposes_above_what_it_proposed():
    solo = Solo(0)
    [first] = sent(solo.batch(REF), PrePrepare)
    again = Solo(0, records=solo.log)
    again.batch(REF)
    [second] = sent(merge_batches(again, first), PrePrepare)
    assert (second.sequence, second.refs) == (2, (OTHER,))


def merge_batches(again: Solo, first: PrePrepare):
    again.batch(OTHER)
    return again.decide(first)


def test_restart_in_a_view_change_repeats_the_same_view_change():
    solo = prepared_backup()
    [change] = sent(solo.wait(1_100), ViewChange)
    again = restarted(solo)
    assert again.replica.status().changing
    assert sent(again.connected(2), ViewChange) == [change]


def test_restart_does_not_vote_in_the_view_it_left():
    solo = prepared_backup()
    solo.wait(1_100)
    ready = restarted(solo).receive(proposal(2, (OTHER,)))
    assert rules(ready) == ["old-view"] and not sent(ready, Prepare)


def test_restart_of_a_new_primary_repeats_its_new_view():
    solo = Solo(1)
    solo.batch(REF)
    solo.wait(1_100)
    ready = solo.receive(view_change(1, 0), view_change(1, 3))
    [message] = sent(ready, NewView)
    again = restarted(solo)
    assert (again.replica.status().view, again.replica.status().changing) == (1, False)
    assert sent(again.connected(2), NewView) == [message]


def test_a_prepared_certificate_outlives_restart_and_goes_into_the_view_change():
    solo = prepared_backup()
    again = restarted(solo)
    [change] = sent(again.wait(1_100), ViewChange)
    assert [p.pre_prepare for p in change.prepared] == [proposal(1, (REF,))]


def test_the_retained_records_rebuild_the_same_replica():
    solo = prepared_backup()
    solo.decide(proposal(1, (REF,)))
    solo.certify(1)
    solo.batch(OTHER)
    second = proposal(2, (OTHER,))
    solo.receive(second, prepare(second, 3))
    short = Solo(1, records=solo.replica.records(), executed=1, stable=certificate(1))
    short.batch(OTHER)
    full = Solo(1, records=solo.log, executed=1, stable=certificate(1))
    full.batch(OTHER)
    assert short.replica.status() == full.replica.status()
    assert short.replica.votes_of(1) == full.replica.votes_of(1)
    assert short.replica.records() == full.replica.records() == solo.replica.records()
    assert len(solo.replica.records()) < len(solo.log)


def test_blocks_that_were_executed_but_not_certified_are_voted_on_after_restart():
    solo = prepared_backup()
    solo.decide(proposal(1, (REF,)))
    again = Solo(1, records=solo.log, executed=1, uncertified=[(1, (REF,))])
    assert sent(again.restored, BlockVote) == [block_vote(1, 1)]


def test_batches_of_uncertified_blocks_are_here_but_do_not_wait():
    solo = prepared_backup()
    solo.decide(proposal(1, (REF,)))
    again = Solo(1, records=solo.log, executed=1, uncertified=[(1, (REF,))])
    status = again.replica.status()
    assert (status.batches_here, status.batches_waiting) == (1, 0)
    again.receive(new_view(2, [view_change(2, r, None, (prepared(proposal(1, (REF,))),)) for r in (0, 2, 3)]))
    assert again.replica.status().slots[0].stage == "certify"
    assert 2 in [vote.view for vote in again.replica.votes_of(1) if isinstance(vote, Prepare)]


# --- a log that is not whole ---


def test_a_damaged_log_means_no_vote_until_a_certificate_reaches_the_old_high_watermark():
    solo = Solo(1, parameters=Parameters(window=4), executed=3, stable=certificate(3), damage=True)
    assert any(isinstance(record, HoldRecord) for record in solo.restored.persist)
    solo.batch(REF)
    pre_prepare = proposal(4, (REF,))
    assert not sent(solo.receive(pre_prepare)) and not sent(solo.wait(5_000), ViewChange)
    solo.install(certificate(6))
    assert not solo.replica.status().voting
    solo.install(certificate(7))
    assert solo.replica.status().voting


def test_a_silent_replica_still_follows():
    solo = Solo(1, damage=True)
    solo.batch(REF)
    ready = solo.decide(proposal(1, (REF,)))
    assert [slot.sequence for slot in ready.decided] == [1] and not sent(ready)
    solo.executed(1)
    assert solo.receive(*(block_vote(1, r) for r in (0, 2, 3))).certified


def test_votes_that_were_held_back_are_given_when_the_silence_ends():
    solo = Solo(1, parameters=Parameters(window=4), damage=True)
    solo.install(certificate(3))
    for height in (4, 5):
        solo.batch(batch(height))
        solo.decide(proposal(height, (batch(height),)))
        assert not sent(solo.executed(height))
    assert block_vote(5, 1) in sent(solo.pass_on(4))


def test_the_silence_outlives_a_further_restart():
    solo = Solo(1, damage=True)
    again = Solo(1, records=solo.log)
    assert not again.replica.status().voting


def test_a_lost_log_beside_a_chain_means_silence():
    solo = Solo(1, executed=3, stable=certificate(3))
    assert not solo.replica.status().voting


def test_a_lost_log_beside_a_block_that_nobody_certified_means_silence():
    assert not Solo(1, executed=1).replica.status().voting


def test_a_log_that_lost_its_end_beside_a_chain_means_silence():
    log = [StableRecord(certificate(2)), ViewRecord(0, 0, False)]
    assert not Solo(1, records=log, executed=3, stable=certificate(3)).replica.status().voting
    log.append(StableRecord(certificate(3)))
    assert Solo(1, records=log, executed=3, stable=certificate(3)).replica.status().voting


def test_what_was_executed_before_the_stop_is_not_handed_out_again():
    solo = prepared_backup()
    pre_prepare = proposal(1, (REF,))
    solo.decide(pre_prepare)
    again = Solo(1, records=solo.log, executed=1, uncertified=[(1, (REF,))])
    assert not again.receive(commit(pre_prepare, 2), commit(pre_prepare, 3)).decided


def test_a_chain_that_was_rolled_back_behind_its_log_means_silence():
    log = [StableRecord(certificate(9)), ViewRecord(0, 0, False)]
    solo = Solo(1, records=log, executed=3, stable=certificate(3))
    assert not solo.replica.status().voting
    solo.install(certificate(24))
    assert not solo.replica.status().voting
    solo.install(certificate(25))
    assert solo.replica.status().voting


# --- votes that peers hold and the log does not ---


def lost_votes():
    pre_prepare = proposal(1, (OTHER,))
    return [
        prepare(pre_prepare, 1),
        commit(pre_prepare, 1),
        block_vote(5, 1),
        view_change(1, 1),
        prepare(proposal(1, (OTHER,), view=2), 1),
        new_view(1, [view_change(1, r) for r in (0, 1, 2)]),
    ]


@pytest.mark.parametrize("vote", lost_votes(), ids=lambda vote: type(vote).__name__)
def test_an_own_vote_that_the_log_does_not_hold_means_silence(vote: object):
    solo = Solo(1, observed=False)
    solo.observe(vote)
    assert not solo.replica.status().voting
    assert any(isinstance(record, HoldRecord) for record in solo.log)


def test_a_commit_that_the_log_lost_beside_its_prepare_means_silence():
    solo = prepared_backup()
    log = [record for record in solo.log if not isinstance(record, Commit)]
    again = Solo(1, records=log, observed=False)
    again.observe(commit(proposal(1, (REF,)), 1))
    assert not again.replica.status().voting


def test_another_prepare_than_the_log_s_means_silence():
    again = Solo(1, records=prepared_backup().log, observed=False)
    again.observe(prepare(proposal(1, (OTHER,)), 1))
    assert not again.replica.status().voting


def test_another_view_change_than_the_log_s_means_silence():
    solo = prepared_backup()
    solo.wait(1_100)
    again = Solo(1, records=solo.log, observed=False)
    again.observe(view_change(1, 1))
    assert not again.replica.status().voting


def test_silence_ends_when_a_certificate_lies_a_full_window_beyond():
    solo = Solo(1, observed=False)
    solo.observe(block_vote(5, 1))
    solo.install(certificate(20))
    assert not solo.replica.status().voting
    solo.install(certificate(21))
    assert solo.replica.status().voting


def test_after_a_lost_view_change_there_is_no_vote_in_the_view_that_was_left():
    solo = Solo(1, observed=False)
    solo.observe(view_change(3, 1))
    solo.install(certificate(40))
    assert not solo.replica.status().voting
    solo.receive(new_view(4, [view_change(4, r, certificate(40)) for r in (0, 2, 3)]))
    assert solo.replica.status().voting


def test_own_votes_that_the_log_holds_change_nothing():
    solo = prepared_backup()
    pre_prepare = proposal(1, (REF,))
    again = restarted(solo, observed=False)
    again.observe(prepare(pre_prepare, 1), commit(pre_prepare, 1))
    assert again.replica.status().voting


def test_votes_of_views_before_the_log_s_are_in_it():
    solo = prepared_backup()
    solo.wait(1_100)
    again = restarted(solo, observed=False)
    again.observe(prepare(proposal(1, (REF,)), 1))
    assert again.replica.status().voting


def test_an_own_vote_that_comes_by_the_network_is_guarded_against_too():
    solo = Solo(1)
    solo.receive(block_vote(5, 1))
    assert not solo.replica.status().voting


def test_peers_hand_out_the_last_votes_they_hold():
    solo = Solo(1)
    solo.batch(REF)
    pre_prepare = proposal(1, (REF,))
    solo.receive(
        pre_prepare, prepare(pre_prepare, 2), commit(pre_prepare, 2), block_vote(1, 2), view_change(1, 2)
    )
    held = solo.replica.votes_of(2)
    assert set(held) == {
        view_change(1, 2),
        prepare(pre_prepare, 2),
        commit(pre_prepare, 2),
        block_vote(1, 2),
    }


def test_peers_hand_out_votes_of_certificates_too():
    solo = Solo(1)
    solo.install(certificate(5))
    assert solo.replica.votes_of(2) == (Certified(certificate(5), 1), block_vote(5, 2))
    again = restarted(prepared_backup())
    assert prepare(proposal(1, (REF,)), 2) in again.replica.votes_of(2)


# --- in a cluster ---


def test_a_replica_whose_disk_was_rolled_back_follows_and_does_not_equivocate():
    cluster = Cluster(4, parameters=Parameters(window=2))
    cluster.submit(batch(0))
    cluster.run_until(lambda: cluster.height() == 1)
    victim = cluster.nodes[3]
    snapshot = list(victim.disk.log), list(victim.disk.chain), victim.disk.certificate
    for number in range(1, 6):
        cluster.submit(batch(number))
        cluster.run(300)
    cluster.crash(3)
    victim.disk.log, victim.disk.chain, victim.disk.certificate = snapshot
    cluster.restart(3)
    assert not victim.replica.status().voting
    for number in range(10, 20):
        cluster.submit(batch(number))
        cluster.run(300)
    cluster.run_until(lambda: all(len(cluster.ordered(node)) == 16 for node in cluster.nodes))
    assert victim.replica.status().voting


def test_all_replicas_stop_at_once_and_go_on():
    cluster = Cluster(4)
    for number in range(20):
        cluster.submit(batch(number))
    cluster.run(12)
    for node in cluster.nodes:
        cluster.crash(node.number)
    for node in cluster.nodes:
        node.start()
    for node in cluster.nodes:
        cluster.link_up(node)
    for number in range(20):
        cluster.submit(batch(number))
    cluster.run_until(lambda: all(len(set(cluster.ordered(node))) == 20 for node in cluster.nodes))


def test_prepared_record_is_a_record_of_its_own():
    record = PreparedRecord(prepared(proposal(1, (REF,))))
    assert decode(encode(record), Record, limit_bytes=1 << 20) == record


def test_a_new_view_that_was_logged_but_never_sent_is_told_when_voting_begins():
    solo = Solo(1)
    solo.batch(REF)
    solo.wait(1_100)
    [message] = sent(solo.receive(view_change(1, 0), view_change(1, 3)), NewView)
    again = restarted(solo, observed=False)
    assert not sent(again.connected(2))
    told = again.observe().send
    assert [o.to for o in told if o.message == message] == [0, 2, 3]
