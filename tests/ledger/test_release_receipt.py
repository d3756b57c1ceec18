"""Receipts prove a decision from the genesis document alone; whatever is changed in one breaks it."""

import random
from typing import Any

import cbor2
import pytest
from msgspec import structs

from chainnode.ledger.documents import Provision
from chainnode.ledger.payloads import PERMIT, RequestRelease
from chainnode.ledger.records import OUTCOME_AUTHORISED, OUTCOME_REFUSED
from chainnode.ledger.verification import verify_receipt
from consensus.codec import encode
from consensus.messages import Vote
from genesis import cbor
from tests.ledger.receipts import authorised, receipt, rule, signed_scene, taken_apart
from tests.ledger.scene import DAY_MS, Scene, pointer
from tests.ledger.world import Chain, digest32, verify


def refused(scene: Scene, request: bytes, expected: str) -> bytes:
    data = receipt(scene, request)
    report = verify_receipt(data, scene.chain.founding, verify=verify)
    assert (report.release.outcome, report.release.rule) == (OUTCOME_REFUSED, expected)
    return data


def test_receipt_of_an_authorised_release_verifies() -> None:
    scene, request, data = authorised()
    report = verify_receipt(data, scene.chain.founding, verify=verify)
    assert (report.release.outcome, report.release.request_id) == (OUTCOME_AUTHORISED, request)
    assert [one.basis for one in report.release.verdicts] == ["live", "standing"]
    assert report.header == scene.chain.headers[-1]
    titles = ["chain", "certificate", "state", "transactions", "keys", "enrolments", "objects", "decision"]
    assert [check.title for check in report.checks] == titles


def test_receipts_are_the_same_on_every_node() -> None:
    scene, request = signed_scene()
    scene.release(request)
    assert receipt(scene, request) == authorised()[2]


def test_receipt_of_hospital_alone_proves_the_patients_silence() -> None:
    scene = Scene()
    scene.enrol("ada")
    scene.anchor(pointer("a1", scene.handle("ada")))
    request = scene.apply("a1")
    scene.grant_steward(request)
    scene.grant_head(request)
    scene.release(request)
    refused(scene, request, "patient-not-signed")


def test_receipt_of_patient_alone_proves_the_hospitals_silence() -> None:
    scene = Scene()
    scene.enrol("ada")
    scene.anchor(pointer("a1", scene.handle("ada")))
    request = scene.apply("a1")
    scene.grant_patient(request, "ada")
    scene.release(request)
    refused(scene, request, "steward-not-signed")


def test_receipts_follow_withdrawal_revocation_and_expiry() -> None:
    scene, request = signed_scene()
    scene.revoke("ada")
    scene.revoke("bob", "class", b"conditions")
    scene.release(request)
    refused(scene, request, "revoked")
    scene.release(request, time_ms=scene.chain.now_ms + 2 * DAY_MS)
    refused(scene, request, "application-expired")
    scene.withdraw(request)
    scene.release(request)
    refused(scene, request, "request-withdrawn")


def test_receipts_follow_revocations_of_a_consent_and_of_a_request() -> None:
    scene, request = signed_scene()
    scene.revoke("ada", "request", request)
    consent_id = scene.consent("ada", Provision(PERMIT, actors=(1,)))
    scene.revoke("ada", "consent", consent_id)
    scene.release(request)
    report = verify_receipt(receipt(scene, request), scene.chain.founding, verify=verify)
    assert [one.rule for one in report.release.verdicts] == ["revoked", ""]


def test_receipts_hold_each_revocation_of_everything_that_ended_a_consent() -> None:
    scene, request = signed_scene()
    scene.revoke("bob")
    scene.consent("bob", Provision(PERMIT, actors=(3,)), "c2")
    scene.revoke("bob")
    scene.consent("bob", Provision(PERMIT, actors=(1,)), "c3")
    scene.release(request)
    report = verify_receipt(receipt(scene, request), scene.chain.founding, verify=verify)
    assert [one.rule for one in report.release.verdicts] == ["", "revoked"]
    scene.consent("bob", Provision(PERMIT, actors=(3,)), "c4")
    scene.release(request)
    report = verify_receipt(receipt(scene, request), scene.chain.founding, verify=verify)
    assert [one.rule for one in report.release.verdicts] == ["", ""]


def test_a_receipt_cannot_be_made_at_another_height_than_the_decisions() -> None:
    scene, request = signed_scene()
    scene.release(request)
    header = scene.chain.headers[-1]
    scene.revoke("ada")
    with pytest.raises(AssertionError):
        receipt(scene, request)
    assert header.height == scene.chain.height - 1


def test_every_flipped_byte_breaks_a_refusals_receipt() -> None:
    scene = Scene()
    scene.enrol("ada")
    scene.anchor(pointer("a1", scene.handle("ada")))
    request = scene.apply("a1")
    scene.release(request, time_ms=scene.chain.now_ms + 2 * DAY_MS)
    data = refused(scene, request, "application-expired")
    for at in range(len(data)):
        spoiled = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        assert rule(scene, spoiled) != "", at


def test_flipped_bytes_break_a_full_receipt() -> None:
    scene, _, data = authorised()
    rng = random.Random(7)
    for at in rng.sample(range(len(data)), 700):
        spoiled = data[:at] + bytes([data[at] ^ rng.randrange(1, 256)]) + data[at + 1 :]
        assert rule(scene, spoiled) != "", at


def test_a_receipt_cut_short_or_with_something_behind_it_is_malformed() -> None:
    scene, _, data = authorised()
    for spoiled in (b"", data[:1], data[:-1], data + b"\x00", data + data):
        assert rule(scene, spoiled) == "receipt-malformed"


def test_tags_other_spellings_and_other_types_are_malformed() -> None:
    scene, _, data = authorised()
    content = taken_apart(data)
    odd: list[Any] = [
        cbor2.CBORTag(55799, content),
        content | {"request": cbor2.CBORTag(24, content["request"])},
        content | {"extra": 1},
        {name: value for name, value in content.items() if name != "rows"},
        content | {"version": 2},
        content | {"version": True},
        content | {"version": 1.0},
        content | {"type": "receipt"},
        content | {"rows": None},
        content | {"header": content["header"].hex()},
        content | {"records": [[1, 2]]},
        content | {"pointers": [[b"", 0, b""]]},
        [content],
        7,
    ]
    for value in odd:
        assert rule(scene, cbor2.dumps(value, canonical=True)) == "receipt-malformed"
    assert rule(scene, cbor2.dumps(content)) in ("", "receipt-malformed")
    backwards = dict(sorted(content.items(), reverse=True))
    assert rule(scene, cbor2.dumps(backwards)) == "receipt-malformed"


def test_a_place_that_is_spelled_otherwise_is_malformed() -> None:
    scene, _, data = authorised()
    content = taken_apart(data)
    at = next(n for n, item in enumerate(content["pointers"]) if item[1] == 1)
    for place in (True, b"\x01", "1", None):
        items = list(content["pointers"])
        items[at] = [items[at][0], place, *items[at][2:]]
        assert rule(scene, cbor.encode(content | {"pointers": items})) == "receipt-malformed"


def test_a_receipt_of_another_chain_is_refused() -> None:
    scene, _, data = authorised()
    elsewhere = Scene(Chain(chain_id=digest32("elsewhere")))
    assert rule(elsewhere, data) == "wrong-chain"
    assert rule(scene, cbor.encode(taken_apart(data) | {"chain": digest32("elsewhere")})) == "wrong-chain"


def test_validators_that_genesis_does_not_name_are_refused() -> None:
    _, _, data = authorised()
    assert rule(Scene(Chain(members=5)), data) == "unknown-validators"


def spoiled_certificates(scene: Scene) -> list[bytes]:
    chain = scene.chain
    header, good = chain.headers[-1], chain.certificate()
    votes = good.votes
    forged = Vote(3, votes[0].signature)
    stranger = Vote(4, votes[0].signature)
    certificates = [
        structs.replace(good, votes=votes[:2]),
        structs.replace(good, votes=(votes[0], votes[0], votes[1])),
        structs.replace(good, votes=(votes[1], votes[0], votes[2])),
        structs.replace(good, votes=(*votes[:2], forged)),
        structs.replace(good, votes=(*votes, stranger)),
        structs.replace(good, height=header.height - 1),
        structs.replace(good, epoch=1),
        structs.replace(good, header_hash=chain.headers[-2].hash()),
        chain.certificate(chain.headers[-2]),
    ]
    return [encode(one) for one in certificates]


def test_only_a_quorums_votes_on_this_header_are_a_certificate() -> None:
    scene, _, data = authorised()
    content = taken_apart(data)
    for certificate in spoiled_certificates(scene):
        assert rule(scene, cbor.encode(content | {"certificate": certificate})) == "bad-certificate"
    more = encode(scene.chain.certificate(voters=4))
    assert rule(scene, cbor.encode(content | {"certificate": more})) == ""


LEFT_OUT = {
    "transactions": "missing-fact",
    "records": "missing-fact",
    "nodes": "bad-proof",
    "buckets": "bad-proof",
    "pointers": "missing-fact",
    "rows": "verdict-differs",
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_nothing_may_be_left_out_doubled_added_or_moved(name: str) -> None:
    scene, _, data = authorised()
    content = taken_apart(data)
    items: list[Any] = content[name]
    for at in range(len(items)):
        shorter = content | {name: items[:at] + items[at + 1 :]}
        assert rule(scene, cbor.encode(shorter)) == LEFT_OUT[name]
    assert rule(scene, cbor.encode(content | {name: [*items, items[0]]})) == "receipt-not-minimal"
    if len(items) > 1:
        moved = [items[1], items[0], *items[2:]]
        assert rule(scene, cbor.encode(content | {name: moved})) == "receipt-not-minimal"


def test_an_entry_under_another_name_is_superfluous() -> None:
    scene, _, data = authorised()
    content = taken_apart(data)
    added = content["records"] + [[b"grant/other", b"x"]]
    assert rule(scene, cbor.encode(content | {"records": added})) == "receipt-not-minimal"


def test_a_decision_on_another_request_is_not_the_one_asked_for() -> None:
    scene, _, data = authorised()
    other = cbor.encode(taken_apart(data) | {"request": bytes(16)})
    assert rule(scene, other) in ("bad-proof", "missing-fact")


def test_two_releases_of_one_block_have_a_receipt_each() -> None:
    scene, first = signed_scene()
    second = scene.apply("a1", name="p2")
    chain = scene.chain
    chain.commit(
        chain.submission(scene.project("p1"), RequestRelease(first)),
        chain.submission(scene.project("p2"), RequestRelease(second)),
    )
    assert rule(scene, receipt(scene, first)) == ""
    refused(scene, second, "patient-not-signed")
