"""Even validators who collude, all of them, cannot make a receipt that lacks a signature.

The forger here writes into the state as it likes and has every validator sign the header.
"""

from collections.abc import Callable

import pytest
from msgspec import structs

from chainnode.ledger import keys, view
from chainnode.ledger.documents import Provision
from chainnode.ledger.payloads import (
    AddDepartment,
    AttestEnrolment,
    Consent,
    Grant,
    Payload,
    ProveEnrolment,
    RequestRelease,
    Revoke,
    Withdraw,
)
from chainnode.ledger.records import (
    ConsentsRecord,
    GrantRecord,
    MemberRecord,
    ObjectVerdict,
    ReleaseRecord,
    RevocationRecord,
    Source,
)
from chainnode.ledger.transaction import SignedTransaction, TransactionBody
from consensus.codec import encode
from tests.ledger.forging import MALLORY, overwrite, replant, said_by
from tests.ledger.receipts import receipt, rule, signed_scene
from tests.ledger.scene import DEPARTMENT, PROVIDER, Scene, consent_row
from tests.ledger.world import Actor, id16


def plant(scene: Scene, signer: bytes, payload: Payload, sign: Callable[[bytes], bytes]) -> Source:
    """A transaction in the chain's store that says `signer` said `payload`."""
    body = encode(TransactionBody(1, scene.chain.chain_id, 100, id16("planted"), signer, payload))
    planted = SignedTransaction(body, sign(body))
    scene.chain.transactions[planted.id()] = (planted, 1)
    return Source(planted.id(), 1)


def without_ada() -> tuple[Scene, bytes, bytes]:
    """All have signed but Ada; her grant's name in the state."""
    scene, request = signed_scene()
    key = keys.grant(request, "patient", handle=scene.handle("ada"))
    scene.chain.write(scene.chain.state.update({key: None}, {}))
    return scene, request, key


def forged_grant(scene: Scene, source: Source, signer: bytes) -> GrantRecord:
    return GrantRecord("permit", (), b"", signer, source)


def test_a_grant_that_nobody_signed_does_not_verify(forger: None) -> None:
    scene, request, key = without_ada()
    ada = scene.patients["ada"].public
    source = plant(scene, ada, scene.patient_grant(request, "ada"), lambda _: bytes(64))
    overwrite(scene, (key, forged_grant(scene, source, ada)))
    assert scene.release(request).verdicts[0].rule == ""
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_a_grant_signed_by_another_key_does_not_verify(forger: None) -> None:
    scene, request, key = without_ada()
    mallory = Actor("mallory")
    source = plant(scene, mallory.public, scene.patient_grant(request, "ada"), mallory.sign)
    overwrite(scene, (key, forged_grant(scene, source, mallory.public)))
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_a_grant_for_another_request_does_not_count_here(forger: None) -> None:
    scene, request, key = without_ada()
    other = scene.apply("a1", name="p2")
    scene.grant_patient(other, "ada")
    record = view.grant(scene.chain.state, other, "patient", handle=scene.handle("ada"))
    assert record is not None
    overwrite(scene, (key, record))
    assert scene.release(request).verdicts[0].rule == ""
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_a_denial_cannot_be_turned_into_a_permit(forger: None) -> None:
    scene, request = signed_scene()
    scene.grant_patient(request, "ada", "deny")
    key = keys.grant(request, "patient", handle=scene.handle("ada"))
    record = view.grant(scene.chain.state, request, "patient", handle=scene.handle("ada"))
    assert record is not None
    overwrite(scene, (key, structs.replace(record, decision="permit")))
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def change_release(scene: Scene, request: bytes, change: Callable[[ReleaseRecord], ReleaseRecord]) -> bytes:
    """Let a block decide, but write another decision into its state and header."""
    record = scene.release(request)
    overwrite(scene, (keys.release(request), change(record)))
    chain = scene.chain
    chain.headers[-1] = structs.replace(chain.headers[-1], state_root=chain.state.root)
    return receipt(scene, request)


def test_a_decision_that_does_not_follow_from_the_facts_differs(forger: None) -> None:
    scene, request, _ = without_ada()

    def authorise(record: ReleaseRecord) -> ReleaseRecord:
        assert record.verdicts[0].rule == "patient-not-signed"
        all_free = tuple(ObjectVerdict(one.object_id, "", "live") for one in record.verdicts)
        return structs.replace(record, verdicts=all_free)

    assert rule(scene, change_release(scene, request, authorise)) == "verdict-differs"


@pytest.mark.parametrize(
    "change",
    [
        lambda record: structs.replace(record, rests_on=record.rests_on[:-1]),
        lambda record: structs.replace(record, providers=(0, 1)),
        lambda record: structs.replace(record, evaluator_version=2),
        lambda record: structs.replace(record, height=record.height - 1),
        lambda record: structs.replace(record, time_ms=record.time_ms + 1),
        lambda record: structs.replace(record, last_authorised_height=1),
    ],
)
def test_no_field_of_a_decision_is_taken_on_trust(
    forger: None, change: Callable[[ReleaseRecord], ReleaseRecord]
) -> None:
    scene, request = signed_scene()
    assert rule(scene, change_release(scene, request, change)) == "verdict-differs"


def test_a_hospitals_own_registrar_makes_no_patient(forger: None) -> None:
    scene, request = signed_scene()
    handle, inside = scene.handle("ada"), scene.chain.registrars[1]
    signing = said_by(scene, inside, AttestEnrolment(handle))
    record = view.patient(scene.chain.state, handle)
    assert record is not None
    overwrite(scene, (keys.patient(handle), structs.replace(record, registrar="inside", attested=signing)))
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_a_patients_key_cannot_be_exchanged(forger: None) -> None:
    scene, request, key = without_ada()
    handle, mallory = scene.handle("ada"), Actor("mallory")
    record = view.patient(scene.chain.state, handle)
    assert record is not None
    source = said_by(scene, mallory, scene.patient_grant(request, "ada"))
    overwrite(
        scene,
        (keys.patient(handle), structs.replace(record, patient_key=mallory.public)),
        (key, forged_grant(scene, source, mallory.public)),
    )
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_a_stewards_key_that_genesis_does_not_give_is_refused(forger: None) -> None:
    scene, request = signed_scene()
    mallory = Actor("mallory")
    member = view.member(scene.chain.state, PROVIDER)
    assert member is not None
    forged: MemberRecord = structs.replace(member, name="Another name")
    overwrite(scene, (keys.member(PROVIDER), forged))
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == "bad-proof"
    overwrite(scene, (keys.member(PROVIDER), structs.replace(member, steward_key=mallory.public)))
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_a_stewards_word_under_another_role_does_not_count(forger: None) -> None:
    scene, request = signed_scene()
    said = Grant(request, "head", b"", PROVIDER, "cardiology", "permit", (), b"")
    source = said_by(scene, scene.steward, said)
    key = keys.grant(request, "head", number=PROVIDER, slug="cardiology")
    overwrite(scene, (key, forged_grant(scene, source, scene.steward.public)))
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_a_decision_rests_on_transactions_of_the_right_kind(forger: None) -> None:
    scene, request = signed_scene()
    replant(scene, keys.request(request), RequestRelease(request), scene.project(), "applied")
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_a_consent_that_the_patient_did_not_give_is_refused(forger: None) -> None:
    scene, request = signed_scene()
    handle = scene.handle("bob")
    held = view.consents(scene.chain.state, handle)
    assert held is not None
    row = consent_row("invented", Provision("permit"))
    scene.chain.rows[row.digest()] = row
    invented = structs.replace(held.consents[0], provision_row=row.digest())
    overwrite(scene, (keys.consents(handle), ConsentsRecord((invented,))))
    assert scene.release(request).verdicts[1].rule == ""
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_a_consents_row_that_is_no_document_gives_nothing() -> None:
    scene, request = signed_scene()
    handle = scene.handle("bob")
    held = view.consents(scene.chain.state, handle)
    assert held is not None
    row = consent_row("odd", Provision("allow"))
    scene.chain.rows[row.digest()] = row
    odd = structs.replace(held.consents[0], provision_row=row.digest())
    overwrite(scene, (keys.consents(handle), ConsentsRecord((odd,))))
    assert scene.release(request).verdicts[1].rule == "patient-not-signed"


def test_a_consent_by_another_key_is_none(forger: None) -> None:
    scene, request = signed_scene()
    handle = scene.handle("bob")
    held = view.consents(scene.chain.state, handle)
    assert held is not None
    said = Consent(handle, held.consents[0].consent_id, held.consents[0].provision_row)
    forged = structs.replace(held.consents[0], given=said_by(scene, MALLORY, said))
    overwrite(scene, (keys.consents(handle), ConsentsRecord((forged,))))
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_a_revocation_by_another_key_is_none(forger: None) -> None:
    scene, request = signed_scene()
    handle = scene.handle("ada")
    source = said_by(scene, MALLORY, Revoke(handle, "all", b""))
    overwrite(scene, (keys.revocations(handle), RevocationRecord(structs.replace(source, height=99))))
    assert scene.release(request).verdicts[0].rule == "revoked"
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_an_application_by_another_key_is_none(forger: None) -> None:
    scene, request = signed_scene()
    replant(scene, keys.request(request), scene.application(["a1", "b1"])[0], MALLORY, "applied")
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_a_withdrawal_by_another_key_is_none(forger: None) -> None:
    scene, request = signed_scene()
    payload = Withdraw(request, "project", 0, "")
    replant(scene, keys.request(request), payload, MALLORY, "withdrawn")
    assert scene.release(request).rule == "request-withdrawn"
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


def test_a_release_that_another_key_asked_for_is_none(forger: None) -> None:
    scene, request = signed_scene()
    asked = said_by(scene, MALLORY, RequestRelease(request))

    def by_mallory(record: ReleaseRecord) -> ReleaseRecord:
        return structs.replace(record, requested=structs.replace(asked, height=record.height))

    assert rule(scene, change_release(scene, request, by_mallory)) == "bad-transaction"


def test_a_department_that_another_key_added_is_none(forger: None) -> None:
    scene, request = signed_scene()
    record = view.department(scene.chain.state, PROVIDER, DEPARTMENT)
    assert record is not None
    added = said_by(scene, MALLORY, AddDepartment(PROVIDER, DEPARTMENT, record.head_key))
    overwrite(scene, (keys.department(PROVIDER, DEPARTMENT), structs.replace(record, added=added)))
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == "bad-transaction"


@pytest.mark.parametrize("step", ["enrolled", "proven"])
def test_an_enrolment_step_by_another_key_is_none(forger: None, step: str) -> None:
    scene, request = signed_scene()
    handle = scene.handle("ada")
    record = view.patient(scene.chain.state, handle)
    assert record is not None
    payload = scene.enrolment("ada")[0] if step == "enrolled" else ProveEnrolment(handle)
    forged = structs.replace(record, **{step: said_by(scene, MALLORY, payload)})
    overwrite(scene, (keys.patient(handle), forged))
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == "bad-transaction"
