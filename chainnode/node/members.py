"""The members as this node knows them: from genesis, and from every change of members that it executed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from chainnode.ledger import membership, view
from chainnode.ledger.networkrecords import MEMBER_OBSERVER, MEMBER_REMOVED
from chainnode.ledger.view import Reader
from consensus.types import ReplicaId, SequenceNumber
from genesis.document import Genesis, Member


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member and what holds of it from `effective_height` on; until then the `former` things do."""

    number: ReplicaId
    id: str
    name: str
    role: str
    former_role: str
    effective_height: SequenceNumber
    transport_key: bytes
    former_transport_key: bytes

    def is_present(self, height: SequenceNumber) -> bool:
        """Whether it is a member at `height`."""
        return (self.role if height >= self.effective_height else self.former_role) != MEMBER_REMOVED

    def transport_keys(self, height: SequenceNumber) -> tuple[bytes, bytes]:
        """The key that holds at `height`, and the one that it is about to take, empty where there is none."""
        if height >= self.effective_height or self.former_transport_key == self.transport_key:
            return self.transport_key, b""
        return self.former_transport_key, self.transport_key


class Members:
    """Read again whenever a block changed members."""

    def __init__(self, genesis: Genesis, state: Reader, own: Member) -> None:
        """`own`: this node's member, which the state may not know yet."""
        self._genesis = genesis
        self._state = state
        self._own = own
        self._all: dict[ReplicaId, MemberView] = {}
        self.refresh()

    def refresh(self) -> None:
        numbers = membership.current(self._state).numbers
        self._all = {number: self._read(number) for number in range(numbers)}
        own = self._own
        if own.number not in self._all:
            observer, key = MEMBER_OBSERVER, own.transport_key
            self._all[own.number] = MemberView(own.number, own.id, own.name, observer, observer, 0, key, key)

    def _read(self, number: ReplicaId) -> MemberView:
        record = view.member(self._state, number)
        assert record is not None, "members are numbered without a gap"
        standing = membership.standing_of(self._state, number)
        founder = self._genesis.member(number)
        founding_key = b"" if founder is None else founder.transport_key
        return MemberView(
            number=number,
            id=record.id,
            name=record.name,
            role=standing.role,
            former_role=standing.former_role,
            effective_height=standing.effective_height,
            transport_key=standing.transport_key or founding_key,
            former_transport_key=standing.former_transport_key or founding_key,
        )

    def all(self) -> tuple[MemberView, ...]:
        """Everybody who ever was one, in order of the numbers."""
        return tuple(self._all.values())

    def present(self, height: SequenceNumber) -> tuple[MemberView, ...]:
        """Who is a member at `height`."""
        return tuple(one for one in self._all.values() if one.is_present(height))

    def get(self, number: ReplicaId) -> MemberView | None:
        return self._all.get(number)

    def names(self) -> dict[ReplicaId, str]:
        """The id of each by its number."""
        return {one.number: one.id for one in self._all.values()}

    @property
    def settled_height(self) -> SequenceNumber:
        """From which height on nothing is about to change."""
        return max(one.effective_height for one in self._all.values())


class NodeKey(Protocol):
    """An Ed25519 key pair that may be another one at another time."""

    @property
    def public(self) -> bytes: ...

    def sign(self, signed: bytes) -> bytes: ...


class OwnKey:
    """The validator key with which this node's batches and transactions count at the next height."""

    def __init__(
        self, held: Sequence[NodeKey], member: ReplicaId, state: Reader, height: Callable[[], SequenceNumber]
    ) -> None:
        """`held`: the first one stands in where the state asks for a key that is not here. `height`: of the
        last executed block."""
        self._held = {key.public: key for key in held}
        self._first = held[0]
        self._member = member
        self._state = state
        self._height = height

    def _now(self) -> NodeKey:
        record = view.member(self._state, self._member)
        if record is None:
            return self._first
        wanted = membership.node_key(self._state, record, self._height() + 1)
        return self._held.get(wanted, self._first)

    @property
    def public(self) -> bytes:
        return self._now().public

    def sign(self, signed: bytes) -> bytes:
        return self._now().sign(signed)
