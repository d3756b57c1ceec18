"""From the state to the decision on a request: gathers the facts and evaluates every object.

It reads through a Reader and a row lookup alone, so a receipt can run the very same code over proven facts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from chainnode.ledger import view
from chainnode.ledger.diseases import NO_TREE, Parents, tree
from chainnode.ledger.documents import AnyConsent, ConsentDocument2
from chainnode.ledger.evaluate import (
    FIRST_VERSION,
    Decision,
    PatientFacts,
    StandingConsent,
    Verdict,
    evaluate_object,
    patient_verdict,
)
from chainnode.ledger.fields import ROLE_PROJECT, SCOPE_ALL, SCOPE_CLASS, SCOPE_CONSENT, SCOPE_REQUEST
from chainnode.ledger.payloads import (
    ROLE_HEAD,
    ROLE_PATIENT,
    ROLE_STEWARD,
    Consent,
    Erase,
    Grant,
    ObjectPointer,
    Revoke,
    UsePolicy,
    Withdraw,
)
from chainnode.ledger.provisions import Application, Question
from chainnode.ledger.records import (
    OUTCOME_AUTHORISED,
    OUTCOME_REFUSED,
    BatchRecord,
    ConsentRecord,
    GrantRecord,
    ObjectVerdict,
    ReleaseRecord,
    RequestRecord,
    RequestRevocationRecord,
    RevocationRecord,
    Source,
)
from chainnode.ledger.rows import RowLookup, decode_consent
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.view import Reader

Said: TypeAlias = Grant | Consent | Revoke | Withdraw | Erase


@dataclass(frozen=True, slots=True)
class Claim:
    """What the transaction behind a fact must say: one of `said`. `signer`: the key that the fact names for
    it, None where it names none."""

    said: tuple[Said, ...]
    signer: bytes | None = None


Claims: TypeAlias = Mapping[Source, Sequence[Claim]]
"""Every transaction that a decision rests on, in order, with each fact for which it stands. The application
stands for no claim: it is compared with the whole request."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """How the verdict on one object came about. `consents`: the records, in the order of `facts.consents`;
    `vouched_height`: consents of lower heights were read as the head signed for the content, 0 where that did
    not matter."""

    verdict: Verdict
    question: Question
    policy: UsePolicy
    facts: PatientFacts
    consents: tuple[ConsentRecord, ...]
    vouched_height: int


@dataclass(slots=True)
class _Patient:
    """What the state holds on one patient, read once per request."""

    grant: GrantRecord | None
    consents: tuple[tuple[ConsentRecord, AnyConsent | None], ...]
    revocations: RevocationRecord
    request_revocation: RequestRevocationRecord | None


@dataclass(slots=True)
class _Provider:
    grant: GrantRecord | None


class _Gatherer:
    """Reads each fact once and remembers the transactions that facts come from, in order."""

    def __init__(
        self, reader: Reader, rows: RowLookup, request_id: bytes, request: RequestRecord, version: int
    ) -> None:
        self._version = version
        self._reader = reader
        self._rows = rows
        self._request_id = request_id
        self._patients: dict[bytes, _Patient] = {}
        self._providers: dict[tuple[str, int, str], GrantRecord | None] = {}
        self._batches: dict[bytes, BatchRecord] = {}
        self.claims: dict[Source, list[Claim]] = {request.applied: []}
        self._rest_on(request.withdrawn, Claim((Withdraw(request_id, ROLE_PROJECT, 0, ""),)))

    def _rest_on(self, source: Source, claim: Claim) -> None:
        if source.height:
            self.claims.setdefault(source, []).append(claim)

    def _grant(self, role: str, handle: bytes, member: int, slug: str) -> GrantRecord | None:
        grant = view.grant(self._reader, self._request_id, role, handle=handle, number=member, slug=slug)
        if grant is not None:
            said = Grant(
                self._request_id,
                role,
                handle,
                member,
                slug,
                grant.decision,
                grant.objects,
                grant.parts_digest,
            )
            # Whatever height it names: a grant counts, so it rests on its transaction.
            self.claims.setdefault(grant.granted, []).append(Claim((said,), grant.signer))
        return grant

    def object(self, object_id: bytes) -> tuple[ObjectPointer, BatchRecord]:
        found = view.object_index(self._reader, object_id)
        assert found is not None, "a request names anchored objects"
        if found.batch_root not in self._batches:
            batch = view.batch(self._reader, found.batch_root)
            assert batch is not None, "an indexed object has its batch"
            self._batches[found.batch_root] = batch
        return view.pointer(found), self._batches[found.batch_root]

    def _consent_document(self, consent: ConsentRecord) -> AnyConsent | None:
        row = self._rows(consent.provision_row)
        if row is None:
            return None
        try:
            document = decode_consent(row)
        except RefusedError:
            # A row that is no consent was turned away before; one that slipped in grants nothing.
            return None
        early = self._version == FIRST_VERSION and isinstance(document, ConsentDocument2)
        return None if early else document

    def _patient(self, handle: bytes) -> _Patient:
        if handle in self._patients:
            return self._patients[handle]
        grant = self._grant(ROLE_PATIENT, handle, 0, "")
        held = view.consents(self._reader, handle)
        revocations = view.revocations(self._reader, handle)
        by_request = view.request_revocation(self._reader, handle, self._request_id)
        consents = held.consents if held else ()
        everything = Revoke(handle, SCOPE_ALL, b"")
        for consent in consents:
            said = Consent(handle, consent.consent_id, consent.provision_row)
            ended = Revoke(handle, SCOPE_CONSENT, consent.consent_id)
            self._rest_on(consent.given, Claim((said,)))
            self._rest_on(consent.revoked, Claim((ended, everything)))
        if revocations is not None:
            self._rest_on(revocations.all, Claim((everything, Erase(handle, SCOPE_ALL, b""))))
            for one in revocations.classes:
                self._rest_on(one.revoked, Claim((Revoke(handle, SCOPE_CLASS, one.data_class.encode()),)))
        if by_request is not None:
            self._rest_on(by_request.revoked, Claim((Revoke(handle, SCOPE_REQUEST, self._request_id),)))
        patient = _Patient(
            grant,
            tuple((consent, self._consent_document(consent)) for consent in consents),
            revocations or RevocationRecord(),
            by_request,
        )
        self._patients[handle] = patient
        return patient

    def patient(self, pointer: ObjectPointer) -> PatientFacts:
        known = self._patient(pointer.handle)
        heights = [known.revocations.all.height]
        heights += [
            one.revoked.height for one in known.revocations.classes if one.data_class == pointer.data_class
        ]
        if known.request_revocation is not None:
            heights.append(known.request_revocation.revoked.height)
        consents = tuple(
            StandingConsent(document, consent.given.height, consent.revoked.height > 0)
            for consent, document in known.consents
        )
        return PatientFacts(_covering(known.grant, pointer.object_id), max(heights), consents)

    def consent_records(self, handle: bytes) -> tuple[ConsentRecord, ...]:
        return tuple(consent for consent, _ in self._patient(handle).consents)

    def provider(self, role: str, batch: BatchRecord, object_id: bytes) -> Decision | None:
        slug = batch.department if role == ROLE_HEAD else ""
        name = (role, batch.member, slug)
        if name not in self._providers:
            self._providers[name] = self._grant(role, b"", batch.member, slug)
        return _covering(self._providers[name], object_id)


def _covering(grant: GrantRecord | None, object_id: bytes) -> Decision | None:
    if grant is None or (grant.objects and object_id not in grant.objects):
        return None
    return Decision(grant.decision, grant.granted.height, bool(grant.objects))


def _object_verdict(
    gatherer: _Gatherer, question: Question, pointer: ObjectPointer, batch: BatchRecord
) -> Verdict:
    return evaluate_object(
        question,
        policy=batch.policy,
        patient=lambda: gatherer.patient(pointer),
        steward=lambda: gatherer.provider(ROLE_STEWARD, batch, pointer.object_id),
        head=lambda: gatherer.provider(ROLE_HEAD, batch, pointer.object_id),
    )


def weigh(
    reader: Reader,
    rows: RowLookup,
    *,
    request_id: bytes,
    request: RequestRecord,
    object_id: bytes,
    time_ms: int,
    version: int,
) -> Weighed:
    """The verdict on one object of a request, by the same evaluator, with the facts that it rests on."""
    gatherer = _Gatherer(reader, rows, request_id, request, version)
    pointer, batch = gatherer.object(object_id)
    question = Question(
        _application(request), pointer.data_class, time_ms, pointer.level, _diseases(reader, request, version)
    )
    facts = gatherer.patient(pointer)
    _, vouched = patient_verdict(facts, question, lambda: gatherer.provider(ROLE_HEAD, batch, object_id))
    verdict = _object_verdict(gatherer, question, pointer, batch)
    records = gatherer.consent_records(pointer.handle)
    return Weighed(verdict, question, batch.policy, facts, records, vouched)


def _application(request: RequestRecord) -> Application:
    return Application(request.member, request.purpose, request.expires_ms, request.withdrawn.height > 0)


def _diseases(reader: Reader, request: RequestRecord, version: int) -> Parents:
    """Read only where it may matter: a receipt proves what was read."""
    diseased = version != FIRST_VERSION and request.purpose.permission == "DS"
    return tree(reader) if diseased else NO_TREE


def _common_rule(verdicts: Sequence[ObjectVerdict]) -> str:
    """The rule of a refusal: the first object's, which is the common one where they agree."""
    return verdicts[0].rule


def decide(
    reader: Reader,
    rows: RowLookup,
    *,
    request_id: bytes,
    request: RequestRecord,
    previous: ReleaseRecord | None,
    requested: Source,
    time_ms: int,
    version: int,
) -> ReleaseRecord:
    """The decision on `request` at the state that `reader` gives. Arguments: `decide_with_claims`."""
    return decide_with_claims(
        reader,
        rows,
        request_id=request_id,
        request=request,
        previous=previous,
        requested=requested,
        time_ms=time_ms,
        version=version,
    )[0]


def decide_with_claims(
    reader: Reader,
    rows: RowLookup,
    *,
    request_id: bytes,
    request: RequestRecord,
    previous: ReleaseRecord | None,
    requested: Source,
    time_ms: int,
    version: int,
) -> tuple[ReleaseRecord, Claims]:
    """The decision on `request` at the state that `reader` gives, and what must have been said for it.

    `requested`: the RequestRelease, whose height is the block's; `previous`: the decision before, whose
    authorised height lives on; `version`: the evaluator's.
    """
    gatherer = _Gatherer(reader, rows, request_id, request, version)
    diseases, application = _diseases(reader, request, version), _application(request)
    verdicts: list[ObjectVerdict] = []
    providers: dict[int, None] = {}
    for object_id in request.objects:
        pointer, batch = gatherer.object(object_id)
        question = Question(application, pointer.data_class, time_ms, pointer.level, diseases)
        verdict = _object_verdict(gatherer, question, pointer, batch)
        verdicts.append(ObjectVerdict(object_id, verdict.rule, verdict.basis))
        if not verdict.rule:
            providers[batch.member] = None
    authorised = bool(providers)
    members = tuple(sorted(providers))
    record = ReleaseRecord(
        request_id=request_id,
        height=requested.height,
        time_ms=time_ms,
        evaluator_version=version,
        outcome=OUTCOME_AUTHORISED if authorised else OUTCOME_REFUSED,
        rule="" if authorised else _common_rule(verdicts),
        verdicts=tuple(verdicts),
        providers=members,
        rests_on=tuple(gatherer.claims),
        requested=requested,
        last_authorised_height=requested.height if authorised else _last_height(previous),
        last_providers=members if authorised else _last_providers(previous),
    )
    return record, gatherer.claims


def _last_height(previous: ReleaseRecord | None) -> int:
    return previous.last_authorised_height if previous else 0


def _last_providers(previous: ReleaseRecord | None) -> tuple[int, ...]:
    return previous.last_providers if previous else ()
