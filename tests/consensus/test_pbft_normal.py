"""The normal case: three phases, then the block's certificate."""

from tests.consensus.cluster import Cluster
from tests.consensus.fakes import batch


def test_a_batch_is_ordered_executed_and_certified_by_all():
    cluster = Cluster(4)
    cluster.submit(batch(1))
    cluster.run_until(lambda: cluster.height() == 1)
    assert all(cluster.ordered(node) == [batch(1)] for node in cluster.nodes)
    assert all(node.replica.status().view == 0 for node in cluster.nodes)


def test_a_single_member_decides_alone():
    cluster = Cluster(1)
    for number in range(40):
        cluster.submit(batch(number))
    cluster.run_until(lambda: len(cluster.ordered(cluster.nodes[0])) == 40)
    assert cluster.nodes[0].replica.status().certified == len(cluster.nodes[0].disk.chain)


def test_an_idle_chain_makes_no_blocks():
    cluster = Cluster(4)
    cluster.run(30_000)
    assert cluster.height() == 0
    assert not cluster.sent
