"""The trustees of the genesis document: where each is reached, who may act in a release, and this node's own.

A trustee's key lives at the node of the member that operates it, a validator or an observer: there is no
other place to reach it. Seats are counted from 1, in the document's order: the indices of the shares.
"""

from dataclasses import dataclass

from chainnode.ledger import view
from chainnode.ledger.records import DealtRecord
from chainnode.ledger.view import Reader
from chainnode.node.members import Members
from chainnode.node.sharestore import Name, ShareStore
from chainnode.vault.keystore import TrusteeKeys
from consensus.types import ReplicaId
from genesis.model import Genesis


class Roster:
    """Who is a trustee, and which member's node hosts it."""

    def __init__(self, genesis: Genesis, members: Members) -> None:
        self._trustees = genesis.trustees
        self._members = members
        self.threshold = genesis.trustee_threshold
        self.faults = genesis.trustee_faults

    def __len__(self) -> int:
        return len(self._trustees)

    def id_of(self, seat: int) -> str:
        return self._trustees[seat - 1].id

    def key_of(self, seat: int) -> bytes:
        return self._trustees[seat - 1].key

    def host(self, seat: int) -> ReplicaId | None:
        """The member whose node hosts the trustee; None where its operator is no member (yet)."""
        operator = self._trustees[seat - 1].operator
        return next((one.number for one in self._members.all() if one.id == operator), None)

    def remaining(self, *involved: ReplicaId) -> tuple[int, ...]:
        """The seats of those who are run by none of these members: provider and requester of a release."""
        ids = {one.id for one in self._members.all() if one.number in involved}
        return tuple(seat for seat, one in enumerate(self._trustees, start=1) if one.operator not in ids)

    def bounds_hold(self, remaining: int) -> bool:
        """f_T + 1 <= t <= n_T - f_T among so many: f_T liars cannot open, f_T silent ones cannot block."""
        return self.faults + 1 <= self.threshold <= remaining - self.faults


@dataclass(frozen=True, slots=True)
class Trusteeship:
    """The trustee that this node hosts."""

    seat: int
    keys: TrusteeKeys
    store: ShareStore
    reader: Reader

    def share(self, handle: bytes, data_class: str, epoch: int) -> tuple[bytes, DealtRecord] | None:
        """This trustee's share (a scalar) of a class key, and the dealing that stands for it in the newest
        executed state; None where none stands, or its share is not here. Raises OperatorError STO-04."""
        dealt = view.dealt(self.reader, handle, data_class, epoch)
        if dealt is None:
            return None
        scalar = self.store.get(Name(handle, dealt.shares_digest, data_class, epoch))
        return None if scalar is None else (scalar, dealt)
