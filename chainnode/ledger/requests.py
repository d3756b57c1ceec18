"""Applications, decisions on them, and taking either back."""

from msgspec import structs

from chainnode.ledger import features, keys, view
from chainnode.ledger.enrolment import require_department, require_enrolment, require_member
from chainnode.ledger.fields import ROLE_PROJECT
from chainnode.ledger.payloads import PERMIT, ROLE_HEAD, ROLE_PATIENT, ROLE_STEWARD, Apply, Grant, Withdraw
from chainnode.ledger.records import HOLDER_PATIENT, HOLDER_PROJECT, GrantRecord, Provider, RequestRecord
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import P, Transition


def require_request(call: Transition[P], request_id: bytes) -> RequestRecord:
    """Raises RefusedError("unknown-request")."""
    record = view.request(call.state, request_id)
    if record is None:
        raise RefusedError("unknown-request", f"request {request_id.hex()}")
    return record


def _concerned(call: Transition[Apply]) -> tuple[tuple[bytes, ...], tuple[Provider, ...]]:
    """The patients and departments whose objects are asked for.

    Raises RefusedError: unknown-object, object-erased."""
    handles: dict[bytes, None] = {}
    batches: dict[bytes, Provider] = {}
    for object_id in call.payload.objects:
        found = view.object_index(call.state, object_id)
        if found is None:
            raise RefusedError("unknown-object", f"object {object_id.hex()}")
        pointer = view.pointer(found)
        if view.object_gone(call.state, pointer):
            raise RefusedError("object-erased", f"object {object_id.hex()}")
        handles[pointer.handle] = None
        if found.batch_root not in batches:
            batch = view.batch(call.state, found.batch_root)
            assert batch is not None, "an indexed object has its batch"
            batches[found.batch_root] = Provider(batch.member, batch.department)
    return tuple(handles), tuple(dict.fromkeys(batches.values()))


def apply(call: Transition[Apply]) -> None:
    payload = call.payload
    department = require_department(call, payload.member, payload.department)
    call.require_signer(department.head_key, "the head of the applying department")
    features.require_for_modifiers(call.state, payload.purpose.modifiers, call.context.height)
    key = keys.request(payload.request_id)
    if call.state.get(key) is not None:
        raise RefusedError("duplicate-id", "the request id is taken")
    if payload.expires_ms <= call.context.time_ms:
        raise RefusedError("expiry-passed", f"block time is {call.context.time_ms}")
    handles, providers = _concerned(call)
    call.claim_key(payload.project_key, HOLDER_PROJECT, payload.member, payload.request_id)
    record = RequestRecord(
        member=payload.member,
        department=payload.department,
        project=payload.project,
        project_key=payload.project_key,
        project_sealing_key=payload.project_sealing_key,
        purpose=payload.purpose,
        objects=payload.objects,
        expires_ms=payload.expires_ms,
        text_row=payload.text_row,
        handles=handles,
        providers=providers,
        applied=call.source,
    )
    call.put(key, record)
    call.emit("applied", payload.request_id, member=str(payload.member), department=payload.department)


def _require_granter(call: Transition[Grant]) -> None:
    payload = call.payload
    if payload.role == ROLE_PATIENT:
        enrolment = require_enrolment(call, payload.handle)
        call.require_signer(enrolment.patient_key, "the patient")
        if not enrolment.active:
            raise RefusedError("enrolment-not-active", f"handle {payload.handle.hex()}")
    elif payload.role == ROLE_STEWARD:
        member = require_member(call, payload.member)
        call.require_signer(member.steward_key, "the member's steward")
    else:
        department = require_department(call, payload.member, payload.department)
        call.require_signer(department.head_key, "the head of the department")


def _is_asked(payload: Grant, request: RequestRecord) -> bool:
    """Whether the request asks for anything that the signer may speak for."""
    if payload.role == ROLE_PATIENT:
        return payload.handle in request.handles
    if payload.role == ROLE_HEAD:
        return Provider(payload.member, payload.department) in request.providers
    return any(one.member == payload.member for one in request.providers)


def _speaks_for(call: Transition[Grant], object_id: bytes) -> bool:
    """Whether the signer's role, proven before, covers an object of the request."""
    payload = call.payload
    found = view.object_index(call.state, object_id)
    assert found is not None, "a request names anchored objects"
    if payload.role == ROLE_PATIENT:
        return view.pointer(found).handle == payload.handle
    batch = view.batch(call.state, found.batch_root)
    assert batch is not None, "an indexed object has its batch"
    return batch.member == payload.member and (
        payload.role == ROLE_STEWARD or batch.department == payload.department
    )


def grant(call: Transition[Grant]) -> None:
    """Permit or deny; replaces what the same signer said before on this request."""
    payload = call.payload
    request = require_request(call, payload.request_id)
    _require_granter(call)
    if not _is_asked(payload, request):
        raise RefusedError("not-of-signer", "the request asks for nothing of this signer's")
    asked = frozenset(request.objects)
    for object_id in payload.objects:
        if object_id not in asked:
            raise RefusedError("not-in-request", f"object {object_id.hex()}")
        if not _speaks_for(call, object_id):
            raise RefusedError("not-of-signer", f"object {object_id.hex()}")
    key = keys.grant(
        payload.request_id,
        payload.role,
        handle=payload.handle,
        number=payload.member,
        slug=payload.department,
    )
    record = GrantRecord(payload.decision, payload.objects, payload.parts_digest, call.signer, call.source)
    call.put(key, record)
    kind = "granted" if payload.decision == PERMIT else "denied"
    subjects = (payload.request_id, payload.handle) if payload.handle else (payload.request_id,)
    call.emit(kind, *subjects, role=payload.role, member=str(payload.member), department=payload.department)


def _withdraw_request(call: Transition[Withdraw]) -> None:
    request_id = call.payload.request_id
    request = require_request(call, request_id)
    call.require_signer(request.project_key, "the project")
    if request.withdrawn.height:
        raise RefusedError("already-done", "the application is withdrawn")
    call.put(keys.request(request_id), structs.replace(request, withdrawn=call.source))
    call.emit("withdrawn", request_id, role=ROLE_PROJECT)


def _own_grant_key(call: Transition[Withdraw]) -> bytes:
    payload = call.payload
    if payload.role == ROLE_PATIENT:
        holder = view.holder(call.state, call.signer)
        if holder is None:
            raise RefusedError("unknown-signer", "the key has no role on this chain")
        if holder.role != HOLDER_PATIENT:
            raise RefusedError("not-permitted", "only a patient takes back a patient's grant")
        return keys.grant(payload.request_id, ROLE_PATIENT, handle=holder.name)
    if payload.role == ROLE_HEAD:
        department = require_department(call, payload.member, payload.department)
        call.require_signer(department.head_key, "the head of the department")
    else:
        member = require_member(call, payload.member)
        call.require_signer(member.steward_key, "the member's steward")
    return keys.grant(payload.request_id, payload.role, number=payload.member, slug=payload.department)


def withdraw(call: Transition[Withdraw]) -> None:
    """Take back an application, or one's own decision: the entry goes, absence is "not signed"."""
    payload = call.payload
    if payload.role == ROLE_PROJECT:
        _withdraw_request(call)
        return
    require_request(call, payload.request_id)
    key = _own_grant_key(call)
    if call.state.get(key) is None:
        raise RefusedError("unknown-grant", f"request {payload.request_id.hex()}")
    call.state.delete(key)
    call.emit(
        "withdrawn",
        payload.request_id,
        role=payload.role,
        member=str(payload.member),
        department=payload.department,
    )
