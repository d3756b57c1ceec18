"""The guard against a rolled-back disk where peers are further: what is certified, they hold no votes on."""

from consensus.messages import Certified
from consensus.ready import StableRecord
from tests.consensus.solo import Solo, certificate


def test_a_replica_whose_peers_are_further_votes_when_it_has_caught_up():
    """Votes up to there are held by nobody any more: a log that was rolled back would go unnoticed."""
    solo = Solo(1, observed=False)
    solo.observe(Certified(certificate(3), 2), Certified(certificate(5), 0))
    assert not solo.replica.status().voting
    solo.install(certificate(4))
    assert not solo.replica.status().voting
    solo.install(certificate(5))
    assert solo.replica.status().voting


def test_a_replica_that_is_as_far_as_its_peers_votes_at_once():
    solo = Solo(1, executed=5, stable=certificate(5), records=[StableRecord(certificate(5))], observed=False)
    solo.observe(Certified(certificate(5), 2))
    assert solo.replica.status().voting


def test_a_certificate_of_a_block_that_was_executed_here_lets_a_replica_vote_at_once():
    solo = Solo(1, executed=5, stable=certificate(4), records=[StableRecord(certificate(4))], observed=False)
    ready = solo.observe(Certified(certificate(5), 2))
    assert ready.certified == (certificate(5),) and solo.replica.status().voting


def test_a_peer_that_is_further_later_on_silences_nobody():
    solo = Solo(1)
    solo.observe(Certified(certificate(5), 2))
    assert solo.replica.status().voting
