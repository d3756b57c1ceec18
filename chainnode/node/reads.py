"""Reading the chain for local users. Every answer waits for the certificate of what it was read from."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from chainnode.ledger import view
from chainnode.ledger.receiptrows import with_rows
from chainnode.ledger.records import Event
from chainnode.ledger.transaction import SignedTransaction, TransactionBody
from chainnode.node.api import (
    BlockView,
    Entry,
    EventView,
    NotFound,
    ReadResult,
    ReadTimeout,
    Stamp,
)
from chainnode.node.executor import Executor
from chainnode.node.waiters import OUTCOME_OK, Waiters
from chainnode.store.chain import ChainStore
from chainnode.store.reading import StoredBlock
from consensus.codec import decode, encode

MAX_ENTRIES = 10_000
CERTIFICATE_TIMEOUT_MS = 10_000
_STATE = b"s"
"""The ledger's raw name of a state value."""


@dataclass(frozen=True, slots=True)
class FoundTransaction:
    height: int
    code: str
    transaction: SignedTransaction


def event_text(event: Event) -> str:
    """One line for people."""
    subjects = " ".join(subject.hex() for subject in event.subjects)
    data = " ".join(f"{name}={value}" for name, value in event.data if value)
    return " ".join(part for part in (event.kind, subjects, data) if part)


class Reads:
    def __init__(self, store: ChainStore, executor: Executor, waiters: Waiters) -> None:
        self._store = store
        self._executor = executor
        self._waiters = waiters

    async def state(
        self, key: bytes, *, prefix: bool, limit: int, min_height: int, timeout_ms: int
    ) -> ReadResult:
        """Read at the newest executed block, then wait for that block's certificate."""
        if not await self._waiters.height(min_height, timeout_ms):
            raise ReadTimeout("min-height", f"height {min_height} was not certified within {timeout_ms} ms")
        height = self._executor.tip.height
        entries = self._entries(key, prefix, min(limit, MAX_ENTRIES))
        return ReadResult(entries, await self.stamp(height, timeout_ms))

    def _entries(self, key: bytes, prefix: bool, limit: int) -> tuple[Entry, ...]:
        if not prefix:
            value = self._executor.state.get(key)
            return () if value is None else (Entry(key, value),)
        found: list[Entry] = []
        for name, value in self._store.state_items(_STATE + key):
            if len(found) == limit:
                break
            found.append(Entry(name[len(_STATE) :], value))
        return tuple(found)

    async def stamp(self, height: int, timeout_ms: int) -> Stamp:
        """The certified block at `height`; genesis needs no certificate. Raises ReadTimeout."""
        if not await self._waiters.height(height, timeout_ms):
            raise ReadTimeout("no-certificate", f"height {height} was not certified within {timeout_ms} ms")
        # A block may have been certified by a later one's certificate, which vouches for all below it.
        header, certificate = self._store.header(height), self._store.certificate(height)
        certificate = certificate or self._executor.certified
        assert header is not None and (certificate is not None or height == 0)
        return Stamp(height, header.hash(), header.time_ms, encode(certificate) if certificate else b"")

    def row(self, row_digest: bytes) -> bytes:
        row = self._executor.row(row_digest)
        if row is None:
            raise NotFound("unknown-row", "the row was erased, or is of no transaction on this chain")
        return row.data

    def block(self, height: int) -> BlockView:
        block = self._store.block(height) if height <= self._waiters.certified_height else None
        if block is None:
            self._refuse_pruned(height)
            raise NotFound("unknown-block", f"no certified block at height {height}")
        if height:
            self._refuse_pruned(height)
        return BlockView(
            height,
            block.header.hash(),
            encode(block.header),
            encode(block.certificate) if block.certificate else b"",
            tuple(self._transactions(block)),
        )

    def _refuse_pruned(self, height: int) -> None:
        if height < self._store.whole:
            raise NotFound(
                "pruned",
                f"block {height} is not kept here, the lowest is {self._store.whole}; ask another member",
            )

    def _transactions(self, block: StoredBlock) -> list[tuple[bytes, str, str]]:
        kinds: dict[bytes, str] = {}
        for ref in block.refs:
            for transaction in self._executor.body(ref.digest).transactions:
                kinds[transaction.id()] = payload_kind(transaction)
        return [
            (result.transaction_id, kinds[result.transaction_id], result.code or result.rule or OUTCOME_OK)
            for result in block.results
        ]

    def transaction(self, transaction_id: bytes) -> FoundTransaction:
        """A transaction in a certified block. Raises NotFound."""
        found = self._store.find_transaction(transaction_id)
        block = self._store.block(found[0]) if found else None
        if found is None or block is None or found[0] > self._waiters.certified_height:
            aside = f", or it was pruned: blocks below {self._store.whole} are not kept here"
            detail = "no certified block holds this transaction" + (aside if self._store.whole else "")
            raise NotFound("unknown-transaction", detail)
        self._refuse_pruned(found[0])
        result = block.results[found[1]]
        transaction = self._executor.transaction(transaction_id)
        assert transaction is not None
        return FoundTransaction(found[0], result.code or result.rule or OUTCOME_OK, transaction)

    def object(self, object_id: bytes) -> tuple[bytes, bytes]:
        """Encoded ObjectPointer and BatchRecord. Raises NotFound."""
        found = view.object_index(self._executor.state, object_id)
        if found is None:
            raise NotFound("unknown-object", "no such object was anchored")
        batch = view.batch(self._executor.state, found.batch_root)
        assert batch is not None, "an indexed object has its batch"
        return found.pointer, encode(batch)

    async def blocks(self, from_height: int) -> AsyncIterator[BlockView]:
        """Certified blocks from `from_height` (1 at least) on, then as they come."""
        height = max(1, from_height)
        while True:
            await self._waiters.height(height, None)
            yield self.block(height)
            height += 1

    async def events(self, from_height: int) -> AsyncIterator[EventView]:
        """Events of certified blocks from `from_height` on, then as they come."""
        height = max(1, from_height)
        while True:
            await self._waiters.height(height, None)
            for event in self.events_at(height):
                yield EventView(event.height, event.index, event.kind, encode(event), event_text(event))
            height += 1

    def events_at(self, height: int) -> tuple[Event, ...]:
        block = self._store.block(height)
        if block is None:
            self._refuse_pruned(height)
        assert block is not None
        return block.events

    def receipt_body(self, request_id: bytes, height: int) -> tuple[int, bytes]:
        """(height, body) of a decision's receipt; height 0: the latest certified one. Raises NotFound."""
        found = [
            (at, body)
            for at, body in self._store.receipts(request_id)
            if at <= self._waiters.certified_height and height in (0, at)
        ]
        if not found:
            raise NotFound("unknown-receipt", "no certified decision on this request, or not at this height")
        at, body = found[-1]
        return at, with_rows(body, self._executor.row)


def payload_kind(transaction: SignedTransaction) -> str:
    """The payload's tag, such as "anchor-records"."""
    body = decode(transaction.body, TransactionBody, limit_bytes=len(transaction.body))
    return str(type(body.payload).__struct_config__.tag)
