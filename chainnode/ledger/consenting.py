"""Standing consents and revocations, both the patient's alone.

A revocation is never refused for want of room: "all" and the classes have a slot each, one request has an
entry of its own, and a consent carries its revocation itself; "all" stands in every consent too, which then
makes room for a new one. The row of a consent was looked at with its batch; here it is not read, so that
erasing it later changes nothing in what was executed. With everything, with a class, and with the last
consent that stands, the dealings of the class keys behind them end (dealing.py).
"""

from msgspec import structs

from chainnode.ledger import keys, view
from chainnode.ledger.dealing import end_dealings
from chainnode.ledger.enrolment import require_enrolment, require_row
from chainnode.ledger.fields import SCOPE_ALL, SCOPE_CLASS, SCOPE_CONSENT
from chainnode.ledger.payloads import Consent, Revoke
from chainnode.ledger.records import (
    ClassRevocation,
    ConsentRecord,
    ConsentsRecord,
    DroppedRows,
    RequestRevocationRecord,
    RevocationRecord,
)
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import Transition

MAX_CONSENTS = 16
"""Standing consents of one patient, revoked ones included; the oldest revoked one makes room."""


def consent(call: Transition[Consent]) -> None:
    payload = call.payload
    enrolment = require_enrolment(call, payload.handle)
    call.require_signer(enrolment.patient_key, "the patient")
    if not enrolment.active:
        raise RefusedError("enrolment-not-active", f"handle {payload.handle.hex()}")
    held = view.consents(call.state, payload.handle)
    kept = list(held.consents) if held else []
    if any(one.consent_id == payload.consent_id for one in kept):
        raise RefusedError("duplicate-id", "the consent id is taken")
    if len(kept) == MAX_CONSENTS:
        revoked = [one for one in kept if one.revoked.height]
        if not revoked:
            raise RefusedError("limit-reached", f"{MAX_CONSENTS} consents stand")
        kept.remove(revoked[0])
        dropped = (*view.dropped_rows(call.state, payload.handle).digests, revoked[0].provision_row)
        call.put_index(keys.dropped_rows(payload.handle), DroppedRows(dropped))
    require_row(call, payload.provision_row)
    kept.append(ConsentRecord(payload.consent_id, payload.provision_row, call.source))
    call.put(keys.consents(payload.handle), ConsentsRecord(tuple(kept)))
    call.emit("consented", payload.handle, payload.consent_id)


def _revoke_consent(call: Transition[Revoke]) -> None:
    payload = call.payload
    held = view.consents(call.state, payload.handle)
    kept = list(held.consents) if held else []
    for at, one in enumerate(kept):
        if one.consent_id == payload.target:
            if one.revoked.height:
                raise RefusedError("already-done", "the consent is revoked")
            kept[at] = structs.replace(one, revoked=call.source)
            call.put(keys.consents(payload.handle), ConsentsRecord(tuple(kept)))
            if all(other.revoked.height for other in kept):
                end_dealings(call, payload.handle)
            return
    raise RefusedError("unknown-consent", f"consent {payload.target.hex()}")


def _revoke_all(call: Transition[Revoke]) -> None:
    """Every consent that stands is revoked, a no as well as a yes: what is given later counts alone."""
    held = view.consents(call.state, call.payload.handle)
    if held is None or all(one.revoked.height for one in held.consents):
        return
    taken_back = tuple(
        one if one.revoked.height else structs.replace(one, revoked=call.source) for one in held.consents
    )
    call.put(keys.consents(call.payload.handle), ConsentsRecord(taken_back))


def _revoke_class(call: Transition[Revoke], record: RevocationRecord) -> RevocationRecord:
    name = call.payload.target.decode()
    others = [one for one in record.classes if one.data_class != name]
    others.append(ClassRevocation(name, call.source))
    others.sort(key=lambda one: one.data_class)
    return structs.replace(record, classes=tuple(others))


def revoke(call: Transition[Revoke]) -> None:
    payload = call.payload
    enrolment = require_enrolment(call, payload.handle)
    call.require_signer(enrolment.patient_key, "the patient")
    if payload.scope == SCOPE_CONSENT:
        _revoke_consent(call)
    elif payload.scope in (SCOPE_ALL, SCOPE_CLASS):
        record = view.revocations(call.state, payload.handle) or RevocationRecord()
        if payload.scope == SCOPE_ALL:
            record = structs.replace(record, all=call.source)
            _revoke_all(call)
            end_dealings(call, payload.handle)
        else:
            record = _revoke_class(call, record)
            end_dealings(call, payload.handle, payload.target.decode())
        call.put(keys.revocations(payload.handle), record)
    else:
        if view.request(call.state, payload.target) is None:
            raise RefusedError("unknown-request", f"request {payload.target.hex()}")
        key = keys.request_revocation(payload.handle, payload.target)
        call.put(key, RequestRevocationRecord(call.source))
    call.emit("revoked", payload.handle, payload.target, scope=payload.scope)
