"""Where one epoch ends and the next begins: view changes, crashes and stragglers at the border, new keys."""

from hashlib import sha256

import pytest

from consensus.messages import BlockVote, PrePrepare, ViewChange
from consensus.parameters import Parameters
from consensus.ready import HoldRecord, StableRecord, ViewRecord
from consensus.types import ReplicaSet, Voter
from tests.consensus.cluster import Cluster
from tests.consensus.fakes import batch, fake_signature, key_of, members
from tests.consensus.solo import Solo, certificate, sent

FIRST = members(4)
JOINED = members(5, epoch=1)
LEFT = ReplicaSet(1, FIRST.members[1:])
NEW_KEY = sha256(b"another key of 1").digest()
ROTATED = ReplicaSet(1, (FIRST.members[0], Voter(1, NEW_KEY), *FIRST.members[2:]))
ACTIVE = 6
"""The first height of epoch 1."""


def border(later: ReplicaSet):
    return lambda sequence: FIRST if sequence < ACTIVE else later


def made(n: int, later: ReplicaSet, seed: int = 0) -> Cluster:
    return Cluster(n, seed=seed, replica_sets=border(later), parameters=Parameters(window=4))


def order(cluster: Cluster, numbers: range) -> None:
    for number in numbers:
        cluster.submit(batch(number))
        cluster.run(200)


def alive(cluster: Cluster):
    return [node for node in cluster.nodes if node.alive]


def all_have(cluster: Cluster, *numbers: int) -> bool:
    return all(batch(number) in cluster.ordered(node) for node in alive(cluster) for number in numbers)


@pytest.mark.parametrize("seed", range(6))
def test_the_primary_that_dies_before_the_border_does_not_keep_the_epoch_from_ending(seed: int):
    cluster = made(5, JOINED, seed)
    order(cluster, range(3))
    cluster.crash(0)
    order(cluster, range(3, 30))
    cluster.run_until(lambda: all_have(cluster, *range(30)))
    statuses = [node.replica.status() for node in alive(cluster)]
    assert {status.epoch for status in statuses} == {1}
    # The epoch that ended had changed views; the next one begins at 0, whose primary is down too.
    assert all(status.view >= 1 for status in statuses)


@pytest.mark.parametrize("seed", range(6))
def test_a_view_change_under_way_at_the_border_ends_with_the_epoch(seed: int):
    cluster = made(5, JOINED, seed)
    order(cluster, range(4))
    # Replica 2 leaves the view alone, and hears nothing but certificates until the border.
    cluster.filter = lambda sender, to, message: not (to == 2 and isinstance(message, PrePrepare))
    order(cluster, range(4, 8))
    cluster.filter = lambda sender, to, message: True
    cluster.run_until(lambda: all_have(cluster, *range(8)))
    assert all(node.replica.status().epoch == 1 for node in cluster.nodes)
    assert not any(node.replica.status().changing for node in cluster.nodes)


@pytest.mark.parametrize("seed", range(8))
def test_replicas_that_crash_at_the_border_come_back_in_the_right_epoch(seed: int):
    cluster = made(5, JOINED, seed)
    order(cluster, range(4))
    for number in (seed % 4, (seed + 1) % 4):
        cluster.submit(batch(10 + number))
        cluster.run(seed * 3)
        cluster.crash(number)
        cluster.run(300)
        cluster.restart(number)
    order(cluster, range(20, 26))
    cluster.run_until(lambda: all_have(cluster, *range(4), *range(20, 26)))
    assert {node.replica.status().epoch for node in cluster.nodes} == {1}


@pytest.mark.parametrize("seed", range(6))
def test_all_of_them_stopped_at_the_border_go_on_beyond_it(seed: int):
    cluster = made(5, JOINED, seed)
    order(cluster, range(4))
    cluster.submit(batch(4))
    cluster.run(4 + 2 * seed)
    for node in alive(cluster):
        cluster.crash(node.number)
    for node in cluster.nodes:
        node.start()
    for node in cluster.nodes:
        cluster.link_up(node)
    order(cluster, range(5, 10))
    cluster.run_until(lambda: all_have(cluster, *range(10)))
    assert {node.replica.status().epoch for node in cluster.nodes} == {1}


@pytest.mark.parametrize("later", [JOINED, LEFT, ROTATED], ids=["joined", "left", "rotated"])
def test_a_straggler_that_missed_the_last_certificate_of_an_epoch_catches_up(later: ReplicaSet):
    cluster = made(5, later)
    cluster.signers[1] = keyring()
    cluster.crash(1)
    cluster.restart(1)
    order(cluster, range(3))
    cluster.filter = lambda sender, to, message: to != 3
    order(cluster, range(3, 9))
    cluster.filter = lambda sender, to, message: True
    order(cluster, range(9, 12))
    cluster.run_until(lambda: all_have(cluster, *range(12)))
    assert cluster.nodes[3].replica.status().epoch == 1


def keyring():
    """Both keys of replica 1."""
    return {key: (lambda signed, key=key: fake_signature(key, signed)) for key in (key_of(1), NEW_KEY)}


def test_a_replica_votes_in_each_epoch_with_the_key_of_that_epoch():
    cluster = made(4, ROTATED)
    cluster.crash(1)
    cluster.signers[1] = keyring()
    cluster.restart(1)
    order(cluster, range(10))
    cluster.run_until(lambda: all_have(cluster, *range(10)))
    votes = [message for sender, _, message in cluster.sent if sender == 1 and isinstance(message, BlockVote)]
    assert {vote.epoch for vote in votes} == {0, 1}
    assert cluster.nodes[1].replica.status().voting
    # Without the third the quorum needs its votes.
    cluster.crash(3)
    order(cluster, range(20, 22))
    cluster.run_until(lambda: all_have(cluster, 20, 21))


def test_a_replica_that_lacks_the_key_of_an_epoch_follows_and_says_why():
    solo = Solo(1, replica_sets=lambda sequence: FIRST if sequence < 2 else ROTATED)
    old = dict(list(keyring().items())[:1])
    lacking = Solo(1, replica_sets=solo.replica_sets, signers=old)
    assert lacking.replica.status().voting
    lacking.install(certificate(1))
    status = lacking.replica.status()
    assert (status.epoch, status.voting) == (1, False)
    assert status.silent_because == "the key of this epoch is not in the keystore"
    assert not sent(lacking.batch(batch(0)))


def test_what_a_replica_says_of_views_is_signed_with_the_epochs_key():
    solo = Solo(1, replica_sets=lambda sequence: FIRST if sequence < 2 else ROTATED, signers=keyring())
    solo.install(certificate(1))
    solo.batch(batch(0))
    ready = solo.wait(30_000)
    [change] = sent(ready, ViewChange)[:1]
    assert change.epoch == 1 and solo.checked(change).message == change, "its signature is the new key's"


def test_a_chain_that_is_older_than_its_log_does_not_forget_the_view_left_in_a_later_epoch():
    """Its VIEW-CHANGE may be all that keeps the quorum for that view from what is ordered before it."""
    log = [
        StableRecord(certificate(ACTIVE - 1)),
        ViewRecord(1, 0, False),
        StableRecord(certificate(ACTIVE, epoch=1)),
        ViewRecord(1, 5, True),
    ]
    parameters = Parameters(window=2)
    solo = Solo(3, replica_sets=border(LEFT), parameters=parameters, records=log)
    height = ACTIVE + parameters.window
    assert solo.log[len(log) :] == [HoldRecord(1, 5, height)]
    solo.install(certificate(height, voters=(1, 2, 3), epoch=1))
    status = solo.replica.status()
    assert (status.epoch, status.view, status.voting) == (1, 0, False)
