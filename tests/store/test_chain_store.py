"""Blocks, state, batches and local rows over a reopened database."""

import pytest

from chainnode.ledger.records import Result
from chainnode.ledger.transaction import Row
from chainnode.store.chain import ChainStore
from consensus.domain import digest
from genesis.errors import OperatorError
from tests.store.blocks import (
    CHAIN_ID,
    batch,
    certificate_for,
    child_of,
    extend,
    results_of,
    start,
)
from tests.store.memory import MemoryChainStore


@pytest.fixture(params=["leveldb", "memory"])
def store(request, tmp_path):
    """The product and the simulator's double keep the same promises."""
    if request.param == "memory":
        yield MemoryChainStore()
        return
    opened = ChainStore(tmp_path / "store", CHAIN_ID)
    yield opened
    opened.close()


def test_a_new_store_has_no_tip(store):
    assert store.tip() is None
    assert store.latest_certificate() is None
    assert store.block(0) is None


def test_a_block_comes_back_with_its_refs_results_events_and_certificate(store):
    start(store)
    header = extend(store)
    block = store.block(1)
    assert block.header == header == store.header(1) == store.tip()
    assert block.results == tuple(results_of(1))
    assert [event.kind for event in block.events] == ["tested"]
    assert block.refs == (batch(1)[1],)
    assert block.certificate == certificate_for(header) == store.certificate(1)


def test_state_puts_are_written_and_deleted_with_their_block(store):
    start(store)
    extend(store, state_puts={b"a": b"1", b"b": b"2"})
    extend(store, state_puts={b"a": None, b"b": b"3", b"c": None})
    assert [store.state_get(key) for key in (b"a", b"b", b"c")] == [None, b"3", None]


def test_a_transaction_is_found_at_its_first_inclusion(store):
    start(store)
    header = extend(store)
    first = results_of(1)[2].transaction_id
    replayed = [Result(first, "replayed")]
    child = child_of(header, (), replayed, ())
    store.commit_block(child, (), results=replayed, events=(), state_puts={})
    assert store.find_transaction(first) == (1, 2)
    assert store.find_transaction(digest("tx", b"unknown")) is None


def test_a_transaction_that_stands_twice_in_a_block_is_found_at_the_first_place(store):
    twice = digest("tx", b"twice")
    results = [Result(twice, ""), Result(twice, "replayed")]
    child = child_of(start(store), (), results, ())
    store.commit_block(child, (), results=results, events=(), state_puts={})
    assert store.find_transaction(twice) == (1, 0)


def test_recent_results_start_at_the_height_asked_for(store):
    start(store)
    for _ in range(4):
        extend(store)
    expected = [(height, result) for height in (3, 4) for result in results_of(height)]
    assert list(store.recent_results(3)) == expected
    assert len(list(store.recent_results(0))) == 12


def test_the_latest_certificate_is_that_of_an_executed_block(store):
    start(store)
    header = extend(store)
    above = child_of(header, (), (), ())
    store.put_certificate(certificate_for(above))
    assert store.latest_certificate() == certificate_for(header)


def test_a_batch_is_unordered_until_a_block_holds_it(store):
    start(store)
    signed, ref = batch(9, rows=[Row(bytes(32), b"text")])
    assert store.put_batches([signed, signed]) == [ref.digest, ref.digest]
    assert store.has_batch(ref.digest) and store.batch_height(ref.digest) is None
    assert list(store.unordered_batches()) == [ref.digest]
    stored = store.get_batch(ref.digest)
    assert (stored.body, stored.signature) == (signed.body, signed.signature)
    assert stored.row_digests == (Row(bytes(32), b"text").digest(),)
    extend(store)
    assert list(store.unordered_batches()) == [ref.digest]
    header = store.tip()
    store.commit_block(child_of(header, [ref], (), ()), [ref], results=(), events=(), state_puts={})
    assert store.batch_height(ref.digest) == 2
    assert list(store.unordered_batches()) == []


def test_a_batch_ordered_twice_keeps_its_first_height(store):
    start(store)
    header = extend(store)
    ref = batch(1)[1]
    store.commit_block(child_of(header, [ref], (), ()), [ref], results=(), events=(), state_puts={})
    assert store.batch_height(ref.digest) == 1


def test_only_unordered_batches_are_deleted(store):
    start(store)
    extend(store)
    signed, ref = batch(9)
    store.put_batches([signed])
    ordered = batch(1)[1].digest
    store.delete_unordered([ref.digest, ordered])
    assert not store.has_batch(ref.digest) and store.has_batch(ordered)
    assert list(store.unordered_batches()) == []


def test_receipts_come_by_request_and_height(store):
    start(store)
    request_id = bytes(15) + b"\xff"
    extend(store, receipts={request_id: b"refused"})
    store.put_receipt(request_id, 7, b"authorised")
    store.put_receipt(bytes(16), 7, b"another request's")
    assert store.receipt(request_id, 1) == b"refused"
    assert store.receipt(request_id, 2) is None
    assert list(store.receipts(request_id)) == [(1, b"refused"), (7, b"authorised")]


def test_local_rows_are_iterated_by_prefix_in_order(store):
    store.local_write({b"parts/2": b"b", b"parts/1": b"a", b"parts0": b"no", b"subject/1": b"s"})
    store.local_put(b"parts/3", b"c")
    store.local_write({b"parts/2": None})
    assert list(store.local_iter(b"parts/")) == [(b"parts/1", b"a"), (b"parts/3", b"c")]
    assert store.local_get(b"subject/1") == b"s" and store.local_get(b"none") is None


def test_everything_is_there_after_reopening(tmp_path):
    path = tmp_path / "store"
    store = ChainStore(path, CHAIN_ID)
    start(store)
    for _ in range(3):
        header = extend(store)
    store.local_put(b"k", b"v")
    store.close()
    store = ChainStore(path, CHAIN_ID)
    assert store.tip() == header
    assert store.latest_certificate() == certificate_for(header)
    assert store.state_get(b"height") == (3).to_bytes(8, "big")
    assert list(store.state_items(b"hei")) == [(b"height", (3).to_bytes(8, "big"))]
    assert store.local_get(b"k") == b"v"
    store.close()


def test_another_chains_store_is_refused(tmp_path):
    ChainStore(tmp_path / "store", CHAIN_ID).close()
    with pytest.raises(OperatorError, match="STO-05"):
        ChainStore(tmp_path / "store", bytes(32))
    ChainStore(tmp_path / "store", CHAIN_ID).close()
