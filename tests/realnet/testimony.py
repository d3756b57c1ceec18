"""What nodes said on their links, taken together: no key may ever have signed two things for one place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chainnode.net.wire import Consensus, decode_frame
from consensus.codec import decode
from consensus.messages import (
    BlockVote,
    Certified,
    Message,
    NewView,
    PreparedCertificate,
    PrePrepare,
    QuorumCertificate,
    ViewChange,
    signed_bytes,
)
from tests.e2e.tapped_node import tapped

MAX_FRAME_BYTES = 8 * 1024 * 1024

Place = tuple[str, int, int, int, int]
"""Kind of message, signer, epoch, view (0 where the kind knows none), sequence."""


@dataclass
class Testimony:
    """`said`: by place, what was signed there first. `conflicts`: places with a second, other statement."""

    __test__ = False

    chain_id: bytes
    said: dict[Place, bytes] = field(default_factory=dict)
    conflicts: dict[Place, tuple[bytes, bytes]] = field(default_factory=dict)
    messages: int = 0

    def read(self, homes: Iterable[Path]) -> "Testimony":
        """Every consensus frame that the daemons of these homes wrote to a link."""
        for home in homes:
            for _, _, frame in tapped(home):
                found = decode_frame(frame, limit_bytes=MAX_FRAME_BYTES)
                if isinstance(found, Consensus):
                    self.hear(decode(found.message, Message, limit_bytes=MAX_FRAME_BYTES))  # type: ignore[arg-type]
        return self

    def hear(self, message: Message) -> None:
        """One message, with everything that others signed inside it."""
        self.messages += 1
        for place, statement in self._statements(message):
            first = self.said.setdefault(place, statement)
            if first != statement:
                self.conflicts[place] = (first, statement)

    def _statements(self, message: Message) -> Iterator[tuple[Place, bytes]]:
        if isinstance(message, Certified):
            yield from _of_certificate(message.certificate)
        elif isinstance(message, BlockVote):
            yield ("block-vote", message.replica, message.epoch, 0, message.height), message.header_hash
        elif isinstance(message, ViewChange):
            yield ("view-change", message.replica, message.epoch, message.view, 0), self._whole(message)
            if message.stable is not None:
                yield from _of_certificate(message.stable)
            for prepared in message.prepared:
                yield from self._of_prepared(prepared)
        elif isinstance(message, NewView):
            yield ("new-view", message.replica, message.epoch, message.view, 0), self._whole(message)
            for change in message.view_changes:
                yield from self._statements(change)
            for proposal in message.proposals:
                yield self._of_proposal(proposal)
        elif isinstance(message, PrePrepare):
            yield self._of_proposal(message)
        else:
            kind = type(message).__name__.lower()
            yield (kind, message.replica, message.epoch, message.view, message.sequence), message.digest

    def _whole(self, message: ViewChange | NewView) -> bytes:
        return signed_bytes(message, self.chain_id)

    def _of_proposal(self, proposal: PrePrepare) -> tuple[Place, bytes]:
        place = ("pre-prepare", proposal.replica, proposal.epoch, proposal.view, proposal.sequence)
        return place, proposal.digest(self.chain_id)

    def _of_prepared(self, prepared: PreparedCertificate) -> Iterator[tuple[Place, bytes]]:
        proposal = prepared.pre_prepare
        place, slot = self._of_proposal(proposal)
        yield place, slot
        for vote in prepared.prepares:
            yield ("prepare", vote.replica, proposal.epoch, proposal.view, proposal.sequence), slot


def _of_certificate(certificate: QuorumCertificate) -> Iterator[tuple[Place, bytes]]:
    for vote in certificate.votes:
        place = ("block-vote", vote.replica, certificate.epoch, 0, certificate.height)
        yield place, certificate.header_hash
