"""Answers on a consent: what stands at a height, and the proof that there is nothing."""

from typing import Any

import pytest

from chainnode.ledger.answer import ConsentAnswer, verify_answer
from chainnode.ledger.documents import Provision
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.payloads import DENY, PERMIT
from genesis import cbor
from tests.ledger.proofs import answer_of
from tests.ledger.releases import stories
from tests.ledger.scene import Scene, pointer
from tests.ledger.world import id16, verify

NOBODY = id16("nobody")


def asked(scene: Scene, name: str, request: bytes = b"") -> ConsentAnswer:
    return verify_answer(answer_of(scene, name, request), scene.chain.founding, verify=verify)


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.enrol("ada", "bob")
    made.anchor(pointer("a1", made.handle("ada")), pointer("b1", made.handle("bob")))
    return made


def test_it_is_proven_that_nobody_is_enrolled_and_nothing_was_given(scene: Scene) -> None:
    answer = verify_answer(answer_of(scene, "nobody"), scene.chain.founding, verify=verify)
    assert (answer.enrolment, answer.consents, answer.none) == (None, (), True)
    assert (answer.header.height, answer.header.time_ms) == (
        scene.chain.height,
        scene.chain.headers[-1].time_ms,
    )


def test_it_is_proven_that_a_patient_has_given_nothing(scene: Scene) -> None:
    scene.consent("bob", Provision(PERMIT))
    answer = asked(scene, "ada")
    assert answer.enrolment is not None and answer.none and not answer.consents


def test_a_standing_consent_stands_until_it_is_revoked(scene: Scene) -> None:
    consent_id = scene.consent("ada", Provision(PERMIT))
    assert [one.consent_id for one in asked(scene, "ada").standing] == [consent_id]
    assert not asked(scene, "ada").none
    scene.revoke("ada", "consent", consent_id)
    answer = asked(scene, "ada")
    assert answer.none and [one.revoked.height for one in answer.consents] == [scene.chain.height]


def test_the_answer_to_an_application_is_proven_and_that_there_is_none(scene: Scene) -> None:
    request = scene.apply("a1")
    assert asked(scene, "ada", request).grant is None and asked(scene, "ada", request).none
    assert asked(scene, "ada", NOBODY).application is None
    scene.grant_patient(request, "ada", DENY)
    assert asked(scene, "ada", request).none
    scene.grant_patient(request, "ada")
    assert asked(scene, "ada", request).live and not asked(scene, "ada", request).none
    assert asked(scene, "ada").none, "without the application nobody looked at its answer"
    for scope, target in (("request", request), ("all", b"")):
        scene.revoke("ada", scope, target)
        answer = asked(scene, "ada", request)
        assert (
            answer.none and max(answer.taken_back.height, answer.revocations.all.height) == scene.chain.height
        )
        scene.grant_patient(request, "ada")
        assert not asked(scene, "ada", request).none


def test_answers_verify_in_later_epochs() -> None:
    for story in stories()[:10:5]:
        assert story.scene.chain.headers[-1].epoch > 0
        asked(story.scene, "ada")


def refused(scene: Scene, data: bytes) -> str:
    with pytest.raises(VerificationError) as error:
        verify_answer(data, scene.chain.founding, verify=verify)
    return error.value.rule


def test_no_byte_of_an_answer_can_be_another(scene: Scene) -> None:
    request = scene.apply("a1")
    scene.consent("ada", Provision(PERMIT))
    scene.grant_patient(request, "ada")
    data = answer_of(scene, "ada", request)
    for at in range(0, len(data), 5):
        refused(scene, data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])


def test_what_stands_cannot_be_left_out_nor_be_anothers(scene: Scene) -> None:
    scene.consent("ada", Provision(PERMIT))
    stands: dict[str, Any] = taken_apart(answer_of(scene, "ada"))
    none: dict[str, Any] = taken_apart(answer_of(scene, "bob"))
    for at in range(len(stands["records"])):
        less = stands["records"][:at] + stands["records"][at + 1 :]
        assert refused(scene, cbor.encode(stands | {"records": less})) == "missing-fact"
    for section in ("handle", "records", "nodes", "buckets"):
        refused(scene, cbor.encode(stands | {section: none[section]}))
    twice = stands | {"nodes": [*stands["nodes"], none["nodes"][-1]]}
    assert refused(scene, cbor.encode(twice)) == "receipt-not-minimal"
    old = stands["header"], stands["certificate"]
    scene.revoke("ada")
    newer = taken_apart(answer_of(scene, "ada"))
    mixed = newer | {"header": old[0], "certificate": old[1]}
    assert refused(scene, cbor.encode(mixed)) in ("bad-proof", "missing-fact")


def taken_apart(data: bytes) -> dict[str, Any]:
    found = cbor.decode(data, limit_bytes=1 << 20)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    "changes", [{"version": 2}, {"type": "answer"}, {"handle": b"x"}, {"request": b"x"}, {"above": 1}]
)
def test_another_form_is_refused(scene: Scene, changes: dict[str, Any]) -> None:
    content = taken_apart(answer_of(scene, "ada"))
    assert refused(scene, cbor.encode(content | changes)) == "bad-answer"
