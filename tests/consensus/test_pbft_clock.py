"""A replica whose wall clock is an hour off: it is refused as primary, holds up nobody, and is taken back."""

import pytest

from tests.consensus.cluster import Cluster
from tests.consensus.fakes import batch

HOUR_MS = 3_600_000


@pytest.mark.parametrize("skew_ms", [HOUR_MS, -HOUR_MS])
def test_a_primary_an_hour_off_is_left_and_the_others_go_on(skew_ms: int):
    cluster = Cluster()
    cluster.nodes[0].wall_skew_ms = skew_ms
    cluster.submit(batch(1))
    cluster.run_until(lambda: cluster.height((1, 2, 3)) >= 1, limit_ms=10_000)
    honest = [node for node in cluster.nodes if node.number]
    assert all(any(one.rule == "clock" and one.replica == 0 for one in node.rejections) for node in honest)
    assert all(node.replica.status().view >= 1 for node in honest)
    assert not any(node.evidence for node in cluster.nodes)


@pytest.mark.parametrize("skew_ms", [HOUR_MS, -HOUR_MS])
def test_a_backup_an_hour_off_follows_and_stalls_nobody(skew_ms: int):
    cluster = Cluster()
    cluster.nodes[2].wall_skew_ms = skew_ms
    for number in range(1, 6):
        cluster.submit(batch(number))
        cluster.run(300)
    cluster.run_until(lambda: cluster.height() >= 1 and len(cluster.ordered(cluster.nodes[2])) == 5)
    assert all(node.replica.status().view == 0 for node in cluster.nodes), "its doubt moved nobody"
    assert any(one.rule == "clock" for one in cluster.nodes[2].rejections)


def test_a_clock_that_was_mended_leads_again():
    cluster = Cluster()
    cluster.nodes[0].wall_skew_ms = -HOUR_MS
    cluster.submit(batch(1))
    cluster.run_until(lambda: cluster.height((1, 2, 3)) >= 1, limit_ms=10_000)
    cluster.nodes[0].wall_skew_ms = 0
    cluster.nodes[0].rejections.clear()
    for number in (1, 2, 3):
        cluster.crash(number)
        cluster.submit(batch(number + 1))
        _until_height(cluster, number + 1)
        cluster.restart(number)
        _until_height(cluster, number + 1)
    assert {node.replica.status().primary for node in cluster.nodes} == {0}
    cluster.submit(batch(9))
    cluster.run_until(lambda: all(batch(9) in cluster.ordered(node) for node in cluster.nodes))
    assert not any(one.rule == "clock" for one in cluster.nodes[0].rejections)


def _until_height(cluster: Cluster, height: int) -> None:
    """`height` is the lowest of the nodes that are up."""
    cluster.run_until(lambda: cluster.height() >= height)
