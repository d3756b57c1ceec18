"""AnchorRecords: thousands of pointers under one signature, one state key and one root."""

from chainnode.ledger import keys, view
from chainnode.ledger.enrolment import require_enrolment, require_member
from chainnode.ledger.payloads import AnchorRecords, ObjectPointer
from chainnode.ledger.records import BatchIndex, BatchRecord, EnrolmentRecord, ObjectIndex
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import Transition
from consensus.codec import encode
from consensus.merkle import merkle_root
from consensus.types import Digest


def pointers_root(encoded: list[bytes]) -> Digest:
    """Root over encoded pointers, in the batch's order."""
    return merkle_root("pointer", encoded)


def _check_pointer(member: int, pointer: ObjectPointer, enrolment: EnrolmentRecord) -> None:
    if enrolment.member != member:
        raise RefusedError("other-member", f"handle {pointer.handle.hex()} is of another member")
    if not enrolment.active:
        raise RefusedError("enrolment-not-active", f"handle {pointer.handle.hex()}")
    if enrolment.class_key(pointer.data_class, pointer.epoch) is None:
        raise RefusedError("unknown-class-key", f"{pointer.data_class}, epoch {pointer.epoch}")


def anchor(call: Transition[AnchorRecords]) -> None:
    payload = call.payload
    member = require_member(call, payload.member)
    call.require_signer(member.validator_key, "the member's node")
    if view.study(call.state, payload.member, payload.department, payload.study) is None:
        raise RefusedError("unknown-study", f"{payload.study} of department {payload.department}")
    enrolments: dict[bytes, EnrolmentRecord] = {}
    for pointer in payload.pointers:
        if pointer.handle not in enrolments:
            enrolments[pointer.handle] = require_enrolment(call, pointer.handle)
        _check_pointer(payload.member, pointer, enrolments[pointer.handle])
        # One object, one anchor: a second claim, perhaps under a laxer policy, is refused.
        if call.state.index(keys.object_index(pointer.object_id)) is not None:
            raise RefusedError("object-claimed", f"object {pointer.object_id.hex()}")
    encoded = [encode(pointer) for pointer in payload.pointers]
    root = pointers_root(encoded)
    record = BatchRecord(
        member=payload.member,
        department=payload.department,
        study=payload.study,
        policy=payload.policy,
        count=len(encoded),
        report_digest=payload.report_digest,
        anchored=call.source,
        time_ms=call.context.time_ms,
    )
    call.put(keys.batch(root), record)
    for index, pointer in enumerate(payload.pointers):
        call.put_index(keys.object_index(pointer.object_id), ObjectIndex(root, index, encoded[index]))
    object_ids = tuple(pointer.object_id for pointer in payload.pointers)
    call.put_index(keys.batch_index(root), BatchIndex(object_ids, payload.sealed_key))
    call.emit(
        "anchored",
        root,
        member=str(payload.member),
        department=payload.department,
        study=payload.study,
        count=str(len(encoded)),
    )
