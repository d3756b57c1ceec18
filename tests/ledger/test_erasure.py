"""Erasure on the chain: who may ask for it, what it ends; no decision depends on who has deleted what."""

import pytest

from chainnode.ledger import consenting, keys, view
from chainnode.ledger.documents import Provision
from chainnode.ledger.payloads import (
    PERMIT,
    AttestErasure,
    Consent,
    Erase,
    EraseObjects,
    Payload,
    RequestRelease,
)
from chainnode.ledger.receipt import build_receipt_body
from chainnode.ledger.receiptrows import with_rows, without_rows
from chainnode.ledger.records import ERASED_CONSENT, ERASED_OBJECTS, ERASED_PATIENT
from tests.ledger.receipts import authorised, receipt, rule, stored
from tests.ledger.scene import DEPARTMENT, PROVIDER, Scene, consent_row, pointer
from tests.ledger.world import Actor, id16


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.enrol("ada", "bob")
    scene.anchor(pointer("a1", scene.handle("ada")), pointer("b1", scene.handle("bob")))
    return scene


def granted(scene: Scene, *objects: str, name: str = "p1") -> bytes:
    request = scene.apply(*objects, name=name)
    scene.grant_steward(request)
    scene.grant_head(request)
    return request


def rules(scene: Scene, request: bytes, name: str = "p1") -> list[str]:
    return [rule or basis for rule, basis in scene.verdicts(request, name).values()]


def everything(scene: Scene, name: str) -> Erase:
    return Erase(scene.handle(name), "all", b"")


def objects(*names: str, department: str = DEPARTMENT) -> EraseObjects:
    return EraseObjects(PROVIDER, department, tuple(id16(name) for name in names))


def code(scene: Scene, actor: Actor, payload: Payload) -> str:
    return scene.chain.run(actor, payload).code


def test_a_patients_erasure_names_all_rows_and_ends_all_that_was_given(scene: Scene) -> None:
    ada, handle = scene.patients["ada"], scene.handle("ada")
    scene.consent("ada", Provision(PERMIT))
    scene.consent("bob", Provision(PERMIT))
    request = granted(scene, "a1", "b1")
    scene.grant_patient(request, "ada")
    assert rules(scene, request) == ["live", "standing"]
    scene.chain.must(ada, everything(scene, "ada"))
    erasure = view.erasure(scene.chain.state, 1)
    assert erasure is not None and (erasure.kind, erasure.handle) == (ERASED_PATIENT, handle)
    enrolment = view.patient(scene.chain.state, handle)
    assert enrolment is not None
    assert erasure.rows == (enrolment.link_row, consent_row("adac1", Provision(PERMIT)).digest())
    assert rules(scene, request) == ["revoked", "standing"]


def test_nothing_is_given_anchored_or_asked_for_under_an_erased_handle(scene: Scene) -> None:
    ada = scene.patients["ada"]
    request = granted(scene, "a1")
    scene.chain.must(ada, everything(scene, "ada"))
    again = Consent(scene.handle("ada"), id16("c2"), consent_row("c2", Provision(PERMIT)).digest())
    for payload in (scene.patient_grant(request, "ada"), again, everything(scene, "ada")):
        assert code(scene, ada, payload) == "patient-erased"
    more = scene.anchoring([pointer("a2", scene.handle("ada"))])
    assert code(scene, scene.chain.validators[PROVIDER], more) == "patient-erased"
    assert code(scene, scene.requesting_head, scene.application(["a1"], name="p2")[0]) == "object-erased"
    assert code(scene, scene.head, objects("a1")) == "already-done"


def test_an_erased_consent_is_nothing_and_the_others_stand(scene: Scene) -> None:
    gone = scene.consent("ada", Provision(PERMIT), "c1")
    request = granted(scene, "a1")
    assert rules(scene, request) == ["standing"]
    erase = Erase(scene.handle("ada"), "consent", gone)
    scene.chain.must(scene.patients["ada"], erase)
    erasure = view.erasure(scene.chain.state, 1)
    assert erasure is not None and erasure.kind == ERASED_CONSENT and len(erasure.rows) == 1
    assert rules(scene, request) == ["patient-not-signed"]
    assert code(scene, scene.patients["ada"], erase) == "unknown-consent"
    scene.consent("ada", Provision(PERMIT), "c2")
    assert rules(scene, request) == ["standing"]


def test_a_decision_does_not_depend_on_whether_the_row_is_deleted_yet(scene: Scene) -> None:
    """Two consents may name one row. Once it is erased by the one, the other says nothing either."""
    first = scene.consent("ada", Provision(PERMIT), "c1")
    shared = consent_row("adac1", Provision(PERMIT))
    second = Consent(scene.handle("ada"), id16("second"), shared.digest())
    scene.chain.must(scene.patients["ada"], second, [shared])
    request = granted(scene, "a1")
    ask = scene.chain.submission(scene.project(), RequestRelease(request))
    erase = scene.chain.submission(scene.patients["ada"], Erase(scene.handle("ada"), "consent", first))
    scene.chain.commit(ask, erase)
    record = view.release(scene.chain.state, request)
    assert record is not None and record.rule == "patient-not-signed"
    assert shared.digest() in scene.chain.rows, "this node has not deleted it"
    assert rules(scene, request) == ["patient-not-signed"]
    third = Consent(scene.handle("ada"), id16("third"), shared.digest())
    assert scene.chain.run(scene.patients["ada"], third, [shared]).code == "row-erased"


def test_erased_objects_are_neither_released_nor_applied_for(scene: Scene) -> None:
    scene.consent("bob", Provision(PERMIT))
    request = granted(scene, "b1")
    assert rules(scene, request) == ["standing"]
    scene.chain.must(scene.head, objects("b1"))
    erasure = view.erasure(scene.chain.state, 1)
    assert erasure is not None and (erasure.kind, erasure.rows) == (ERASED_OBJECTS, ())
    assert code(scene, scene.project(), RequestRelease(request)) == "object-erased"
    assert code(scene, scene.requesting_head, scene.application(["b1"], name="p2")[0]) == "object-erased"
    assert code(scene, scene.head, objects("b1")) == "already-done"
    assert rules(scene, granted(scene, "a1", name="p3"), "p3") == ["patient-not-signed"]


def test_only_the_patient_and_only_the_owning_department_have_something_erased(scene: Scene) -> None:
    consent = scene.consent("ada", Provision(PERMIT))
    others = (scene.patients["bob"], scene.steward, scene.head, scene.chain.validators[PROVIDER])
    for payload in (everything(scene, "ada"), Erase(scene.handle("ada"), "consent", consent)):
        assert code(scene, Actor("a stranger"), payload) == "unknown-signer"
        assert {code(scene, other, payload) for other in others} == {"not-permitted"}
    for other in (scene.patients["ada"], scene.steward, scene.requesting_head):
        assert code(scene, other, objects("a1")) == "not-permitted"
    theirs = EraseObjects(3, "oncology", (id16("a1"),))
    assert code(scene, scene.requesting_head, theirs) == "not-of-signer"
    assert code(scene, scene.head, objects("a1", "no such")) == "unknown-object"
    assert view.erasures(scene.chain.state) == 0


def test_each_member_attests_for_itself_and_once(scene: Scene) -> None:
    validators = scene.chain.validators
    assert code(scene, validators[1], AttestErasure(1, 1)) == "unknown-erasure"
    scene.chain.must(scene.head, objects("a1"))
    scene.chain.must(validators[1], AttestErasure(1, 1))
    assert code(scene, validators[1], AttestErasure(1, 1)) == "already-done"
    assert code(scene, validators[1], AttestErasure(2, 1)) == "not-permitted"
    assert code(scene, scene.steward, AttestErasure(PROVIDER, 1)) == "not-permitted"
    state = scene.chain.state
    assert [state.get(keys.erasure_attested(1, n)) is not None for n in range(3)] == [False, True, False]


def test_both_verifiers_accept_a_refusal_that_rests_on_an_erasure(scene: Scene) -> None:
    request = granted(scene, "a1")
    scene.grant_patient(request, "ada")
    scene.chain.must(scene.patients["ada"], everything(scene, "ada"))
    assert rules(scene, request) == ["revoked"]
    assert rule(scene, receipt(scene, request)) == ""


def test_rows_of_consents_that_made_room_are_remembered_beside_the_state(scene: Scene) -> None:
    first = scene.consent("ada", Provision(PERMIT), "c0")
    scene.revoke("ada", "consent", first)
    for number in range(consenting.MAX_CONSENTS):
        scene.consent("ada", Provision(PERMIT), f"d{number}")
    dropped = view.dropped_rows(scene.chain.state, scene.handle("ada"))
    assert dropped.digests == (consent_row("adac0", Provision(PERMIT)).digest(),)


def test_a_stored_receipt_holds_no_row_and_is_whole_as_long_as_the_rows_are() -> None:
    scene, request, _ = authorised()
    chain = scene.chain
    body = build_receipt_body(
        chain.state, chain.headers[-1], request, transactions=stored(chain), rows=chain.rows.get
    )
    [shown] = [row for row in chain.rows.values() if row.salt in body]
    kept = without_rows(body)
    assert shown.data in body and shown.salt not in kept and shown.data not in kept
    assert with_rows(kept, chain.rows.get) == body
    assert with_rows(body, chain.rows.get) == body, "as an earlier release stored it"
    gone = [with_rows(one, lambda _: None) for one in (kept, body)]
    assert gone[0] == gone[1] and shown.salt not in gone[0] and shown.data not in gone[0]
