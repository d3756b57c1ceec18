"""Class keys dealt to trustees: what the chain takes, what trustees may answer, what a revocation ends."""

import pytest

from chainnode.ledger import view
from chainnode.ledger.documents import Provision
from chainnode.ledger.payloads import (
    AnswerDealing,
    ClassKey,
    DealClassKeys,
    DealtKey,
    Erase,
    RenewClassKey,
    Revoke,
)
from chainnode.ledger.records import DealtRecord
from tests.ledger.scene import PROVIDER, Scene, pointer
from tests.ledger.world import Actor, Chain, digest32, id16, point

CLASSES = ("conditions", "medications")


@pytest.fixture
def scene() -> Scene:
    scene = Scene(Chain(trustee_threshold=2))
    scene.enrol("ada", "bob")
    return scene


def dealt_key(
    data_class: str = "conditions", epoch: int = 0, *, first: bytes = b"", count: int = 2
) -> DealtKey:
    first = first or point("ada" + data_class)
    rest = tuple(point(f"coefficient {n}") for n in range(1, count))
    return DealtKey(data_class, epoch, (first, *rest))


def dealing(scene: Scene, name: str = "shares", *classes: str) -> DealClassKeys:
    keys = tuple(dealt_key(one) for one in classes or CLASSES)
    return DealClassKeys(scene.handle("ada"), keys, digest32(name))


def deal(scene: Scene, name: str = "shares", *classes: str) -> None:
    scene.chain.must(scene.patients["ada"], dealing(scene, name, *classes))


def answer(scene: Scene, seat: int, said: str, name: str = "shares", by: Actor | None = None) -> str:
    payload = AnswerDealing(scene.handle("ada"), digest32(name), seat, said)
    return scene.chain.run(by or scene.chain.trustees[seat - 1], payload).code


def dealt(scene: Scene, data_class: str = "conditions") -> DealtRecord | None:
    return view.dealt(scene.chain.state, scene.handle("ada"), data_class, 0)


def revoke(scene: Scene, scope: str = "all", target: bytes = b"") -> None:
    scene.chain.must(scene.patients["ada"], Revoke(scene.handle("ada"), scope, target))


def test_a_dealing_stands_with_its_commitments(scene: Scene) -> None:
    deal(scene)
    found = dealt(scene)
    assert found is not None and found.commitments == dealt_key().commitments
    assert found.shares_digest == digest32("shares") and found.dealt.height == scene.chain.height
    assert dealt(scene, "allergies") is None


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        (dealt_key(count=3), "wrong-threshold"),
        (dealt_key(count=1), "wrong-threshold"),
        (dealt_key(first=point("bobconditions")), "not-of-class-key"),
        (dealt_key(epoch=1), "unknown-class-key"),
    ],
)
def test_a_dealing_of_something_else_than_the_class_key_is_refused(
    scene: Scene, key: DealtKey, rule: str
) -> None:
    payload = DealClassKeys(scene.handle("ada"), (key,), digest32("shares"))
    assert scene.chain.run(scene.patients["ada"], payload).code == rule


def test_only_the_patient_deals(scene: Scene) -> None:
    for other in (scene.steward, scene.patients["bob"], scene.chain.validators[PROVIDER]):
        assert scene.chain.run(other, dealing(scene)).code == "not-permitted"


def test_without_trustees_nothing_can_be_dealt() -> None:
    scene = Scene()
    scene.enrol("ada")
    assert scene.chain.run(scene.patients["ada"], dealing(scene)).code == "no-trustees"


def test_each_trustee_answers_once_and_for_itself(scene: Scene) -> None:
    deal(scene)
    assert answer(scene, 2, "holds") == ""
    assert answer(scene, 3, "complains") == ""
    assert answer(scene, 2, "complains") == answer(scene, 3, "holds") == "already-done"
    assert answer(scene, 4, "holds", by=scene.chain.trustees[1]) == "not-permitted"
    assert answer(scene, 6, "holds", by=scene.chain.trustees[1]) == "unknown-trustee"
    assert answer(scene, 4, "holds", name="other shares") == "unknown-dealing"
    for data_class in CLASSES:
        found = dealt(scene, data_class)
        assert found is not None and (found.holds, found.complains) == ((2,), (3,))


def test_a_trustee_of_the_patients_own_hospital_is_dealt_nothing(scene: Scene) -> None:
    deal(scene)
    assert answer(scene, 1, "holds") == "trustee-not-independent"


def test_a_new_dealing_takes_the_place_of_the_one_before(scene: Scene) -> None:
    deal(scene)
    assert answer(scene, 2, "holds") == ""
    deal(scene, "again", "conditions")
    found, other = dealt(scene), dealt(scene, "medications")
    assert found is not None and found.shares_digest == digest32("again") and found.holds == ()
    assert other is not None and other.holds == (2,)
    assert scene.chain.run(scene.patients["ada"], dealing(scene, "again")).code == "already-done"


def test_revoking_everything_ends_all_dealings_and_asks_for_erasure(scene: Scene) -> None:
    deal(scene)
    assert answer(scene, 2, "holds") == ""
    assert answer(scene, 2, "erased") == "dealing-stands"
    revoke(scene)
    assert dealt(scene) is None and dealt(scene, "medications") is None
    assert answer(scene, 3, "holds") == "dealing-ended"
    assert answer(scene, 2, "erased") == ""
    assert answer(scene, 2, "erased") == "already-done"
    held = view.dealings(scene.chain.state, scene.handle("ada"))
    assert held is not None and [one.erased for one in held.dealt] == [(2,), (2,)]


def test_revoking_a_class_ends_the_dealings_of_that_class(scene: Scene) -> None:
    deal(scene)
    revoke(scene, "class", b"medications")
    assert dealt(scene) is not None and dealt(scene, "medications") is None


def test_the_last_consent_that_is_revoked_ends_the_dealings(scene: Scene) -> None:
    first, second = (scene.consent("ada", Provision("permit"), name) for name in ("c1", "c2"))
    deal(scene)
    revoke(scene, "consent", first)
    assert dealt(scene) is not None
    revoke(scene, "consent", second)
    assert dealt(scene) is None


def test_what_the_patient_has_erased_ends_the_dealings_and_the_trustees_still_answer(scene: Scene) -> None:
    consent = scene.consent("ada", Provision("permit"))
    deal(scene)
    assert answer(scene, 2, "holds") == ""
    scene.chain.must(scene.patients["ada"], Erase(scene.handle("ada"), "consent", consent))
    assert dealt(scene) is None, "no consent stands any more"
    deal(scene, "again")
    assert answer(scene, 2, "holds", "again") == "" and dealt(scene) is not None
    scene.chain.must(scene.patients["ada"], Erase(scene.handle("ada"), "all", b""))
    assert dealt(scene) is None
    assert scene.chain.run(scene.patients["ada"], dealing(scene, "once more")).code == "patient-erased"
    assert answer(scene, 2, "erased", "again") == ""


def anchored(scene: Scene, name: str, epoch: int) -> str:
    one = pointer(name, scene.handle("ada"), "conditions", epoch)
    return scene.chain.run(scene.chain.validators[PROVIDER], scene.anchoring([one])).code


def renew(scene: Scene, epoch: int, name: str = "next", data_class: str = "conditions") -> str:
    payload = RenewClassKey(scene.handle("ada"), ClassKey(data_class, epoch, point(name)))
    return scene.chain.run(scene.patients["ada"], payload).code


def test_after_a_revocation_new_objects_wait_for_the_next_epochs_class_key(scene: Scene) -> None:
    assert anchored(scene, "a1", 0) == ""
    deal(scene)
    assert anchored(scene, "a2", 0) == ""
    revoke(scene)
    assert anchored(scene, "a3", 0) == "epoch-closed"
    assert renew(scene, 1) == ""
    assert anchored(scene, "a4", 0) == "old-epoch"
    assert anchored(scene, "a5", 1) == ""
    assert anchored(scene, "a6", 2) == "unknown-class-key"


def test_a_class_key_is_renewed_by_the_patient_one_epoch_at_a_time(scene: Scene) -> None:
    assert renew(scene, 2) == renew(scene, 0) == "epoch-not-next"
    assert renew(scene, 1, "adaconditions") == "key-in-use"
    payload = RenewClassKey(scene.handle("ada"), ClassKey("conditions", 1, point("next")))
    assert scene.chain.run(scene.steward, payload).code == "not-permitted"
    assert [renew(scene, epoch, f"key {epoch}") for epoch in range(1, 42)] == [""] * 40 + ["too-many-epochs"]


def test_the_key_of_every_epoch_can_be_dealt_again_with_a_later_consent(scene: Scene) -> None:
    deal(scene)
    revoke(scene)
    assert renew(scene, 1) == ""
    both = (dealt_key(), dealt_key(epoch=1, first=point("next")))
    scene.chain.must(scene.patients["ada"], DealClassKeys(scene.handle("ada"), both, digest32("later")))
    assert dealt(scene) is not None
    assert view.dealt(scene.chain.state, scene.handle("ada"), "conditions", 1) is not None


def test_a_dealing_changes_nothing_in_a_decision(scene: Scene) -> None:
    """The consent says who may; the dealing lets somebody do it. Receipts stay what they were."""
    scene.anchor(pointer("a1", scene.handle("ada"), "conditions"))
    scene.consent("ada", Provision("permit"))
    request = scene.apply("a1")
    scene.grant_steward(request)
    scene.grant_head(request)
    assert scene.verdicts(request) == {id16("a1"): ("", "standing")}
    deal(scene)
    assert scene.verdicts(request) == {id16("a1"): ("", "standing")}
