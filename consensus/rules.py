"""The rules of the protocol, as pure functions, in the order of the paper.

Castro and Liskov, "Practical Byzantine Fault Tolerance", OSDI 1999; sections are cited from there. Wherever
the paper says 2f + 1 this says quorum, for n need not be 3f + 1. The other modules keep state and ask here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from consensus.bounds import ONE_REF_BYTES, REACH_WINDOWS, VIEW_JUMP
from consensus.codec import encode
from consensus.messages import (
    Commit,
    CommitCertificate,
    Prepare,
    PreparedCertificate,
    PrePrepare,
    ViewChange,
    Vote,
)
from consensus.parameters import Parameters
from consensus.types import (
    NULL_TIME_MS,
    TURN_VIEWS,
    BatchRef,
    Digest,
    ReplicaId,
    ReplicaSet,
    ReplicaSets,
    SequenceNumber,
    View,
)

RULES: dict[str, str] = {
    "below-watermarks": "the slot is certified, votes on it are over",
    "beyond-watermarks": "the slot lies more than two windows above the last certified height",
    "clock": "the proposed time is too far from this replica's clock",
    "decided-otherwise": "the slot was decided with other content",
    "duplicate": "this message was taken before",
    "epoch": "the message belongs to another set of replicas",
    "equivocation": "the same replica said something else before, which stands",
    "expired-batch": "a batch past its expiry may not be proposed anew",
    "form": "a field is outside its range or an order does not hold",
    "new-view": "the proposals do not follow from the view changes",
    "not-primary": "only the primary of the view may send this",
    "null-request": "an empty proposal comes in a NEW-VIEW or not at all",
    "old-view": "the view is over",
    "own-message": "this replica's own vote came from outside",
    "primary-prepares": "the primary's PRE-PREPARE stands for its PREPARE",
    "quorum": "too few votes, the same voter twice, or not in ascending order",
    "repeated-batch": "a batch was already ordered in another slot",
    "signature": "the signature does not hold under the key of this set",
    "stranger": "not a member of the set at that sequence",
    "superseded": "a message of a later view from the same replica is kept already",
    "too-large": "the proposal exceeds what a block may hold",
    "turn": "the view belongs to another turn than the slot or the certificate",
    "window": "a prepared slot lies outside the window above the stable certificate",
}
"""Code of every Rejection, and what it says."""


def turn_of(sequence: SequenceNumber, turn_heights: int) -> int:
    """The slots are led in turns of so many heights, the primary of each one member further: so nobody leads
    for long who is slow, or picks what to order, just within what the timers allow (Aardvark, NSDI 2009).
    0: one turn for ever."""
    return (sequence - 1) // turn_heights if turn_heights else 0


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Section 4.2: messages are acted on for low < n <= high. `low` is the last height that is both executed
    here and certified. Messages are stored up to `reach`. All of it lies in one epoch; up to `high`, in one
    turn."""

    low: SequenceNumber
    high: SequenceNumber
    reach: SequenceNumber
    members: ReplicaSet
    ids: tuple[ReplicaId, ...]
    """Of the members, at hand: this is asked at every message."""
    turn_heights: int
    first_view: View
    """In which the turn above `low` begins, without a NEW-VIEW: nothing there can have prepared before."""

    @classmethod
    def above(cls, low: SequenceNumber, parameters: Parameters, replica_sets: ReplicaSets) -> "Watermarks":
        window, turn_heights = parameters.window, parameters.turn_heights
        members = replica_sets(low + 1)
        reach = low + REACH_WINDOWS * window
        # No slot beyond an activation height, or of the next turn, before the block ahead of it is certified.
        while replica_sets(reach).epoch != members.epoch:
            reach -= 1
        turn = turn_of(low + 1, turn_heights)
        high = min(low + window, reach)
        if turn_heights:
            high = min(high, (turn + 1) * turn_heights)
        return cls(low, high, reach, members, members.ids, turn_heights, turn * TURN_VIEWS)

    @property
    def epoch(self) -> int:
        return self.members.epoch

    @property
    def end_of_views(self) -> View:
        """The first view of the next turn."""
        return self.first_view + TURN_VIEWS

    def is_of_turn(self, sequence: SequenceNumber, view: View) -> bool:
        """Whether `view` is one of those in which the slot `sequence` is ordered."""
        return view // TURN_VIEWS == turn_of(sequence, self.turn_heights)


class Placement(Enum):
    """Where a message on a slot belongs."""

    PRESENT = "present"
    FUTURE_VIEW = "future-view"
    OLD_VIEW = "old-view"
    OTHER_EPOCH = "epoch"
    OTHER_TURN = "turn"
    BELOW = "below-watermarks"
    BEYOND = "beyond-watermarks"


def place(message: PrePrepare | Prepare | Commit, marks: Watermarks, view: View, changing: bool) -> Placement:
    """Section 4.2: accepted is what is of the present view and between the watermarks; section 4.4: a replica
    that changes views accepts none of these until NEW-VIEW."""
    if message.epoch != marks.epoch:
        return Placement.OTHER_EPOCH
    if message.sequence <= marks.low:
        return Placement.BELOW
    if message.sequence > marks.reach:
        return Placement.BEYOND
    if not marks.is_of_turn(message.sequence, message.view):
        return Placement.OTHER_TURN
    if message.view < view:
        return Placement.OLD_VIEW
    if message.view > view or changing:
        return Placement.FUTURE_VIEW
    return Placement.PRESENT


def is_null(proposal: PrePrepare) -> bool:
    """Section 4.4: the null request goes through the protocol like others, but its execution is a no-op."""
    return not proposal.refs and proposal.time_ms == NULL_TIME_MS


def clock_holds(proposed_ms: int, wall_ms: int, skew_ms: int) -> bool:
    """A fresh proposal's time lies within the allowed skew of this replica's clock."""
    return abs(proposed_ms - wall_ms) <= skew_ms


def fits_a_proposal(ref: BatchRef, parameters: Parameters) -> bool:
    """Whether a block can hold the batch at all, if alone."""
    return ref.size_bytes <= parameters.block_bytes and len(encode(ref)) <= ONE_REF_BYTES


def prepared_certificate(
    proposal: PrePrepare, slot: Digest, prepares: Mapping[ReplicaId, Prepare], members: ReplicaSet
) -> PreparedCertificate | None:
    """Section 4.2, prepared(m, v, n, i): the PRE-PREPARE and matching PREPAREs of quorum - 1 other replicas.

    The primary's PRE-PREPARE is its vote, so together a quorum stands behind the slot.
    """
    needed = members.quorum - 1
    if len(prepares) < needed:
        return None
    matching = [
        replica
        for replica in members.ids
        if replica != proposal.replica and replica in prepares and prepares[replica].digest == slot
    ]
    if len(matching) < needed:
        return None
    votes = tuple(Vote(replica, prepares[replica].signature) for replica in matching[:needed])
    return PreparedCertificate(proposal, votes)


def commit_certificate(
    proposal: PrePrepare, slot: Digest, commits: Mapping[ReplicaId, Commit], members: ReplicaSet
) -> CommitCertificate | None:
    """Section 4.2, committed-local(m, v, n, i), for a slot that is prepared: a quorum of matching COMMITs."""
    matching = [one for one in members.ids if one in commits and commits[one].digest == slot]
    if len(matching) < members.quorum:
        return None
    votes = tuple(Vote(replica, commits[replica].signature) for replica in matching[: members.quorum])
    return CommitCertificate(proposal.epoch, proposal.view, proposal.sequence, slot, votes)


def view_to_join(
    wanted: Mapping[ReplicaId, View], view: View, own: ReplicaId, members: ReplicaSet
) -> View | None:
    """Section 4.5.2: f + 1 others ask for views above ours: one of them is honest, go to the smallest.

    `wanted` holds the newest view each replica asked for. One step is capped.
    """
    above = [asked for replica, asked in wanted.items() if replica != own and asked > view]
    if len(above) < members.f + 1:
        return None
    return min(min(above), view + VIEW_JUMP)


def new_view_proposals(
    epoch: int, view: View, primary: ReplicaId, view_changes: Sequence[ViewChange]
) -> tuple[PrePrepare, ...]:
    """Section 4.4, set O: a proposal for each slot from the latest stable certificate in `view_changes`
    (min-s) up to the highest prepared one (max-s): what was prepared in the highest view, else the null
    request.

    Unsigned; time and batches are as they were, so the slot's digest is too.
    """
    min_s = max(change.stable_height for change in view_changes)
    chosen: dict[SequenceNumber, PrePrepare] = {}
    for proposal in _prepared_proposals(view_changes):
        best = chosen.get(proposal.sequence)
        if best is None or proposal.view > best.view:
            chosen[proposal.sequence] = proposal
    max_s = max(chosen, default=min_s)
    proposals = []
    for sequence in range(min_s + 1, max_s + 1):
        source = chosen.get(sequence)
        time_ms, refs = (source.time_ms, source.refs) if source is not None else (NULL_TIME_MS, ())
        proposals.append(PrePrepare(epoch, view, sequence, time_ms, refs, primary))
    return tuple(proposals)


def _prepared_proposals(view_changes: Iterable[ViewChange]) -> Iterable[PrePrepare]:
    for change in view_changes:
        for prepared in change.prepared:
            yield prepared.pre_prepare


def next_timeout_ms(timeout_ms: int, max_timeout_ms: int) -> int:
    """Section 4.4: the time to wait doubles with each view change that brought nothing. Capped, so that
    replicas which waited long meet again."""
    return min(2 * timeout_ms, max_timeout_ms)


def full_enough(waiting: int, full: int, in_flight: int, window: int) -> bool:
    """When to propose: at once if nothing is in flight; otherwise the more is in flight, the fuller the next
    block has to be. So a lone batch never waits, and a loaded primary fills its blocks."""
    return waiting * window >= in_flight * full
