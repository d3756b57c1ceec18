"""The form of each payload: what can be said of it without knowing the state."""

from collections.abc import Callable
from typing import Any

from chainnode.ledger.fields import (
    LEVELS,
    MAX_DISEASE_CHARACTERS,
    MAX_EPOCH,
    MAX_LOCATOR_BYTES,
    MAX_MEMBERS,
    MAX_NUMBER,
    MAX_SEALED_KEY_BYTES,
    MAX_TRUSTEES,
    ROLE_PROJECT,
    SCOPE_ALL,
    SCOPE_CLASS,
    SCOPE_CONSENT,
    SCOPE_REQUEST,
    SEALING_KEY_BYTES,
    SHARE_PROVIDER,
    SHARE_REQUESTER,
    FormContext,
    require,
    require_distinct,
    require_key,
    require_length,
    require_number,
    require_slug,
)
from chainnode.ledger.payloads import (
    COMPLAINS,
    DATA_CLASSES,
    DENY,
    ERASED,
    HOLDS,
    MAX_CLASS_KEYS,
    MAX_DEALT_KEYS,
    MAX_DISEASES_BYTES,
    MAX_EVIDENCE_BYTES,
    MAX_OBJECTS,
    MAX_POINTERS,
    MODIFIERS,
    PERMISSIONS,
    PERMIT,
    ROLE_HEAD,
    ROLE_PATIENT,
    ROLE_STEWARD,
    AddDepartment,
    AddStudy,
    AnchorRecords,
    AnswerDealing,
    Apply,
    AttestEnrolment,
    AttestErasure,
    Barrier,
    ChangeMembership,
    ClassKey,
    Consent,
    DealClassKeys,
    EnrolPatient,
    Erase,
    EraseObjects,
    Grant,
    ObjectPointer,
    Payload,
    ProveEnrolment,
    PublishDiseases,
    Purpose,
    RenewClassKey,
    ReportEquivocation,
    ReportLeftViews,
    RequestRelease,
    Revoke,
    ShareReceipt,
    UsePolicy,
    Withdraw,
)
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transaction import ID_BYTES, possession_bytes
from consensus.bounds import MAX_VIEW
from consensus.domain import DIGEST_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from consensus.equivocation import Equivocation, proven
from consensus.messages import CommitCertificate, Vote, commit_claims
from genesis.checks import MAX_MEMBERS as MAX_VALIDATORS
from genesis.membership import ChangeError, ChangeFile, parse_change


def _use(permission: str, modifiers: tuple[str, ...], disease: str) -> None:
    require(permission in PERMISSIONS, "malformed", "not a permission of DUO")
    require_distinct(modifiers, 0, len(MODIFIERS), "modifiers")
    require(all(m in MODIFIERS for m in modifiers), "malformed", "not a modifier of DUO")
    require(bool(disease) == (permission == "DS"), "malformed", "a disease stands with DS and only there")
    require(len(disease) <= MAX_DISEASE_CHARACTERS, "malformed", "the disease's code is too long")


def _policy(policy: UsePolicy) -> None:
    _use(policy.permission, policy.modifiers, policy.disease)
    require(list(policy.modifiers) == sorted(policy.modifiers), "malformed", "modifiers are not sorted")


def _purpose(purpose: Purpose) -> None:
    _use(purpose.permission, purpose.modifiers, purpose.disease)


def _pointer(pointer: ObjectPointer) -> None:
    require_length(pointer.object_id, ID_BYTES, "an object id")
    require_length(pointer.handle, ID_BYTES, "a handle")
    require(pointer.data_class in DATA_CLASSES, "malformed", "not a data class")
    require_number(pointer.level, *LEVELS, "level")
    require_number(pointer.epoch, 0, MAX_EPOCH, "epoch")
    require_number(pointer.length_bytes, 1, MAX_NUMBER, "length_bytes")
    for name in ("root", "commitment_hospital", "commitment_patient", "commitment_dek"):
        require_length(getattr(pointer, name), DIGEST_BYTES, name)
    require_number(len(pointer.locator), 1, MAX_LOCATOR_BYTES, "bytes of locator")


def _add_department(payload: AddDepartment, form: FormContext) -> None:
    require_number(payload.member, 0, MAX_MEMBERS, "member")
    require_slug(payload.department, "department")
    require_key(payload.head_key, form, "head_key")


def _add_study(payload: AddStudy, _: FormContext) -> None:
    require_number(payload.member, 0, MAX_MEMBERS, "member")
    require_slug(payload.department, "department")
    require_slug(payload.study, "study")
    require_length(payload.sealing_key, SEALING_KEY_BYTES, "sealing_key")


def _class_key(key: ClassKey, form: FormContext) -> None:
    require(key.data_class in DATA_CLASSES, "malformed", "not a data class")
    require_number(key.epoch, 0, MAX_EPOCH, "epoch")
    require_key(key.point, form, "a class key's point")


def _enrol(payload: EnrolPatient, form: FormContext) -> None:
    require_number(payload.member, 0, MAX_MEMBERS, "member")
    require_length(payload.handle, ID_BYTES, "handle")
    require_key(payload.patient_key, form, "patient_key")
    classes = [(key.data_class, key.epoch) for key in payload.class_keys]
    require_distinct(classes, 1, MAX_CLASS_KEYS, "class keys")
    require_distinct([key.point for key in payload.class_keys], 1, MAX_CLASS_KEYS, "points")
    for key in payload.class_keys:
        _class_key(key, form)
    require_length(payload.link_row, DIGEST_BYTES, "link_row")


def _handle_only(payload: AttestEnrolment | ProveEnrolment, _: FormContext) -> None:
    require_length(payload.handle, ID_BYTES, "handle")


def _anchor(payload: AnchorRecords, _: FormContext) -> None:
    require_number(payload.member, 0, MAX_MEMBERS, "member")
    require_slug(payload.department, "department")
    require_slug(payload.study, "study")
    _policy(payload.policy)
    require_distinct([p.object_id for p in payload.pointers], 1, MAX_POINTERS, "pointers")
    for pointer in payload.pointers:
        _pointer(pointer)
    require_number(len(payload.sealed_key), 1, MAX_SEALED_KEY_BYTES, "bytes of sealed_key")
    require_length(payload.report_digest, DIGEST_BYTES, "report_digest")


def _apply(payload: Apply, form: FormContext) -> None:
    require_length(payload.request_id, ID_BYTES, "request_id")
    require_number(payload.member, 0, MAX_MEMBERS, "member")
    require_slug(payload.department, "department")
    require_slug(payload.project, "project")
    require_key(payload.project_key, form, "project_key")
    require_length(payload.project_sealing_key, SEALING_KEY_BYTES, "project_sealing_key")
    _purpose(payload.purpose)
    require_distinct(payload.objects, 1, MAX_OBJECTS, "objects")
    for object_id in payload.objects:
        require_length(object_id, ID_BYTES, "an object id")
    require_number(payload.expires_ms, 1, MAX_NUMBER, "expires_ms")
    require_length(payload.text_row, DIGEST_BYTES, "text_row")
    require_length(payload.possession, SIGNATURE_BYTES, "possession")
    signed = possession_bytes(form.chain_id, payload.request_id, payload.project_sealing_key, payload.purpose)
    proven = form.verify(payload.project_key, signed, payload.possession)
    require(proven, "bad-possession", "the project's key did not sign for this application")


def require_role_fields(role: str, member: int, department: str) -> None:
    """A steward speaks for a member, a head for a department too, patient and project for neither."""
    require_number(member, 0, MAX_MEMBERS, "member")
    if role == ROLE_HEAD:
        require_slug(department, "department")
        return
    require(not department, "malformed", f"{role}: department is to be empty")
    require(role == ROLE_STEWARD or member == 0, "malformed", f"{role}: member is to be 0")


def _grant(payload: Grant, _: FormContext) -> None:
    require_length(payload.request_id, ID_BYTES, "request_id")
    require(payload.role in (ROLE_PATIENT, ROLE_STEWARD, ROLE_HEAD), "malformed", "not a role that grants")
    require_length(payload.handle, ID_BYTES if payload.role == ROLE_PATIENT else 0, "handle")
    require_role_fields(payload.role, payload.member, payload.department)
    require(payload.decision in (PERMIT, DENY), "malformed", "a decision is permit or deny")
    require_distinct(payload.objects, 0, MAX_OBJECTS, "objects")
    for object_id in payload.objects:
        require_length(object_id, ID_BYTES, "an object id")
    require(len(payload.parts_digest) in (0, DIGEST_BYTES), "malformed", "parts_digest has a wrong length")


def _consent(payload: Consent, _: FormContext) -> None:
    require_length(payload.handle, ID_BYTES, "handle")
    require_length(payload.consent_id, ID_BYTES, "consent_id")
    require_length(payload.provision_row, DIGEST_BYTES, "provision_row")


def _revoke(payload: Revoke, _: FormContext) -> None:
    require_length(payload.handle, ID_BYTES, "handle")
    if payload.scope == SCOPE_ALL:
        require_length(payload.target, 0, "target")
    elif payload.scope == SCOPE_CLASS:
        known = payload.target in [name.encode() for name in DATA_CLASSES]
        require(known, "malformed", "the target is not a data class")
    else:
        require(payload.scope in (SCOPE_CONSENT, SCOPE_REQUEST), "malformed", "not a scope of revocation")
        require_length(payload.target, ID_BYTES, "target")


def _renew(payload: RenewClassKey, form: FormContext) -> None:
    require_length(payload.handle, ID_BYTES, "handle")
    _class_key(payload.key, form)


def _deal(payload: DealClassKeys, form: FormContext) -> None:
    require_length(payload.handle, ID_BYTES, "handle")
    require_length(payload.shares_digest, DIGEST_BYTES, "shares_digest")
    require_distinct([(key.data_class, key.epoch) for key in payload.keys], 1, MAX_DEALT_KEYS, "keys")
    for key in payload.keys:
        require(key.data_class in DATA_CLASSES, "malformed", "not a data class")
        require_number(key.epoch, 0, MAX_EPOCH, "epoch")
        require_number(len(key.commitments), 1, MAX_TRUSTEES, "commitments")
        for point in key.commitments:
            require_key(point, form, "a commitment")


def _answer(payload: AnswerDealing, _: FormContext) -> None:
    require_length(payload.handle, ID_BYTES, "handle")
    require_length(payload.shares_digest, DIGEST_BYTES, "shares_digest")
    require_number(payload.trustee, 1, MAX_TRUSTEES, "trustee")
    require(payload.answer in (HOLDS, COMPLAINS, ERASED), "malformed", "not an answer to a dealing")


def _withdraw(payload: Withdraw, _: FormContext) -> None:
    require_length(payload.request_id, ID_BYTES, "request_id")
    roles = (ROLE_PROJECT, ROLE_PATIENT, ROLE_STEWARD, ROLE_HEAD)
    require(payload.role in roles, "malformed", "not a role that withdraws")
    require_role_fields(payload.role, payload.member, payload.department)


def _release(payload: RequestRelease, _: FormContext) -> None:
    require_length(payload.request_id, ID_BYTES, "request_id")


def _share(payload: ShareReceipt, _: FormContext) -> None:
    require_length(payload.request_id, ID_BYTES, "request_id")
    require_number(payload.release_height, 1, MAX_NUMBER, "release_height")
    require_number(payload.member, 0, MAX_MEMBERS, "member")
    require_number(payload.peer, 0, MAX_MEMBERS, "peer")
    require(payload.role in (SHARE_PROVIDER, SHARE_REQUESTER), "malformed", "not a role that shares")
    require_length(payload.parts_digest, DIGEST_BYTES, "parts_digest")


def _barrier(payload: Barrier, _: FormContext) -> None:
    require_number(payload.member, 0, MAX_MEMBERS, "member")


def read_change(payload: ChangeMembership, chain_id: bytes) -> ChangeFile:
    """The document, its form and signatures good. Raises RefusedError: bad-change, other-chain."""
    try:
        file = parse_change(payload.document)
    except ChangeError as error:
        raise RefusedError("bad-change", str(error)) from None
    require(file.change.chain_id == chain_id, "other-chain", "the change of members is of another chain")
    return file


def _change_membership(payload: ChangeMembership, form: FormContext) -> None:
    read_change(payload, form.chain_id)


def read_report(payload: ReportEquivocation, form: FormContext) -> Equivocation:
    """What is proven, both signatures checked. Raises RefusedError: no-equivocation."""
    found = proven(
        payload.first,
        payload.second,
        key=payload.key,
        chain_id=form.chain_id,
        verify=form.verify,
        limit_bytes=MAX_EVIDENCE_BYTES,
    )
    if found is None:
        raise RefusedError("no-equivocation")
    return found


def _report(payload: ReportEquivocation, form: FormContext) -> None:
    require_key(payload.key, form, "key")
    read_report(payload, form)


def _left_views(payload: ReportLeftViews, form: FormContext) -> None:
    require_number(payload.epoch, 0, MAX_EPOCH, "epoch")
    require_number(payload.view, 1, MAX_VIEW, "view")
    require_number(payload.sequence, 1, MAX_NUMBER, "sequence")
    require_length(payload.digest, DIGEST_BYTES, "digest")
    replicas = [vote.replica for vote in payload.votes]
    require_distinct(replicas, 1, MAX_VALIDATORS, "votes")
    require(replicas == sorted(replicas), "malformed", "votes are not sorted")
    for vote in payload.votes:
        require_length(vote.key, PUBLIC_KEY_BYTES, "key")
        require_length(vote.signature, SIGNATURE_BYTES, "signature")
    votes = tuple(Vote(vote.replica, vote.signature) for vote in payload.votes)
    shown = CommitCertificate(payload.epoch, payload.view, payload.sequence, payload.digest, votes)
    claims = commit_claims(shown, form.chain_id)
    if not all(
        form.verify(vote.key, claim.signed, claim.signature)
        for vote, claim in zip(payload.votes, claims, strict=True)
    ):
        raise RefusedError("not-committed")


def _publish(payload: PublishDiseases, _: FormContext) -> None:
    require_number(payload.member, 0, MAX_MEMBERS, "member")
    require_number(len(payload.document), 1, MAX_DISEASES_BYTES, "bytes of document")


def _erase(payload: Erase, _: FormContext) -> None:
    require_length(payload.handle, ID_BYTES, "handle")
    require(payload.scope in (SCOPE_ALL, SCOPE_CONSENT), "malformed", "not a scope of erasure")
    require_length(payload.target, 0 if payload.scope == SCOPE_ALL else ID_BYTES, "target")


def _erase_objects(payload: EraseObjects, _: FormContext) -> None:
    require_number(payload.member, 0, MAX_MEMBERS, "member")
    require_slug(payload.department, "department")
    require_distinct(payload.objects, 1, MAX_OBJECTS, "objects")
    for object_id in payload.objects:
        require_length(object_id, ID_BYTES, "an object id")


def _attest_erasure(payload: AttestErasure, _: FormContext) -> None:
    require_number(payload.member, 0, MAX_MEMBERS, "member")
    require_number(payload.number, 1, MAX_NUMBER, "number")


_FORMS: dict[type[Any], Callable[[Any, FormContext], None]] = {
    AddDepartment: _add_department,
    AddStudy: _add_study,
    EnrolPatient: _enrol,
    AttestEnrolment: _handle_only,
    ProveEnrolment: _handle_only,
    AnchorRecords: _anchor,
    Apply: _apply,
    Grant: _grant,
    Consent: _consent,
    Revoke: _revoke,
    Withdraw: _withdraw,
    RequestRelease: _release,
    ShareReceipt: _share,
    Barrier: _barrier,
    ChangeMembership: _change_membership,
    ReportEquivocation: _report,
    ReportLeftViews: _left_views,
    PublishDiseases: _publish,
    RenewClassKey: _renew,
    DealClassKeys: _deal,
    AnswerDealing: _answer,
    Erase: _erase,
    EraseObjects: _erase_objects,
    AttestErasure: _attest_erasure,
}


def check_payload(payload: Payload, form: FormContext) -> None:
    """Raises RefusedError: lengths, ranges, vocabularies, duplicates, invalid points, possession."""
    _FORMS[type(payload)](payload, form)
