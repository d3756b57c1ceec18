"""A scene on a Chain: departments, a study, enrolled patients, anchored objects, an application."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from chainnode.ledger.documents import (
    AnyProvision,
    ConsentDocument,
    ConsentDocument2,
    Provision2,
    RequestText,
)
from chainnode.ledger.payloads import (
    DATA_CLASSES,
    PERMIT,
    AddDepartment,
    AddStudy,
    AnchorRecords,
    Apply,
    AttestEnrolment,
    ClassKey,
    Consent,
    EnrolPatient,
    Grant,
    ObjectPointer,
    ProveEnrolment,
    Purpose,
    RequestRelease,
    Revoke,
    UsePolicy,
    Withdraw,
)
from chainnode.ledger.records import ReleaseRecord, Result
from chainnode.ledger.transaction import Row, possession_bytes
from chainnode.ledger.view import release
from consensus.codec import encode
from tests.ledger.world import SEALING_KEY, Actor, Chain, digest32, id16, point

PROVIDER, REQUESTER = 0, 3
DEPARTMENT, STUDY = "cardiology", "heart-2025"
DAY_MS = 86_400_000


def row(name: str, data: bytes) -> Row:
    return Row(digest32("salt " + name), data)


def consent_row(
    name: str, provision: AnyProvision, *, status: str = "active", scope: str = "research"
) -> Row:
    given_ms = 1_600_000_000_000
    if isinstance(provision, Provision2):
        return row(name, encode(ConsentDocument2(status, scope, given_ms, provision)))
    return row(name, encode(ConsentDocument(status, scope, given_ms, provision)))


def pointer(name: str, handle: bytes, data_class: str = "conditions", epoch: int = 0) -> ObjectPointer:
    return ObjectPointer(
        object_id=id16(name),
        handle=handle,
        data_class=data_class,
        level=3,
        epoch=epoch,
        root=digest32("root " + name),
        length_bytes=65_536,
        commitment_hospital=digest32("h " + name),
        commitment_patient=digest32("p " + name),
        commitment_dek=digest32("d " + name),
        locator=b"sealed " + name.encode(),
    )


@dataclass
class Scene:
    """A provider with a department and a study, a requester with a department, and what they do."""

    chain: Chain = field(default_factory=Chain)

    def __post_init__(self) -> None:
        self.head = Actor("head of cardiology")
        self.requesting_head = Actor("head of oncology")
        self.patients: dict[str, Actor] = {}
        steward = self.chain.stewards
        self.chain.must(steward[PROVIDER], AddDepartment(PROVIDER, DEPARTMENT, self.head.public))
        self.chain.must(steward[REQUESTER], AddDepartment(REQUESTER, "oncology", self.requesting_head.public))
        self.chain.must(self.head, AddStudy(PROVIDER, DEPARTMENT, STUDY, SEALING_KEY))

    @property
    def steward(self) -> Actor:
        return self.chain.stewards[PROVIDER]

    def handle(self, name: str) -> bytes:
        return id16("handle " + name)

    def enrolment(self, name: str, member: int = PROVIDER) -> tuple[EnrolPatient, Row]:
        link = row("link " + name, b"local link of " + name.encode())
        classes = tuple(ClassKey(one, 0, point(name + one)) for one in DATA_CLASSES)
        patient = self.patients.setdefault(name, Actor("patient " + name))
        return EnrolPatient(member, self.handle(name), patient.public, classes, link.digest()), link

    def enrol(self, *names: str, member: int = PROVIDER) -> None:
        """Enrol, attest and prove each name."""
        for name in names:
            payload, link = self.enrolment(name, member)
            self.chain.must(self.chain.stewards[member], payload, [link])
            self.chain.must(self.chain.registrars[0], AttestEnrolment(payload.handle))
            self.chain.must(self.patients[name], ProveEnrolment(payload.handle))

    def anchoring(
        self, pointers: Sequence[ObjectPointer], policy: UsePolicy = UsePolicy("GRU")
    ) -> AnchorRecords:
        return AnchorRecords(
            PROVIDER, DEPARTMENT, STUDY, policy, tuple(pointers), b"sealed key", digest32("report")
        )

    def anchor(self, *pointers: ObjectPointer, policy: UsePolicy = UsePolicy("GRU")) -> None:
        self.chain.must(self.chain.validators[PROVIDER], self.anchoring(pointers, policy))

    def project(self, name: str = "p1") -> Actor:
        return Actor("project " + name)

    def application(
        self,
        objects: Sequence[str],
        *,
        name: str = "p1",
        purpose: Purpose = Purpose("HMB"),
        expires_ms: int | None = None,
    ) -> tuple[Apply, Row]:
        project, request_id = self.project(name), id16("request " + name)
        text = row("text " + name, encode(RequestText("A study", "What we plan")))
        possession = project.sign(possession_bytes(self.chain.chain_id, request_id, SEALING_KEY, purpose))
        payload = Apply(
            request_id=request_id,
            member=REQUESTER,
            department="oncology",
            project="lung",
            project_key=project.public,
            project_sealing_key=SEALING_KEY,
            purpose=purpose,
            objects=tuple(id16(one) for one in objects),
            expires_ms=self.chain.now_ms + DAY_MS if expires_ms is None else expires_ms,
            text_row=text.digest(),
            possession=possession,
        )
        return payload, text

    def apply(
        self,
        *objects: str,
        name: str = "p1",
        purpose: Purpose = Purpose("HMB"),
        expires_ms: int | None = None,
    ) -> bytes:
        payload, text = self.application(objects, name=name, purpose=purpose, expires_ms=expires_ms)
        self.chain.must(self.requesting_head, payload, [text])
        return payload.request_id

    def patient_grant(
        self, request_id: bytes, name: str, decision: str = PERMIT, objects: Sequence[str] = ()
    ) -> Grant:
        ids = tuple(id16(one) for one in objects)
        return Grant(request_id, "patient", self.handle(name), 0, "", decision, ids, b"")

    def grant_patient(
        self, request_id: bytes, name: str, decision: str = PERMIT, objects: Sequence[str] = ()
    ) -> Result:
        return self.chain.must(self.patients[name], self.patient_grant(request_id, name, decision, objects))

    def grant_steward(self, request_id: bytes, decision: str = PERMIT, objects: Sequence[str] = ()) -> Result:
        ids = tuple(id16(one) for one in objects)
        return self.chain.must(
            self.steward, Grant(request_id, "steward", b"", PROVIDER, "", decision, ids, b"")
        )

    def grant_head(self, request_id: bytes, decision: str = PERMIT, objects: Sequence[str] = ()) -> Result:
        ids = tuple(id16(one) for one in objects)
        return self.chain.must(
            self.head, Grant(request_id, "head", b"", PROVIDER, DEPARTMENT, decision, ids, b"")
        )

    def consent(self, name: str, provision: AnyProvision, label: str = "c1") -> bytes:
        consent_id, document = id16(f"consent {name} {label}"), consent_row(name + label, provision)
        payload = Consent(self.handle(name), consent_id, document.digest())
        self.chain.must(self.patients[name], payload, [document])
        return consent_id

    def revoke(self, name: str, scope: str = "all", target: bytes = b"") -> Result:
        return self.chain.must(self.patients[name], Revoke(self.handle(name), scope, target))

    def withdraw(self, request_id: bytes, name: str = "p1") -> Result:
        return self.chain.must(self.project(name), Withdraw(request_id, "project", 0, ""))

    def release(self, request_id: bytes, name: str = "p1", *, time_ms: int | None = None) -> ReleaseRecord:
        """Ask for the release and return the decision."""
        result = self.chain.run(self.project(name), RequestRelease(request_id), time_ms=time_ms)
        assert result.code == "", result.code
        record = release(self.chain.state, request_id)
        assert record is not None
        return record

    def verdicts(self, request_id: bytes, name: str = "p1") -> dict[bytes, tuple[str, str]]:
        record = self.release(request_id, name)
        return {one.object_id: (one.rule, one.basis) for one in record.verdicts}
