"""What a decision rests on, checked fact by fact: the same code finds a receipt's contents and verifies it.

The decision is evaluated again from the state. For every fact that counted, its transaction must say just
that (of that patient, hospital, department: nobody's word stands in for another's), and be signed by the key
that the state, and in the end genesis, gives for that role.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct

from chainnode.ledger import view
from chainnode.ledger.decision import Claim, Said, decide_with_claims
from chainnode.ledger.evaluate import FIRST_VERSION, VERSIONS, version_at
from chainnode.ledger.payloads import (
    ROLE_HEAD,
    ROLE_STEWARD,
    AddDepartment,
    Apply,
    AttestEnrolment,
    EnrolPatient,
    Grant,
    ProveEnrolment,
    RequestRelease,
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
        _agree(said, held, what)

    def signer(self, said: Said) -> bytes:
        """The key that may say this."""
        match said:
            case Withdraw():
                return self.request.project_key
            case Grant(role=role) if role == ROLE_HEAD:
                return self.department(said.member, said.department).head_key
            case Grant(role=role) if role == ROLE_STEWARD:
                return self.member(said.member).steward_key
            case _:
                return self.patient(said.handle).patient_key

    def rest(self, source: Source, claims: Sequence[Claim]) -> None:
        """One of the transactions that the decision rests on, and each fact for which it stands."""
        body = self.transactions(source.transaction_id)
        if source == self.request.applied:
            self.application(source)
        for claim in claims:
            what = f"{type(claim.said[0]).__name__.lower()}"
            key = self.signer(claim.said[0])
            if body.payload not in claim.said:
                raise VerificationError("bad-transaction", f"{what}: it says something else than the state")
            if body.signer != key or claim.signer not in (None, key):
                raise VerificationError("bad-transaction", f"{what}: somebody else signed it")


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
    if not request.objects:
        raise VerificationError("bad-transaction", "an application for no object")
    if release.evaluator_version not in VERSIONS:
        raise VerificationError("verdict-differs", "its evaluator's version is not known here")
    # A decision of the first version reads no features: its receipts hold none.
    if release.evaluator_version != FIRST_VERSION and version_at(reader, height) != release.evaluator_version:
        raise VerificationError("verdict-differs", "its evaluator's version is not in force at this height")
    again, claims = decide_with_claims(
        reader,
        rows,
        request_id=request_id,
        request=request,
        previous=release,
        requested=release.requested,
        time_ms=time_ms,
        version=release.evaluator_version,
    )
    if again != release:
        raise VerificationError("verdict-differs", f"evaluated again: {again.outcome} {again.rule}".strip())
    examiner = _Examiner(reader, transactions, request_id, request, {}, {})
    what = "the request for release"
    asked = examiner.said(release.requested, RequestRelease, request.project_key, what)
    _agree(asked, RequestRelease(request_id), what)
    for source in release.rests_on:
        examiner.rest(source, claims[source])
    return Examination(release, request, len(examiner.patients))
