"""Records of the network itself: who votes and leads, who lied, and what the members agreed on."""

from chainnode.ledger.records import Record, Source
from consensus.types import Digest, ReplicaSet, SequenceNumber

MEMBER_VALIDATOR, MEMBER_OBSERVER, MEMBER_REMOVED = "validator", "observer", "removed"


class EpochRecord(Record, frozen=True):
    """Who votes from `first_height` on, until the next epoch's."""

    first_height: SequenceNumber
    voters: ReplicaSet


class MembershipRecord(Record, frozen=True):
    """Where the chain stands with its changes of members; absent before the first one.

    `changes`: how many were made; `numbers`: how many members were ever numbered; `effective_height`: from
    which height on the last change holds; `epochs`: the one in force when it was made and, if voters change,
    the one that follows.
    """

    changes: int
    numbers: int
    effective_height: SequenceNumber
    epochs: tuple[EpochRecord, ...]

    def voters(self, height: SequenceNumber) -> ReplicaSet:
        """Who votes at `height`, which is not below the height of the last change."""
        return self.epochs[-1 if height >= self.epochs[-1].first_height else 0].voters


class StandingRecord(Record, frozen=True):
    """A member's role and keys, as the last change that concerned it says; absent for a founding validator
    whom none did.

    All holds from `effective_height` on; until then `former_role` and `former_transport_key` do. A founding
    member's empty keys are those of the genesis document.
    """

    role: str
    former_role: str
    effective_height: SequenceNumber
    transport_key: bytes
    former_transport_key: bytes
    sealing_key: bytes
    changed: Source

    def role_at(self, height: SequenceNumber) -> str:
        return self.role if height >= self.effective_height else self.former_role


class FeatureRecord(Record, frozen=True):
    """A feature of the protocol that is in force in blocks from `from_height` on."""

    name: str
    from_height: int


class FeaturesRecord(Record, frozen=True):
    """All that were agreed on, in that order; without this record there is none."""

    features: tuple[FeatureRecord, ...]


class PassedOver(Record, frozen=True):
    """A member that does not lead from turn `from_turn` on, until turn `until_turn` begins."""

    member: int
    from_turn: int
    until_turn: int


class PassedOverRecord(Record, frozen=True):
    """Whose views were left lately, in the order in which they were reported, and the newest view in which a
    report's slot was committed."""

    epoch: int
    view: int
    members: tuple[PassedOver, ...]


class DiseaseTerm(Record, frozen=True):
    """A disease by its code, and the broader ones right above it."""

    code: str
    parents: tuple[str, ...]


class DiseasesRecord(Record, frozen=True):
    """The tree of diseases by which decisions are made; without this record a disease is none but itself."""

    digest: Digest
    terms: tuple[DiseaseTerm, ...]
    published: Source


class EquivocationRecord(Record, frozen=True):
    """A member signed two things of one slot: `first` and `second` are the digests of what it said, in
    ascending order, `key` the one that signed both. `kind` is the messages' tag; see
    consensus.equivocation.Equivocation. The messages themselves stand in the transaction."""

    member: int
    epoch: int
    kind: str
    slot: int
    view: int
    first: Digest
    second: Digest
    key: bytes
    reporter: int
    reported: Source
