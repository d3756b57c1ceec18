"""ReportLeftViews: who is passed over as primary for some turns, because the views that it led were left.

A quorum that committed a slot in a later view of a turn left the views before. Who led them was down, slow or
lying, or the network was; nobody has to say which, for all that it costs them is to lead for
`pass_over_turns` turns. f members at most are passed over at a time, the latest first (Veronese et al., "Spin
One's Wheels? Byzantine Fault Tolerance with a Spinning Primary", SRDS 2009).

What holds in a turn is settled two windows before it begins, so every replica that takes part in it knows.
"""

from collections.abc import Sequence

from chainnode.ledger import keys, membership, view
from chainnode.ledger.epochs import Schedule
from chainnode.ledger.networkrecords import PassedOver, PassedOverRecord
from chainnode.ledger.payloads import ReportLeftViews
from chainnode.ledger.records import HOLDER_VALIDATOR
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import Transition
from chainnode.ledger.view import Reader
from consensus.bounds import REACH_WINDOWS
from consensus.parameters import Parameters
from consensus.rules import turn_of
from consensus.types import TURN_VIEWS, ReplicaId, ReplicaSet, SequenceNumber

EVENT_PASSED_OVER = "passed-over"
_KEPT_SETS = 8


def _record(reader: Reader) -> PassedOverRecord:
    return view.passed_over(reader) or PassedOverRecord(0, 0, ())


def is_news(reader: Reader, parameters: Parameters, epoch: int, in_view: int, height: SequenceNumber) -> bool:
    """Whether a report of that view would change anything in the block at `height`."""
    if not parameters.turn_heights or not parameters.pass_over_turns:
        return False
    turn, step = divmod(in_view, TURN_VIEWS)
    known = _record(reader)
    is_recent = 0 <= turn_of(height, parameters.turn_heights) - turn <= 1
    return step > 0 and is_recent and (epoch, in_view) > (known.epoch, known.view)


def first_turn(parameters: Parameters, height: SequenceNumber) -> int:
    """The first turn that nobody can have heard of when the block at `height` is executed."""
    return (height + REACH_WINDOWS * parameters.window) // parameters.turn_heights + 1


def _in_turn(voters: ReplicaSet, members: Sequence[PassedOver], turn: int) -> ReplicaSet:
    """Of those reported later the latest first; within a report, the one whose turn it was."""
    latest = sorted(members, key=lambda one: -one.from_turn)
    return voters.passing_over(one.member for one in latest if one.from_turn <= turn < one.until_turn)


class Rotation:
    """Who votes at a sequence and who leads in its turn (consensus.types.ReplicaSets)."""

    def __init__(self, schedule: Schedule, reader: Reader, parameters: Parameters) -> None:
        self.schedule = schedule
        self.passed_over = _record(reader).members
        self._turn_heights = parameters.turn_heights
        self._sets: dict[tuple[int, int], ReplicaSet] = {}

    def __call__(self, sequence: SequenceNumber) -> ReplicaSet:
        voters = self.schedule(sequence)
        if not self.passed_over:
            return voters
        turn = turn_of(sequence, self._turn_heights)
        known = self._sets.get((voters.epoch, turn))
        if known is None:
            if len(self._sets) >= _KEPT_SETS:
                self._sets.clear()
            known = self._sets[voters.epoch, turn] = _in_turn(voters, self.passed_over, turn)
        return known


def report(call: Transition[ReportLeftViews]) -> None:
    """Those who led the first views of the turn, f of them at most, are passed over from the first turn on
    that is not settled yet."""
    payload, parameters, height = call.payload, call.context.parameters, call.context.height
    reporter = view.holder(call.state, call.signer)
    if reporter is None:
        raise RefusedError("unknown-signer", "the key has no role on this chain")
    if reporter.role != HOLDER_VALIDATOR:
        raise RefusedError("not-permitted", "only a member's node reports")
    left = _left(call) if is_news(call.state, parameters, payload.epoch, payload.view, height) else []
    if not left:
        raise RefusedError("views-not-left", f"view {payload.view}")
    start, present = first_turn(parameters, height), turn_of(height, parameters.turn_heights)
    end = start + parameters.pass_over_turns
    # Those of the last turn too: reports of it still come.
    members = [one for one in _record(call.state).members if one.until_turn >= present]
    for member in left:
        members = _with(members, PassedOver(member, start, end))
    call.put(keys.PASSED_OVER, PassedOverRecord(payload.epoch, payload.view, tuple(members)))
    call.emit(
        EVENT_PASSED_OVER,
        members=",".join(str(one) for one in left),
        view=str(payload.view),
        from_height=str(start * parameters.turn_heights + 1),
        until_height=str(end * parameters.turn_heights),
    )


def _left(call: Transition[ReportLeftViews]) -> list[ReplicaId]:
    """Who led the views that a quorum of the slot's set left, by the votes of that quorum.

    Raises RefusedError: not-committed.
    """
    payload, parameters = call.payload, call.context.parameters
    voters = membership.current(call.state).voters(payload.sequence)
    turn, step = divmod(payload.view, TURN_VIEWS)
    if payload.epoch != voters.epoch or turn != turn_of(payload.sequence, parameters.turn_heights):
        raise RefusedError("not-committed", "the view is not one of the slot")
    if len(payload.votes) < voters.quorum:
        raise RefusedError("not-committed", f"{len(payload.votes)} votes, a quorum is {voters.quorum}")
    if any(voters.key(vote.replica) != vote.key for vote in payload.votes):
        raise RefusedError("not-committed", "a vote is not of that set")
    led = _in_turn(voters, _record(call.state).members, turn)
    views = range(payload.view - step, payload.view)[: voters.f]
    return [one for one in dict.fromkeys(map(led.primary, views)) if one != led.primary(payload.view)]


def _with(known: Sequence[PassedOver], new: PassedOver) -> list[PassedOver]:
    """What is settled already stays: a term that reaches to the new one is made longer in its place."""
    for place, one in enumerate(known):
        if one.member == new.member and one.until_turn >= new.from_turn:
            longer = PassedOver(one.member, one.from_turn, new.until_turn)
            return [*known[:place], longer, *known[place + 1 :]]
    return [*known, new]
