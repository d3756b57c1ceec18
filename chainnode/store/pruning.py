"""Blocks that are no longer kept: taken away from below, with what the state rests on left behind.

For each block, in one write: its header, body, certificate and batches go, transactions that a live record of
the state names stay as `x` entries, and `m/kept` moves up. So a crash leaves a chain that is only longer than
it was to be. Then the ranges are compacted, for LevelDB gives the space of deleted entries back only then.
"""

import time
from collections.abc import Callable

from chainnode.ledger.sources import record_at, sources_of
from chainnode.ledger.transaction import BatchBody
from chainnode.store.chain import ChainStore
from chainnode.store.database import Write, prefix_end
from chainnode.store.reading import (
    BATCH,
    BODY,
    CERTIFICATE,
    HEADER,
    KEPT,
    KEPT_TRANSACTION,
    ORDERED,
    TRANSACTION,
    ChainReader,
    Kept,
    at_height,
    encode_kept,
)
from consensus.codec import decode, encode
from consensus.types import Digest

PAUSE_EVERY, PAUSE_S = 512, 0.002
"""After so many entries the thread steps back, so that the node's own loop is not held up."""
_DIGEST_KINDS = (BATCH, ORDERED, TRANSACTION, KEPT_TRANSACTION)
_HEIGHT_KINDS = (HEADER, BODY, CERTIFICATE)


def live_transactions(chain: ChainReader, stopped: Callable[[], bool]) -> dict[Digest, None]:
    """Ids of the transactions that the state rests on. Raises InterruptedError once `stopped` says so."""
    live: dict[Digest, None] = {}
    for number, (name, value) in enumerate(chain.state_items(b"s")):
        if number % PAUSE_EVERY == 0:
            time.sleep(PAUSE_S)
            if stopped():
                raise InterruptedError
        record = record_at(name[1:], value)
        if record is not None:
            live.update((source.transaction_id, None) for source in sources_of(record))
    return live


class Pruner:
    """Of one store, in a thread while the store goes on. Raises OperatorError as Database does."""

    def __init__(self, store: ChainStore) -> None:
        self._store = store
        self._database = store.database

    def prune(self, below: int, stopped: Callable[[], bool]) -> int:
        """Take away the blocks below this height; how many. Raises InterruptedError once `stopped` says so:
        what was done until then counts."""
        frozen = self._store.freeze()
        try:
            live = live_transactions(frozen, stopped)
        finally:
            frozen.close()
        first = max(1, self._store.first)
        for height in range(first, below):
            if stopped():
                raise InterruptedError
            kept = Kept(height + 1, max(self._store.whole, height + 1))
            self._database.write([*self._without(height, live), (KEPT, encode_kept(kept))], sync=False)
            self._store.note_kept(kept)
        stale = self._database.items(KEPT_TRANSACTION)
        self._database.write([(key, None) for key, _ in stale if key[1:] not in live])
        for kind in _HEIGHT_KINDS:
            self._database.compact(at_height(kind, 1), at_height(kind, below))
        for kind in _DIGEST_KINDS:
            stop = prefix_end(kind)
            assert stop is not None
            self._database.compact(kind, stop)
        return max(0, below - first)

    def _without(self, height: int, live: dict[Digest, None]) -> list[Write]:
        body = self._store.body(height)
        writes: list[Write] = [(at_height(kind, height), None) for kind in _HEIGHT_KINDS]
        if body is None:
            return writes
        for ref in body.refs:
            if self._store.batch_height(ref.digest) != height:
                continue  # it stands in a block that is kept or gone already
            stored = self._store.get_batch(ref.digest)
            if stored is not None:
                batch = decode(stored.body, BatchBody, limit_bytes=len(stored.body))
                resting = [one for one in batch.transactions if one.id() in live]
                writes += [(KEPT_TRANSACTION + one.id(), encode(one)) for one in resting]
            writes += [(BATCH + ref.digest, None), (ORDERED + ref.digest, None)]
        for result in body.results:
            found = self._store.find_transaction(result.transaction_id)
            if found is not None and found[0] == height:
                writes.append((TRANSACTION + result.transaction_id, None))
        return writes
