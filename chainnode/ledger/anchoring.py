"""AnchorRecords: thousands of pointers under one signature, one state key and one root."""

from chainnode.ledger import features, keys, view
from chainnode.ledger.dealing import require_open_epoch
from chainnode.ledger.enrolment import require_enrolment
from chainnode.ledger.membership import require_node
from chainnode.ledger.payloads import AnchorRecords, ObjectPointer
from chainnode.ledger.records import BatchIndex, BatchRecord, EnrolmentRecord, ObjectIndex
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import Transition
from chainnode.ledger.view import Reader
from consensus.codec import encode
from consensus.merkle import merkle_root
from consensus.types import Digest


def pointers_root(encoded: list[bytes]) -> Digest:
    """Root over encoded pointers, in the batch's order."""
    return merkle_root("pointer", encoded)


def index_entries(payload: AnchorRecords) -> tuple[Digest, list[tuple[bytes, ObjectIndex | BatchIndex]]]:
    """The batch's root, and what the index beside the tree holds of it, by key."""
    encoded = [encode(pointer) for pointer in payload.pointers]
    root = pointers_root(encoded)
    found: list[tuple[bytes, ObjectIndex | BatchIndex]] = [
        (keys.object_index(pointer.object_id), ObjectIndex(root, index, encoded[index]))
        for index, pointer in enumerate(payload.pointers)
    ]
    object_ids = tuple(pointer.object_id for pointer in payload.pointers)
    return root, [*found, (keys.batch_index(root), BatchIndex(object_ids, payload.sealed_key))]


def _check_pointer(reader: Reader, member: int, pointer: ObjectPointer, enrolment: EnrolmentRecord) -> None:
    if enrolment.member != member:
        raise RefusedError("other-member", f"handle {pointer.handle.hex()} is of another member")
    if not enrolment.active:
        raise RefusedError("enrolment-not-active", f"handle {pointer.handle.hex()}")
    require_open_epoch(reader, pointer, enrolment)


def anchor(call: Transition[AnchorRecords]) -> None:
    payload = call.payload
    require_node(call, payload.member)
    features.require_for_modifiers(call.state, payload.policy.modifiers, call.context.height)
    if view.study(call.state, payload.member, payload.department, payload.study) is None:
        raise RefusedError("unknown-study", f"{payload.study} of department {payload.department}")
    enrolments: dict[bytes, EnrolmentRecord] = {}
    for pointer in payload.pointers:
        if pointer.handle not in enrolments:
            enrolments[pointer.handle] = require_enrolment(call, pointer.handle)
        _check_pointer(call.state, payload.member, pointer, enrolments[pointer.handle])
        # One object, one anchor: a second claim, perhaps under a laxer policy, is refused.
        if call.state.index(keys.object_index(pointer.object_id)) is not None:
            raise RefusedError("object-claimed", f"object {pointer.object_id.hex()}")
    root, index = index_entries(payload)
    record = BatchRecord(
        member=payload.member,
        department=payload.department,
        study=payload.study,
        policy=payload.policy,
        count=len(payload.pointers),
        report_digest=payload.report_digest,
        anchored=call.source,
        time_ms=call.context.time_ms,
    )
    call.put(keys.batch(root), record)
    for key, entry in index:
        call.put_index(key, entry)
    call.emit(
        "anchored",
        root,
        member=str(payload.member),
        department=payload.department,
        study=payload.study,
        count=str(len(payload.pointers)),
    )
