"""Whether what a peer sent for an item of a snapshot is that item: nothing is kept that proves nothing."""

from typing import TypeVar

from chainnode.ledger.header import batches_root, events_root, results_root
from chainnode.ledger.proof import value_hash
from chainnode.ledger.subtree import SubTree, check_subtree
from chainnode.ledger.transaction import (
    MAX_TRANSACTION_BYTES,
    Row,
    SignedTransaction,
    TransactionBody,
)
from chainnode.net.wire import MAX_PIECE_TOTAL_BYTES
from chainnode.node.certified import Verify
from chainnode.node.items import Blocks, Bodies, FoundRows, PersonalRows, StatePart, Transactions
from consensus.codec import DecodeError, decode
from consensus.domain import signing_bytes
from consensus.types import Digest

T = TypeVar("T")


class UnfitError(ValueError):
    """It is not what was asked for; the message says what is wrong."""


def _decoded(content: bytes, type_: type[T]) -> T:
    try:
        return decode(content, type_, limit_bytes=MAX_PIECE_TOTAL_BYTES)
    except DecodeError as error:
        raise UnfitError(f"it cannot be read: {error.code}") from None


def fit_part(item: StatePart, content: bytes, expected: Digest) -> tuple[SubTree, list[tuple[bytes, Digest]]]:
    """The part and its children. Raises UnfitError."""
    part = _decoded(content, SubTree)
    try:
        return part, check_subtree(part, item.prefix, expected)
    except ValueError as error:
        raise UnfitError(f"a part of the state: {error}") from None


def fit_value(content: bytes, expected: Digest) -> bytes:
    """The value. Raises UnfitError."""
    if value_hash(content) != expected:
        raise UnfitError("a value of the state: it has another hash")
    return content


def fit_history(content: bytes, height: int, expected: Digest) -> Blocks:
    """Headers and bodies from `height` down, the first with the hash `expected`. Raises UnfitError."""
    blocks: Blocks = _decoded(content, Blocks)
    for header, body in blocks:
        if header.height != height or header.hash() != expected:
            raise UnfitError("a block: it is not the one before")
        if header.batches_root != batches_root(body.refs) or header.events_root != events_root(body.events):
            raise UnfitError("a block: its batches or events are not those of its header")
        if header.results_root != results_root(body.results):
            raise UnfitError("a block: its results are not those of its header")
        height, expected = height - 1, header.parent
    if not blocks:
        raise UnfitError("no block")
    return blocks


def fit_transactions(item: Transactions, content: bytes, chain_id: bytes, verify: Verify) -> Bodies:
    """Some of those that were asked for, one at least. Raises UnfitError."""
    found: Bodies = _decoded(content, Bodies)
    wanted = dict.fromkeys(item.ids)
    for one in found:
        if one.id() not in wanted:
            raise UnfitError("a transaction: it was not asked for")
        del wanted[one.id()]
        _check_signature(one, chain_id, verify)
    if not found:
        raise UnfitError("no transaction")
    return found


def _check_signature(one: SignedTransaction, chain_id: bytes, verify: Verify) -> None:
    try:
        body = decode(one.body, TransactionBody, limit_bytes=MAX_TRANSACTION_BYTES)
    except DecodeError as error:
        raise UnfitError(f"a transaction: {error.code}") from None
    if not verify(body.signer, signing_bytes("transaction", chain_id, one.body), one.signature):
        raise UnfitError("a transaction: its signature is not good")


def fit_rows(item: PersonalRows, content: bytes) -> tuple[list[Row], tuple[Digest, ...]]:
    """The rows, and the digests of those that are not there. Raises UnfitError."""
    found: FoundRows = _decoded(content, FoundRows)
    missing = dict.fromkeys(item.digests)
    for row in found:
        if row.digest() not in missing:
            raise UnfitError("a personal row: it was not asked for")
        del missing[row.digest()]
    return list(found), tuple(missing)
