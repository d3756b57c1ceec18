"""What the ledger takes from genesis: members and registrars, and the state they make."""

from collections.abc import Sequence
from dataclasses import dataclass

from chainnode.ledger import keys
from chainnode.ledger.records import (
    HOLDER_REGISTRAR,
    HOLDER_STEWARD,
    HOLDER_VALIDATOR,
    GenesisRecord,
    HolderRecord,
    MemberRecord,
    RegistrarRecord,
    TrusteeRecord,
)
from consensus.codec import encode
from consensus.types import ReplicaSet, Voter
from genesis.model import Genesis


@dataclass(frozen=True, slots=True)
class Founding:
    """The genesis document as far as the ledger and its receipts need it."""

    chain_id: bytes
    members: tuple[MemberRecord, ...]
    registrars: tuple[RegistrarRecord, ...]
    trustees: tuple[TrusteeRecord, ...] = ()
    trustee_threshold: int = 0

    def replica_set(self) -> ReplicaSet:
        """The voters of epoch 0."""
        return ReplicaSet(0, tuple(Voter(m.number, m.validator_key) for m in self.members))


def founding_of(genesis: Genesis) -> Founding:
    """From the genesis document."""
    return Founding(
        genesis.chain_id,
        tuple(
            MemberRecord(one.number, one.id, one.name, one.validator_key, one.steward_key)
            for one in genesis.members
        ),
        tuple(RegistrarRecord(one.id, one.name, one.operator, one.key) for one in genesis.registrars),
        tuple(TrusteeRecord(one.id, one.operator, one.key) for one in genesis.trustees),
        genesis.trustee_threshold,
    )


def _holders(founding: Founding) -> Sequence[tuple[bytes, HolderRecord]]:
    found: list[tuple[bytes, HolderRecord]] = []
    for member in founding.members:
        found.append((member.validator_key, HolderRecord(HOLDER_VALIDATOR, member.number, b"")))
        found.append((member.steward_key, HolderRecord(HOLDER_STEWARD, member.number, b"")))
    for registrar in founding.registrars:
        found.append((registrar.key, HolderRecord(HOLDER_REGISTRAR, 0, registrar.id.encode())))
    return found


def genesis_state(founding: Founding) -> dict[bytes, bytes | None]:
    """The changes that make the state at height 0; give them to State.update.

    Genesis checks have seen to distinct numbers, ids and keys.
    """
    record = GenesisRecord(founding.chain_id, len(founding.members), len(founding.registrars))
    changes: dict[bytes, bytes | None] = {keys.GENESIS: encode(record)}
    for member in founding.members:
        changes[keys.member(member.number)] = encode(member)
    for registrar in founding.registrars:
        changes[keys.registrar(registrar.id)] = encode(registrar)
    for key, holder in _holders(founding):
        assert keys.holder(key) not in changes, "genesis gives every key one holder"
        changes[keys.holder(key)] = encode(holder)
    return changes
