"""What Dissemination wants done: one frozen value for each input, to be carried out in order."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from chainnode.ledger.transaction import SignedBatch
from consensus.types import BatchRef, Digest, ReplicaId

DropRule: TypeAlias = Literal["expired", "expiry-too-far", "unordered-bytes"]


@dataclass(frozen=True, slots=True)
class Hold:
    """Store the batch durably; then the ref counts as ready (Replica.batch_ready)."""

    ref: BatchRef
    batch: SignedBatch


@dataclass(frozen=True, slots=True)
class Push:
    """Send a Batch frame to each of `to`."""

    to: tuple[ReplicaId, ...]
    batch: SignedBatch


@dataclass(frozen=True, slots=True)
class Serve:
    """Load the batch from the store and send it, or BatchMissing where it is not there."""

    to: ReplicaId
    digest: Digest


@dataclass(frozen=True, slots=True)
class Offer:
    """Send a BatchOffer frame."""

    to: ReplicaId
    digests: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """Send a BatchRequest frame."""

    to: ReplicaId
    digest: Digest


@dataclass(frozen=True, slots=True)
class Refused:
    """A submission that was not taken. `busy`: try again later; `too-large`: it can never be."""

    transaction_id: Digest
    rule: Literal["busy", "too-large"]
    detail: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A peer's batch that was not taken."""

    peer: ReplicaId
    ref: BatchRef
    rule: DropRule


@dataclass(frozen=True, slots=True)
class Actions:
    """To be carried out in this order. `hold` first: nothing is announced that a crash could lose.

    `expired`: ids of own submissions that will not be ordered any more.
    `forget`: batches that no block can name any more; their bodies may be deleted.
    `wake_at_ms`: call `tick` then at the latest (monotonic clock).
    """

    hold: tuple[Hold, ...] = ()
    push: tuple[Push, ...] = ()
    serve: tuple[Serve, ...] = ()
    offer: tuple[Offer, ...] = ()
    request: tuple[Request, ...] = ()
    refused: tuple[Refused, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    expired: tuple[Digest, ...] = ()
    forget: tuple[Digest, ...] = ()
    wake_at_ms: int | None = None


def merge(turn: Iterable[Actions]) -> Actions:
    """The actions of one turn as one, each kind in order, so that one sync makes all of `hold` durable."""
    parts = list(turn)
    lists = {
        item.name: tuple(action for part in parts for action in getattr(part, item.name))
        for item in fields(Actions)
        if item.name != "wake_at_ms"
    }
    return Actions(**lists, wake_at_ms=parts[-1].wake_at_ms if parts else None)
