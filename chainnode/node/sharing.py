"""Class keys on their way to the trustees, and out of their hands again.

The node that took a dealing in keeps the sealed shares until every trustee has answered on chain: what is
still to be sent follows from the state and the stash, so a restart forgets nothing. A trustee's node opens
its blob, holds each share against Feldman's commitments on chain, keeps it and says so, or complains. Where a
dealing ends or is replaced it erases what it has, and says so. An observer hands its answers to a voter.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from structlog.stdlib import BoundLogger

from chainnode.ledger import view
from chainnode.ledger.payloads import COMPLAINS, ERASED, HOLDS, AnswerDealing
from chainnode.ledger.records import RECORD_BYTES, DealingsRecord, DealtRecord
from chainnode.ledger.transaction import NONCE_BYTES, Submission, TransactionBody, sign_transaction
from chainnode.net.wire import MAX_SEALED_BYTES, Frame, SealedShares, ShareAnswer, ShareDelivery
from chainnode.node.admissions import OWN_TIMEOUT_MS, OWN_VALIDITY_HEIGHTS, Admissions
from chainnode.node.clock import now
from chainnode.node.executor import Executor
from chainnode.node.sharestore import Name
from chainnode.node.stash import Stash
from chainnode.node.trusteeship import Roster, Trusteeship
from chainnode.store.chain import ChainStore
from chainnode.vault.classshares import Committed, open_shares, trustee_tag
from chainnode.vault.errors import SealingError
from chainnode.vault.parts import parts_digest
from consensus.codec import DecodeError, decode, encode
from consensus.types import Now, ReplicaId

LOOK_EVERY_MS = 1_000
RESEND_MS = 5_000
WORKERS = 16
"""Answers that wait for their certificate at one time."""
QUEUED = 1_024
"""Frames and answers that wait for a worker; one too many is dropped, for the sender sends it again."""
_DEALING_KEYS = b"sdealing/"
MAX_EARLY = 64
"""Deliveries that came before their dealing was certified here."""
TRUSTEE_CLIENT = "trustee"


@dataclass(slots=True)
class _Sending:
    """A dealing of which this node has the sealed shares. `sent_ms`: by seat, when last."""

    handle: bytes
    sent_ms: dict[int, int] = field(default_factory=dict)


class Sharing:
    def __init__(
        self,
        *,
        member: ReplicaId,
        chain_id: bytes,
        validity_heights: int,
        roster: Roster,
        trusteeship: Trusteeship | None,
        executor: Executor,
        store: ChainStore,
        stash: Stash,
        admissions: Admissions,
        linked: Callable[[ReplicaId], bool],
        send: Callable[[ReplicaId, Frame], Awaitable[bool]],
        log: BoundLogger,
        clock: Callable[[], Now] = now,
    ) -> None:
        self._member = member
        self._chain_id = chain_id
        self._validity_heights = min(OWN_VALIDITY_HEIGHTS, validity_heights)
        self._roster = roster
        self._own = trusteeship
        self._executor = executor
        self._store = store
        self._stash = stash
        self._admissions = admissions
        self._linked = linked
        self._send = send
        self._log = log
        self._clock = clock
        self._sending: dict[bytes, _Sending] = {}
        self._swept_height = -1
        self._answered_ms: dict[tuple[bytes, str], int] = {}
        self._to_erase: dict[bytes, bytes] = {}
        self._early: dict[bytes, tuple[ReplicaId, ShareDelivery]] = {}
        self._due = asyncio.Event()
        self._queue: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue(QUEUED)

    async def take(self, peer: ReplicaId, frame: Frame) -> None:
        """A frame from the links."""
        if isinstance(frame, ShareDelivery):
            self._enqueue(lambda: self.delivered(peer, frame))
        elif isinstance(frame, ShareAnswer):
            self._enqueue(lambda: self.answered(peer, frame))

    def _enqueue(self, work: Callable[[], Awaitable[None]]) -> None:
        if self._queue.full():
            self._log.warning("a trustee's post dropped", waiting=QUEUED)
            return
        self._queue.put_nowait(work)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look())
            for _ in range(WORKERS):
                tasks.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            await (await self._queue.get())()

    async def _look(self) -> None:
        while True:
            self._due.clear()
            await self.work()
            try:
                async with asyncio.timeout(LOOK_EVERY_MS / 1000):
                    await self._due.wait()
            except TimeoutError:
                continue

    def recover(self) -> None:
        """After a start: dealings whose shares are here still, and shares whose dealing ended meanwhile."""
        for key, value in self._store.state_items(_DEALING_KEYS):
            record = decode(value, DealingsRecord, limit_bytes=RECORD_BYTES)
            handle = key.removeprefix(_DEALING_KEYS)
            for digest in dict.fromkeys(one.shares_digest for one in record.dealt):
                self.note(handle, digest)

    def note(self, handle: bytes, shares_digest: bytes = b"") -> None:
        """A patient's keys were dealt, or dealings ended."""
        early = self._early.pop(shares_digest, None)
        if early is not None:
            self._enqueue(partial(self.delivered, *early))
        if shares_digest and self._stash.parts(shares_digest):
            self._sending.setdefault(shares_digest, _Sending(handle))
        if self._own is not None:
            self._swept_height = -1
        self._due.set()

    async def work(self) -> None:
        """Send what is due; erase what is no longer to be kept, and say so."""
        for digest, sending in list(self._sending.items()):
            await self._distribute(digest, sending)
        if self._own is not None and self._swept_height < self._executor.certified_header.height:
            self._swept_height = self._executor.certified_header.height
            await self._sweep(self._own)

    def _of(self, handle: bytes, shares_digest: bytes) -> tuple[DealtRecord, ...]:
        held = view.dealings(self._executor.state, handle)
        return tuple(one for one in (held.dealt if held else ()) if one.shares_digest == shares_digest)

    async def _distribute(self, digest: bytes, sending: _Sending) -> None:
        enrolment = view.patient(self._executor.state, sending.handle)
        standing = [one for one in self._of(sending.handle, digest) if not one.ended.height]
        seats: list[int] = []
        if enrolment is not None and standing:
            answered = {*standing[0].holds, *standing[0].complains}
            seats = [seat for seat in self._roster.remaining(enrolment.member) if seat not in answered]
        if not seats:
            # Every trustee has answered, or the dealing ended: the blobs are of no more use here.
            self._stash.drop(digest)
            del self._sending[digest]
            return
        current = self._clock().monotonic_ms
        blobs = self._stash.parts(digest)
        frame = ShareDelivery(
            sending.handle, digest, tuple(SealedShares(*pair) for pair in sorted(blobs.items()))
        )
        for seat in seats:
            host = self._roster.host(seat)
            if host is None or current - sending.sent_ms.get(seat, -RESEND_MS) < RESEND_MS:
                continue
            if host == self._member:
                sending.sent_ms[seat] = current
                await self.take(self._member, frame)
            elif self._linked(host):
                sending.sent_ms[seat] = current
                await self._send(host, frame)

    async def delivered(self, peer: ReplicaId, frame: ShareDelivery) -> None:
        """Shares for the trustee that this node hosts: open, check, keep, answer on chain."""
        own = self._own
        if own is None:
            return
        certified = self._executor.certified_header.height
        dealt = [one for one in self._of(frame.handle, frame.shares_digest) if not one.ended.height]
        if not dealt or dealt[0].dealt.height > certified:
            # The sender may have the certificate a moment before this node: looked at again with the block.
            if len(self._early) < MAX_EARLY:
                self._early[frame.shares_digest] = (peer, frame)
            return
        if own.seat in (*dealt[0].holds, *dealt[0].complains):
            return
        blobs = {one.tag: one.sealed for one in frame.shares}
        try:
            genuine = parts_digest([(one.tag, one.sealed) for one in frame.shares])
        except SealingError:
            genuine = b""
        sealed = blobs.get(trustee_tag(self._roster.key_of(own.seat)))
        if genuine != frame.shares_digest or sealed is None:
            self._log.warning("shares that are not the dealing's", peer=peer, handle=frame.handle.hex())
            return
        await self._answer(peer, frame.handle, frame.shares_digest, self._take(own, frame, dealt, sealed))

    def _take(self, own: Trusteeship, frame: ShareDelivery, dealt: list[DealtRecord], sealed: bytes) -> str:
        """Keep the shares; what there is to say of them."""
        keys = [Committed(one.data_class, one.epoch, one.commitments) for one in dealt]
        try:
            shares = open_shares(
                own.keys.kem,
                sealed,
                keys,
                seat=own.seat,
                chain_id=self._chain_id,
                handle=frame.handle,
            )
        except SealingError as error:
            self._log.warning("a false share", handle=frame.handle.hex(), rule=error.rule)
            return COMPLAINS
        for key, share in zip(keys, shares, strict=True):
            own.store.put(Name(frame.handle, frame.shares_digest, key.data_class, key.epoch), share)
        self._log.info("shares kept", handle=frame.handle.hex(), keys=len(keys))
        return HOLDS

    async def _sweep(self, own: Trusteeship) -> None:
        """Erase what stands no longer; answer "erased" where the chain still asks for it."""
        for name in own.store.names():
            dealt = view.dealt(self._executor.state, name.handle, name.data_class, name.epoch)
            if dealt is None or dealt.shares_digest != name.shares_digest:
                own.store.erase(name)
                self._to_erase[name.shares_digest] = name.handle
                self._log.info("share erased", handle=name.handle.hex(), data_class=name.data_class)
        for digest, handle in list(self._to_erase.items()):
            ended = [one for one in self._of(handle, digest) if one.ended.height]
            if all(own.seat in one.erased for one in ended):
                del self._to_erase[digest]
            else:
                self._enqueue(partial(self._answer, None, handle, digest, ERASED))

    async def _answer(self, peer: ReplicaId | None, handle: bytes, digest: bytes, answer: str) -> None:
        """On chain by this node, or, as an observer, by the peer or another voter; again until it stands."""
        own, current = self._own, self._clock().monotonic_ms
        assert own is not None, "only a trustee answers"
        if current - self._answered_ms.get((digest, answer), -RESEND_MS) < RESEND_MS:
            return
        self._answered_ms[digest, answer] = current
        submission = sign_transaction(
            AnswerDealing(handle, digest, own.seat, answer),
            chain_id=self._chain_id,
            valid_until_height=self._executor.tip.height + self._validity_heights,
            nonce=os.urandom(NONCE_BYTES),
            signer=own.keys.signing.public,
            sign=own.keys.signing.sign,
        )
        voters = [one.id for one in self._executor.replica_sets(self._executor.tip.height + 1).members]
        if self._member in voters:
            await self._hand_in(submission)
            return
        for voter in [*((peer,) if peer in voters else ()), *voters]:
            if self._linked(voter) and await self._send(voter, ShareAnswer(encode(submission))):
                return

    async def answered(self, peer: ReplicaId, frame: ShareAnswer) -> None:
        """An observer's trustee answered: hand it in."""
        try:
            submission = decode(frame.submission, Submission, limit_bytes=MAX_SEALED_BYTES)
            body = decode(submission.transaction.body, TransactionBody, limit_bytes=MAX_SEALED_BYTES)
        except DecodeError as error:
            self._log.warning("a trustee's answer that cannot be read", peer=peer, reason=error.code)
            return
        if isinstance(body.payload, AnswerDealing):
            await self._hand_in(submission)

    async def _hand_in(self, submission: Submission) -> None:
        result = await self._admissions.submit_signed(submission, TRUSTEE_CLIENT, OWN_TIMEOUT_MS)
        self._log.info("a trustee's answer handed in", outcome=result.outcome.value, code=result.code)
