"""What goes into the engine and what comes out of one turn of it."""

from dataclasses import dataclass, field
from typing import TypeAlias

from consensus.messages import Authenticated, CommitCertificate, QuorumCertificate
from consensus.ready import (
    Behind,
    Decided,
    Evidence,
    Fetch,
    Halt,
    Outbound,
    Ready,
    Record,
    Rejection,
    Relay,
)
from consensus.types import BatchRef, ReplicaId


@dataclass(frozen=True, slots=True)
class Received:
    """A peer's consensus message whose signatures were found good."""

    message: Authenticated


@dataclass(frozen=True, slots=True)
class BatchStored:
    """A batch was checked and is on disk."""

    ref: BatchRef


@dataclass(frozen=True, slots=True)
class LinkUp:
    peer: ReplicaId


@dataclass(frozen=True, slots=True)
class LinkDown:
    peer: ReplicaId


@dataclass(frozen=True, slots=True)
class OwnVotes:
    """What peers hold under this node's key; first once a quorum, this node included, answered."""

    messages: tuple[Authenticated, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    pass


Input: TypeAlias = Received | BatchStored | LinkUp | LinkDown | OwnVotes | Tick


@dataclass(slots=True)
class Turn:
    """Several Readies merged: one fdatasync for all of them. The order within each list is kept."""

    records: list[Record] = field(default_factory=list)
    send: list[Outbound] = field(default_factory=list)
    fetch: list[Fetch] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    certified: list[QuorumCertificate] = field(default_factory=list)
    left: list[CommitCertificate] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    relay: list[Relay] = field(default_factory=list)
    behind: Behind | None = None
    halt: Halt | None = None
    wake_at_ms: int | None = None

    def add(self, ready: Ready) -> None:
        self.records.extend(ready.persist)
        self.send.extend(ready.send)
        self.fetch.extend(ready.fetch)
        self.decided.extend(ready.decided)
        self.certified.extend(ready.certified)
        self.left.extend(ready.left)
        self.evidence.extend(ready.evidence)
        self.rejections.extend(ready.rejections)
        self.relay.extend(ready.relay)
        if ready.behind and (self.behind is None or ready.behind.height > self.behind.height):
            self.behind = ready.behind
        self.halt = self.halt or ready.halt
        # The latest Ready knows every timer that is armed.
        self.wake_at_ms = ready.wake_at_ms
