"""What a decision rests on, checked fact by fact: the same code finds a receipt's contents and verifies it.

The decision is evaluated again from the state. Every transaction that it rests on must say what the state
says, and be signed by the key that the state, and in the end genesis, gives for that role.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct

from chainnode.ledger import view
from chainnode.ledger.decision import decide
from chainnode.ledger.forms import ROLE_PROJECT, SCOPE_ALL, SCOPE_CLASS, SCOPE_CONSENT
from chainnode.ledger.payloads import (
    ROLE_HEAD,
    ROLE_PATIENT,
    AddDepartment,
    Apply,
    AttestEnrolment,
    Consent,
    EnrolPatient,
    Grant,
    ProveEnrolment,
    RequestRelease,
    Revoke,
    Withdraw,
)
from chainnode.ledger.records import (
    DepartmentRecord,
    EnrolmentRecord,
    MemberRecord,
    Record,
    ReleaseRecord,
    RequestRecord,
    Source,
)
from chainnode.ledger.rows import RowLookup
from chainnode.ledger.rules import RULES
from chainnode.ledger.transaction import TransactionBody
from chainnode.ledger.view import Reader

R = TypeVar("R", bound=Record)
P = TypeVar("P", bound=Struct)


class VerificationError(Exception):
    """Something does not prove what it says. `rule` is a key of RULES."""

    def __init__(self, rule: str, detail: str) -> None:
        assert rule in RULES, f"{rule} is no rule"
        super().__init__(f"{rule}: {detail}")
        self.rule = rule
        self.detail = detail


Transactions = Callable[[bytes], TransactionBody]
"""Finds a transaction by its id, its signature verified."""


def _fact(record: R | None, what: str) -> R:
    if record is None:
        raise VerificationError("missing-fact", f"the state holds no {what}")
    return record


def _agree(said: object, held: object, what: str) -> None:
    if said != held:
        raise VerificationError("bad-transaction", f"{what}: the transaction says something else")


@dataclass(slots=True)
class _Examiner:
    reader: Reader
    transactions: Transactions
    request_id: bytes
    request: RequestRecord
    departments: dict[tuple[int, str], DepartmentRecord]
    patients: dict[bytes, EnrolmentRecord]

    def said(self, source: Source, type_: type[P], signer: bytes, what: str) -> P:
        """The payload of a transaction that `signer` must have signed."""
        body = self.transactions(source.transaction_id)
        payload = body.payload
        if not isinstance(payload, type_):
            raise VerificationError("bad-transaction", f"{what}: it is another kind of transaction")
        if body.signer != signer:
            raise VerificationError("bad-transaction", f"{what}: somebody else signed it")
        return payload

    def member(self, number: int) -> MemberRecord:
        return _fact(view.member(self.reader, number), f"member {number}")

    def department(self, number: int, slug: str) -> DepartmentRecord:
        """The department, its head's key put there by the member's steward."""
        name = (number, slug)
        if name not in self.departments:
            what = f"department {slug} of member {number}"
            record = _fact(view.department(self.reader, number, slug), what)
            said = self.said(record.added, AddDepartment, self.member(number).steward_key, what)
            _agree(said, AddDepartment(number, slug, record.head_key), what)
            self.departments[name] = record
        return self.departments[name]

    def patient(self, handle: bytes) -> EnrolmentRecord:
        """The enrolment: by the steward, attested by a registrar from outside, proven by the key."""
        if handle in self.patients:
            return self.patients[handle]
        what = f"enrolment {handle.hex()}"
        record = _fact(view.patient(self.reader, handle), what)
        member = self.member(record.member)
        enrolled = EnrolPatient(record.member, handle, record.patient_key, record.class_keys, record.link_row)
        _agree(self.said(record.enrolled, EnrolPatient, member.steward_key, what), enrolled, what)
        registrar = _fact(view.registrar(self.reader, record.registrar), f"registrar {record.registrar}")
        if registrar.operator == member.id:
            raise VerificationError("bad-transaction", f"{what}: attested by the hospital's own registrar")
        attested = self.said(record.attested, AttestEnrolment, registrar.key, what)
        _agree(attested, AttestEnrolment(handle), what)
        proven = self.said(record.proven, ProveEnrolment, record.patient_key, what)
        _agree(proven, ProveEnrolment(handle), what)
        self.patients[handle] = record
        return record

    def application(self, source: Source) -> None:
        request, what = self.request, "the application"
        head_key = self.department(request.member, request.department).head_key
        said = self.said(source, Apply, head_key, what)
        held = Apply(
            self.request_id,
            request.member,
            request.department,
            request.project,
            request.project_key,
            request.project_sealing_key,
            request.purpose,
            request.objects,
            request.expires_ms,
            request.text_row,
            said.possession,
        )
        _agree((said, source), (held, request.applied), what)

    def grant(self, source: Source, said: Grant) -> None:
        what = f"the {said.role}'s grant"
        held = _fact(
            view.grant(
                self.reader,
                self.request_id,
                said.role,
                handle=said.handle,
                number=said.member,
                slug=said.department,
            ),
            what,
        )
        if said.role == ROLE_PATIENT:
            key = self.patient(said.handle).patient_key
        elif said.role == ROLE_HEAD:
            key = self.department(said.member, said.department).head_key
        else:
            key = self.member(said.member).steward_key
        self.said(source, Grant, key, what)
        _agree(
            (said.request_id, said.decision, said.objects, said.parts_digest, key, source),
            (self.request_id, held.decision, held.objects, held.parts_digest, held.signer, held.granted),
            what,
        )

    def consent(self, source: Source, said: Consent) -> None:
        what = f"consent {said.consent_id.hex()}"
        self.said(source, Consent, self.patient(said.handle).patient_key, what)
        held = _fact(view.consents(self.reader, said.handle), what)
        given = [(one.consent_id, one.provision_row, one.given) for one in held.consents]
        if (said.consent_id, said.provision_row, source) not in given:
            raise VerificationError("bad-transaction", f"{what}: the state holds another")

    def revocation(self, source: Source, said: Revoke) -> None:
        what = f"the revocation by {said.handle.hex()}"
        self.said(source, Revoke, self.patient(said.handle).patient_key, what)
        if said.scope == SCOPE_CONSENT:
            held = _fact(view.consents(self.reader, said.handle), what)
            sources = [one.revoked for one in held.consents if one.consent_id == said.target]
        elif said.scope == SCOPE_ALL:
            # The latest one of everything, or an earlier one that ended a consent.
            record = _fact(view.revocations(self.reader, said.handle), what)
            consents = view.consents(self.reader, said.handle)
            ended = [one.revoked for one in consents.consents] if consents else []
            sources = [one for one in (record.all, *ended) if one == source][:1]
        elif said.scope == SCOPE_CLASS:
            record = _fact(view.revocations(self.reader, said.handle), what)
            name = said.target.decode(errors="replace")
            sources = [one.revoked for one in record.classes if one.data_class == name]
        else:
            _agree(said.target, self.request_id, what)
            found = view.request_revocation(self.reader, said.handle, self.request_id)
            sources = [_fact(found, what).revoked]
        _agree(sources, [source], what)

    def withdrawal(self, source: Source) -> None:
        what = "the withdrawal"
        said = self.said(source, Withdraw, self.request.project_key, what)
        held = Withdraw(self.request_id, ROLE_PROJECT, 0, "")
        _agree((said, source), (held, self.request.withdrawn), what)

    def rest(self, source: Source) -> None:
        """One of the transactions that the decision rests on."""
        said = self.transactions(source.transaction_id).payload
        match said:
            case Apply():
                self.application(source)
            case Grant():
                self.grant(source, said)
            case Consent():
                self.consent(source, said)
            case Revoke():
                self.revocation(source, said)
            case Withdraw():
                self.withdrawal(source)
            case _:
                raise VerificationError("bad-transaction", "no decision rests on such a transaction")


@dataclass(frozen=True, slots=True)
class Examination:
    """The decision as the state holds it, found to follow from the other facts there."""

    release: ReleaseRecord
    request: RequestRecord
    enrolments: int


def examine(
    reader: Reader,
    rows: RowLookup,
    transactions: Transactions,
    *,
    request_id: bytes,
    height: int,
    time_ms: int,
) -> Examination:
    """Evaluate a release again at the height where it was decided, and check what it rests on.

    Raises VerificationError: missing-fact, verdict-differs, bad-transaction, and what `reader` and
    `transactions` raise.
    """
    release = _fact(view.release(reader, request_id), "decision on this request")
    request = _fact(view.request(reader, request_id), "such request")
    if (release.request_id, release.height, release.time_ms) != (request_id, height, time_ms):
        raise VerificationError("verdict-differs", "the decision is of another request or block")
    again = decide(
        reader,
        rows,
        request_id=request_id,
        request=request,
        previous=release,
        requested=release.requested,
        time_ms=time_ms,
    )
    if again != release:
        raise VerificationError("verdict-differs", f"evaluated again: {again.outcome} {again.rule}".strip())
    examiner = _Examiner(reader, transactions, request_id, request, {}, {})
    what = "the request for release"
    asked = examiner.said(release.requested, RequestRelease, request.project_key, what)
    _agree(asked, RequestRelease(request_id), what)
    for source in release.rests_on:
        examiner.rest(source)
    return Examination(release, request, len(examiner.patients))
