"""Erasures of the chain, carried out on this machine: rows, wraps, ciphertexts, parts; then its node says so.

In their order, once each is certified. The number of the last one that is done is a local row, written after
the files no longer hold what it names: a crash in between repeats it; a node that took over a snapshot, or
came out of a backup, carries out what it lacks.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial

from structlog.stdlib import BoundLogger

from chainnode.ledger import keys, view
from chainnode.ledger.payloads import AttestErasure
from chainnode.ledger.records import ERASED_OBJECTS, ERASED_PATIENT, ErasureRecord
from chainnode.ledger.transaction import ID_BYTES
from chainnode.node.desk import SUBJECT
from chainnode.node.filing import SubmitOwn
from chainnode.node.opening import Opened
from chainnode.node.snapshots import Snapshots
from chainnode.node.stash import MAX_STASH_BYTES, PART, PSEUDONYM, STASHED, Parts
from chainnode.node.threads import in_thread
from chainnode.pool.objectstore import ObjectStore
from consensus.codec import decode, encode
from genesis.errors import OperatorError

DONE_KEY = b"erasures/done"
NUMBER_BYTES = 8
LOOK_EVERY_MS = 1_000
_GONE_AT_ONCE = 100
"""Names looked up in the state between two pauses of the loop."""

Gone = Callable[[bytes], bool]
"""Whether the object of an id is erased."""


def _names(store: ObjectStore) -> list[bytes]:
    return [object_id for object_id, _ in store.listed()]


class Erasures:
    def __init__(self, opened: Opened, snapshots: Snapshots, submit_own: SubmitOwn, log: BoundLogger) -> None:
        self._member = opened.member.number
        self._store = opened.store
        self._rows = opened.rows
        self._pool = opened.pool
        self._executor = opened.executor
        self._snapshots = snapshots
        self._submit_own = submit_own
        self._log = log
        self._attested = 0
        self._wake = asyncio.Event()

    @property
    def done(self) -> int:
        """The number of the last erasure that was carried out here."""
        return int.from_bytes(self._store.local_get(DONE_KEY) or b"", "big")

    def wake(self) -> None:
        """A block was certified."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. Raises OperatorError where this node's own disk fails."""
        while True:
            self._wake.clear()
            try:
                await self.carry_out()
            except OperatorError as error:
                if not error.code.code.startswith("POL"):
                    raise
                self._log.warning("an erasure waits for the object store", reason=str(error))
                await asyncio.sleep(LOOK_EVERY_MS / 1_000)
                continue
            await self._attest()
            try:
                async with asyncio.timeout(LOOK_EVERY_MS / 1_000):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def carry_out(self) -> None:
        """All certified erasures that are not done. Raises OperatorError: disk, object store."""
        state, certified = self._executor.state, self._executor.certified_header.height
        last = view.erasures(state)
        for number in range(self.done + 1, last + 1):
            erasure = view.erasure(state, number)
            assert erasure is not None, "erasures are numbered without a gap"
            if erasure.erased.height > certified:
                return
            # Before the rows go: who asks meanwhile is offered nothing that rests on them.
            self._snapshots.raise_floor(erasure.erased.height)
            await self._purge(erasure)
            self._store.local_write({DONE_KEY: number.to_bytes(NUMBER_BYTES, "big")})
            self._log.info("erased", number=number, kind=erasure.kind, height=erasure.erased.height)

    async def _purge(self, erasure: ErasureRecord) -> None:
        digests = list(erasure.rows)
        if erasure.kind == ERASED_PATIENT:
            digests += view.dropped_rows(self._executor.state, erasure.handle).digests
        if digests:
            await in_thread(lambda: self._rows.erase(digests))
        if erasure.kind in (ERASED_PATIENT, ERASED_OBJECTS):
            await self._purge_objects(self._gone(erasure))
            await self._purge_local(erasure)

    def _gone(self, erasure: ErasureRecord) -> Gone:
        named = frozenset(erasure.objects)
        if erasure.kind == ERASED_OBJECTS:
            return named.__contains__

        def is_of_handle(object_id: bytes) -> bool:
            found = view.object_index(self._executor.state, object_id)
            return found is not None and view.pointer(found).handle == erasure.handle

        return is_of_handle

    async def _purge_objects(self, gone: Gone) -> None:
        """The wraps first: without them a ciphertext that a crash left opens for nobody."""
        for store in (self._pool.wraps, self._pool.recipients, self._pool.objects):
            names = await in_thread(partial(_names, store))
            for at, object_id in enumerate(names):
                if at % _GONE_AT_ONCE == 0:
                    await asyncio.sleep(0)
                if gone(object_id):
                    await store.delete_async(object_id)

    async def _purge_local(self, erasure: ErasureRecord) -> None:
        """Parts and pseudonyms of the objects, and by what intake recognised the patient."""
        gone, store = self._gone(erasure), self._store
        for prefix in (STASHED, PART, PSEUDONYM, SUBJECT):
            writes = dict(self._local_writes(prefix, gone, erasure.handle))
            if writes:
                await in_thread(partial(store.local_compact, prefix))
                store.local_write(writes)
            # Also where nothing is left: the deletion may be of before a crash.
            await in_thread(partial(store.local_compact, prefix))

    def _local_writes(self, prefix: bytes, gone: Gone, handle: bytes) -> Iterator[tuple[bytes, bytes | None]]:
        for key, value in self._store.local_iter(prefix):
            if prefix == SUBJECT:
                if handle and value == handle:
                    yield key, None
            elif prefix == STASHED:
                parts = decode(value, Parts, limit_bytes=MAX_STASH_BYTES)
                left = tuple(part for part in parts if not gone(part[0]))
                if left != parts:
                    yield key, encode(left) if left else None
            elif gone(key[len(prefix) + ID_BYTES + 1 :][:ID_BYTES]):
                yield key, None

    async def _attest(self) -> None:
        """Say on chain what is done here. An observer's node has no transactions ordered: it does not."""
        state, member = self._executor.state, self._member
        if self._executor.replica_sets(self._executor.tip.height + 1).key(member) is None:
            return
        for number in range(self._attested + 1, self.done + 1):
            if state.get(keys.erasure_attested(number, member)) is None:
                code = await self._submit_own(AttestErasure(member, number))
                self._log.info("erasure attested", number=number, code=code)
                if state.get(keys.erasure_attested(number, member)) is None:
                    return
            self._attested = number
