"""Standing consents, revocations, and what a later application gets."""

import pytest

from chainnode.ledger import consenting, view
from chainnode.ledger.documents import Provision
from chainnode.ledger.payloads import DENY, PERMIT, AttestEnrolment, Consent, ProveEnrolment, Revoke
from tests.ledger.scene import PROVIDER, Scene, consent_row, pointer
from tests.ledger.world import Actor, id16


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.enrol("ada")
    scene.anchor(
        pointer("a1", scene.handle("ada"), "conditions"), pointer("a2", scene.handle("ada"), "medications")
    )
    return scene


def granted_by_hospital(scene: Scene, name: str = "p1") -> bytes:
    request = scene.apply("a1", "a2", name=name)
    scene.grant_steward(request)
    scene.grant_head(request)
    return request


def rules(scene: Scene, request: bytes, name: str = "p1") -> list[str]:
    return [rule or basis for rule, basis in scene.verdicts(request, name).values()]


def test_a_standing_consent_covers_objects_and_applications_that_come_later(scene: Scene) -> None:
    scene.consent("ada", Provision(PERMIT))
    scene.anchor(pointer("a3", scene.handle("ada"), "allergies"))
    request = scene.apply("a3")
    scene.grant_steward(request)
    scene.grant_head(request)
    assert rules(scene, request) == ["standing"]


def test_a_consent_with_exceptions_covers_what_they_leave(scene: Scene) -> None:
    exception = Provision(DENY, classes=("medications",))
    scene.consent("ada", Provision(PERMIT, actors=(3,), provisions=(exception,)))
    assert rules(scene, granted_by_hospital(scene)) == ["standing", "patient-denied"]


def test_a_consent_for_another_hospital_is_none(scene: Scene) -> None:
    scene.consent("ada", Provision(PERMIT, actors=(1, 2)))
    assert rules(scene, granted_by_hospital(scene)) == ["patient-not-signed"] * 2


def test_revoking_everything_ends_grants_and_consents(scene: Scene) -> None:
    request = granted_by_hospital(scene)
    scene.consent("ada", Provision(PERMIT))
    scene.grant_patient(request, "ada")
    assert rules(scene, request) == ["live"] * 2
    scene.revoke("ada")
    assert rules(scene, request) == ["revoked"] * 2
    assert rules(scene, granted_by_hospital(scene, "p2"), "p2") == ["revoked"] * 2


def test_revoking_a_class_leaves_the_others(scene: Scene) -> None:
    scene.consent("ada", Provision(PERMIT))
    scene.revoke("ada", "class", b"medications")
    assert rules(scene, granted_by_hospital(scene)) == ["standing", "revoked"]


def test_revoking_a_consent_leaves_the_others(scene: Scene) -> None:
    first = scene.consent("ada", Provision(PERMIT, classes=("conditions",)), "c1")
    scene.consent("ada", Provision(PERMIT, classes=("medications",)), "c2")
    scene.revoke("ada", "consent", first)
    assert rules(scene, granted_by_hospital(scene)) == ["revoked", "standing"]
    again = Revoke(scene.handle("ada"), "consent", first)
    assert scene.chain.run(scene.patients["ada"], again).code == "already-done"


def test_revoking_for_one_request_leaves_the_others(scene: Scene) -> None:
    scene.consent("ada", Provision(PERMIT))
    first, second = granted_by_hospital(scene, "p1"), granted_by_hospital(scene, "p2")
    scene.revoke("ada", "request", first)
    assert rules(scene, first, "p1") == ["revoked"] * 2
    assert rules(scene, second, "p2") == ["standing"] * 2


def test_what_is_given_after_a_revocation_counts_again(scene: Scene) -> None:
    request = granted_by_hospital(scene)
    scene.revoke("ada")
    assert rules(scene, request) == ["revoked"] * 2
    scene.grant_patient(request, "ada", objects=["a1"])
    assert rules(scene, request) == ["live", "revoked"]
    scene.consent("ada", Provision(PERMIT))
    assert rules(scene, request) == ["live", "standing"]


def test_a_grant_and_a_revocation_in_one_block_leave_the_revocation(scene: Scene) -> None:
    request = granted_by_hospital(scene)
    chain, ada = scene.chain, scene.patients["ada"]
    revocation = chain.submission(ada, Revoke(scene.handle("ada"), "all", b""))
    grant = chain.submission(ada, scene.patient_grant(request, "ada"))
    assert chain.commit(revocation, grant).codes() == ["", ""]
    assert rules(scene, request) == ["revoked"] * 2


def test_an_erased_row_is_no_consent(scene: Scene) -> None:
    scene.consent("ada", Provision(PERMIT))
    request = granted_by_hospital(scene)
    assert rules(scene, request) == ["standing"] * 2
    scene.chain.rows.pop(consent_row("adac1", Provision(PERMIT)).digest())
    assert rules(scene, request) == ["patient-not-signed"] * 2


def test_a_patient_keeps_a_bounded_number_of_consents_and_can_always_revoke(scene: Scene) -> None:
    chain, ada, handle = scene.chain, scene.patients["ada"], scene.handle("ada")
    ids = [scene.consent("ada", Provision(PERMIT), f"c{n}") for n in range(consenting.MAX_CONSENTS)]
    document = consent_row("one more", Provision(PERMIT))
    more = Consent(handle, id16("one more"), document.digest())
    assert chain.run(ada, more, [document]).code == "limit-reached"
    scene.revoke("ada", "consent", ids[4])
    chain.must(ada, more, [document])
    held = view.consents(chain.state, handle)
    assert held is not None
    expected = [one for one in ids if one != ids[4]] + [id16("one more")]
    assert [one.consent_id for one in held.consents] == expected
    scene.revoke("ada", "all")
    scene.revoke("ada", "class", b"allergies")


def test_revoking_everything_makes_room_for_as_many_consents_again(scene: Scene) -> None:
    chain, handle, count = scene.chain, scene.handle("ada"), consenting.MAX_CONSENTS
    document = consent_row("one more", Provision(PERMIT))
    more = Consent(handle, id16("one more"), document.digest())
    for turn in range(2):
        given = [scene.consent("ada", Provision(PERMIT), f"c{turn} {n}") for n in range(count)]
        assert chain.run(scene.patients["ada"], more, [document]).code == "limit-reached"
        scene.revoke("ada")
        held = view.consents(chain.state, handle)
        assert held is not None
        assert [one.consent_id for one in held.consents] == given
        assert all(one.revoked.height for one in held.consents)
    assert rules(scene, granted_by_hospital(scene)) == ["revoked"] * 2


def test_revoking_everything_takes_back_a_no_as_well_as_a_yes_and_keeps_earlier_revocations(
    scene: Scene,
) -> None:
    denied = scene.consent("ada", Provision(DENY), "no")
    scene.revoke("ada", "consent", denied)
    scene.consent("ada", Provision(DENY), "no again")
    held = view.consents(scene.chain.state, scene.handle("ada"))
    assert held is not None
    earlier = held.consents[0].revoked
    scene.revoke("ada")
    scene.consent("ada", Provision(PERMIT), "yes")
    assert rules(scene, granted_by_hospital(scene)) == ["standing"] * 2
    held = view.consents(scene.chain.state, scene.handle("ada"))
    assert held is not None
    assert [one.revoked.height > 0 for one in held.consents] == [True, True, False]
    assert held.consents[0].revoked == earlier


def test_enrolment_is_active_in_whichever_order_the_steps_come() -> None:
    scene = Scene()
    payload, link = scene.enrolment("cyd")
    chain = scene.chain
    block = chain.commit(chain.submission(chain.stewards[PROVIDER], payload, [link]))
    assert block.kinds() == ["enrolled"]
    handle = payload.handle
    proof = chain.submission(scene.patients["cyd"], ProveEnrolment(handle))
    assert chain.commit(proof).kinds() == ["proven"]
    record = view.patient(chain.state, handle)
    assert record is not None and not record.active
    attest = chain.submission(chain.registrars[0], AttestEnrolment(handle))
    assert chain.commit(attest).kinds() == ["attested", "enrolment-active"]
    record = view.patient(chain.state, handle)
    assert record is not None and record.active and record.registrar == "insurer"


def test_handles_and_keys_belong_to_one_enrolment(scene: Scene) -> None:
    payload, link = scene.enrolment("dan", member=1)
    stolen = Actor("patient ada").public
    taken = type(payload)(1, payload.handle, stolen, payload.class_keys, payload.link_row)
    assert scene.chain.run(scene.chain.stewards[1], taken, [link]).code == "key-in-use"
