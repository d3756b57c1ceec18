"""Receipts prove a decision from the genesis document alone; whatever is changed in one breaks it."""

import random
from functools import cache

import pytest

from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.payloads import DENY, PERMIT, Provision
from chainnode.ledger.receipt import attach_certificate, build_receipt_body
from chainnode.ledger.records import OUTCOME_AUTHORISED, OUTCOME_REFUSED
from chainnode.ledger.verification import Report, verify_receipt
from tests.ledger.scene import Scene, pointer
from tests.ledger.world import verify


def receipt(scene: Scene, request: bytes) -> bytes:
    chain = scene.chain

    def stored(id_: bytes):  # type: ignore[no-untyped-def]
        found = chain.transactions.get(id_)
        return found[0] if found else None

    body = build_receipt_body(
        chain.state, chain.headers[-1], request, transactions=stored, rows=chain.rows.get
    )
    return attach_certificate(body, chain.certificate())


def check(scene: Scene, data: bytes) -> Report:
    return verify_receipt(data, scene.chain.founding, verify=verify)


@cache
def authorised() -> tuple[Scene, bytes, bytes]:
    scene = Scene()
    scene.enrol("ada", "bob")
    scene.anchor(pointer("a1", scene.handle("ada")), pointer("b1", scene.handle("bob")))
    request = scene.apply("a1", "b1")
    scene.grant_patient(request, "ada")
    scene.consent(
        "bob", Provision(PERMIT, actors=(3,), provisions=(Provision(DENY, classes=("allergies",)),))
    )
    scene.grant_steward(request)
    scene.grant_head(request)
    assert scene.release(request).outcome == OUTCOME_AUTHORISED
    return scene, request, receipt(scene, request)


def test_receipt_of_an_authorised_release_verifies() -> None:
    scene, request, data = authorised()
    report = check(scene, data)
    assert (report.release.outcome, report.release.request_id) == (OUTCOME_AUTHORISED, request)
    assert [one.basis for one in report.release.verdicts] == ["live", "standing"]
    assert report.header == scene.chain.headers[-1]


def test_receipt_of_a_refusal_proves_the_missing_signature() -> None:
    scene = Scene()
    scene.enrol("ada")
    scene.anchor(pointer("a1", scene.handle("ada")))
    request = scene.apply("a1")
    scene.grant_steward(request)
    scene.grant_head(request)
    scene.release(request)
    report = check(scene, receipt(scene, request))
    assert (report.release.outcome, report.release.rule) == (OUTCOME_REFUSED, "patient-not-signed")


def test_every_sampled_flipped_byte_breaks_the_receipt() -> None:
    scene, _, data = authorised()
    rng = random.Random(7)
    for at in rng.sample(range(len(data)), 600):
        spoiled = bytearray(data)
        spoiled[at] ^= 1 << rng.randrange(8)
        with pytest.raises(VerificationError):
            check(scene, bytes(spoiled))
