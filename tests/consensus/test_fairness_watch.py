"""The watch over batches that a primary leaves waiting, by itself: to the millisecond and the byte."""

import pytest

from consensus.batches import BatchPool
from consensus.output import Output
from consensus.parameters import Parameters
from consensus.ready import Relay
from consensus.suspicion import Fairness, Timers
from consensus.types import Now
from tests.consensus.fakes import batch
from tests.consensus.solo import proposal

BLOCK_BYTES = 100_000
HIGH = 16
WAITING = batch(1, size_bytes=1_000, expiry_height=HIGH + 1)


def at(ms: int) -> Now:
    return Now(ms, 0)


class Watch:
    """A batch of 1,000 bytes waits since 0; a base timeout is 1,000 ms, a block holds 100,000 bytes."""

    def __init__(self, ref=WAITING) -> None:
        parameters = Parameters(block_bytes=BLOCK_BYTES)
        self.pool = BatchPool()
        self.pool.add(ref, 0)
        self.fairness = Fairness(parameters, self.pool, Timers(parameters))

    def relay(self, ms: int) -> list[Relay]:
        out = Output()
        self.fairness.relay(0, HIGH, at(ms), out)
        return out.relay

    def propose(self, ms: int, size_bytes: int, refs_bytes: int = 1_000) -> None:
        self.fairness.on_proposal(proposal(1, (batch(9, size_bytes=size_bytes),)), refs_bytes, at(ms))

    def broken(self, ms: int, high: int = HIGH) -> bool:
        return self.fairness.is_broken(high, at(ms))


def relayed() -> Watch:
    watch = Watch()
    assert watch.relay(500) == [Relay(WAITING, 0)]
    return watch


def test_a_batch_is_relayed_once_when_it_has_waited_for_half_the_timeout():
    watch = Watch()
    assert watch.relay(499) == [] and watch.relay(500) == [Relay(WAITING, 0)] and watch.relay(900) == []


def test_a_batch_that_expires_within_the_window_is_not_relayed():
    assert Watch(batch(1, expiry_height=HIGH)).relay(9_000) == []


@pytest.mark.parametrize(
    ("ms", "size_bytes", "refs_bytes", "broken"),
    [
        (1_000, 99_000, 1_000, True),
        (999, 99_000, 1_000, False),
        (1_000, 99_001, 1_000, False),
    ],
    ids=["fits", "too soon after the relay", "a byte too few"],
)
def test_a_block_that_had_room_half_a_timeout_after_the_relay_passes_the_batch_over(
    ms: int, size_bytes: int, refs_bytes: int, broken: bool
):
    watch = relayed()
    watch.propose(ms, size_bytes, refs_bytes)
    assert watch.broken(1_500) == broken


def test_room_for_the_batch_is_no_room_without_room_for_its_ref():
    watch = relayed()
    [(_, wait)] = watch.pool.oldest()
    watch.propose(1_000, 1, wait.ref_bytes - 1)
    assert not watch.broken(1_500)
    watch.propose(1_000, 1, wait.ref_bytes)
    assert watch.broken(1_500)


def test_a_primary_has_the_whole_timeout_after_the_relay():
    watch = relayed()
    watch.propose(1_000, 1)
    assert not watch.broken(1_499) and watch.broken(1_500)


def test_a_batch_that_expires_within_the_window_breaks_nothing():
    watch = relayed()
    watch.propose(1_000, 1)
    assert not watch.broken(1_500, HIGH + 1) and watch.broken(1_500, HIGH)


def test_what_was_never_relayed_breaks_nothing():
    watch = Watch()
    watch.propose(1_000, 1)
    assert not watch.broken(9_000)


def test_a_primary_may_order_what_waited_and_a_block_more_before_the_batch():
    for more, broken in ((0, False), (1, True)):
        watch = relayed()
        watch.pool.place((batch(5, size_bytes=1_000 + BLOCK_BYTES + more),), 1)
        assert watch.broken(1_500) == broken
