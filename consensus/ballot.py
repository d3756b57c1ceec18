"""This replica's own votes: whether it may vote, and the one way a vote leaves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from msgspec import structs

from consensus.messages import (
    BlockVote,
    Commit,
    NewView,
    Prepare,
    PrePrepare,
    ViewChange,
    message_sequence,
    signed_bytes,
)
from consensus.output import Output
from consensus.parameters import Parameters
from consensus.ready import HoldRecord, Outbound
from consensus.rules import Watermarks
from consensus.types import ReplicaId, ReplicaSet, ReplicaSets, View

M = TypeVar("M", PrePrepare, Prepare, Commit, BlockVote, ViewChange, NewView)


LOG_LACKS_THE_CHAIN = "its vote log was lost, was damaged, or is older than its chain"
CHAIN_LACKS_THE_LOG = "its chain is older than its vote log, or was set aside"
RESTORED = "it was restored from a backup, which holds no votes"
PEERS_KNOW_MORE = (
    "peers hold votes of this node that its own log does not have: the log is older, was damaged, "
    "or another process uses this key"
)
"""Why a replica does not rely on its vote log, as far as it is known. Not kept: after a restart it is found
again, or is not known any more."""


Sign: TypeAlias = Callable[[bytes], bytes]
"""Ed25519 over the bytes given, with one key."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a Replica is born with and never changes.

    `signers`: by public key, where this replica's key changes with an epoch; empty where `sign` is for all.
    """

    chain_id: bytes
    replica_id: ReplicaId
    replica_sets: ReplicaSets
    parameters: Parameters
    sign: Sign
    signers: Mapping[bytes, Sign] = field(default_factory=dict)

    def signer(self, members: ReplicaSet) -> Sign | None:
        """With the key that this replica has among `members`; None where that key is not held here."""
        if not self.signers:
            return self.sign
        key = members.key(self.replica_id)
        return None if key is None else self.signers.get(key)


class Ballot:
    """Casts votes. Silent while this replica does not know what it said before it started."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.asking = True
        """Peers have not said yet which votes of this replica they hold (the rollback guard)."""
        self.hold: HoldRecord | None = None
        self.lack = ""
        """What the hold is for, in words; empty where that is the usual catching up, or not known."""

    def silent_because(self, marks: Watermarks, view: View) -> str:
        """Why this replica may not vote in `view` now; empty if it may."""
        if self._setting.replica_id not in marks.ids:
            return "not a member at this height"
        if self._setting.signer(marks.members) is None:
            return "the key of this epoch is not in the keystore"
        if self.asking:
            return "has not heard yet which of its votes the peers hold"
        hold = self.hold
        if hold is not None and marks.low < hold.height:
            more = hold.height - marks.low
            return f"not before height {hold.height} has a certificate (about {more} more blocks): " + (
                self.lack or "what it said on earlier ones is not known here"
            )
        if hold is not None and marks.epoch == hold.epoch and view < hold.view:
            return f"it may have left this view: waits for view {hold.view}"
        return ""

    def may_vote(self, marks: Watermarks, view: View) -> bool:
        return not self.silent_because(marks, view)

    def keep_silent(self, epoch: int, view: View, height: int, out: Output, lack: str = "") -> None:
        """Hold until a certificate lies at `height` and the view is at least `view`; longer holds stand.
        `lack`: what is wrong with the log, in words; empty where nothing is."""
        self.lack = lack or self.lack
        old = self.hold
        if old is not None:
            height = max(height, old.height)
            epoch, view = max((epoch, view), (old.epoch, old.view))
        hold = HoldRecord(epoch, view, height)
        if hold != old:
            self.hold = hold
            out.persist.append(hold)

    def sign(self, message: M) -> M:
        sign = self._setting.signer(self._setting.replica_sets(message_sequence(message)))
        assert sign is not None, "who lacks the epoch's key does not vote"
        signature = sign(signed_bytes(message, self._setting.chain_id))
        return structs.replace(message, signature=signature)

    def cast(self, message: M, out: Output) -> M:
        """Sign, persist, send, in this order: no vote leaves that the log does not hold."""
        signed = self.sign(message)
        out.persist.append(signed)
        out.send.append(Outbound(signed))
        return signed
