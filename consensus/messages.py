"""PBFT's messages (Castro and Liskov, OSDI 1999, in the signed form) and the two certificates.

A signature covers `signing_bytes(kind, chain_id, body)`. The votes on a slot sign
[epoch, view, sequence, slot digest, replica] under a kind of their own, BLOCK-VOTE signs
[epoch, height, header hash, replica]; the larger messages sign the digest of all that they say.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from msgspec import Struct, structs

from consensus.codec import encode
from consensus.domain import digest, signing_bytes
from consensus.types import BatchRef, Digest, ReplicaId, SequenceNumber, View, slot_digest

UNSIGNED = b""


class Vote(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A signature inside a certificate; what it signs follows from the certificate."""

    replica: ReplicaId
    signature: bytes


class PrePrepare(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="pre-prepare"):
    """The primary's proposal for a slot. Null request: no refs and `time_ms` 0."""

    epoch: int
    view: View
    sequence: SequenceNumber
    time_ms: int
    refs: tuple[BatchRef, ...]
    replica: ReplicaId
    signature: bytes = UNSIGNED

    def digest(self, chain_id: bytes) -> Digest:
        return slot_digest(chain_id, self.epoch, self.sequence, self.time_ms, self.refs)


class Prepare(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="prepare"):
    epoch: int
    view: View
    sequence: SequenceNumber
    digest: Digest
    replica: ReplicaId
    signature: bytes = UNSIGNED


class Commit(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="commit"):
    epoch: int
    view: View
    sequence: SequenceNumber
    digest: Digest
    replica: ReplicaId
    signature: bytes = UNSIGNED


class BlockVote(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="block-vote"):
    """A replica's word that executing everything up to `height` gave this header.

    It stands where PBFT has CHECKPOINT (section 4.3), one for each height.
    """

    epoch: int
    height: SequenceNumber
    header_hash: Digest
    replica: ReplicaId
    signature: bytes = UNSIGNED


class QuorumCertificate(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A quorum's BLOCK-VOTEs for one header, in ascending order of the replicas."""

    epoch: int
    height: SequenceNumber
    header_hash: Digest
    votes: tuple[Vote, ...]


class PreparedCertificate(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A PRE-PREPARE and quorum - 1 matching PREPAREs of other replicas (PBFT section 4.4, set P)."""

    pre_prepare: PrePrepare
    prepares: tuple[Vote, ...]


class CommitCertificate(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A quorum's COMMITs for one slot in one view, in ascending order of the replicas: committed(m, v, n),
    PBFT section 4.2. So that quorum left all earlier views of the slot's turn."""

    epoch: int
    view: View
    sequence: SequenceNumber
    digest: Digest
    votes: tuple[Vote, ...]


class ViewChange(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="view-change"):
    """`view` is the one to be entered; `stable` is None where nothing but genesis is certified."""

    epoch: int
    view: View
    stable: QuorumCertificate | None
    prepared: tuple[PreparedCertificate, ...]
    replica: ReplicaId
    signature: bytes = UNSIGNED

    @property
    def stable_height(self) -> SequenceNumber:
        return 0 if self.stable is None else self.stable.height


class NewView(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="new-view"):
    """A quorum of VIEW-CHANGEs and the proposals that follow from them (PBFT section 4.4, set O)."""

    epoch: int
    view: View
    view_changes: tuple[ViewChange, ...]
    proposals: tuple[PrePrepare, ...]
    replica: ReplicaId
    signature: bytes = UNSIGNED


class Certified(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="certified"):
    """A block's certificate, passed on to a peer that missed its votes. It proves itself: who passes it on
    (`replica`) is not signed and does not matter."""

    certificate: QuorumCertificate
    replica: ReplicaId

    @property
    def epoch(self) -> int:
        return self.certificate.epoch


SignedMessage: TypeAlias = PrePrepare | Prepare | Commit | BlockVote | ViewChange | NewView
Message: TypeAlias = SignedMessage | Certified


@dataclass(frozen=True, slots=True)
class Claim:
    """One signature to be checked: whose, at which sequence's replica set, over what."""

    replica: ReplicaId
    sequence: SequenceNumber
    signed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A message whose every signature, nested ones included, was found good under `replica_set`."""

    message: Message


def _slot_vote_bytes(
    kind: str, chain_id: bytes, epoch: int, view: View, sequence: int, slot: Digest, replica: int
) -> bytes:
    return signing_bytes(kind, chain_id, encode((epoch, view, sequence, slot, replica)))


def block_vote_bytes(
    chain_id: bytes, epoch: int, height: SequenceNumber, header_hash: Digest, replica: ReplicaId
) -> bytes:
    """What a BLOCK-VOTE signs; receipts are checked against it too."""
    return signing_bytes("block-vote", chain_id, encode((epoch, height, header_hash, replica)))


def signed_bytes(message: SignedMessage, chain_id: bytes) -> bytes:
    """What the sender of `message` signs."""
    if isinstance(message, PrePrepare):
        slot = message.digest(chain_id)
        return _slot_vote_bytes(
            "pre-prepare", chain_id, message.epoch, message.view, message.sequence, slot, message.replica
        )
    if isinstance(message, Prepare | Commit):
        kind = "prepare" if isinstance(message, Prepare) else "commit"
        return _slot_vote_bytes(
            kind, chain_id, message.epoch, message.view, message.sequence, message.digest, message.replica
        )
    if isinstance(message, BlockVote):
        return block_vote_bytes(chain_id, message.epoch, message.height, message.header_hash, message.replica)
    kind = "view-change" if isinstance(message, ViewChange) else "new-view"
    bare = structs.replace(message, signature=UNSIGNED)
    return signing_bytes(kind, chain_id, digest(kind, encode(bare)))


def certificate_claims(certificate: QuorumCertificate, chain_id: bytes) -> Iterator[Claim]:
    """The signatures that a block's certificate holds."""
    for vote in certificate.votes:
        signed = block_vote_bytes(
            chain_id, certificate.epoch, certificate.height, certificate.header_hash, vote.replica
        )
        yield Claim(vote.replica, certificate.height, signed, vote.signature)


def commit_claims(certificate: CommitCertificate, chain_id: bytes) -> Iterator[Claim]:
    """The signatures that a slot's certificate holds."""
    epoch, view, sequence = certificate.epoch, certificate.view, certificate.sequence
    for vote in certificate.votes:
        signed = _slot_vote_bytes("commit", chain_id, epoch, view, sequence, certificate.digest, vote.replica)
        yield Claim(vote.replica, sequence, signed, vote.signature)


def _prepared_claims(prepared: PreparedCertificate, chain_id: bytes) -> Iterator[Claim]:
    proposal = prepared.pre_prepare
    yield from claims(proposal, chain_id)
    slot = proposal.digest(chain_id)
    for vote in prepared.prepares:
        signed = _slot_vote_bytes(
            "prepare", chain_id, proposal.epoch, proposal.view, proposal.sequence, slot, vote.replica
        )
        yield Claim(vote.replica, proposal.sequence, signed, vote.signature)


def message_sequence(message: Message) -> SequenceNumber:
    """The sequence whose replica set says which key the sender signs with."""
    if isinstance(message, BlockVote):
        return message.height
    if isinstance(message, Certified):
        return message.certificate.height
    if isinstance(message, ViewChange):
        return message.stable_height + 1
    if isinstance(message, NewView):
        heights = [change.stable_height for change in message.view_changes]
        return max(heights, default=0) + 1
    return message.sequence


def claims(message: Message, chain_id: bytes) -> Iterator[Claim]:
    """Every signature in `message`, nested ones included, in a fixed order."""
    if isinstance(message, Certified):
        yield from certificate_claims(message.certificate, chain_id)
        return
    yield Claim(
        message.replica, message_sequence(message), signed_bytes(message, chain_id), message.signature
    )
    if isinstance(message, ViewChange):
        if message.stable is not None:
            yield from certificate_claims(message.stable, chain_id)
        for prepared in message.prepared:
            yield from _prepared_claims(prepared, chain_id)
    elif isinstance(message, NewView):
        for change in message.view_changes:
            yield from claims(change, chain_id)
        for proposal in message.proposals:
            yield from claims(proposal, chain_id)
