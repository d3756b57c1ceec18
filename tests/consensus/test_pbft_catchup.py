"""What is ours about certificates: a node that executes otherwise stops, one that is behind catches up."""

from consensus.messages import BlockVote, PrePrepare
from consensus.parameters import Parameters
from consensus.ready import Behind, Halt, StableRecord
from tests.consensus.fakes import batch
from tests.consensus.solo import (
    Solo,
    block_vote,
    certificate,
    header,
    proposal,
    sent,
    sign,
)


def decided(count: int = 1, *, number: int = 1, **more: object) -> Solo:
    """A replica with `count` decided slots that are not executed."""
    solo = Solo(number, **more)
    for sequence in range(1, count + 1):
        solo.batch(batch(sequence))
        solo.decide(proposal(sequence, (batch(sequence),)))
    return solo


def test_an_own_block_vote_that_a_peer_sends_back_is_not_answered_to_oneself():
    solo = decided(1)
    solo.certify(1)
    solo.wait(2_000)
    solo.receive(block_vote(1, 2))
    assert not [out for out in solo.receive(block_vote(1, 1)).send if out.to == 1]


def test_replica_halts_when_a_quorum_certified_another_header_than_its_own():
    solo = decided()
    solo.executed(1)
    ready = solo.receive(*(block_vote(1, r, header(9)) for r in (0, 2, 3)))
    assert ready.halt == Halt(1, header(1), header(9))
    assert not ready.certified


def test_replica_halts_when_it_executes_otherwise_than_what_is_certified_already():
    solo = decided()
    solo.receive(*(block_vote(1, r, header(9)) for r in (0, 2, 3)))
    assert solo.executed(1).halt == Halt(1, header(1), header(9))


def test_a_halted_replica_does_nothing_more():
    solo = decided()
    solo.receive(*(block_vote(1, r, header(9)) for r in (0, 2, 3)))
    solo.executed(1)
    ready = solo.batch(batch(5))
    assert ready.halt is not None and not ready.send and not ready.persist


def test_replica_halts_rather_than_vote_otherwise_than_its_log_says():
    solo = decided()
    solo.executed(1)
    again = Solo(1, records=solo.log)
    again.batch(batch(1))
    again.decide(proposal(1, (batch(1),)))
    ready = again.executed(1, header(9))
    assert ready.halt == Halt(1, header(9), header(1))
    assert not sent(ready, BlockVote)


def test_a_certificate_beyond_reach_asks_for_blocks_at_once():
    solo = Solo(1, parameters=Parameters(window=2))
    ready = solo.pass_on(9)
    assert ready.behind == Behind(9, 0)


def test_a_certificate_within_reach_asks_for_blocks_when_nothing_moves():
    solo = Solo(1)
    assert solo.pass_on(3).behind is None
    assert solo.wait(600).behind == Behind(3, 0)


def test_asking_again_asks_another_peer():
    solo = Solo(1)
    solo.pass_on(3)
    first = solo.wait(600).behind
    second = solo.wait(600).behind
    assert (first.source, second.source) == (0, 2)


def test_votes_of_f_plus_1_beyond_reach_prove_a_certificate_one_window_below():
    solo = Solo(1, parameters=Parameters(window=2))
    assert solo.receive(block_vote(9, 3)).behind is None
    assert solo.receive(block_vote(8, 0)).behind == Behind(6, 0)


def test_f_replicas_cannot_make_a_replica_believe_that_it_is_behind():
    solo = Solo(1, parameters=Parameters(window=2))
    ready = solo.receive(block_vote(900, 3), sign(block_vote(901, 3)))
    assert ready.behind is None and solo.wait(3_000).behind is None


def test_install_makes_its_height_executed_and_certified():
    solo = Solo(1)
    ready = solo.install(certificate(5))
    assert [c.height for c in ready.certified] == [5]
    status = solo.replica.status()
    assert (status.executed, status.certified, status.low, status.decided) == (5, 5, 5, 5)
    assert StableRecord(certificate(5)) in ready.persist


def test_install_of_less_than_was_executed_only_certifies():
    solo = decided(2)
    solo.executed(1)
    solo.executed(2)
    solo.install(certificate(1))
    status = solo.replica.status()
    assert (status.executed, status.certified) == (2, 1)


def test_batches_of_installed_blocks_are_not_proposed_again():
    solo = Solo(0, parameters=Parameters(window=1))
    solo.batch(batch(0))
    solo.batch(batch(1))
    ready = solo.install(certificate(1), ordered=(batch(0), batch(1)))
    assert not sent(ready, PrePrepare)
    assert solo.replica.status().batches_waiting == 0


def test_a_batch_of_a_slot_that_was_certified_as_a_null_request_waits_again():
    solo = Solo(0)
    solo.batch(batch(0))
    [again] = sent(solo.install(certificate(1)), PrePrepare)
    assert (again.sequence, again.refs) == (2, (batch(0),))


def test_a_replica_that_changes_views_catches_up_at_once():
    solo = Solo(1)
    solo.batch(batch(1))
    solo.wait(1_000)
    assert solo.replica.status().changing
    assert solo.pass_on(2).behind == Behind(2, 0)


def test_install_of_what_is_certified_already_changes_nothing():
    solo = Solo(1)
    solo.install(certificate(5))
    before = solo.replica.status()
    ready = solo.install(certificate(4))
    assert not ready.certified and not ready.persist and solo.replica.status() == before


def test_a_node_whose_chain_ends_in_another_block_than_the_certified_one_halts_at_start():
    solo = Solo(
        1,
        records=[StableRecord(certificate(3))],
        stable=certificate(3),
        executed=3,
        executed_hash=header(9),
        observed=False,
    )
    assert solo.restored.halt == Halt(3, header(9), header(3))


def test_a_block_beyond_reach_gets_no_vote():
    parameters = Parameters(window=1)
    log = [StableRecord(certificate(1))]
    solo = Solo(1, parameters=parameters, records=log, stable=certificate(1), executed=5)
    assert not sent(solo.restored, BlockVote)


def test_own_votes_beyond_reach_tell_nothing_about_others():
    """Of three members none may be faulty, so one voice is enough; but it must be another's."""
    solo = Solo(1, 3, parameters=Parameters(window=2))
    assert solo.receive(block_vote(9, 1)).behind is None
    assert solo.receive(block_vote(9, 2)).behind == Behind(7, 2)


def test_a_twin_under_this_replica_s_own_number_is_told_nothing():
    solo = decided()
    solo.certify(1)
    assert not sent(solo.connected(1)) and sent(solo.connected(2))
