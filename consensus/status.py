"""What a Replica shows of itself to operators: enough to say why nothing moves."""

from dataclasses import dataclass

from consensus.checkpoint import Certifier
from consensus.normal import Ordering
from consensus.parts import Parts
from consensus.rules import Watermarks
from consensus.slots import Slot
from consensus.types import ReplicaId, SequenceNumber, View


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """A slot above the low watermark: how far it is and whose votes are not here.

    `stage`: "pre-prepare" (no proposal), "batches", "prepare", "commit", "execute", "certify".
    """

    sequence: SequenceNumber
    stage: str
    missing: tuple[ReplicaId, ...]


@dataclass(frozen=True, slots=True)
class MissingVotes:
    """The lowest slot that is not certified: who has not given which vote on it, as far as is known here.

    `stage` as in SlotStatus. A vote for another content than the one known here counts as not given. The
    primary's PRE-PREPARE stands for its PREPARE.
    """

    sequence: SequenceNumber
    stage: str
    prepare: tuple[ReplicaId, ...]
    commit: tuple[ReplicaId, ...]
    block_vote: tuple[ReplicaId, ...]


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """`view` is the one that is being moved to while `changing`. `asked`: newest view that each replica
    asked for by VIEW-CHANGE; `ahead`: peers that speak in a later view. `silent_because` is empty if it
    votes."""

    replica_id: ReplicaId
    epoch: int
    view: View
    changing: bool
    primary: ReplicaId
    low: SequenceNumber
    high: SequenceNumber
    decided: SequenceNumber
    executed: SequenceNumber
    certified: SequenceNumber
    behind: SequenceNumber | None
    voting: bool
    silent_because: str
    timeout_ms: int
    batches_here: int
    batches_waiting: int
    asked: tuple[tuple[ReplicaId, View], ...]
    ahead: tuple[tuple[ReplicaId, View], ...]
    slots: tuple[SlotStatus, ...]


def status_of(parts: Parts) -> ReplicaStatus:
    """A snapshot. Costs a walk over the window."""
    ordering, certifier, changer, pool = parts.ordering, parts.certifier, parts.changer, parts.pool
    marks, future = ordering.marks, parts.future
    silent_because = parts.ballot.silent_because(marks, changer.view)
    ahead = [(replica, future.view_of(replica)) for replica in marks.ids]
    return ReplicaStatus(
        replica_id=parts.setting.replica_id,
        epoch=marks.epoch,
        view=changer.view,
        changing=changer.changing,
        primary=marks.members.primary(changer.view),
        low=marks.low,
        high=marks.high,
        decided=ordering.handed,
        executed=certifier.executed,
        certified=certifier.low,
        behind=certifier.ahead_height if certifier.is_behind else None,
        voting=not silent_because,
        silent_because=silent_because,
        timeout_ms=parts.timers.timeout_ms,
        batches_here=len(pool),
        batches_waiting=pool.waiting,
        asked=tuple((replica, changer.asked[replica].view) for replica in sorted(changer.asked)),
        ahead=tuple((replica, view) for replica, view in ahead if view > 0),
        slots=_slots(marks, ordering, certifier),
    )


def missing_votes(parts: Parts) -> MissingVotes | None:
    """None where everything that was proposed or executed here is certified."""
    ordering, certifier = parts.ordering, parts.certifier
    marks = ordering.marks
    sequence = marks.low + 1
    if max(ordering.top, ordering.handed, certifier.executed) < sequence:
        return None
    slot = ordering.slots.get(sequence, Slot(sequence))
    stage, _ = _stage(slot, ordering, certifier)
    executed = certifier.hashes.get(sequence)
    given = {
        "prepare": [vote.replica for vote in slot.prepares.values() if vote.digest == slot.digest],
        "commit": [vote.replica for vote in slot.commits.values() if vote.digest == slot.digest],
        "block_vote": [
            replica
            for replica, block_vote in certifier.votes.get(sequence, {}).items()
            if executed is None or block_vote.header_hash == executed
        ],
    }
    if slot.pre_prepare is not None:
        given["prepare"].append(slot.pre_prepare.replica)
    lacking = {kind: tuple(one for one in marks.ids if one not in given[kind]) for kind in given}
    return MissingVotes(sequence, stage, **lacking)


def _slots(marks: Watermarks, ordering: Ordering, certifier: Certifier) -> tuple[SlotStatus, ...]:
    last = max(ordering.top, ordering.handed, certifier.executed)
    found = []
    for sequence in range(marks.low + 1, min(last, marks.reach) + 1):
        slot = ordering.slots.get(sequence, Slot(sequence))
        stage, seen = _stage(slot, ordering, certifier)
        missing = tuple(replica for replica in marks.ids if replica not in seen)
        found.append(SlotStatus(sequence, stage, missing if stage not in ("batches", "execute") else ()))
    return tuple(found)


def _stage(slot: Slot, ordering: Ordering, certifier: Certifier) -> tuple[str, tuple[ReplicaId, ...]]:
    if slot.sequence <= certifier.executed:
        return "certify", tuple(certifier.votes.get(slot.sequence, {}))
    if slot.sequence <= ordering.handed:
        return "execute", ()
    if slot.pre_prepare is None:
        return "pre-prepare", tuple(r for r in ordering.marks.ids if r != ordering.primary)
    if slot.missing:
        return "batches", ()
    if not slot.is_prepared_in(ordering.view):
        return "prepare", (*slot.prepares, slot.pre_prepare.replica)
    return "commit", tuple(slot.commits)
