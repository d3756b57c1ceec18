"""Erasure: what a patient or a department has every node delete, and each node's word that it did.

The state names what is gone from the height of the erasure on, so that every node treats it as nothing,
whenever it comes to delete the bytes: a row that the state says is erased is not read by any decision. A
consent that is erased leaves the list of consents. Erasing a handle is a revocation of everything too, and
ends what can be given under it. Attested, not proven: nobody can show that a copy is not there.
"""

from msgspec import structs

from chainnode.ledger import keys, view
from chainnode.ledger.dealing import end_dealings
from chainnode.ledger.enrolment import require_department, require_enrolment
from chainnode.ledger.fields import SCOPE_CONSENT
from chainnode.ledger.membership import require_node
from chainnode.ledger.payloads import AttestErasure, Erase, EraseObjects
from chainnode.ledger.records import (
    ERASED_CONSENT,
    ERASED_OBJECTS,
    ERASED_PATIENT,
    AttestedRecord,
    ConsentsRecord,
    ErasedRecord,
    ErasureRecord,
    ErasuresRecord,
    RevocationRecord,
)
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import P, Transition


def _record(call: Transition[P], erasure: ErasureRecord) -> int:
    """Number it, and mark its rows; the number."""
    number = view.erasures(call.state) + 1
    call.put(keys.ERASURES, ErasuresRecord(number))
    call.put(keys.erasure(number), erasure)
    for digest in erasure.rows:
        call.put(keys.erased_row(digest), ErasedRecord(number))
    subjects = (erasure.handle,) if erasure.handle else erasure.objects
    call.emit("erased", *subjects, what=erasure.kind, number=str(number))
    return number


def erase(call: Transition[Erase]) -> None:
    """The patient's alone."""
    payload = call.payload
    enrolment = require_enrolment(call, payload.handle)
    call.require_signer(enrolment.patient_key, "the patient")
    held = view.consents(call.state, payload.handle)
    consents = held.consents if held else ()
    if payload.scope == SCOPE_CONSENT:
        gone = tuple(one for one in consents if one.consent_id == payload.target)
        if not gone:
            raise RefusedError("unknown-consent", f"consent {payload.target.hex()}")
        kind, rows = ERASED_CONSENT, [gone[0].provision_row]
        left = tuple(one for one in consents if one.consent_id != payload.target)
    else:
        kind, left = ERASED_PATIENT, ()
        rows = [enrolment.link_row, *(one.provision_row for one in consents)]
    if left != consents:
        call.put(keys.consents(payload.handle), ConsentsRecord(left))
    if kind == ERASED_PATIENT or all(one.revoked.height for one in left):
        end_dealings(call, payload.handle)
    erasure = ErasureRecord(
        kind=kind,
        handle=payload.handle,
        member=enrolment.member,
        department="",
        objects=(),
        rows=tuple(dict.fromkeys(rows)),
        erased=call.source,
    )
    number = _record(call, erasure)
    if kind == ERASED_PATIENT:
        call.put(keys.erased_handle(payload.handle), ErasedRecord(number))
        revocations = view.revocations(call.state, payload.handle) or RevocationRecord()
        call.put(keys.revocations(payload.handle), structs.replace(revocations, all=call.source))


def erase_objects(call: Transition[EraseObjects]) -> None:
    """Objects of one department, by its head."""
    payload = call.payload
    department = require_department(call, payload.member, payload.department)
    call.require_signer(department.head_key, "the head of the department")
    for object_id in payload.objects:
        found = view.object_index(call.state, object_id)
        if found is None:
            raise RefusedError("unknown-object", f"object {object_id.hex()}")
        batch = view.batch(call.state, found.batch_root)
        assert batch is not None, "an indexed object has its batch"
        if (batch.member, batch.department) != (payload.member, payload.department):
            raise RefusedError("not-of-signer", f"object {object_id.hex()}")
        if view.object_gone(call.state, view.pointer(found)):
            raise RefusedError("already-done", f"object {object_id.hex()} is erased")
    erasure = ErasureRecord(
        kind=ERASED_OBJECTS,
        handle=b"",
        member=payload.member,
        department=payload.department,
        objects=payload.objects,
        rows=(),
        erased=call.source,
    )
    number = _record(call, erasure)
    for object_id in payload.objects:
        call.put(keys.erased_object(object_id), ErasedRecord(number))


def attest(call: Transition[AttestErasure]) -> None:
    """A member's node speaks for itself, once."""
    payload = call.payload
    require_node(call, payload.member)
    if view.erasure(call.state, payload.number) is None:
        raise RefusedError("unknown-erasure", f"number {payload.number}")
    key = keys.erasure_attested(payload.number, payload.member)
    if call.state.get(key) is not None:
        raise RefusedError("already-done", "the member has attested it")
    call.put(key, AttestedRecord(call.source))
    call.emit("erasure-attested", member=str(payload.member), number=str(payload.number))
