"""What a Replica gives back for every input: one frozen value, to be carried out in this order.

1. `persist`: append all records to the vote log, then one fdatasync
2. `send`:    only after 1 is durable; None as receiver means every other member of the set
3. `fetch`:   batches that a proposal names and that are not here
4. `decided`: execute in order, then report each by `Replica.executed`
5. `certified`, `left`, `evidence`, `rejections`: tell whom it concerns. `left`: the first slot committed in a
   view that is not its turn's first
6. `relay`:   see to it that a peer holds a batch that it should have ordered
7. `wake_at_ms`: call `tick` then at the latest (monotonic clock)

A driver that drains its inbox carries out the Readies of a turn together and syncs once.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from msgspec import Struct

from consensus.messages import (
    BlockVote,
    Commit,
    CommitCertificate,
    Message,
    NewView,
    Prepare,
    PreparedCertificate,
    PrePrepare,
    QuorumCertificate,
    ViewChange,
)
from consensus.types import BatchRef, Digest, ReplicaId, SequenceNumber, View


class ViewRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="view"):
    """The view that was entered (or, when changing, that is being moved to)."""

    epoch: int
    view: View
    changing: bool


class PreparedRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="prepared"):
    """Written before the COMMIT it allows."""

    certificate: PreparedCertificate


class StableRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="stable"):
    """A block's certificate: what lies at or below it may be forgotten."""

    certificate: QuorumCertificate


class HoldRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="hold"):
    """No vote before a certificate lies at `height` or above, and none in a view below `view` of `epoch`."""

    epoch: int
    view: View
    height: SequenceNumber


Record: TypeAlias = (
    ViewRecord
    | HoldRecord
    | PreparedRecord
    | StableRecord
    | PrePrepare
    | Prepare
    | Commit
    | BlockVote
    | ViewChange
    | NewView
)
"""Of messages, the log holds accepted proposals and this replica's own votes."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """A message and its receiver; None: every other member."""

    message: Message
    to: ReplicaId | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """A batch to be fetched, and whom to ask in this order: origin, primary, who prepared."""

    ref: BatchRef
    sources: tuple[ReplicaId, ...]


@dataclass(frozen=True, slots=True)
class Relay:
    """A batch that the primary leaves waiting: hand it over if it may lack it (PBFT section 4.4: a backup
    relays the request before it suspects)."""

    ref: BatchRef
    to: ReplicaId


@dataclass(frozen=True, slots=True)
class Decided:
    """A slot that is committed and whose predecessors are all handed out."""

    sequence: SequenceNumber
    epoch: int
    view: View
    time_ms: int
    refs: tuple[BatchRef, ...]

    @property
    def is_null(self) -> bool:
        return not self.refs and self.time_ms == 0


@dataclass(frozen=True, slots=True)
class Rejection:
    """A peer's message that was not taken, and the rule. Not an error of ours."""

    rule: str
    replica: ReplicaId
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two messages of one key that cannot both be honest."""

    first: Message
    second: Message


@dataclass(frozen=True, slots=True)
class Behind:
    """Others hold a certificate for `height`: fetch certified blocks, then `Replica.install`."""

    height: SequenceNumber
    source: ReplicaId


@dataclass(frozen=True, slots=True)
class Halt:
    """A quorum certified another header than this node's own: its execution is at fault, it stops."""

    height: SequenceNumber
    own: Digest
    certified: Digest


@dataclass(frozen=True, slots=True)
class Ready:
    persist: tuple[Record, ...] = ()
    send: tuple[Outbound, ...] = ()
    fetch: tuple[Fetch, ...] = ()
    decided: tuple[Decided, ...] = ()
    certified: tuple[QuorumCertificate, ...] = ()
    left: tuple[CommitCertificate, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    behind: Behind | None = None
    halt: Halt | None = None
    relay: tuple[Relay, ...] = ()
    wake_at_ms: int | None = field(default=None)
