"""Of what a peer sends for an item nothing is taken that was altered in any byte."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chainnode.ledger.proof import value_hash
from chainnode.ledger.subtree import cut_subtree
from chainnode.ledger.transaction import Row, SignedTransaction
from chainnode.node.items import PersonalRows, StatePart, Transactions, rows_at_once
from chainnode.node.joinjudge import (
    UnfitError,
    fit_history,
    fit_part,
    fit_rows,
    fit_transactions,
    fit_value,
)
from consensus.codec import encode
from tests.ledger.world import digest32, verify
from tests.node.grown import Grown, told

Judge = Callable[[bytes], object]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory):
    made = told(tmp_path_factory.mktemp("source"))
    yield made
    made.close()


def blocks(grown: Grown, top: int, count: int) -> bytes:
    store = grown.store
    return encode([(store.header(height), store.body(height)) for height in range(top, top - count, -1)])


def judged(grown: Grown, kind: str) -> tuple[bytes, Judge]:
    """Good content of an item, and its judge."""
    if kind == "part":
        item, root = StatePart(b""), grown.headers[-1].state_root
        part = cut_subtree(grown.store.state_get, grown.store.state_items, b"", 1_024)
        return encode(part), lambda data: fit_part(item, data, root)
    if kind == "value":
        value = grown.store.state_get(b"sgenesis")
        assert value is not None
        return value, lambda data: fit_value(data, value_hash(value))
    if kind == "history":
        top = grown.headers[9]
        return blocks(grown, 9, 2), lambda data: fit_history(data, 9, top.hash())
    if kind == "transactions":
        ids = tuple(grown.transactions)[:2]
        found = [grown.transactions[id_][0] for id_ in ids]
        return encode(found), lambda data: fit_transactions(Transactions(ids), data, grown.chain_id, verify)
    digests = tuple(grown.rows)[:2]
    return encode([grown.rows[one] for one in digests]), lambda data: fit_rows(PersonalRows(digests), data)


@pytest.mark.parametrize("kind", ["part", "value", "history", "transactions", "rows"])
def test_every_changed_byte_is_refused(grown: Grown, kind: str) -> None:
    content, judge = judged(grown, kind)
    judge(content)
    step = max(1, len(content) // 400)
    for at in range(0, len(content), step):
        bad = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        with pytest.raises(UnfitError):
            judge(bad)


@pytest.mark.parametrize("kind", ["part", "value", "history", "transactions"])
def test_nothing_and_what_is_cut_off_is_refused(grown: Grown, kind: str) -> None:
    content, judge = judged(grown, kind)
    for bad in (b"", b"\x90", content[:-1], content + b"\0"):
        with pytest.raises(UnfitError):
            judge(bad)


def test_blocks_that_do_not_follow_are_refused(grown: Grown) -> None:
    top = grown.headers[9].hash()
    for data in (blocks(grown, 8, 2), blocks(grown, 10, 2)):
        with pytest.raises(UnfitError):
            fit_history(data, 9, top)
    gap = encode([(grown.store.header(height), grown.store.body(height)) for height in (9, 7)])
    with pytest.raises(UnfitError):
        fit_history(gap, 9, top)


def test_a_transaction_that_was_not_asked_for_or_comes_twice_is_refused(grown: Grown) -> None:
    ids = tuple(grown.transactions)[:2]
    first, second = (grown.transactions[id_][0] for id_ in ids)
    for found in ([first, first], [second]):
        with pytest.raises(UnfitError):
            fit_transactions(Transactions(ids[:1]), encode(found), grown.chain_id, verify)
    with pytest.raises(UnfitError, match="signature"):
        other = SignedTransaction(first.body, second.signature)
        fit_transactions(Transactions(ids[:1]), encode([other]), grown.chain_id, verify)


def test_some_of_the_transactions_are_enough_and_rows_may_be_absent(grown: Grown) -> None:
    ids = tuple(grown.transactions)[:3]
    found = fit_transactions(
        Transactions(ids), encode([grown.transactions[ids[0]][0]]), grown.chain_id, verify
    )
    assert [one.id() for one in found] == [ids[0]]
    digests = tuple(grown.rows)[:2]
    rows, missing = fit_rows(PersonalRows(digests), encode([grown.rows[digests[1]]]))
    assert rows == [grown.rows[digests[1]]] and missing == (digests[0],)
    with pytest.raises(UnfitError):
        fit_rows(PersonalRows(digests), encode([Row(digest32("salt"), b"another")]))


def test_all_rows_that_are_asked_for_at_once_fit_an_answer(tmp_path: Path) -> None:
    for limit in (32_768, 524_288, 4_194_304):
        assert rows_at_once(limit) * (16_384 + 32 + 8) <= max(limit, 16_448)
