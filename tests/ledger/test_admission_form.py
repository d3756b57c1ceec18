"""What is turned away by its form alone, each input with its rule."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chainnode.ledger.admission import check_form, transaction_limit_bytes
from chainnode.ledger.documents import ConsentDocument, Provision
from chainnode.ledger.payloads import (
    AddDepartment,
    AddStudy,
    AttestEnrolment,
    Barrier,
    ClassKey,
    Consent,
    Grant,
    Payload,
    ProveEnrolment,
    Purpose,
    RequestRelease,
    Revoke,
    ShareReceipt,
    UsePolicy,
    Withdraw,
)
from chainnode.ledger.rules import Refusal
from chainnode.ledger.transaction import Row, SignedTransaction, Submission, TransactionBody
from consensus.codec import encode
from consensus.domain import signing_bytes
from tests.ledger.scene import Scene, consent_row, pointer, row
from tests.ledger.world import Actor, Chain, digest32, id16, point, quick, valid_point, verify

ACTOR = Actor("somebody")
SMALL_ORDER_POINT = bytes(32)


@dataclass
class Desk:
    """The admission of a chain at height 0."""

    chain: Chain

    def rule(self, submission: Submission | SignedTransaction, height: int = 0) -> str:
        found = check_form(
            submission,
            chain_id=self.chain.chain_id,
            height=height,
            parameters=self.chain.parameters,
            verify=verify,
            valid_point=valid_point,
        )
        return found.rule if isinstance(found, Refusal) else ""

    def payload_rule(self, payload: Payload, *rows: Row) -> str:
        return self.rule(self.chain.submission(ACTOR, payload, rows))

    def signed(self, body: bytes) -> SignedTransaction:
        return SignedTransaction(body, ACTOR.sign(signing_bytes("transaction", self.chain.chain_id, body)))

    def body(self, **changes: Any) -> bytes:
        body = TransactionBody(
            1, self.chain.chain_id, 100, id16("n"), ACTOR.public, RequestRelease(id16("r"))
        )
        return encode(structs.replace(body, **changes))


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk(Chain())


@pytest.fixture(scope="module")
def scene() -> Scene:
    scene = Scene()
    scene.enrol("ada")
    scene.anchor(pointer("a1", scene.handle("ada")))
    return scene


def test_a_good_transaction_is_taken_with_and_without_its_rows(desk: Desk, scene: Scene) -> None:
    payload, text = scene.application(["a1"])
    submission = desk.chain.submission(ACTOR, payload, [text])
    assert desk.rule(submission) == ""
    assert desk.rule(submission.transaction) == ""


def test_an_oversized_body_is_too_large(desk: Desk) -> None:
    limit = transaction_limit_bytes(desk.chain.parameters)
    assert desk.rule(desk.signed(bytes(limit + 1))) == "too-large"


def test_a_body_fits_a_smaller_batch_or_is_too_large() -> None:
    chain = Chain()
    small = Desk(Chain(parameters=structs.replace(chain.parameters, batch_bytes=4_096)))
    objects = tuple(id16(str(n)) for n in range(300))
    payload = Grant(id16("r"), "steward", b"", 0, "", "permit", objects, b"")
    assert small.payload_rule(payload) == "too-large"
    assert Desk(chain).payload_rule(payload) == ""


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x96\x01", b"\xa3abc", b"\x91" * 5_000], ids=repr)
def test_bytes_that_are_no_transaction_are_malformed(desk: Desk, body: bytes) -> None:
    assert desk.rule(desk.signed(body)) == "malformed"


@quick
@given(st.binary(max_size=300))
def test_no_garbage_gets_anything_but_a_refusal(body: bytes) -> None:
    assert Desk(Chain()).rule(SignedTransaction(body, bytes(64))) != ""


def test_trailing_bytes_are_malformed(desk: Desk) -> None:
    assert desk.rule(desk.signed(desk.body() + b"\xc0")) == "malformed"


def test_a_longer_spelling_of_the_same_body_is_not_canonical(desk: Desk) -> None:
    body = desk.body()
    assert body[1] == 1
    assert desk.rule(desk.signed(body[:1] + b"\xcc\x01" + body[2:])) == "non-canonical"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"suite": 2}, "unknown-suite"),
        ({"chain_id": digest32("elsewhere")}, "other-chain"),
        ({"valid_until_height": 0}, "malformed"),
        ({"valid_until_height": -5}, "malformed"),
        ({"nonce": bytes(15)}, "malformed"),
        ({"signer": bytes(31)}, "malformed"),
        ({"signer": Actor("another").public}, "bad-signature"),
        ({"valid_until_height": 1_001}, "validity-too-long"),
    ],
)
def test_a_wrong_envelope_is_refused(desk: Desk, changes: dict[str, Any], rule: str) -> None:
    assert desk.rule(desk.signed(desk.body(**changes))) == rule


def test_validity_ends_at_its_height(desk: Desk) -> None:
    transaction = desk.signed(desk.body(valid_until_height=100))
    assert desk.rule(transaction, height=99) == ""
    assert desk.rule(transaction, height=100) == "expired-transaction"


def test_a_transaction_signed_for_another_chain_does_not_verify_here(desk: Desk) -> None:
    body = desk.body()
    elsewhere = ACTOR.sign(signing_bytes("transaction", digest32("elsewhere"), body))
    assert desk.rule(SignedTransaction(body, elsewhere)) == "bad-signature"
    assert desk.rule(SignedTransaction(body, b"")) == "malformed"


def test_rows_must_be_exactly_those_that_are_named(desk: Desk, scene: Scene) -> None:
    payload, text = scene.application(["a1"])
    other = row("other", text.data)
    assert desk.payload_rule(payload) == "row-mismatch"
    assert desk.payload_rule(payload, other) == "row-mismatch"
    assert desk.payload_rule(payload, text, text) == "row-mismatch"
    assert desk.payload_rule(RequestRelease(id16("r")), text) == "row-mismatch"


def nested(depth: int) -> Provision:
    kind = "permit" if depth % 2 else "deny"
    return Provision(kind, provisions=(nested(depth - 1),) if depth > 1 else ())


BAD_DOCUMENTS = {
    "too deep": nested(5),
    "too many": Provision("permit", provisions=tuple(Provision("deny", actors=(n,)) for n in range(32))),
    "no such type": Provision("allow"),
    "no such purpose": Provision("permit", purposes=("ANY",)),
    "no such class": Provision("permit", classes=("genomes",)),
    "actor twice": Provision("permit", actors=(1, 1)),
    "negative actor": Provision("permit", actors=(-1,)),
    "period backwards": Provision("permit", start_ms=10, end_ms=5),
    "exception of its parent's type": Provision("permit", provisions=(Provision("permit"),)),
}


@pytest.mark.parametrize("name", BAD_DOCUMENTS)
def test_a_consent_whose_document_is_out_of_form_is_refused(desk: Desk, scene: Scene, name: str) -> None:
    assert consent_rule(desk, scene, consent_row(name, BAD_DOCUMENTS[name])) == "bad-row"


def consent_rule(desk: Desk, scene: Scene, document: Row) -> str:
    payload = Consent(scene.handle("ada"), id16("consent"), document.digest())
    return desk.payload_rule(payload, document)


def test_consents_up_to_the_limits_are_taken(desk: Desk, scene: Scene) -> None:
    wide = Provision("permit", provisions=tuple(Provision("deny", actors=(n,)) for n in range(31)))
    for name, provision in (("deep", nested(4)), ("wide", wide)):
        assert consent_rule(desk, scene, consent_row(name, provision)) == ""


@pytest.mark.parametrize(("status", "scope"), [("signed", "research"), ("active", "marketing")])
def test_a_consent_of_no_known_status_or_scope_is_refused(
    desk: Desk, scene: Scene, status: str, scope: str
) -> None:
    document = consent_row("odd", Provision("permit"), status=status, scope=scope)
    assert consent_rule(desk, scene, document) == "bad-row"


def test_rows_that_are_no_documents_are_refused(desk: Desk, scene: Scene) -> None:
    data = encode(ConsentDocument("active", "research", 0, Provision("permit")))
    assert consent_rule(desk, scene, row("garbage", b"\xc1")) == "bad-row"
    assert consent_rule(desk, scene, Row(bytes(31), data)) == "bad-row"
    assert consent_rule(desk, scene, row("large", bytes(16_385))) == "too-large"
    payload, text = scene.application(["a1"])
    for bad in (row("t", b"\x92\xa0\xa0"), row("t", text.data + b"x"), row("t", b"")):
        assert desk.payload_rule(structs.replace(payload, text_row=bad.digest()), bad) == "bad-row"


def spoiled_enrolments(scene: Scene) -> list[tuple[dict[str, Any], str]]:
    good = scene.enrolment("ada")[0].class_keys
    return [
        ({"handle": bytes(15)}, "malformed"),
        ({"patient_key": SMALL_ORDER_POINT}, "bad-key"),
        ({"patient_key": bytes(33)}, "malformed"),
        ({"class_keys": ()}, "malformed"),
        ({"class_keys": (good[0], good[0])}, "duplicate"),
        ({"class_keys": (good[0], structs.replace(good[1], point=good[0].point))}, "duplicate"),
        ({"class_keys": (ClassKey("genomes", 0, point("x")),)}, "malformed"),
        ({"class_keys": (ClassKey("conditions", -1, point("x")),)}, "malformed"),
        ({"class_keys": (ClassKey("conditions", 0, SMALL_ORDER_POINT),)}, "bad-key"),
        ({"link_row": b""}, "malformed"),
        ({"member": -1}, "malformed"),
    ]


def test_enrolments_out_of_form_are_refused(desk: Desk, scene: Scene) -> None:
    payload, link = scene.enrolment("ada")
    assert desk.payload_rule(payload, link) == ""
    for changes, rule in spoiled_enrolments(scene):
        assert desk.payload_rule(structs.replace(payload, **changes), link) == rule, changes


def test_anchors_out_of_form_are_refused(desk: Desk, scene: Scene) -> None:
    good = pointer("a1", scene.handle("ada"))
    assert desk.payload_rule(scene.anchoring([good])) == ""
    bad_pointers: list[dict[str, Any]] = [
        {"object_id": b""}, {"handle": bytes(17)}, {"data_class": "genomes"}, {"level": 0}, {"level": 6},
        {"epoch": -1}, {"root": bytes(31)}, {"length_bytes": 0}, {"commitment_dek": b""}, {"locator": b""},
        {"locator": bytes(513)},
    ]  # fmt: skip
    for changes in bad_pointers:
        assert desk.payload_rule(scene.anchoring([structs.replace(good, **changes)])) == "malformed", changes
    assert desk.payload_rule(scene.anchoring([good, good])) == "duplicate"
    assert desk.payload_rule(scene.anchoring([])) == "malformed"
    many = [pointer(str(n), scene.handle("ada")) for n in range(501)]
    assert desk.payload_rule(scene.anchoring(many[:500])) == ""
    assert desk.payload_rule(scene.anchoring(many)) == "malformed"


@pytest.mark.parametrize(
    "policy",
    [
        UsePolicy("ANY"),
        UsePolicy("GRU", ("XX",)),
        UsePolicy("GRU", ("NPU", "IRB")),
        UsePolicy("DS"),
        UsePolicy("GRU", (), "MONDO:1"),
        UsePolicy("DS", (), "M" * 65),
    ],
)
def test_a_policy_that_is_not_duo_is_refused(desk: Desk, scene: Scene, policy: UsePolicy) -> None:
    payload = scene.anchoring([pointer("a1", scene.handle("ada"))], policy)
    assert desk.payload_rule(payload) == "malformed"


def test_applications_out_of_form_are_refused(desk: Desk, scene: Scene) -> None:
    payload, text = scene.application(["a1"])
    cases: list[tuple[dict[str, Any], str]] = [
        ({"request_id": bytes(15)}, "malformed"),
        ({"project": "Lung Study"}, "malformed"),
        ({"department": "o" * 33}, "malformed"),
        ({"project_key": SMALL_ORDER_POINT}, "bad-key"),
        ({"project_sealing_key": bytes(1_215)}, "malformed"),
        ({"objects": ()}, "malformed"),
        ({"objects": (id16("a1"), id16("a1"))}, "duplicate"),
        ({"objects": tuple(id16(str(n)) for n in range(1_001))}, "malformed"),
        ({"expires_ms": 0}, "malformed"),
        ({"possession": bytes(63)}, "malformed"),
        ({"possession": bytes(64)}, "bad-possession"),
        ({"purpose": Purpose("GRU")}, "bad-possession"),
        ({"purpose": Purpose("HMB", modifiers=("IRB", "IRB"))}, "duplicate"),
        ({"request_id": id16("another request")}, "bad-possession"),
    ]
    for changes, rule in cases:
        assert desk.payload_rule(structs.replace(payload, **changes), text) == rule, changes


SHORT = [
    (AddDepartment(0, "Cardiology", ACTOR.public), "malformed"),
    (AddDepartment(0, "", ACTOR.public), "malformed"),
    (AddDepartment(0, "cardiology\n", ACTOR.public), "malformed"),
    (AddDepartment(0, "cardiology", SMALL_ORDER_POINT), "bad-key"),
    (AddStudy(0, "cardiology", "heart", bytes(1_216)), ""),
    (AddStudy(0, "cardiology", "heart", bytes(1_215)), "malformed"),
    (AddStudy(0, "cardiology", "Heart", bytes(1_216)), "malformed"),
    (AttestEnrolment(bytes(15)), "malformed"),
    (ProveEnrolment(b""), "malformed"),
    (Grant(id16("r"), "head", b"", 0, "cardiology", "permit", (), b""), ""),
    (Withdraw(id16("r"), "head", 0, "cardiology"), ""),
    (Grant(id16("r"), "patient", b"", 0, "", "permit", (), b""), "malformed"),
    (Grant(id16("r"), "patient", id16("h"), 1, "", "permit", (), b""), "malformed"),
    (Grant(id16("r"), "steward", id16("h"), 0, "", "permit", (), b""), "malformed"),
    (Grant(id16("r"), "steward", b"", 0, "cardiology", "permit", (), b""), "malformed"),
    (Grant(id16("r"), "head", b"", 0, "", "permit", (), b""), "malformed"),
    (Grant(id16("r"), "nurse", b"", 0, "", "permit", (), b""), "malformed"),
    (Grant(id16("r"), "steward", b"", 0, "", "maybe", (), b""), "malformed"),
    (Grant(id16("r"), "steward", b"", 0, "", "permit", (id16("a"), id16("a")), b""), "duplicate"),
    (Grant(id16("r"), "steward", b"", 0, "", "permit", (b"a",), b""), "malformed"),
    (Grant(id16("r"), "steward", b"", 0, "", "permit", (), b"short"), "malformed"),
    (Revoke(id16("h"), "all", b"x"), "malformed"),
    (Revoke(id16("h"), "class", b"genomes"), "malformed"),
    (Revoke(id16("h"), "request", bytes(15)), "malformed"),
    (Revoke(id16("h"), "some", b""), "malformed"),
    (Withdraw(id16("r"), "project", 1, ""), "malformed"),
    (Withdraw(id16("r"), "registrar", 0, ""), "malformed"),
    (ShareReceipt(id16("r"), 0, 0, "provider", 1, bytes(32)), "malformed"),
    (ShareReceipt(id16("r"), 1, 0, "witness", 1, bytes(32)), "malformed"),
    (ShareReceipt(id16("r"), 1, 0, "provider", 1, b""), "malformed"),
    (Barrier(0), ""),
    (Barrier(-1), "malformed"),
    (Barrier(65_537), "malformed"),
]


@pytest.mark.parametrize(("payload", "rule"), SHORT, ids=lambda item: str(item)[:60])
def test_short_payloads_are_refused_where_out_of_form(desk: Desk, payload: Payload, rule: str) -> None:
    assert desk.payload_rule(payload) == rule
