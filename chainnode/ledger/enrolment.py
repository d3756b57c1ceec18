"""Members' own things and patients: departments, studies, and enrolment in three steps.

A hospital alone could enrol keys of its own as "patients". So an enrolment counts only when a registrar
that the hospital does not run attested it and the patient's key proved itself.
"""

from msgspec import structs

from chainnode.ledger import keys, view
from chainnode.ledger.payloads import AddDepartment, AddStudy, AttestEnrolment, EnrolPatient, ProveEnrolment
from chainnode.ledger.records import (
    HOLDER_HEAD,
    HOLDER_PATIENT,
    HOLDER_REGISTRAR,
    DepartmentRecord,
    EnrolmentRecord,
    MemberRecord,
    StudyRecord,
)
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import P, Transition


def require_member(call: Transition[P], number: int) -> MemberRecord:
    """Raises RefusedError("unknown-member")."""
    record = view.member(call.state, number)
    if record is None:
        raise RefusedError("unknown-member", f"member {number}")
    return record


def require_department(call: Transition[P], number: int, slug: str) -> DepartmentRecord:
    """Raises RefusedError: unknown-member, unknown-department."""
    require_member(call, number)
    record = view.department(call.state, number, slug)
    if record is None:
        raise RefusedError("unknown-department", f"department {slug} of member {number}")
    return record


def require_enrolment(call: Transition[P], handle: bytes) -> EnrolmentRecord:
    """Raises RefusedError: unknown-patient, patient-erased."""
    record = view.patient(call.state, handle)
    if record is None:
        raise RefusedError("unknown-patient", f"handle {handle.hex()}")
    if view.erased(call.state, keys.erased_handle(handle)) is not None:
        raise RefusedError("patient-erased", f"handle {handle.hex()}")
    return record


def require_row(call: Transition[P], digest: bytes) -> None:
    """Raises RefusedError("row-erased")."""
    if view.erased(call.state, keys.erased_row(digest)) is not None:
        raise RefusedError("row-erased")


def add_department(call: Transition[AddDepartment]) -> None:
    payload = call.payload
    member = require_member(call, payload.member)
    call.require_signer(member.steward_key, "the member's steward")
    key = keys.department(payload.member, payload.department)
    if call.state.get(key) is not None:
        raise RefusedError("duplicate-id", f"the member has a department {payload.department}")
    call.claim_key(payload.head_key, HOLDER_HEAD, payload.member, payload.department.encode())
    call.put(key, DepartmentRecord(payload.head_key, call.source))
    call.emit("department-added", member=str(payload.member), department=payload.department)


def add_study(call: Transition[AddStudy]) -> None:
    payload = call.payload
    department = require_department(call, payload.member, payload.department)
    call.require_signer(department.head_key, "the head of the department")
    key = keys.study(payload.member, payload.department, payload.study)
    if call.state.get(key) is not None:
        raise RefusedError("duplicate-id", f"the department has a study {payload.study}")
    call.put(key, StudyRecord(payload.sealing_key, call.source))
    call.emit("study-added", member=str(payload.member), department=payload.department, study=payload.study)


def enrol(call: Transition[EnrolPatient]) -> None:
    payload = call.payload
    member = require_member(call, payload.member)
    call.require_signer(member.steward_key, "the member's steward")
    key = keys.patient(payload.handle)
    if call.state.get(key) is not None:
        raise RefusedError("duplicate-id", "the handle is enrolled")
    require_row(call, payload.link_row)
    call.claim_key(payload.patient_key, HOLDER_PATIENT, payload.member, payload.handle)
    record = EnrolmentRecord(
        member=payload.member,
        patient_key=payload.patient_key,
        class_keys=payload.class_keys,
        link_row=payload.link_row,
        registrar="",
        enrolled=call.source,
    )
    call.put(key, record)
    call.emit("enrolled", payload.handle, member=str(payload.member))


def attest(call: Transition[AttestEnrolment]) -> None:
    handle = call.payload.handle
    record = require_enrolment(call, handle)
    holder = view.holder(call.state, call.signer)
    if holder is None:
        raise RefusedError("unknown-signer", "the key has no role on this chain")
    if holder.role != HOLDER_REGISTRAR:
        raise RefusedError("not-permitted", "only a registrar attests")
    registrar = view.registrar(call.state, holder.name.decode())
    member = view.member(call.state, record.member)
    assert registrar is not None and member is not None, "holders and enrolments name what exists"
    if registrar.operator == member.id:
        raise RefusedError("registrar-not-independent", f"{registrar.id} is run by {member.id}")
    if record.attested.height:
        raise RefusedError("already-done", "the enrolment is attested")
    attested = structs.replace(record, registrar=registrar.id, attested=call.source)
    _put_step(call, handle, attested, "attested")


def prove(call: Transition[ProveEnrolment]) -> None:
    handle = call.payload.handle
    record = require_enrolment(call, handle)
    call.require_signer(record.patient_key, "the patient")
    if record.proven.height:
        raise RefusedError("already-done", "the enrolment is proven")
    _put_step(call, handle, structs.replace(record, proven=call.source), "proven")


def _put_step(call: Transition[P], handle: bytes, record: EnrolmentRecord, kind: str) -> None:
    call.put(keys.patient(handle), record)
    call.emit(kind, handle, member=str(record.member))
    if record.active:
        call.emit("enrolment-active", handle, member=str(record.member))
