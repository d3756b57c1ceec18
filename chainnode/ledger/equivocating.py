"""ReportEquivocation: that a member's key said two things of one slot, on the record for good.

The signatures were checked with the form, by everybody who took the batch; what is left here is whose key it
is. A rotated key stays its member's, so evidence outlives the rotation. What follows from a record is for the
members to decide (a change of members); nothing is taken from anybody automatically.
"""

from chainnode.ledger import keys, view
from chainnode.ledger.networkrecords import EquivocationRecord
from chainnode.ledger.payloads import MAX_EVIDENCE_BYTES, ReportEquivocation
from chainnode.ledger.records import HOLDER_VALIDATOR
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import Transition
from consensus.codec import decode
from consensus.equivocation import Equivocation, between
from consensus.messages import Message

EVENT_EQUIVOCATION = "equivocation"


def told(payload: ReportEquivocation, chain_id: bytes) -> Equivocation:
    """What a report whose form was checked proves."""
    pair = (payload.first, payload.second)
    messages: list[Message] = [decode(data, Message, limit_bytes=MAX_EVIDENCE_BYTES) for data in pair]  # type: ignore[arg-type]
    found = between(messages[0], messages[1], chain_id)
    assert found is not None, "its form was checked"
    return found


def report(call: Transition[ReportEquivocation]) -> None:
    """Keep a record for each (member, epoch, kind, slot): the first report of it stands."""
    reporter = view.holder(call.state, call.signer)
    if reporter is None:
        raise RefusedError("unknown-signer", "the key has no role on this chain")
    if reporter.role != HOLDER_VALIDATOR:
        raise RefusedError("not-permitted", "only a member's node reports")
    found = told(call.payload, call.context.chain_id)
    accused = view.holder(call.state, call.payload.key)
    if accused is None or (accused.role, accused.member) != (HOLDER_VALIDATOR, found.replica):
        raise RefusedError("not-of-accused", f"member {found.replica}")
    key = keys.equivocation(found.replica, found.epoch, found.kind, found.slot)
    if call.state.get(key) is not None:
        raise RefusedError("already-done", "this equivocation is on record")
    record = EquivocationRecord(
        found.replica,
        found.epoch,
        found.kind,
        found.slot,
        found.view,
        found.first,
        found.second,
        call.payload.key,
        reporter.member,
        call.source,
    )
    call.put(key, record)
    call.emit(
        EVENT_EQUIVOCATION,
        found.first,
        found.second,
        member=str(found.replica),
        epoch=str(found.epoch),
        message=found.kind,
        slot=str(found.slot),
    )
