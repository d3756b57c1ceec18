"""Batches that are here: waiting, in a slot, ordered, forgotten."""

from consensus.batches import BatchPool
from consensus.codec import encode
from tests.consensus.fakes import batch

A, B, C = batch(1, size_bytes=10), batch(2, size_bytes=20), batch(3, size_bytes=40)
REF_BYTES = len(encode(A))
ROOM = 1 << 20


def pool_of(*refs, now_ms: int = 0) -> BatchPool:
    pool = BatchPool()
    for ref in refs:
        pool.add(ref, now_ms)
    return pool


def weights(pool: BatchPool) -> tuple[int, int, int]:
    return pool.waiting_bytes, pool.waiting_refs_bytes, pool.placed_bytes


def waiting(pool: BatchPool) -> list:
    return [ref for ref, _ in pool.oldest()]


def test_what_waits_is_weighed_by_its_batches_and_by_its_refs():
    pool = pool_of(A, B)
    assert not pool.add(A, 5) and len(pool) == pool.waiting == 2
    assert weights(pool) == (30, 2 * REF_BYTES, 0)
    pool.place((A,), 1)
    assert weights(pool) == (20, REF_BYTES, 10)
    pool.order((B,), 2)
    assert weights(pool) == (0, 0, 10) and len(pool) == 2


def test_a_block_takes_the_oldest_that_fit_to_the_last_byte():
    pool = pool_of(A, B, C)
    assert pool.choose(1, 70, ROOM) == (A, B, C)
    assert pool.choose(1, 69, ROOM) == (A, B)
    assert pool.choose(1, ROOM, 2 * REF_BYTES) == (A, B)
    assert pool.choose(1, ROOM, 2 * REF_BYTES - 1) == (A,)


def test_the_first_one_fits_whatever_it_weighs():
    pool = pool_of(C, A)
    assert pool.choose(1, 1, ROOM) == (C,) and pool.choose(1, ROOM, 1) == (C,)


def test_what_expires_is_proposable_at_its_expiry_and_not_after():
    old = batch(4, expiry_height=3)
    pool = pool_of(old)
    assert pool.proposable(3) and pool.choose(3, ROOM, ROOM) == (old,)
    assert not pool.proposable(4) and pool.choose(4, ROOM, ROOM) == ()


def test_what_a_view_left_in_its_slots_waits_again_ahead_of_what_came_later():
    pool = pool_of(A, B)
    pool.place((A,), 1)
    pool.add(C, 7)
    for _, wait in pool.oldest():
        wait.relayed_ms, wait.passed_over = 3, True
    pool.unplace(9)
    assert waiting(pool) == [A, B, C] and weights(pool) == (70, 3 * REF_BYTES, 10)
    assert [(wait.since_ms, wait.relayed_ms, wait.passed_over) for _, wait in pool.oldest()] == [
        (9, None, False),
        (0, None, False),
        (7, None, False),
    ]
    assert pool.slot_of(A) is None
    pool.trim(1, 0, 10)
    assert waiting(pool) == [A, B, C], "the slot that held it is forgotten"


def test_what_was_ordered_does_not_wait_again():
    pool = pool_of(A, B)
    pool.place((A, B), 1)
    pool.order((A,), 1)
    pool.unplace(9)
    assert waiting(pool) == [B] and pool.slot_of(A) == 1


def test_what_never_came_does_not_wait():
    pool = pool_of(A)
    pool.place((A, B), 1)
    pool.unplace(9)
    assert waiting(pool) == [A]


def test_what_a_block_holds_that_was_executed_before_the_start_is_here_and_does_not_wait():
    pool = BatchPool()
    pool.restore((A,), 4, 0)
    assert pool.has(A) and waiting(pool) == [] and pool.slot_of(A) == 4


def test_what_is_certified_goes_and_is_known_as_ordered_for_a_window():
    pool = pool_of(A, B)
    pool.order((A,), 1)
    pool.order((B,), 2)
    pool.trim(2, 0, 0)
    assert len(pool) == 0 and (pool.slot_of(A), pool.slot_of(B)) == (1, 2)
    pool.trim(3, 1, 0)
    assert (pool.slot_of(A), pool.slot_of(B)) == (None, 2) and len(pool._ordered_in) == 1
    pool.trim(4, 2, 0)
    assert pool.slot_of(B) is None and not pool._ordered_in


def test_a_batch_that_was_ordered_again_is_known_by_its_last_height():
    pool = pool_of(A)
    pool.order((A,), 1)
    pool.order((A,), 5)
    pool.trim(5, 1, 0)
    assert pool.slot_of(A) == 5


def test_a_slot_that_others_certified_with_other_content_gives_its_batches_back():
    pool = pool_of(A, B)
    pool.place((A,), 1)
    pool.place((B,), 2)
    pool.trim(1, 0, 8)
    assert waiting(pool) == [A] and pool.slot_of(A) is None and pool.slot_of(B) == 2
    assert [wait.since_ms for _, wait in pool.oldest()] == [8]


def test_what_expired_unordered_goes_with_its_weight():
    old = batch(4, size_bytes=50, expiry_height=3)
    pool = pool_of(old, A)
    pool.trim(2, 0, 0)
    assert len(pool) == 2
    pool.trim(3, 0, 0)
    assert waiting(pool) == [A] and len(pool) == 1 and weights(pool) == (10, REF_BYTES, 0)


def test_a_pause_of_this_process_is_not_waiting():
    pool = pool_of(A)
    [(_, wait)] = pool.oldest()
    assert (wait.patience_bytes, wait.passed_over) == (0, False)
    wait.relayed_ms, wait.passed_over = 3, True
    pool.rearm(50)
    assert (wait.since_ms, wait.relayed_ms, wait.passed_over) == (50, None, False)
