"""Data is released when hospital and patient both signed, and only then."""

import pytest

from chainnode.ledger.payloads import PERMIT, Provision
from chainnode.ledger.records import OUTCOME_AUTHORISED, OUTCOME_REFUSED
from tests.ledger.scene import Scene, pointer
from tests.ledger.world import id16


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.enrol("ada", "bob")
    scene.anchor(pointer("a1", scene.handle("ada")), pointer("b1", scene.handle("bob")))
    return scene


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
    assert (record.outcome, record.rule, record.providers) == (OUTCOME_AUTHORISED, "", (0,))
    assert [(one.object_id, one.rule, one.basis) for one in record.verdicts] == [
        (id16("a1"), "", "live"),
        (id16("b1"), "", "standing"),
    ]
