"""From the state to the decision on a request: gathers the facts and evaluates every object.

It reads through a Reader and a row lookup alone, so a receipt can run the very same code over proven facts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chainnode.ledger import view
from chainnode.ledger.evaluate import (
    EVALUATOR_VERSION,
    Application,
    Decision,
    PatientFacts,
    StandingConsent,
    Verdict,
    evaluate_object,
)
from chainnode.ledger.payloads import (
    ROLE_HEAD,
    ROLE_PATIENT,
    ROLE_STEWARD,
    ConsentDocument,
    ObjectPointer,
)
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


@dataclass(slots=True)
class _Patient:
    """What the state holds on one patient, read once per request."""

    grant: GrantRecord | None
    consents: tuple[tuple[ConsentRecord, ConsentDocument | None], ...]
    revocations: RevocationRecord
    request_revocation: RequestRevocationRecord | None


@dataclass(slots=True)
class _Provider:
    grant: GrantRecord | None


class _Gatherer:
    """Reads each fact once and remembers the transactions that facts come from, in order."""

    def __init__(self, reader: Reader, rows: RowLookup, request_id: bytes, request: RequestRecord) -> None:
        self._reader = reader
        self._rows = rows
        self._request_id = request_id
        self._patients: dict[bytes, _Patient] = {}
        self._providers: dict[tuple[str, int, str], GrantRecord | None] = {}
        self._batches: dict[bytes, BatchRecord] = {}
        self.rests_on: dict[Source, None] = {request.applied: None}
        self._rest_on(request.withdrawn)

    def _rest_on(self, source: Source) -> None:
        if source.height:
            self.rests_on[source] = None

    def object(self, object_id: bytes) -> tuple[ObjectPointer, BatchRecord]:
        found = view.object_index(self._reader, object_id)
        assert found is not None, "a request names anchored objects"
        if found.batch_root not in self._batches:
            batch = view.batch(self._reader, found.batch_root)
            assert batch is not None, "an indexed object has its batch"
            self._batches[found.batch_root] = batch
        return view.pointer(found), self._batches[found.batch_root]

    def _consent_document(self, consent: ConsentRecord) -> ConsentDocument | None:
        row = self._rows(consent.provision_row)
        if row is None:
            return None
        try:
            return decode_consent(row)
        except RefusedError:
            # A row that is no consent was turned away before; one that slipped in grants nothing.
            return None

    def _patient(self, handle: bytes) -> _Patient:
        if handle in self._patients:
            return self._patients[handle]
        grant = view.grant(self._reader, self._request_id, ROLE_PATIENT, handle=handle)
        held = view.consents(self._reader, handle)
        revocations = view.revocations(self._reader, handle)
        by_request = view.request_revocation(self._reader, handle, self._request_id)
        consents = held.consents if held else ()
        if grant is not None:
            self._rest_on(grant.granted)
        for consent in consents:
            self._rest_on(consent.given)
            self._rest_on(consent.revoked)
        if revocations is not None:
            self._rest_on(revocations.all)
            for one in revocations.classes:
                self._rest_on(one.revoked)
        if by_request is not None:
            self._rest_on(by_request.revoked)
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

    def provider(self, role: str, batch: BatchRecord, object_id: bytes) -> Decision | None:
        slug = batch.department if role == ROLE_HEAD else ""
        name = (role, batch.member, slug)
        if name not in self._providers:
            grant = view.grant(self._reader, self._request_id, role, number=batch.member, slug=slug)
            self._providers[name] = grant
            if grant is not None:
                self._rest_on(grant.granted)
        return _covering(self._providers[name], object_id)


def _covering(grant: GrantRecord | None, object_id: bytes) -> Decision | None:
    if grant is None or (grant.objects and object_id not in grant.objects):
        return None
    return Decision(grant.decision, grant.granted.height)


def _object_verdict(
    gatherer: _Gatherer, application: Application, now_ms: int, pointer: ObjectPointer, batch: BatchRecord
) -> Verdict:
    return evaluate_object(
        application,
        now_ms=now_ms,
        policy=batch.policy,
        data_class=pointer.data_class,
        patient=lambda: gatherer.patient(pointer),
        steward=lambda: gatherer.provider(ROLE_STEWARD, batch, pointer.object_id),
        head=lambda: gatherer.provider(ROLE_HEAD, batch, pointer.object_id),
    )


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
) -> ReleaseRecord:
    """The decision on `request` at the state that `reader` gives.

    `requested`: the RequestRelease, whose height is the block's; `previous`: the decision before, whose
    authorised height lives on.
    """
    gatherer = _Gatherer(reader, rows, request_id, request)
    application = Application(
        request.member, request.purpose, request.expires_ms, request.withdrawn.height > 0
    )
    verdicts: list[ObjectVerdict] = []
    providers: dict[int, None] = {}
    for object_id in request.objects:
        pointer, batch = gatherer.object(object_id)
        verdict = _object_verdict(gatherer, application, time_ms, pointer, batch)
        verdicts.append(ObjectVerdict(object_id, verdict.rule, verdict.basis))
        if not verdict.rule:
            providers[batch.member] = None
    authorised = bool(providers)
    members = tuple(sorted(providers))
    return ReleaseRecord(
        request_id=request_id,
        height=requested.height,
        time_ms=time_ms,
        evaluator_version=EVALUATOR_VERSION,
        outcome=OUTCOME_AUTHORISED if authorised else OUTCOME_REFUSED,
        rule="" if authorised else _common_rule(verdicts),
        verdicts=tuple(verdicts),
        providers=members,
        rests_on=tuple(gatherer.rests_on),
        requested=requested,
        last_authorised_height=requested.height if authorised else _last_height(previous),
        last_providers=members if authorised else _last_providers(previous),
    )


def _last_height(previous: ReleaseRecord | None) -> int:
    return previous.last_authorised_height if previous else 0


def _last_providers(previous: ReleaseRecord | None) -> tuple[int, ...]:
    return previous.last_providers if previous else ()
