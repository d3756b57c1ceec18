"""Headers: everything in them follows from the slot, its parent and the execution."""

from collections.abc import Sequence

from chainnode.ledger.records import Event, Result
from consensus.codec import encode
from consensus.merkle import merkle_root
from consensus.ready import Decided
from consensus.types import HEADER_VERSION, BatchRef, BlockHeader, Digest, ReplicaSet

NO_PARENT = bytes(32)


def batches_root(refs: Sequence[BatchRef]) -> Digest:
    return merkle_root("batch", [encode(ref) for ref in refs])


def results_root(results: Sequence[Result]) -> Digest:
    return merkle_root("result", [encode(result) for result in results])


def events_root(events: Sequence[Event]) -> Digest:
    return merkle_root("event", [encode(event) for event in events])


def block_time_ms(parent: BlockHeader, proposed_ms: int) -> int:
    """The later of parent + 1 ms and the proposed time; a null request proposes 0."""
    return max(parent.time_ms + 1, proposed_ms)


def genesis_header(
    *, chain_id: bytes, time_ms: int, validators: ReplicaSet, state_root: Digest
) -> BlockHeader:
    """The header at height 0, the same on every node; it is not voted on."""
    return BlockHeader(
        version=HEADER_VERSION,
        chain_id=chain_id,
        epoch=validators.epoch,
        height=0,
        parent=NO_PARENT,
        time_ms=time_ms,
        batches_root=batches_root(()),
        results_root=results_root(()),
        events_root=events_root(()),
        state_root=state_root,
        validators=validators.digest(),
        next_validators=validators.digest(),
    )


def next_header(
    parent: BlockHeader,
    decided: Decided,
    *,
    results: Sequence[Result],
    events: Sequence[Event],
    state_root: Digest,
    validators: ReplicaSet,
    next_validators: ReplicaSet,
) -> BlockHeader:
    """The header of the slot after `parent`. `validators` vote at this height."""
    assert decided.sequence == parent.height + 1, "slots are executed in order"
    assert decided.epoch == validators.epoch, "the slot was decided by the set that votes on it"
    return BlockHeader(
        version=HEADER_VERSION,
        chain_id=parent.chain_id,
        epoch=decided.epoch,
        height=decided.sequence,
        parent=parent.hash(),
        time_ms=block_time_ms(parent, decided.time_ms),
        batches_root=batches_root(decided.refs),
        results_root=results_root(results),
        events_root=events_root(events),
        state_root=state_root,
        validators=validators.digest(),
        next_validators=next_validators.digest(),
    )
