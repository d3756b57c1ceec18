"""A chain folder in the making: what came of a snapshot so far, piece by piece, until it is whole.

The folder `incoming` stands beside `chain` and has its keys. While it is being filled, it has these too:

    z/target             header and certificate that the snapshot is for
    z/n <prefix>         preimage of a node that was checked (prefix: nibbles of the key hash, one a byte)
    z/p <prefix>         hash of a part whose entries are all here
    z/v <key>            value hash of a large value that is still to come

`m/applied` is written last: with it the folder is a chain, without it it is none. Everything is synced as
it comes, so that a process that was killed goes on where it was.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from chainnode.ledger import keys
from chainnode.ledger.anchoring import index_entries
from chainnode.ledger.payloads import AnchorRecords
from chainnode.ledger.proof import key_hash, node_hash, value_hash
from chainnode.ledger.records import BatchRecord
from chainnode.ledger.sources import record_at, rows_of, sources_of
from chainnode.ledger.subtree import SubTree, children_of, keys_below
from chainnode.ledger.transaction import MAX_TRANSACTION_BYTES, SignedTransaction, TransactionBody
from chainnode.ledger.tree import StateTree
from chainnode.store.chain import BLOOM_BITS, FORMAT, ChainStore
from chainnode.store.database import Database, Write
from chainnode.store.reading import (
    APPLIED,
    BATCH,
    BODY,
    CERTIFICATE,
    HEADER,
    KEPT,
    KEPT_TRANSACTION,
    LOCAL_SEEN,
    ORDERED,
    STATE,
    TRANSACTION,
    UNORDERED,
    VALUE_LIMIT_BYTES,
    Kept,
    StoredBody,
    at_height,
    encode_kept,
)
from consensus.codec import DecodeError, decode, encode
from consensus.messages import QuorumCertificate
from consensus.types import BlockHeader, Digest
from genesis.errors import OperatorError

INCOMING = "incoming"
_TARGET, _NODE, _PART, _VALUE = b"z/target", b"z/n", b"z/p", b"z/v"
_STEP = 2_048
"""Entries that are put into the tree at once."""


class Target(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is being fetched: the state after `header`, which `certificate` is for."""

    header: BlockHeader
    certificate: QuorumCertificate


class StagingError(Exception):
    """What was gathered does not give the state that the target names: the disk altered it."""


class Staging:
    """One writer; reads from any thread. Raises OperatorError as Database does."""

    def __init__(self, folder: Path, chain_id: bytes) -> None:
        """Open `folder`/incoming or make it. What cannot be read, or is another chain's, is begun anew."""
        self.path = folder / INCOMING
        self.interrupted = False
        """Set from another thread: what takes long ends early, by InterruptedError, and can be repeated."""
        self._chain_id = chain_id
        try:
            self._open()
        except OperatorError:
            self.restart()

    def _open(self) -> None:
        self._db = Database(self.path, held_by_peers=True, bloom_bits=BLOOM_BITS)
        try:
            self._db.bind(self._chain_id, FORMAT)
            self.target = self._stored_target()
        except BaseException:
            self._db.close()
            raise

    def _stored_target(self) -> Target | None:
        stored = self._db.get(_TARGET)
        try:
            return None if stored is None else decode(stored, Target, limit_bytes=VALUE_LIMIT_BYTES)
        except DecodeError as error:
            raise self._db.damaged(str(error)) from None

    def restart(self) -> None:
        """Throw everything away and begin anew."""
        if hasattr(self, "_db"):
            self._db.close()
        shutil.rmtree(self.path, ignore_errors=True)
        self._open()

    def close(self) -> None:
        self._db.close()

    def aim(self, target: Target) -> None:
        """Fetch this from now on. Parts that are the same in it stay."""
        self._db.write([(_TARGET, encode(target))])
        self.target = target

    # The state

    def missing(self, prefix: bytes, expected: Digest) -> list[tuple[bytes, Digest]]:
        """(prefix, hash) of the parts at or below `prefix` that are still to come, in order."""
        found: list[tuple[bytes, Digest]] = []
        work = [(prefix, expected)]
        while work:
            at, hash_ = work.pop()
            if self._db.get(_PART + at) == hash_:
                continue
            node = self._db.get(_NODE + at)
            if node is not None and node_hash(node) == hash_:
                work += reversed(children_of(node, at))
            else:
                found.append((at, hash_))
        return found

    def count_parts(self) -> int:
        """How many parts are here; some may be of an earlier target."""
        return sum(1 for _ in self._db.items(_PART))

    def put_part(self, prefix: bytes, expected: Digest, part: SubTree) -> None:
        """Keep a part that `check_subtree` found good, in place of what was below `prefix` before."""
        writes: list[Write] = []
        if part.node:
            present = {child for child, _ in children_of(part.node, prefix)}
            for child in (prefix + bytes([which]) for which in range(16)):
                if child not in present:
                    writes += self._without(child)
            writes += [(_PART + prefix, None), (_NODE + prefix, part.node)]
        else:
            writes += self._without(prefix)
            for entry in part.entries:
                writes += self._entry(entry.key, entry.large, entry.data)
            writes.append((_PART + prefix, expected))
        self._db.write(writes)

    def _entry(self, key: bytes, large: bool, data: bytes) -> Iterator[Write]:
        yield STATE + b"k" + key_hash(key), key
        if not large:
            yield STATE + b"s" + key, data
            return
        here = self._db.get(STATE + b"s" + key)
        if here is not None and value_hash(here) == data:
            yield STATE + b"s" + key, here
        else:
            yield _VALUE + key, data

    def _without(self, prefix: bytes) -> list[Write]:
        """Forget all entries and marks at or below a prefix."""
        writes: list[Write] = []
        for hashed, key in keys_below(self._raw_items, prefix):
            writes += [(STATE + b"k" + hashed, None), (STATE + b"s" + key, None), (_VALUE + key, None)]
        for kind in (_PART, _NODE):
            writes += [(name, None) for name, _ in self._db.items(kind + prefix)]
        return writes

    def _raw_items(self, prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        for name, value in self._db.items(STATE + prefix, start=STATE + start):
            yield name[1:], value

    def values_missing(self) -> list[tuple[bytes, Digest]]:
        """(key, value hash) of the large values that are still to come."""
        return [(name[len(_VALUE) :], hash_) for name, hash_ in self._db.items(_VALUE)]

    def put_value(self, key: bytes, value: bytes) -> None:
        self._db.write([(STATE + b"s" + key, value), (_VALUE + key, None)])

    # Blocks

    def history_from(self, header: BlockHeader) -> tuple[int, Digest]:
        """Height and header hash of the first block that is missing, going down from `header`."""
        height, expected = header.height, header.hash()
        while height > 0:
            here = self._db.get(at_height(HEADER, height))
            if here is None or decode(here, BlockHeader, limit_bytes=len(here)).hash() != expected:
                break
            height, expected = height - 1, decode(here, BlockHeader, limit_bytes=len(here)).parent
        return height, expected

    def put_history(self, blocks: Sequence[tuple[BlockHeader, StoredBody]]) -> None:
        """Headers and bodies that were proven, in descending order: where a batch or a transaction came
        twice, its first inclusion is what stays."""
        writes: list[Write] = []
        for header, body in blocks:
            height = at_height(b"", header.height)
            writes += [(HEADER + height, encode(header)), (BODY + height, encode(body))]
            writes += [(ORDERED + ref.digest, height) for ref in body.refs]
            for index, result in reversed(list(enumerate(body.results))):
                writes.append((TRANSACTION + result.transaction_id, height + index.to_bytes(4, "big")))
        self._db.write(writes)

    # What the state rests on

    def survey(self) -> tuple[dict[Digest, int], list[Digest]]:
        """Transactions that are still to come (id to height), and the digests of all personal rows."""
        transactions: dict[Digest, int] = {}
        rows: dict[Digest, None] = {}
        for key, value in self._raw_items(b"s", b"s"):
            self._go_on()
            record = record_at(key[1:], value)
            if record is None:
                continue
            rows.update(dict.fromkeys(rows_of(record)))
            for source in sources_of(record):
                transactions[source.transaction_id] = source.height
        here = [id_ for id_ in transactions if self._db.get(KEPT_TRANSACTION + id_) is not None]
        for id_ in here:
            del transactions[id_]
        return transactions, list(rows)

    def put_transactions(self, transactions: Sequence[SignedTransaction]) -> None:
        self._db.write([(KEPT_TRANSACTION + one.id(), encode(one)) for one in transactions])

    # Completion

    def complete(self, old: ChainStore, first: int) -> None:
        """Build tree and index from all entries, take over from `old` what is this node's own, and declare
        the folder a chain. `first`: the lowest height whose results are here.

        Raises StagingError: the entries do not give the target's state root; begin anew.
        """
        assert self.target is not None
        header, certificate = self.target.header, self.target.certificate
        if self._build_tree() != header.state_root:
            raise StagingError("the root of all entries is not the header's")
        for writes in self._index():
            self._db.write(writes, sync=False)
        self._take_over(old)
        writes = [(name, None) for name, _ in self._db.items(b"z/")]
        for kind in (HEADER, BODY):
            stale = self._db.items(kind + b"\0")
            writes += [(name, None) for name, _ in stale if 0 < int.from_bytes(name[1:], "big") < first]
        writes += [
            (at_height(CERTIFICATE, header.height), encode(certificate)),
            (KEPT, encode_kept(Kept(first, header.height + 1))),
            (APPLIED, at_height(b"", header.height)),
        ]
        self._db.write(writes)

    def _build_tree(self) -> Digest:
        for kind in (b"t", b"b", b"i"):
            self._db.write([(name, None) for name, _ in self._db.items(STATE + kind)], sync=False)
        tree = StateTree(lambda name: self._db.get(STATE + name))
        changes: dict[bytes, bytes | None] = {}
        for _, key in keys_below(self._raw_items, b""):
            changes[key] = self._db.get(STATE + b"s" + key)
            if changes[key] is None:
                raise StagingError("a value is missing")
            if len(changes) == _STEP:
                self._grow(tree, changes)
                changes = {}
        self._grow(tree, changes)
        return tree.root

    def _grow(self, tree: StateTree, changes: dict[bytes, bytes | None]) -> None:
        self._go_on()
        puts = tree.update(changes)
        self._db.write([(STATE + name, value) for name, value in puts.items()], sync=False)

    def _index(self) -> Iterator[list[Write]]:
        """The index beside the tree, from the transactions that anchored what it points to."""
        prefix = keys.batch(b"")
        for name, value in self._raw_items(b"s" + prefix, b"s" + prefix):
            record = decode(value, BatchRecord, limit_bytes=len(value))
            stored = self._db.get(KEPT_TRANSACTION + record.anchored.transaction_id)
            if stored is None:
                raise StagingError("a transaction is missing")
            transaction = decode(stored, SignedTransaction, limit_bytes=len(stored))
            payload = decode(transaction.body, TransactionBody, limit_bytes=MAX_TRANSACTION_BYTES).payload
            assert isinstance(payload, AnchorRecords), "a quorum executed it as one"
            root, entries = index_entries(payload)
            assert name == b"s" + keys.batch(root), "the state names the root of its pointers"
            self._go_on()
            yield [(STATE + b"i" + key, encode(entry)) for key, entry in entries]

    def _go_on(self) -> None:
        if self.interrupted:
            raise InterruptedError

    def _take_over(self, old: ChainStore) -> None:
        genesis, body = old.header(0), old.body(0)
        assert genesis is not None and body is not None, "a chain begins with its genesis block"
        self._db.write(
            [(at_height(HEADER, 0), encode(genesis)), (at_height(BODY, 0), encode(body))], sync=False
        )
        seen = old.database.get(LOCAL_SEEN)
        if seen is not None:
            self._db.write([(LOCAL_SEEN, seen)], sync=False)
        for key, value in old.own_entries():
            self._db.write([(key, value)], sync=False)
        for digest in list(old.unordered_batches()):
            batch = old.get_batch(digest)
            if batch is not None and self._db.get(ORDERED + digest) is None:
                self._db.write([(BATCH + digest, encode(batch)), (UNORDERED + digest, b"")], sync=False)
