"""The core's nouns: who takes part, what is ordered, what a block's header says."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from consensus.codec import encode
from consensus.domain import DIGEST_BYTES, PUBLIC_KEY_BYTES, digest

ReplicaId = int
"""Number of a member, given in order of joining and never used again."""
View = int
SequenceNumber = int
Digest = bytes

HEADER_VERSION = 1

TURN_VIEWS = 1_000_000
"""Views of one turn (rules.turn_of): view 3,000,002 is the third one of turn 3. No turn uses them up: with
the default timeouts that would take a year without a block, with the shortest ones allowed eleven days."""


@dataclass(frozen=True, slots=True)
class Now:
    """Two clocks, as arguments: the core itself reads none."""

    monotonic_ms: int
    wall_ms: int


class Voter(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One voter: its number and its Ed25519 key (32 bytes)."""

    id: ReplicaId
    key: bytes


class ReplicaSet(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Who votes in an epoch. The only place that knows n, f, the quorum and the primary.

    Members stand in ascending order of their numbers.
    """

    epoch: int
    members: tuple[Voter, ...]

    def __post_init__(self) -> None:
        ids = [member.id for member in self.members]
        keys = {member.key for member in self.members}
        assert ids and ids == sorted(set(ids)), "members are distinct and in ascending order"
        assert len(keys) == len(ids), "no key votes twice"
        assert all(len(member.key) == PUBLIC_KEY_BYTES for member in self.members)

    @property
    def n(self) -> int:
        return len(self.members)

    @property
    def f(self) -> int:
        return (self.n - 1) // 3

    @property
    def quorum(self) -> int:
        """ceil((n + f + 1) / 2): any two quorums share an honest replica. 2f + 1 only for n = 3f + 1."""
        return (self.n + self.f + 2) // 2

    @property
    def ids(self) -> tuple[ReplicaId, ...]:
        return tuple(member.id for member in self.members)

    def primary(self, view: View) -> ReplicaId:
        """PBFT section 4.1: p = v mod |R|; each turn begins one member further."""
        turn, step = divmod(view, TURN_VIEWS)
        return self.members[(turn + step) % self.n].id

    def key(self, replica: ReplicaId) -> bytes | None:
        """The voter's public key, None for a stranger."""
        for member in self.members:
            if member.id == replica:
                return member.key
        return None

    def digest(self) -> Digest:
        return digest("replica-set", encode((self.epoch, self.members)))

    @property
    def passed_over(self) -> tuple[ReplicaId, ...]:
        """Who does not lead."""
        return ()

    def passing_over(self, left: Iterable[ReplicaId]) -> "ReplicaSet":
        """The same voters, of whom the first f that stand in `left` do not lead."""
        found = tuple(dict.fromkeys(one for one in left if one in self.ids))[: self.f]
        return RotatingSet(self.epoch, self.members, found) if found else self


class RotatingSet(ReplicaSet, frozen=True, array_like=True, forbid_unknown_fields=True):
    """In a turn in which some members do not lead, f of them at most: so an honest one always comes next but
    f (Veronese et al., "Spin One's Wheels?", SRDS 2009). They vote like all others, and the set's digest does
    not tell."""

    left: tuple[ReplicaId, ...]

    @property
    def passed_over(self) -> tuple[ReplicaId, ...]:
        return self.left

    def primary(self, view: View) -> ReplicaId:
        """As ever, in the order of the members from the turn's own one on, without those passed over."""
        turn, step = divmod(view, TURN_VIEWS)
        first = turn % self.n
        able = [one for one in self.ids[first:] + self.ids[:first] if one not in self.left]
        return able[step % len(able)]


class ReplicaSets(Protocol):
    """Who votes at a sequence: asked everywhere, so that membership can change."""

    def __call__(self, sequence: SequenceNumber) -> ReplicaSet: ...


class Attestation(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A member's word that it verified a batch (used where the consortium chose witnessed verification)."""

    replica: ReplicaId
    signature: bytes


class BatchRef(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What blocks carry in place of transactions.

    `digest` is that of the batch body, `size_bytes` its length; past `expiry_height` it may not be
    proposed anew.
    """

    digest: Digest
    origin: ReplicaId
    origin_sequence: int
    size_bytes: int
    expiry_height: int
    attestations: tuple[Attestation, ...] = ()


class BlockHeader(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What BLOCK-VOTE signs the hash of; every field follows from the slot and its parent.

    `time_ms` is the later of parent + 1 and the proposed time (Unix, ms). Roots are 32 bytes.
    """

    version: int
    chain_id: bytes
    epoch: int
    height: int
    parent: Digest
    time_ms: int
    batches_root: Digest
    results_root: Digest
    events_root: Digest
    state_root: Digest
    validators: Digest
    next_validators: Digest

    def hash(self) -> Digest:
        return digest("header", encode(self))


def slot_digest(
    chain_id: bytes, epoch: int, sequence: SequenceNumber, time_ms: int, refs: tuple[BatchRef, ...]
) -> Digest:
    """What PRE-PREPARE, PREPARE and COMMIT agree on. The view stands beside it, not in it: a
    re-proposal in a later view keeps its digest (PBFT section 4.4)."""
    return digest("slot", encode((chain_id, epoch, sequence, time_ms, refs)))


NULL_TIME_MS = 0
"""A null request has no batches and this time (PBFT section 4.4: d-null)."""

assert DIGEST_BYTES == 32
