"""The right key signed, but something else than the state says: no receipt comes of it."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import structs

from chainnode.ledger import keys, view
from chainnode.ledger.payloads import (
    AddDepartment,
    Apply,
    AttestEnrolment,
    ProveEnrolment,
    RequestRelease,
    Revoke,
)
from chainnode.ledger.records import (
    ClassRevocation,
    EnrolmentRecord,
    RequestRecord,
    RequestRevocationRecord,
    RevocationRecord,
    Source,
)
from chainnode.ledger.transaction import SignedTransaction, TransactionBody
from consensus.codec import decode, encode
from consensus.domain import signing_bytes
from tests.ledger.forging import overwrite, replant, said_by
from tests.ledger.receipts import receipt, rule, signed_scene
from tests.ledger.scene import DEPARTMENT, PROVIDER, Scene
from tests.ledger.world import Actor, id16

pytestmark = pytest.mark.usefixtures("forger")


@dataclass
class Forgery:
    """A signed scene whose state is about to be forged."""

    scene: Scene = field(init=False)
    request: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.scene, self.request = signed_scene()

    @property
    def ada(self) -> bytes:
        return self.scene.handle("ada")

    def enrolment(self) -> EnrolmentRecord:
        record = view.patient(self.scene.chain.state, self.ada)
        assert record is not None
        return record

    def enrol_by(self, **sources: Source) -> None:
        overwrite(self.scene, (keys.patient(self.ada), structs.replace(self.enrolment(), **sources)))

    def application(self) -> tuple[RequestRecord, Apply]:
        """The request's record and what was signed for it."""
        record = view.request(self.scene.chain.state, self.request)
        assert record is not None
        stored = self.scene.chain.transactions[record.applied.transaction_id][0]
        said = decode(stored.body, TransactionBody, limit_bytes=1 << 20).payload
        assert isinstance(said, Apply)
        return record, said

    def outcome(self) -> str:
        """What the receipt of a release on the forged state breaks."""
        self.scene.release(self.request)
        return rule(self.scene, receipt(self.scene, self.request))


@pytest.fixture
def forgery() -> Forgery:
    return Forgery()


def test_without_a_forgery_the_receipt_verifies(forgery: Forgery) -> None:
    assert forgery.outcome() == ""


def test_another_enrolment_than_was_signed(forgery: Forgery) -> None:
    payload = forgery.scene.enrolment("ada")[0]
    fewer = structs.replace(payload, class_keys=payload.class_keys[:3])
    forgery.enrol_by(enrolled=said_by(forgery.scene, forgery.scene.steward, fewer))
    assert forgery.outcome() == "bad-transaction"


def test_an_attestation_of_somebody_else(forgery: Forgery) -> None:
    other = AttestEnrolment(forgery.scene.handle("bob"))
    forgery.enrol_by(attested=said_by(forgery.scene, forgery.scene.chain.registrars[0], other))
    assert forgery.outcome() == "bad-transaction"


def test_a_proof_for_another_handle(forgery: Forgery) -> None:
    other = ProveEnrolment(forgery.scene.handle("bob"))
    forgery.enrol_by(proven=said_by(forgery.scene, forgery.scene.patients["ada"], other))
    assert forgery.outcome() == "bad-transaction"


def test_a_department_under_another_heads_key(forgery: Forgery) -> None:
    scene = forgery.scene
    record = view.department(scene.chain.state, PROVIDER, DEPARTMENT)
    assert record is not None
    other = AddDepartment(PROVIDER, DEPARTMENT, Actor("another head").public)
    added = said_by(scene, scene.steward, other)
    overwrite(scene, (keys.department(PROVIDER, DEPARTMENT), structs.replace(record, added=added)))
    assert forgery.outcome() == "bad-transaction"


def test_an_application_for_another_project(forgery: Forgery) -> None:
    _, said = forgery.application()
    other = structs.replace(said, project="liver")
    replant(forgery.scene, keys.request(forgery.request), other, forgery.scene.requesting_head, "applied")
    assert forgery.outcome() == "bad-transaction"


def test_an_application_whose_expiry_was_moved(forgery: Forgery) -> None:
    record, _ = forgery.application()
    later = structs.replace(record, expires_ms=record.expires_ms + 1)
    overwrite(forgery.scene, (keys.request(forgery.request), later))
    assert forgery.outcome() == "bad-transaction"


def test_an_application_whose_key_did_not_prove_itself(forgery: Forgery) -> None:
    _, said = forgery.application()
    bare = structs.replace(said, possession=bytes(64))
    replant(forgery.scene, keys.request(forgery.request), bare, forgery.scene.requesting_head, "applied")
    assert forgery.outcome() == "bad-transaction"


def test_a_release_asked_for_another_request(forgery: Forgery) -> None:
    scene, request = forgery.scene, forgery.request
    record = scene.release(request)
    asked = said_by(scene, scene.project(), RequestRelease(id16("another")))
    forged = structs.replace(record, requested=structs.replace(asked, height=record.height))
    overwrite(scene, (keys.release(request), forged))
    chain = scene.chain
    chain.headers[-1] = structs.replace(chain.headers[-1], state_root=chain.state.root)
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def revocation(forgery: Forgery, scope: str, target: bytes) -> Source:
    said = said_by(forgery.scene, forgery.scene.patients["ada"], Revoke(forgery.ada, scope, target))
    return structs.replace(said, height=99)


def test_a_revocation_of_one_class_taken_for_one_of_everything(forgery: Forgery) -> None:
    source = revocation(forgery, "class", b"allergies")
    overwrite(forgery.scene, (keys.revocations(forgery.ada), RevocationRecord(source)))
    assert forgery.outcome() == "bad-transaction"


def test_a_revocation_of_one_class_taken_for_another(forgery: Forgery) -> None:
    source = revocation(forgery, "class", b"allergies")
    record = RevocationRecord(classes=(ClassRevocation("conditions", source),))
    overwrite(forgery.scene, (keys.revocations(forgery.ada), record))
    assert forgery.outcome() == "bad-transaction"


def test_a_revocation_for_one_request_taken_for_another(forgery: Forgery) -> None:
    source = revocation(forgery, "request", id16("another"))
    key = keys.request_revocation(forgery.ada, forgery.request)
    overwrite(forgery.scene, (key, RequestRevocationRecord(source)))
    assert forgery.outcome() == "bad-transaction"


@pytest.mark.parametrize("changes", [{"chain_id": bytes(32)}, {"suite": 2}])
def test_a_transaction_of_another_chain_or_suite(forgery: Forgery, changes: dict[str, Any]) -> None:
    """Signed for this chain, but its body says otherwise."""
    scene, request = forgery.scene, forgery.request
    ada, key = scene.patients["ada"], keys.grant(request, "patient", handle=forgery.ada)
    said = TransactionBody(
        1, scene.chain.chain_id, 100, id16("n"), ada.public, scene.patient_grant(request, "ada")
    )
    body = encode(structs.replace(said, **changes))
    planted = SignedTransaction(body, ada.sign(signing_bytes("transaction", scene.chain.chain_id, body)))
    scene.chain.transactions[planted.id()] = (planted, 1)
    record = view.grant(scene.chain.state, request, "patient", handle=forgery.ada)
    assert record is not None
    overwrite(scene, (key, structs.replace(record, granted=Source(planted.id(), 1))))
    assert forgery.outcome() == "bad-transaction"
