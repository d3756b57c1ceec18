"""The feature `consent-2` on a chain: nothing of it before its height, all of it from there on."""

import pytest
from msgspec import structs

from chainnode.ledger import keys, view
from chainnode.ledger.admission import check_state
from chainnode.ledger.diseases import DiseaseTree, below, feature_name, read_tree, tree
from chainnode.ledger.documents import ConsentDocument2, Provision, Provision2
from chainnode.ledger.features import CONSENT_2, known
from chainnode.ledger.networkrecords import DiseaseTerm
from chainnode.ledger.payloads import DENY, PERMIT, Consent, PublishDiseases, Purpose, UsePolicy
from chainnode.ledger.rows import decode_consent
from chainnode.ledger.rules import Refusal, RefusedError
from chainnode.ledger.transaction import TransactionBody
from consensus.codec import decode, encode
from tests.ledger.changing import agree
from tests.ledger.receipts import receipt, rule
from tests.ledger.scene import Scene, consent_row, pointer, row
from tests.ledger.world import Chain, id16

TERMS = (DiseaseTerm("cancer", ()), DiseaseTerm("gout", ()), DiseaseTerm("lung", ("cancer",)))
TREE = encode(DiseaseTree("tests", "1", TERMS))
WIDE = Provision2(PERMIT, levels=(3,), provisions=(Provision2(DENY, codes=("http://loinc.org|1",)),))


def scene(*features: str, policy: UsePolicy = UsePolicy("GRU")) -> Scene:
    made = Scene(Chain())
    made.enrol("ada")
    for name in features:
        agree(made.chain, name)
    made.anchor(pointer("a1", made.handle("ada")), policy=policy)
    return made


def asked(scene: Scene, purpose: Purpose = Purpose("HMB"), objects: tuple[str, ...] = ()) -> bytes:
    request = scene.apply("a1", purpose=purpose)
    scene.grant_steward(request)
    scene.grant_head(request, objects=objects)
    return request


def outcome(scene: Scene, request: bytes) -> tuple[int, str]:
    record = scene.release(request)
    assert rule(scene, receipt(scene, request)) == ""
    return record.evaluator_version, record.verdicts[0].rule or record.verdicts[0].basis


def test_before_its_height_a_consent_of_the_second_form_says_nothing_and_no_node_takes_it() -> None:
    early = scene()
    early.consent("ada", Provision2(PERMIT))
    assert outcome(early, asked(early)) == (1, "patient-not-signed")
    document = consent_row("another", WIDE)
    payload = Consent(early.handle("ada"), id16("another"), document.digest())
    submission = early.chain.submission(early.patients["ada"], payload, [document])
    body = decode(submission.transaction.body, TransactionBody, limit_bytes=100_000)
    refusal = check_state(body, early.chain.state, early.chain.context(), {document.digest(): document}.get)
    assert isinstance(refusal, Refusal) and refusal.rule == "feature-not-in-force"


def test_from_its_height_on_it_counts_and_so_do_those_of_the_first_form() -> None:
    later = scene(CONSENT_2)
    later.consent("ada", Provision(PERMIT))
    assert outcome(later, asked(later)) == (2, "standing")
    later.consent("ada", Provision2(DENY, levels=(3,)), "c2")
    request = id16("request p1")
    assert outcome(later, request) == (2, "patient-denied")


def test_what_turns_on_codes_waits_until_the_head_names_the_object() -> None:
    later = scene(CONSENT_2)
    later.consent("ada", WIDE)
    request = asked(later)
    assert outcome(later, request) == (2, "content-not-decided")
    later.grant_head(request, objects=["a1"])
    assert outcome(later, request) == (2, "standing")
    later.consent("ada", WIDE, "said later than the head looked")
    later.revoke("ada", "consent", id16("consent ada c1"))
    assert outcome(later, request) == (2, "content-not-decided")


def test_a_decision_keeps_the_version_that_made_it_and_cannot_claim_another() -> None:
    old = scene()
    old.consent("ada", Provision(PERMIT))
    request = asked(old)
    assert outcome(old, request) == (1, "standing")
    held = view.release(old.chain.state, request)
    assert held is not None
    for version in (0, 2, 3):
        forged = structs.replace(held, evaluator_version=version)
        old.chain.write(old.chain.state.update({keys.release(request): encode(forged)}, {}))
        with pytest.raises(AssertionError):
            receipt(old, request)
    old.chain.write(old.chain.state.update({keys.release(request): encode(held)}, {}))
    agree(old.chain, CONSENT_2)
    assert outcome(old, request) == (2, "standing")


def test_a_tree_of_diseases_is_published_once_the_validators_agreed_on_that_very_file() -> None:
    chain = scene(CONSENT_2).chain
    payload = PublishDiseases(2, TREE)
    assert chain.run(chain.stewards[2], payload).code == "feature-not-in-force"
    agree(chain, feature_name(TREE))
    assert chain.run(chain.stewards[1], payload).code == "not-permitted"
    other = encode(DiseaseTree("tests", "2", TERMS))
    assert chain.run(chain.stewards[2], PublishDiseases(2, other)).code == "feature-not-in-force"
    chain.must(chain.stewards[2], payload)
    assert chain.run(chain.stewards[0], PublishDiseases(0, TREE)).code == "already-done"
    assert below(tree(chain.state), "lung", "cancer") and not below(tree(chain.state), "cancer", "lung")
    assert known(feature_name(TREE)) and not known("ds-something-else")


def test_with_a_tree_what_lies_below_a_disease_is_covered_and_the_receipt_shows_it() -> None:
    sick = scene(CONSENT_2, feature_name(TREE), policy=UsePolicy("DS", (), "cancer"))
    sick.consent("ada", Provision2(PERMIT, purposes=("DS:cancer",)))
    request = asked(sick, Purpose("DS", "lung"))
    assert outcome(sick, request) == (2, "purpose-not-permitted")
    sick.chain.must(sick.chain.stewards[2], PublishDiseases(2, TREE))
    assert outcome(sick, request) == (2, "standing")


@pytest.mark.parametrize(
    "terms",
    [
        (),
        (DiseaseTerm("b", ()), DiseaseTerm("a", ())),
        (DiseaseTerm("a", ()), DiseaseTerm("a", ())),
        (DiseaseTerm("a", ("b",)),),
        (DiseaseTerm("a", ("a",)),),
        (DiseaseTerm("a", ("b",)), DiseaseTerm("b", ("a",))),
        (DiseaseTerm("a", ()), DiseaseTerm("b", ("a", "a"))),
        (DiseaseTerm("", ()),),
        (DiseaseTerm("x" * 65, ()),),
    ],
)
def test_a_tree_of_another_form_is_refused(terms: tuple[DiseaseTerm, ...]) -> None:
    for document in (encode(DiseaseTree("t", "1", terms)), b"", encode(("t", "1"))):
        with pytest.raises(RefusedError) as caught:
            read_tree(document)
        assert caught.value.refusal.rule == "bad-diseases"


def test_modifiers_that_came_later_need_the_feature() -> None:
    early = scene()
    fresh = early.anchoring([pointer("a9", early.handle("ada"))], UsePolicy("GRU", ("PUB",)))
    assert early.chain.run(early.chain.validators[0], fresh).code == "feature-not-in-force"
    payload, text = early.application(["a1"], purpose=Purpose("HMB", modifiers=("PUB",)))
    assert early.chain.run(early.requesting_head, payload, [text]).code == "feature-not-in-force"
    agree(early.chain, CONSENT_2)
    early.chain.must(early.chain.validators[0], fresh)
    early.chain.must(early.requesting_head, payload, [text])


@pytest.mark.parametrize(
    "provision",
    [
        Provision2(PERMIT, levels=(0,)),
        Provision2(PERMIT, levels=(6,)),
        Provision2(PERMIT, levels=(1, 1)),
        Provision2(PERMIT, codes=("",)),
        Provision2(PERMIT, codes=("x" * 129,)),
        Provision2(PERMIT, codes=tuple(f"s|{n}" for n in range(65))),
        Provision2(PERMIT, data_start_ms=2, data_end_ms=1),
        Provision2(PERMIT, purposes=("DS:",)),
        Provision2(PERMIT, purposes=("DS:" + "x" * 65,)),
        Provision2(PERMIT, purposes=("HMB:x",)),
        Provision2(PERMIT, provisions=(Provision2(PERMIT),)),
        Provision(PERMIT, purposes=("DS:cancer",)),
    ],
)
def test_a_consent_of_another_form_is_refused(provision: Provision | Provision2) -> None:
    with pytest.raises(RefusedError) as caught:
        decode_consent(consent_row("bad", provision))
    assert caught.value.refusal.rule == "bad-row"


def test_forms_are_told_apart_by_their_bytes() -> None:
    for provision in (Provision(PERMIT), WIDE):
        assert decode_consent(consent_row("good", provision)).provision == provision
    frozen = "95a9636f6e73656e742d32a6616374697665a8726573656172636800"
    bare = ConsentDocument2("active", "research", 0, Provision2(PERMIT))
    assert encode(bare).hex() == frozen + "9ba67065726d6974909090000090900000" + "90"
    with pytest.raises(RefusedError):
        decode_consent(row("odd", encode(("consent-3", "active", "research", 0, WIDE))))
