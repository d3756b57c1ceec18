"""Every word that a decision counts was said of that very fact: nobody's signature stands in for another's.

All validators collude here: they write a true signature of somebody else into the state. Neither verifier
takes the receipt.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from msgspec import structs

from chainnode.ledger import keys, view
from chainnode.ledger.documents import Provision
from chainnode.ledger.payloads import PERMIT, AddDepartment, AddStudy, AnchorRecords, Grant, Revoke, UsePolicy
from chainnode.ledger.records import (
    BatchRecord,
    ClassRevocation,
    ConsentsRecord,
    GrantRecord,
    Record,
    ReleaseRecord,
    RequestRevocationRecord,
    RevocationRecord,
    Source,
)
from tests.ledger.forging import overwrite, said_by
from tests.ledger.receipts import receipt, signed_scene
from tests.ledger.releases import founded
from tests.ledger.scene import DEPARTMENT, PROVIDER, STUDY, Scene, pointer
from tests.ledger.twoverifiers import of_the_file, of_the_ledger
from tests.ledger.world import SEALING_KEY, Actor, digest32, id16

pytestmark = pytest.mark.usefixtures("forger")


@dataclass
class Forgery:
    scene: Scene
    request: bytes
    genesis: bytes

    @property
    def ada(self) -> bytes:
        return self.scene.handle("ada")

    @property
    def bob(self) -> bytes:
        return self.scene.handle("bob")

    def grant(self, role: str, **who: object) -> GrantRecord:
        record = view.grant(self.scene.chain.state, self.request, role, **who)  # type: ignore[arg-type]
        assert record is not None
        return record

    def consents(self, handle: bytes) -> ConsentsRecord:
        record = view.consents(self.scene.chain.state, handle)
        assert record is not None
        return record

    def put(self, key: bytes, record: Record | None) -> None:
        if record is None:
            self.scene.chain.write(self.scene.chain.state.update({key: None}, {}))
        else:
            overwrite(self.scene, (key, record))

    def outcome(self) -> tuple[ReleaseRecord, tuple[str, str]]:
        """The decision, and what its receipt breaks for the ledger's verifier and for the single file."""
        release = self.scene.release(self.request)
        data = receipt(self.scene, self.request)
        found = of_the_ledger(data, self.scene.chain.founding), of_the_file(data, self.genesis)
        return release, found


@pytest.fixture
def forgery() -> Forgery:
    chain, genesis = founded()
    scene, request = signed_scene(chain)
    return Forgery(scene, request, genesis)


REFUSED = ("bad-transaction", "bad-transaction")


def test_without_a_forgery_both_take_the_receipt(forgery: Forgery) -> None:
    assert forgery.outcome()[1] == ("", "")


def test_a_patients_grant_is_no_other_patients(forgery: Forgery) -> None:
    forgery.scene.grant_patient(forgery.request, "bob")
    borrowed = forgery.grant("patient", handle=forgery.bob)
    forgery.put(keys.grant(forgery.request, "patient", handle=forgery.ada), borrowed)
    release, found = forgery.outcome()
    assert release.verdicts[0].basis == "live"
    assert found == REFUSED


def test_a_patients_standing_consent_is_no_other_patients(forgery: Forgery) -> None:
    forgery.put(keys.grant(forgery.request, "patient", handle=forgery.ada), None)
    forgery.put(keys.consents(forgery.ada), forgery.consents(forgery.bob))
    release, found = forgery.outcome()
    assert release.verdicts[0].basis == "standing"
    assert found == REFUSED


def test_a_steward_grants_for_the_own_hospital_alone(forgery: Forgery) -> None:
    """The other hospital's steward granted, so did its head; this hospital's steward did not."""
    scene, chain = forgery.scene, forgery.scene.chain
    said = Grant(forgery.request, "steward", b"", 1, "", PERMIT, (), b"")
    source = said_by(scene, chain.stewards[1], said)
    borrowed = GrantRecord(PERMIT, (), b"", chain.stewards[1].public, source)
    overwrite(
        scene,
        (keys.grant(forgery.request, "steward", number=1), borrowed),
        (keys.grant(forgery.request, "steward", number=PROVIDER), borrowed),
    )
    release, found = forgery.outcome()
    assert release.outcome == "AUTHORISED"
    assert found == REFUSED


def test_a_head_grants_for_the_own_department_alone(forgery: Forgery) -> None:
    scene, chain, head = forgery.scene, forgery.scene.chain, Actor("head of neurology")
    chain.must(scene.steward, AddDepartment(PROVIDER, "neurology", head.public))
    said = Grant(forgery.request, "head", b"", PROVIDER, "neurology", PERMIT, (), b"")
    borrowed = GrantRecord(PERMIT, (), b"", head.public, said_by(scene, head, said))
    overwrite(
        scene,
        (keys.grant(forgery.request, "head", number=PROVIDER, slug="neurology"), borrowed),
        (keys.grant(forgery.request, "head", number=PROVIDER, slug=DEPARTMENT), borrowed),
    )
    assert forgery.outcome()[1] == REFUSED


@pytest.mark.parametrize("role", ["steward", "head"])
def test_a_grant_from_no_height_rests_on_its_transaction_all_the_same(forgery: Forgery, role: str) -> None:
    slug = DEPARTMENT if role == "head" else ""
    key = keys.grant(forgery.request, role, number=PROVIDER, slug=slug)
    record = forgery.grant(role, number=PROVIDER, slug=slug)
    applied = view.request(forgery.scene.chain.state, forgery.request)
    assert applied is not None
    nowhere = structs.replace(applied.applied, height=0)
    forgery.put(key, structs.replace(record, granted=nowhere))
    assert forgery.outcome()[1] == REFUSED


def revoked_by_bob(forgery: Forgery, scope: str, target: bytes) -> Source:
    said = Revoke(forgery.bob, scope, target)
    return structs.replace(said_by(forgery.scene, forgery.scene.patients["bob"], said), height=99)


def everything(forgery: Forgery) -> list[tuple[bytes, Record]]:
    record = RevocationRecord(revoked_by_bob(forgery, "all", b""))
    return [(keys.revocations(one), record) for one in (forgery.ada, forgery.bob)]


def a_class(forgery: Forgery) -> list[tuple[bytes, Record]]:
    source = revoked_by_bob(forgery, "class", b"conditions")
    record = RevocationRecord(classes=(ClassRevocation("conditions", source),))
    return [(keys.revocations(one), record) for one in (forgery.ada, forgery.bob)]


def the_request(forgery: Forgery) -> list[tuple[bytes, Record]]:
    record = RequestRevocationRecord(revoked_by_bob(forgery, "request", forgery.request))
    return [(keys.request_revocation(one, forgery.request), record) for one in (forgery.ada, forgery.bob)]


@pytest.mark.parametrize("records", [everything, a_class, the_request])
def test_a_patients_revocation_is_no_other_patients(
    forgery: Forgery, records: Callable[[Forgery], list[tuple[bytes, Record]]]
) -> None:
    overwrite(forgery.scene, *records(forgery))
    release, found = forgery.outcome()
    assert release.verdicts[0].rule == "revoked"
    assert found == REFUSED


def test_the_revocation_of_one_consent_ends_no_other(forgery: Forgery) -> None:
    forgery.scene.consent("bob", Provision(PERMIT), "c2")
    first, second = forgery.consents(forgery.bob).consents
    source = revoked_by_bob(forgery, "consent", second.consent_id)
    ended = ConsentsRecord(tuple(structs.replace(one, revoked=source) for one in (first, second)))
    forgery.put(keys.consents(forgery.bob), ended)
    release, found = forgery.outcome()
    assert release.verdicts[1].rule == "revoked"
    assert found == REFUSED


def test_one_transaction_is_not_two_facts(forgery: Forgery) -> None:
    """What the patient consented to is taken for the revocation of it."""
    (given,) = forgery.consents(forgery.bob).consents
    forgery.put(keys.consents(forgery.bob), ConsentsRecord((structs.replace(given, revoked=given.given),)))
    assert forgery.outcome()[1] == REFUSED


def test_an_application_for_nothing_has_no_receipt(forgery: Forgery) -> None:
    record = view.request(forgery.scene.chain.state, forgery.request)
    release = forgery.scene.release(forgery.request)
    assert record is not None
    empty = structs.replace(release, verdicts=(), providers=(), outcome="REFUSED")
    forgery.put(keys.request(forgery.request), structs.replace(record, objects=()))
    forgery.put(keys.release(forgery.request), empty)
    chain = forgery.scene.chain
    chain.headers[-1] = structs.replace(chain.headers[-1], state_root=chain.state.root)
    data = receipt(forgery.scene, forgery.request)
    assert of_the_ledger(data, chain.founding) and of_the_file(data, forgery.genesis)


def test_a_use_policy_that_no_ontology_knows_permits_nothing(forgery: Forgery) -> None:
    scene = forgery.scene
    found = view.object_index(scene.chain.state, id16("a1"))
    assert found is not None
    batch = view.batch(scene.chain.state, found.batch_root)
    assert isinstance(batch, BatchRecord)
    forgery.put(keys.batch(found.batch_root), structs.replace(batch, policy=UsePolicy("ANY")))
    release, rules = forgery.outcome()
    assert release.rule == "purpose-not-permitted"
    assert rules == ("", "")


def test_two_hospitals_and_their_departments_grant_side_by_side(forgery: Forgery) -> None:
    """The same without a forgery: each signs for itself, and both verifiers agree."""
    scene, chain, head = forgery.scene, forgery.scene.chain, Actor("head of neurology")
    chain.must(chain.stewards[1], AddDepartment(1, "neurology", head.public))
    chain.must(head, AddStudy(1, "neurology", STUDY, SEALING_KEY))
    scene.enrol("cyd", member=1)
    pointers = (pointer("c1", scene.handle("cyd")),)
    said = AnchorRecords(1, "neurology", STUDY, UsePolicy("GRU"), pointers, b"sealed", digest32("report"))
    chain.must(chain.validators[1], said)
    forgery.request = scene.apply("a1", "c1", name="p2")
    for name in ("ada", "cyd"):
        scene.grant_patient(forgery.request, name)
    scene.grant_steward(forgery.request)
    scene.grant_head(forgery.request)
    chain.must(chain.stewards[1], Grant(forgery.request, "steward", b"", 1, "", PERMIT, (), b""))
    chain.must(head, Grant(forgery.request, "head", b"", 1, "neurology", PERMIT, (), b""))
    result = scene.release(forgery.request, "p2")
    assert result.providers == (0, 1)
    data = receipt(scene, forgery.request)
    assert (of_the_ledger(data, chain.founding), of_the_file(data, forgery.genesis)) == ("", "")
