"""Data is released when hospital and patient both signed, and only then."""

from collections.abc import Callable

import pytest

from chainnode.ledger import transition, view
from chainnode.ledger.documents import Provision
from chainnode.ledger.payloads import (
    DENY,
    PERMIT,
    Grant,
    Purpose,
    RequestRelease,
    ShareReceipt,
    UsePolicy,
    Withdraw,
)
from chainnode.ledger.records import OUTCOME_AUTHORISED, OUTCOME_REFUSED, Provider
from tests.ledger.scene import DAY_MS, DEPARTMENT, PROVIDER, REQUESTER, Scene, pointer
from tests.ledger.world import digest32, id16


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.enrol("ada", "bob")
    scene.anchor(pointer("a1", scene.handle("ada")), pointer("b1", scene.handle("bob")))
    return scene


def signed_by_all(scene: Scene, *objects: str) -> bytes:
    request = scene.apply(*objects)
    scene.grant_patient(request, "ada")
    scene.grant_steward(request)
    scene.grant_head(request)
    return request


def test_hospital_alone_is_refused(scene: Scene) -> None:
    request = scene.apply("a1")
    scene.grant_steward(request)
    scene.grant_head(request)
    record = scene.release(request)
    assert (record.outcome, record.rule) == (OUTCOME_REFUSED, "patient-not-signed")


def test_patient_alone_is_refused(scene: Scene) -> None:
    request = scene.apply("a1")
    scene.grant_patient(request, "ada")
    record = scene.release(request)
    assert (record.outcome, record.rule) == (OUTCOME_REFUSED, "steward-not-signed")


def test_both_roles_of_the_hospital_are_needed(scene: Scene) -> None:
    request = scene.apply("a1")
    scene.grant_patient(request, "ada")
    scene.grant_steward(request)
    assert scene.release(request).rule == "head-not-signed"


def test_both_sign_and_it_is_authorised(scene: Scene) -> None:
    request = scene.apply("a1", "b1")
    scene.grant_patient(request, "ada")
    scene.consent("bob", Provision(PERMIT))
    scene.grant_steward(request)
    scene.grant_head(request)
    record = scene.release(request)
    assert (record.outcome, record.rule, record.providers) == (OUTCOME_AUTHORISED, "", (PROVIDER,))
    assert [(one.object_id, one.rule, one.basis) for one in record.verdicts] == [
        (id16("a1"), "", "live"),
        (id16("b1"), "", "standing"),
    ]


def test_what_was_refused_for_want_of_a_signature_is_authorised_once_it_is_there(scene: Scene) -> None:
    request = scene.apply("a1")
    scene.grant_steward(request)
    scene.grant_head(request)
    assert scene.release(request).outcome == OUTCOME_REFUSED
    scene.grant_patient(request, "ada")
    assert scene.release(request).outcome == OUTCOME_AUTHORISED


def test_one_missing_patient_does_not_hold_back_the_others(scene: Scene) -> None:
    request = signed_by_all(scene, "a1", "b1")
    record = scene.release(request)
    assert record.outcome == OUTCOME_AUTHORISED
    assert [one.rule for one in record.verdicts] == ["", "patient-not-signed"]


def test_another_purpose_than_the_policy_permits_is_refused(scene: Scene) -> None:
    scene.anchor(pointer("a2", scene.handle("ada")), policy=UsePolicy("DS", (), "MONDO:1"))
    request = signed_by_all(scene, "a2")
    assert scene.release(request).rule == "purpose-not-permitted"


def test_the_same_objects_are_free_for_the_purpose_they_permit(scene: Scene) -> None:
    scene.anchor(pointer("a2", scene.handle("ada")), policy=UsePolicy("DS", (), "MONDO:1"))
    request = scene.apply("a2", purpose=Purpose("DS", "MONDO:1"))
    scene.grant_patient(request, "ada")
    scene.grant_steward(request)
    scene.grant_head(request)
    assert scene.release(request).outcome == OUTCOME_AUTHORISED


def test_an_expired_application_is_refused_by_block_time(scene: Scene) -> None:
    request = signed_by_all(scene, "a1")
    record = scene.release(request, time_ms=scene.chain.now_ms + 2 * DAY_MS)
    assert (record.outcome, record.rule) == (OUTCOME_REFUSED, "application-expired")


def test_a_withdrawn_application_is_refused_even_after_a_release(scene: Scene) -> None:
    request = signed_by_all(scene, "a1")
    assert scene.release(request).outcome == OUTCOME_AUTHORISED
    scene.withdraw(request)
    record = scene.release(request)
    assert (record.outcome, record.rule) == (OUTCOME_REFUSED, "request-withdrawn")
    assert scene.chain.run(scene.project(), Withdraw(request, "project", 0, "")).code == "already-done"


WITHDRAWALS = {
    "patient": ("patient-not-signed", Withdraw(b"", "patient", 0, "")),
    "steward": ("steward-not-signed", Withdraw(b"", "steward", PROVIDER, "")),
    "head": ("head-not-signed", Withdraw(b"", "head", PROVIDER, DEPARTMENT)),
}


@pytest.mark.parametrize("role", WITHDRAWALS)
def test_a_decision_that_is_taken_back_no_longer_counts(scene: Scene, role: str) -> None:
    request = signed_by_all(scene, "a1")
    rule, template = WITHDRAWALS[role]
    actor = {"patient": scene.patients["ada"], "steward": scene.steward, "head": scene.head}[role]
    scene.chain.must(actor, Withdraw(request, template.role, template.member, template.department))
    assert scene.release(request).rule == rule
    number, slug, handle = template.member, template.department, b""
    if role == "patient":
        handle = scene.handle("ada")
    assert view.grant(scene.chain.state, request, role, handle=handle, number=number, slug=slug) is None


def test_a_denial_replaces_a_permit_and_the_other_way_round(scene: Scene) -> None:
    request = signed_by_all(scene, "a1")
    for grant, rule in (
        (lambda decision: scene.grant_patient(request, "ada", decision), "patient-denied"),
        (lambda decision: scene.grant_steward(request, decision), "steward-denied"),
        (lambda decision: scene.grant_head(request, decision), "head-denied"),
    ):
        assert_denies(scene, request, grant, rule)


def assert_denies(scene: Scene, request: bytes, grant: Callable[[str], object], rule: str) -> None:
    grant(DENY)
    assert scene.release(request).rule == rule
    grant(PERMIT)
    assert scene.release(request).outcome == OUTCOME_AUTHORISED


def test_a_grant_for_some_objects_covers_no_others(scene: Scene) -> None:
    scene.anchor(pointer("a2", scene.handle("ada"), "medications"))
    request = scene.apply("a1", "a2")
    scene.grant_patient(request, "ada", objects=["a1"])
    scene.grant_steward(request)
    scene.grant_head(request)
    assert scene.verdicts(request) == {
        id16("a1"): ("", "live"),
        id16("a2"): ("patient-not-signed", ""),
    }
    scene.grant_steward(request, objects=["a2"])
    scene.grant_patient(request, "ada")
    assert scene.verdicts(request) == {
        id16("a1"): ("steward-not-signed", ""),
        id16("a2"): ("", "live"),
    }


def test_nobody_names_an_object_of_somebody_else(scene: Scene) -> None:
    request = scene.apply("a1", "b1")
    payload = scene.patient_grant(request, "ada", objects=["a1", "b1"])
    assert scene.chain.run(scene.patients["ada"], payload).code == "not-of-signer"


def test_a_request_says_whose_signatures_it_takes(scene: Scene) -> None:
    record = view.request(scene.chain.state, scene.apply("b1", "a1"))
    assert record is not None
    assert record.handles == (scene.handle("bob"), scene.handle("ada"))
    assert record.providers == (Provider(PROVIDER, DEPARTMENT),)


def test_the_decision_names_the_transactions_it_rests_on(scene: Scene) -> None:
    request = signed_by_all(scene, "a1")
    record = scene.release(request)
    request_record = view.request(scene.chain.state, request)
    assert request_record is not None
    patient = view.grant(scene.chain.state, request, "patient", handle=scene.handle("ada"))
    steward = view.grant(scene.chain.state, request, "steward", number=PROVIDER)
    head = view.grant(scene.chain.state, request, "head", number=PROVIDER, slug=DEPARTMENT)
    assert patient and steward and head
    expected = (request_record.applied, patient.granted, steward.granted, head.granted)
    assert record.rests_on == expected
    for source in expected:
        assert scene.chain.transactions[source.transaction_id][1] == source.height


def test_a_release_in_the_block_of_a_revocation_sees_it(scene: Scene) -> None:
    """Releases run last in their block: the decision follows from the state that the root commits to."""
    request = signed_by_all(scene, "a1")
    chain = scene.chain
    block = chain.commit(
        chain.submission(scene.project(), RequestRelease(request)),
        chain.submission(scene.patients["ada"], scene.patient_grant(request, "ada", DENY)),
    )
    assert block.codes() == ["", ""]
    assert block.kinds() == ["denied", "refused"]
    assert [one.outcome for one in block.execution.results] == [OUTCOME_REFUSED, ""]
    assert block.execution.results[0].rule == "patient-denied"


def test_a_block_decides_on_an_application_once(scene: Scene) -> None:
    request = signed_by_all(scene, "a1")
    chain = scene.chain
    asked = [chain.submission(scene.project(), RequestRelease(request)) for _ in range(2)]
    assert chain.commit(*asked).codes() == ["", "already-done"]


def test_a_block_evaluates_no_more_objects_than_it_may(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainnode.ledger.releasing.MAX_EVALUATED_OBJECTS", 3)
    assert transition.MAX_EVALUATED_OBJECTS > 1_000
    first, second = scene.apply("a1", "b1", name="p1"), scene.apply("a1", "b1", name="p2")
    chain = scene.chain
    block = chain.commit(
        chain.submission(scene.project("p1"), RequestRelease(first)),
        chain.submission(scene.project("p2"), RequestRelease(second)),
    )
    assert block.codes() == ["", "block-budget"]
    assert scene.release(second, "p2").outcome == OUTCOME_REFUSED


def test_share_receipts_follow_an_authorised_release_alone(scene: Scene) -> None:
    chain = scene.chain
    request = signed_by_all(scene, "a1")
    parts = digest32("parts")
    early = ShareReceipt(request, chain.height + 1, PROVIDER, "provider", REQUESTER, parts)
    assert chain.run(chain.validators[PROVIDER], early).code == "unknown-release"
    height = scene.release(request).height
    sent = ShareReceipt(request, height, PROVIDER, "provider", REQUESTER, parts)
    taken = ShareReceipt(request, height, REQUESTER, "requester", PROVIDER, parts)
    foreign = ShareReceipt(request, height, 1, "provider", REQUESTER, parts)
    astray = ShareReceipt(request, height, PROVIDER, "provider", 2, parts)
    assert chain.run(chain.validators[1], sent).code == "not-permitted"
    assert chain.run(chain.validators[1], foreign).code == "not-a-provider"
    assert chain.run(chain.validators[PROVIDER], astray).code == "not-a-provider"
    chain.must(chain.validators[PROVIDER], sent)
    chain.must(chain.validators[REQUESTER], taken)
    assert chain.run(chain.validators[PROVIDER], sent).code == "already-done"
    record = view.share(chain.state, request, height, "provider", PROVIDER, REQUESTER)
    assert record is not None and record.parts_digest == parts


def test_a_later_refusal_leaves_the_earlier_releases_receipts_possible(scene: Scene) -> None:
    chain = scene.chain
    request = signed_by_all(scene, "a1")
    height = scene.release(request).height
    scene.revoke("ada")
    record = scene.release(request)
    assert (record.outcome, record.rule) == (OUTCOME_REFUSED, "revoked")
    assert record.last_authorised_height == height
    sent = ShareReceipt(request, height, PROVIDER, "provider", REQUESTER, digest32("parts"))
    chain.must(chain.validators[PROVIDER], sent)


def test_grants_of_a_department_bind_its_own_objects_alone(scene: Scene) -> None:
    grant = Grant(scene.apply("a1"), "head", b"", PROVIDER, "surgery", PERMIT, (), b"")
    assert scene.chain.run(scene.head, grant).code == "unknown-department"
