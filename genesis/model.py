"""What a genesis document says: members, rosters, parameters. Its encoding is in `document`."""

from dataclasses import dataclass, field
from functools import cached_property

from consensus.domain import SUITE, digest
from consensus.parameters import Parameters
from consensus.types import Digest, ReplicaId, ReplicaSet, Voter
from genesis import cbor

GENESIS_VERSION = 1
LIBP2P, TLS = "libp2p", "tls"
TRANSPORTS = {LIBP2P: "libp2p with Noise", TLS: "TLS 1.3 with the keys in this document"}
"""How members link, by the name in the document: every node of a network in the same way."""
PARAMETER_NAMES = Parameters.__struct_fields__
LATER_PARAMETERS = ("turn_heights", "pass_over_turns")
"""Left out of a document where they are 0, as of those that were signed before there were any."""
"""The parameter that a document leaves out where it is 0, as the first documents did: one primary until a
view change."""


@dataclass(frozen=True, slots=True)
class Member:
    """A hospital that validates. Keys are Ed25519 (32 bytes) except `sealing_key`, the 1,216 bytes of
    an MLKEM768-X25519 public key; `transport_key` is its identity on the links."""

    number: ReplicaId
    id: str
    name: str
    validator_key: bytes
    transport_key: bytes
    sealing_key: bytes
    steward_key: bytes


@dataclass(frozen=True, slots=True)
class Registrar:
    """Attests that enrolled patients exist. `operator`: a member's id or another organisation's."""

    id: str
    name: str
    operator: str
    key: bytes


@dataclass(frozen=True, slots=True)
class Trustee:
    """Opens the patient's half under standing consents. `operator` as for a registrar."""

    id: str
    name: str
    operator: str
    key: bytes
    sealing_key: bytes


@dataclass(frozen=True)
class Genesis:
    """The founding document. Among the trustees that remain beside a provider and a requester,
    `trustee_faults` may be faulty and `trustee_threshold` must act together."""

    network: str
    created_ms: int
    members: tuple[Member, ...]
    registrars: tuple[Registrar, ...]
    trustees: tuple[Trustee, ...]
    trustee_threshold: int
    trustee_faults: int
    parameters: Parameters = field(default_factory=Parameters)
    transport: str = LIBP2P
    version: int = GENESIS_VERSION
    suite: int = SUITE

    @cached_property
    def chain_id(self) -> Digest:
        """Digest of the document's exact bytes: they have one encoding only."""
        return chain_id_of(encode_body(self))

    def replica_set(self) -> ReplicaSet:
        """The validators of epoch 0."""
        return ReplicaSet(0, tuple(Voter(member.number, member.validator_key) for member in self.members))

    def member(self, number: ReplicaId) -> Member | None:
        """The member with this number, None where there is none."""
        return self.members[number] if 0 <= number < len(self.members) else None

    def member_by_id(self, slug: str) -> Member | None:
        return next((member for member in self.members if member.id == slug), None)

    def member_by_transport_key(self, key: bytes) -> Member | None:
        return next((member for member in self.members if member.transport_key == key), None)


def chain_id_of(body: bytes) -> Digest:
    """The chain's id from the document's bytes."""
    return digest("genesis", body)


def encode_body(genesis: Genesis) -> bytes:
    """The document's bytes: a CBOR map in deterministic encoding, fields named as in the classes."""
    return cbor.encode(
        {
            "version": genesis.version,
            "suite": genesis.suite,
            "network": genesis.network,
            "created_ms": genesis.created_ms,
            "transport": genesis.transport,
            "parameters": {
                name: getattr(genesis.parameters, name)
                for name in PARAMETER_NAMES
                if name not in LATER_PARAMETERS or getattr(genesis.parameters, name)
            },
            "members": [
                {
                    "number": member.number,
                    "id": member.id,
                    "name": member.name,
                    "validator_key": member.validator_key,
                    "transport_key": member.transport_key,
                    "sealing_key": member.sealing_key,
                    "steward_key": member.steward_key,
                }
                for member in genesis.members
            ],
            "registrars": [
                {"id": one.id, "name": one.name, "operator": one.operator, "key": one.key}
                for one in genesis.registrars
            ],
            "trustees": [
                {
                    "id": one.id,
                    "name": one.name,
                    "operator": one.operator,
                    "key": one.key,
                    "sealing_key": one.sealing_key,
                }
                for one in genesis.trustees
            ],
            "trustee_threshold": genesis.trustee_threshold,
            "trustee_faults": genesis.trustee_faults,
        }
    )
