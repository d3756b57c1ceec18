"""Who may do what: strangers, others' keys, second claims, steps out of order."""

import pytest
from msgspec import structs

from chainnode.ledger.admission import check_state
from chainnode.ledger.documents import Provision
from chainnode.ledger.payloads import (
    AddDepartment,
    AddStudy,
    AttestEnrolment,
    Barrier,
    Consent,
    Grant,
    Payload,
    ProveEnrolment,
    RequestRelease,
    Revoke,
    ShareReceipt,
    UsePolicy,
    Withdraw,
)
from chainnode.ledger.transaction import TransactionBody
from consensus.codec import decode
from tests.ledger.scene import DEPARTMENT, PROVIDER, REQUESTER, STUDY, Scene, consent_row, pointer
from tests.ledger.world import SEALING_KEY, Actor, id16

STRANGER = Actor("a stranger")


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Read-only: these tests ask what would happen, and change nothing."""
    scene = Scene()
    scene.enrol("ada", "bob")
    scene.enrol("eve", member=1)
    payload, link = scene.enrolment("cyd")
    scene.chain.must(scene.steward, payload, [link])
    scene.anchor(pointer("a1", scene.handle("ada")), pointer("b1", scene.handle("bob")))
    scene.apply("a1")
    scene.consent("ada", Provision("permit"))
    return scene


def rule(scene: Scene, actor: Actor, payload: Payload) -> str:
    root = scene.chain.state.root
    submission = scene.chain.submission(actor, payload)
    body = decode(submission.transaction.body, TransactionBody, limit_bytes=1 << 20)
    refusal = check_state(body, scene.chain.state, scene.chain.context())
    assert scene.chain.state.root == root
    return refusal.rule if refusal else ""


def patient_payloads(scene: Scene) -> list[Payload]:
    ada = scene.handle("ada")
    return [
        scene.patient_grant(id16("request p1"), "ada"),
        Consent(ada, id16("c2"), consent_row("c2", Provision("permit")).digest()),
        Revoke(ada, "all", b""),
        Revoke(ada, "class", b"conditions"),
        Revoke(ada, "request", id16("request p1")),
        Revoke(ada, "consent", id16("consent ada c1")),
    ]


def test_only_the_patient_speaks_for_the_patient(scene: Scene) -> None:
    for payload in patient_payloads(scene):
        assert rule(scene, scene.patients["ada"], payload) == ""
        assert rule(scene, STRANGER, payload) == "unknown-signer"
        for other in (scene.patients["bob"], scene.steward, scene.head, scene.project()):
            assert rule(scene, other, payload) == "not-permitted"


def test_only_the_steward_speaks_for_the_member(scene: Scene) -> None:
    department = AddDepartment(PROVIDER, "surgery", Actor("head of surgery").public)
    grant = Grant(id16("request p1"), "steward", b"", PROVIDER, "", "permit", (), b"")
    for payload in (department, grant, scene.enrolment("dan")[0]):
        assert rule(scene, scene.steward, payload) == ""
        assert rule(scene, STRANGER, payload) == "unknown-signer"
        for other in (scene.chain.stewards[1], scene.chain.validators[PROVIDER], scene.head):
            assert rule(scene, other, payload) == "not-permitted"


def test_only_the_head_speaks_for_the_department(scene: Scene) -> None:
    study = AddStudy(PROVIDER, DEPARTMENT, "heart-2026", SEALING_KEY)
    grant = Grant(id16("request p1"), "head", b"", PROVIDER, DEPARTMENT, "permit", (), b"")
    for payload in (study, grant):
        assert rule(scene, scene.head, payload) == ""
        assert rule(scene, STRANGER, payload) == "unknown-signer"
        for other in (scene.requesting_head, scene.steward):
            assert rule(scene, other, payload) == "not-permitted"


def test_only_the_head_of_the_applying_department_applies(scene: Scene) -> None:
    payload = scene.application(["a1"], name="p2")[0]
    assert rule(scene, scene.requesting_head, payload) == ""
    assert rule(scene, STRANGER, payload) == "unknown-signer"
    assert rule(scene, scene.head, payload) == "not-permitted"


def test_only_the_project_asks_for_its_release_and_withdraws(scene: Scene) -> None:
    for payload in (RequestRelease(id16("request p1")), Withdraw(id16("request p1"), "project", 0, "")):
        assert rule(scene, scene.project(), payload) == ""
        assert rule(scene, STRANGER, payload) == "unknown-signer"
        assert rule(scene, scene.requesting_head, payload) == "not-permitted"


def test_only_the_members_node_anchors(scene: Scene) -> None:
    payload = scene.anchoring([pointer("a9", scene.handle("ada"))])
    assert rule(scene, scene.chain.validators[PROVIDER], payload) == ""
    assert rule(scene, STRANGER, payload) == "unknown-signer"
    assert rule(scene, scene.chain.validators[1], payload) == "not-permitted"


def test_only_the_members_node_asks_for_a_barrier(scene: Scene) -> None:
    assert rule(scene, scene.chain.validators[PROVIDER], Barrier(PROVIDER)) == ""
    assert rule(scene, STRANGER, Barrier(PROVIDER)) == "unknown-signer"
    assert rule(scene, scene.chain.validators[1], Barrier(PROVIDER)) == "not-permitted"
    assert rule(scene, scene.steward, Barrier(PROVIDER)) == "not-permitted"
    assert rule(scene, scene.chain.validators[PROVIDER], Barrier(9)) == "unknown-member"


def test_only_a_registrar_from_outside_attests(scene: Scene) -> None:
    payload = AttestEnrolment(scene.handle("cyd"))
    assert rule(scene, scene.chain.registrars[0], payload) == ""
    assert rule(scene, STRANGER, payload) == "unknown-signer"
    assert rule(scene, scene.steward, payload) == "not-permitted"
    assert rule(scene, scene.chain.registrars[1], payload) == "registrar-not-independent"


def test_only_the_enrolled_key_proves_itself(scene: Scene) -> None:
    payload = ProveEnrolment(scene.handle("cyd"))
    assert rule(scene, scene.patients["cyd"], payload) == ""
    assert rule(scene, STRANGER, payload) == "unknown-signer"
    assert rule(scene, scene.steward, payload) == "not-permitted"


def test_enrolment_steps_are_taken_once(scene: Scene) -> None:
    ada = scene.handle("ada")
    assert rule(scene, scene.chain.registrars[0], AttestEnrolment(ada)) == "already-done"
    assert rule(scene, scene.patients["ada"], ProveEnrolment(ada)) == "already-done"
    assert rule(scene, scene.steward, scene.enrolment("ada")[0]) == "duplicate-id"


def test_a_key_has_one_role_once_on_the_whole_chain(scene: Scene) -> None:
    chain, fresh = scene.chain, scene.enrolment("dan")[0]
    held = [
        chain.validators[2], chain.stewards[2], chain.registrars[0], scene.head, scene.project(),
        scene.patients["bob"], scene.patients["eve"],
    ]  # fmt: skip
    for holder in held:
        payload = structs.replace(fresh, patient_key=holder.public)
        assert rule(scene, scene.steward, payload) == "key-in-use"
    department = AddDepartment(PROVIDER, "surgery", scene.patients["ada"].public)
    assert rule(scene, scene.steward, department) == "key-in-use"


def test_a_patient_whose_enrolment_is_not_active_says_nothing(scene: Scene) -> None:
    cyd = scene.patients["cyd"]
    document = consent_row("c", Provision("permit")).digest()
    assert rule(scene, cyd, Consent(scene.handle("cyd"), id16("c"), document)) == "enrolment-not-active"
    assert rule(scene, cyd, scene.patient_grant(id16("request p1"), "cyd")) == "enrolment-not-active"


def test_what_does_not_exist_is_named(scene: Scene) -> None:
    chain, none = scene.chain, id16("nowhere")
    node = chain.validators[PROVIDER]
    elsewhere = structs.replace(scene.anchoring([pointer("a9", scene.handle("ada"))]), study="other")
    cases: list[tuple[Actor, Payload, str]] = [
        (scene.steward, AddDepartment(9, "surgery", STRANGER.public), "unknown-member"),
        (scene.head, AddStudy(PROVIDER, "surgery", "s", SEALING_KEY), "unknown-department"),
        (node, elsewhere, "unknown-study"),
        (node, scene.anchoring([pointer("n1", none)]), "unknown-patient"),
        (chain.registrars[0], AttestEnrolment(none), "unknown-patient"),
        (scene.requesting_head, scene.application(["nothing"], name="p2")[0], "unknown-object"),
        (scene.project(), RequestRelease(none), "unknown-request"),
        (scene.patients["ada"], Revoke(scene.handle("ada"), "request", none), "unknown-request"),
        (scene.patients["ada"], Revoke(scene.handle("ada"), "consent", none), "unknown-consent"),
        (scene.steward, Withdraw(id16("request p1"), "steward", PROVIDER, ""), "unknown-grant"),
        (scene.head, Withdraw(id16("request p1"), "head", PROVIDER, DEPARTMENT), "unknown-grant"),
        (scene.patients["ada"], Withdraw(id16("request p1"), "patient", 0, ""), "unknown-grant"),
        (scene.steward, Withdraw(id16("request p1"), "patient", 0, ""), "not-permitted"),
        (STRANGER, Withdraw(id16("request p1"), "patient", 0, ""), "unknown-signer"),
        (node, ShareReceipt(id16("request p1"), 3, 0, "provider", 3, bytes(32)), "unknown-release"),
    ]
    for actor, payload, expected in cases:
        assert rule(scene, actor, payload) == expected, payload


def test_names_are_taken_once(scene: Scene) -> None:
    cases: list[tuple[Actor, Payload]] = [
        (scene.steward, AddDepartment(PROVIDER, DEPARTMENT, STRANGER.public)),
        (scene.head, AddStudy(PROVIDER, DEPARTMENT, STUDY, SEALING_KEY)),
        (scene.requesting_head, scene.application(["a1"])[0]),
        (scene.patients["ada"], Consent(scene.handle("ada"), id16("consent ada c1"), bytes(32))),
    ]
    for actor, payload in cases:
        assert rule(scene, actor, payload) == "duplicate-id"


def test_an_object_has_one_anchor(scene: Scene) -> None:
    """A second claim under a laxer policy is how a copied wrap would be opened."""
    again = scene.anchoring([pointer("a1", scene.handle("ada"))], UsePolicy("NRES"))
    assert rule(scene, scene.chain.validators[PROVIDER], again) == "object-claimed"


def test_anchors_name_active_patients_of_the_member_and_their_class_keys(scene: Scene) -> None:
    cases = [
        (pointer("x", scene.handle("eve")), "other-member"),
        (pointer("x", scene.handle("cyd")), "enrolment-not-active"),
        (pointer("x", scene.handle("ada"), epoch=1), "unknown-class-key"),
    ]
    for item, expected in cases:
        assert rule(scene, scene.chain.validators[PROVIDER], scene.anchoring([item])) == expected


def test_an_application_must_not_have_expired_already(scene: Scene) -> None:
    past = scene.application(["a1"], name="p2", expires_ms=scene.chain.now_ms)[0]
    assert rule(scene, scene.requesting_head, past) == "expiry-passed"


def test_grants_are_about_objects_of_the_request_and_of_the_signer(scene: Scene) -> None:
    request = id16("request p1")
    ada, bob = scene.patients["ada"], scene.patients["bob"]
    outside = scene.patient_grant(request, "ada", objects=["b1"])
    assert rule(scene, ada, outside) == "not-in-request"
    assert rule(scene, bob, scene.patient_grant(request, "bob")) == "not-of-signer"
    other = Grant(request, "steward", b"", 1, "", "permit", (), b"")
    assert rule(scene, scene.chain.stewards[1], other) == "not-of-signer"
    head = Grant(request, "head", b"", REQUESTER, "oncology", "permit", (), b"")
    assert rule(scene, scene.requesting_head, head) == "not-of-signer"
