"""Evidence of equivocation at work: kept for good, told to the other members, put on the chain.

Whatever comes is proven before it is kept: by both signatures, whoever brings it. The first pair for a slot
stays; another one for the same slot proves nothing new. How many are kept of one member is bounded, for
whoever has a key can sign contradictions without end.

Local rows: evidence/<id> -> both messages and the key.

A batch with an invalid transaction is refused and its origin named in the log, but it is no evidence here:
what a release takes for invalid depends on the release, so an honest node of a newer one would convict
itself, and a batch as long as a transaction may be does not fit one.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct
from structlog.stdlib import BoundLogger

from chainnode.ledger import view
from chainnode.ledger.evidencefile import encode_evidence
from chainnode.ledger.payloads import MAX_EVIDENCE_BYTES, ReportEquivocation
from chainnode.ledger.view import Reader
from chainnode.net import wire
from chainnode.node.api import EvidenceView, NotFound
from chainnode.node.clock import now
from chainnode.node.complaints import Complaints
from chainnode.node.filing import SubmitOwn
from consensus.codec import DecodeError, decode, encode
from consensus.equivocation import Equivocation, proven
from consensus.messages import Certified, Message, message_sequence
from consensus.ready import Evidence
from consensus.types import Now, ReplicaId, ReplicaSets

MAX_KEPT_OF_MEMBER = 256
TOLD_AT_LINK_UP = 32
"""The last ones, to a peer that may have missed them."""
FRAMES_PER_MINUTE = 600
"""Of one peer; two signatures are checked for each."""
MINUTE_MS = 60_000
REPORT_EVERY_MS, STAGGER_MS = 2_000, 500
PREFIX = b"evidence/"
_ROW_OVERHEAD_BYTES = 1_024


class Pair(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A local row: `key` signed both messages."""

    key: bytes
    first: bytes
    second: bytes


class Rows(Protocol):
    def local_put(self, key: bytes, value: bytes) -> None: ...

    def local_get(self, key: bytes) -> bytes | None: ...

    def local_iter(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]: ...


class Witness:
    def __init__(
        self,
        *,
        chain_id: bytes,
        rows: Rows,
        replica_sets: ReplicaSets,
        verify: Callable[[bytes, bytes, bytes], bool],
        message_bytes: int,
        tell: Callable[[ReplicaId | None, wire.Frame], None],
        state: Callable[[], Reader],
        log: BoundLogger,
        clock: Callable[[], Now] = now,
    ) -> None:
        """`message_bytes`: no message is longer, so that a pair fits a frame or is not passed on. `tell`: a
        peer, or all of them (None)."""
        self._chain_id = chain_id
        self._rows = rows
        self._sets = replica_sets
        self._verify = verify
        self._message_bytes = message_bytes
        self._tell = tell
        self._state = state
        self._log = log
        self._clock = clock
        self._complaints = Complaints(log)
        self._minute = 0
        self._frames: Counter[ReplicaId] = Counter()
        self._known: dict[bytes, tuple[Equivocation, Pair]] = {}
        self._places: set[tuple[int, int, str, int]] = set()
        for _, value in rows.local_iter(PREFIX):
            pair = decode(value, Pair, limit_bytes=2 * message_bytes + _ROW_OVERHEAD_BYTES)
            found = self._proven(pair)
            assert found is not None, "it was proven before it was kept"
            self._note(found, pair)

    def _proven(self, pair: Pair) -> Equivocation | None:
        return proven(
            pair.first,
            pair.second,
            key=pair.key,
            chain_id=self._chain_id,
            verify=self._verify,
            limit_bytes=self._message_bytes,
        )

    def _note(self, found: Equivocation, pair: Pair) -> None:
        self._known[found.id] = (found, pair)
        self._places.add(_place(found))

    def seen(self, evidence: Evidence) -> None:
        """This node's own replica met it: both messages were authenticated."""
        first, second = evidence.first, evidence.second
        assert not isinstance(first, Certified), "a certificate contradicts nothing"
        key = self._sets(message_sequence(first)).key(first.replica)
        assert key is not None, "an authenticated message is a member's"
        self._keep(Pair(key, encode(first), encode(second)), None)

    async def on_frame(self, peer: ReplicaId, frame: wire.Evidence) -> None:
        """A peer's: proven here under the key of the member that it accuses, or not kept."""
        minute = self._clock().monotonic_ms // MINUTE_MS
        if self._minute != minute:
            self._minute = minute
            self._frames.clear()
        self._frames[peer] += 1
        if self._frames[peer] > FRAMES_PER_MINUTE:
            return
        key = self._key_of(frame.first)
        if key is None or self._proven(pair := Pair(key, frame.first, frame.second)) is None:
            self._complaints.warn(peer, "evidence that proves nothing")
        else:
            self._keep(pair, peer)

    def _key_of(self, data: bytes) -> bytes | None:
        """Which key the sender of an encoded message signs with at its sequence; None where it has none."""
        try:
            message: Message = decode(data, Message, limit_bytes=self._message_bytes)  # type: ignore[arg-type]
        except DecodeError:
            return None
        sequence = message_sequence(message)
        return self._sets(sequence).key(message.replica) if sequence > 0 else None

    def _keep(self, pair: Pair, source: ReplicaId | None) -> None:
        """Once for each slot; the first pair stands."""
        found = self._proven(pair)
        if found is None or _place(found) in self._places:
            return
        if sum(1 for place in self._places if place[0] == found.replica) >= MAX_KEPT_OF_MEMBER:
            self._complaints.warn(found.replica, "evidence not kept: there is enough of this member")
            return
        self._rows.local_put(PREFIX + found.id, encode(pair))
        self._note(found, pair)
        self._log.error(
            "equivocation",
            member=found.replica,
            message=found.kind,
            epoch=found.epoch,
            slot=found.slot,
            id=found.id.hex(),
            told_by=source,
        )
        self._pass_on(None, pair)

    def _pass_on(self, peer: ReplicaId | None, pair: Pair) -> None:
        frame = wire.Evidence(pair.first, pair.second)
        if len(pair.first) + len(pair.second) <= self._message_bytes:
            self._tell(peer, frame)

    async def on_link(self, peer: ReplicaId, up: bool) -> None:
        if up:
            for _, pair in list(self._known.values())[-TOLD_AT_LINK_UP:]:
                self._pass_on(peer, pair)

    async def run(self, submit_own: SubmitOwn, member: ReplicaId) -> None:
        """Put on the chain what is not there yet. Until cancelled. `member`: this node's number; the members
        try one after the other, so that mostly one of them reports."""
        while True:
            await asyncio.sleep((REPORT_EVERY_MS + member * STAGGER_MS) / 1_000)
            for payload in self.unreported():
                code = await submit_own(payload)
                self._log.info("equivocation reported", code=code)

    @property
    def trouble(self) -> str:
        """In words whom the evidence convicts; empty where there is none."""
        convicted = sorted({found.replica for found, _ in self._known.values()})
        names = ", ".join(f"member {number}" for number in convicted)
        return f"{names} said two things of one slot: chainnode evidence list" if names else ""

    def unreported(self) -> list[ReportEquivocation]:
        """What is kept here, fits a transaction, and is not on the chain yet."""
        state = self._state()
        return [
            ReportEquivocation(pair.key, pair.first, pair.second)
            for found, pair in self._known.values()
            if max(len(pair.first), len(pair.second)) <= MAX_EVIDENCE_BYTES
            and view.equivocation(state, found.replica, found.epoch, found.kind, found.slot) is None
        ]

    def list(self) -> tuple[EvidenceView, ...]:
        """All that is kept, in the order of member, epoch, slot and kind."""
        state = self._state()
        views = []
        for found, pair in self._known.values():
            record = view.equivocation(state, found.replica, found.epoch, found.kind, found.slot)
            views.append(
                EvidenceView(
                    found.id,
                    found.replica,
                    found.epoch,
                    found.kind,
                    found.slot,
                    found.view,
                    len(pair.first) + len(pair.second),
                    0 if record is None else record.reported.height,
                )
            )
        return tuple(sorted(views, key=lambda one: (one.member, one.epoch, one.slot, one.message)))

    def file(self, evidence_id: bytes) -> bytes:
        """The file that proves one offline. Raises NotFound."""
        known = self._known.get(evidence_id)
        if known is None:
            raise NotFound("unknown-evidence", "this node keeps no evidence under this id")
        pair = known[1]
        return encode_evidence(self._chain_id, pair.key, pair.first, pair.second)


def _place(found: Equivocation) -> tuple[int, int, str, int]:
    return found.replica, found.epoch, found.kind, found.slot
