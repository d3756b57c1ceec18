"""A primary is watched for its fairness and its throughput, not just for its pulse (Aardvark, RBFT)."""

from consensus.messages import PrePrepare, ViewChange
from consensus.parameters import Parameters
from consensus.ready import Relay
from consensus.types import TURN_VIEWS
from tests.consensus.cluster import Cluster
from tests.consensus.fakes import WALL_MS, batch
from tests.consensus.solo import Solo, proposal, sent

CENSORED = batch(999)


def at_now(solo: Solo, sequence: int, *refs) -> PrePrepare:
    return proposal(sequence, refs, time_ms=WALL_MS + solo.clock_ms)


def order(solo: Solo, sequence: int, number: int, size_bytes: int = 1_000) -> None:
    """The primary orders another batch."""
    ref = batch(number, size_bytes=size_bytes)
    solo.batch(ref)
    solo.decide(at_now(solo, sequence, ref))
    solo.certify(sequence)


def test_a_primary_that_passes_over_a_batch_is_suspected_though_it_orders_others():
    solo = Solo(1)
    solo.batch(CENSORED)
    relayed, changes = [], []
    for sequence in range(1, 21):
        order(solo, sequence, sequence)
        ready = solo.wait(100)
        relayed += ready.relay
        changes += sent(ready, ViewChange)
        if changes:
            break
    assert relayed == [Relay(CENSORED, 0)]
    # Half a timeout until the relay, one for the primary to react.
    assert 14 <= sequence <= 16


def test_a_batch_that_comes_in_time_after_the_relay_costs_nothing():
    solo = Solo(1)
    solo.batch(CENSORED)
    for sequence in range(1, 8):
        order(solo, sequence, sequence)
        solo.wait(100)
    solo.decide(at_now(solo, 8, CENSORED))
    solo.certify(8)
    for sequence in range(9, 30):
        order(solo, sequence, sequence)
        assert not sent(solo.wait(100), ViewChange)


def test_a_primary_whose_blocks_are_full_is_not_suspected_at_once():
    solo = Solo(1, parameters=Parameters(block_bytes=262_144))
    backlog = [batch(number, size_bytes=262_000) for number in range(1, 31)]
    solo.batch(*backlog, CENSORED)
    for sequence, ref in enumerate(backlog, 1):
        solo.decide(at_now(solo, sequence, ref))
        solo.certify(sequence)
        assert not sent(solo.wait(200), ViewChange)


def test_a_primary_that_fills_its_blocks_with_what_came_later_is_suspected():
    solo = Solo(1, parameters=Parameters(block_bytes=262_144))
    solo.batch(CENSORED)
    for sequence in range(1, 40):
        order(solo, sequence, sequence, size_bytes=262_000)
        if sent(solo.wait(100), ViewChange):
            break
    assert sequence < 20


def test_a_batch_that_expires_within_the_window_is_nobody_s_fault():
    solo = Solo(1)
    solo.batch(batch(5, expiry_height=10))
    ready = solo.wait(10_000)
    assert not sent(ready, ViewChange) and not ready.relay


def test_a_censoring_primary_is_replaced_and_the_batch_gets_in():
    cluster = Cluster(4)
    cluster.byzantine = {0}
    cluster.nodes[0].refuses = {CENSORED}
    cluster.submit(CENSORED)
    for number in range(40):
        cluster.submit(batch(number))
        cluster.run(100)
    cluster.run_until(lambda: all(CENSORED in cluster.ordered(node) for node in cluster.honest()))
    assert cluster.clock_ms < 10_000 + 4_000 + 1_000
    assert cluster.nodes[1].replica.status().view == 1


def test_a_crashed_primary_is_replaced_within_three_seconds():
    cluster = Cluster(4)
    cluster.submit(batch(0))
    cluster.run_until(lambda: cluster.height() == 1)
    cluster.crash(0)
    started = cluster.clock_ms
    cluster.submit(batch(1))
    cluster.run_until(lambda: cluster.height() == 2)
    assert cluster.clock_ms - started < 3_000


def test_two_crashed_primaries_in_a_row_are_replaced():
    cluster = Cluster(7)
    for number in (0, 1):
        cluster.crash(number)
    cluster.submit(batch(0))
    cluster.run_until(lambda: cluster.height() == 1)
    assert cluster.nodes[2].replica.status().view == 2
    assert cluster.nodes[2].replica.status().timeout_ms == cluster.parameters.base_timeout_ms


def test_a_loaded_honest_primary_keeps_its_view():
    cluster = Cluster(4, parameters=Parameters(window=4, block_bytes=65_536, batch_bytes=16_384))
    number = 0
    for _ in range(100):
        for _ in range(12):
            number += 1
            cluster.submit(batch(number, origin=number % 4, size_bytes=16_000))
        cluster.run(60)
    cluster.run_until(lambda: all(len(cluster.ordered(node)) == number for node in cluster.nodes))
    assert all(node.replica.status().view % TURN_VIEWS == 0 for node in cluster.nodes)
    fullest = max(len(block.refs) for block in cluster.nodes[0].disk.chain)
    assert fullest == 4, "blocks of a loaded primary are full"
