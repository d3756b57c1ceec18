"""Which provision decided, in words: on decisions of a real ledger."""

import pytest

from chainnode.cli.actions import consent_words as words
from chainnode.ledger import view
from chainnode.ledger.decision import Weighed, weigh
from chainnode.ledger.documents import Provision, Provision2
from chainnode.ledger.evaluate import version_at
from chainnode.ledger.features import CONSENT_2
from chainnode.ledger.payloads import DENY, PERMIT, Purpose, UsePolicy
from chainnode.node.api import ChainInfo
from tests.ledger.changing import agree
from tests.ledger.scene import Scene, consent_row, pointer
from tests.ledger.world import Chain, id16

MEMBERS = tuple((number, f"hospital-{number}", f"Hospital {number}") for number in range(4))
INFO = ChainInfo(b"c" * 32, "net", 0, MEMBERS, 1, 1, 1_000, b"")
GLUCOSE = "http://loinc.org|2345-7"


def scene(*, wide: bool = True, policy: UsePolicy = UsePolicy("GRU")) -> tuple[Scene, bytes]:
    made = Scene(Chain())
    made.enrol("ada")
    if wide:
        agree(made.chain, CONSENT_2)
    made.anchor(pointer("a1", made.handle("ada")), policy=policy)
    request = made.apply("a1", purpose=Purpose("HMB"))
    made.grant_steward(request)
    made.grant_head(request)
    return made, request


def weighed(made: Scene, request: bytes) -> Weighed:
    """What `consent explain` weighs, which is what the chain decides."""
    chain, record = made.chain, view.request(made.chain.state, request)
    assert record is not None
    version = version_at(chain.state, chain.height + 1)
    found = weigh(
        chain.state, chain.rows.get, request_id=request, request=record, object_id=id16("a1"),
        time_ms=chain.now_ms, version=version,
    )  # fmt: skip
    decided = made.release(request)
    assert decided.evaluator_version == version
    assert (decided.verdicts[0].rule, decided.verdicts[0].basis) == (found.verdict.rule, found.verdict.basis)
    return found


def told(found: Weighed) -> list[str]:
    return [words.consent_words(found, at, INFO) for at in range(len(found.consents))]


def test_the_exception_that_decided_is_named_by_its_place_and_in_words() -> None:
    made, request = scene()
    inner = Provision2(DENY, actors=(3,), levels=(3, 4), end_ms=1_900_000_000_000)
    root = Provision2(PERMIT, provisions=(Provision2(DENY, classes=("allergies",)), inner))
    made.consent("ada", root)
    found = weighed(made, request)
    assert words.deciding(found) == [0]
    assert words.verdict_words(found) == "refused, patient-denied: The patient said no."
    expected = "provision 2 decides: deny of level 3, 4; for hospital-3; until 2030-03-17 17:46 UTC"
    assert told(found) == [f"consent {id16('consent ada c1').hex()} of height 29: {expected}"]


def test_the_root_decides_where_no_exception_matches() -> None:
    made, request = scene(wide=False)
    made.consent("ada", Provision(PERMIT, purposes=("GRU",), provisions=(Provision(DENY, actors=(1,)),)))
    found = weighed(made, request)
    assert words.verdict_words(found) == "authorised, standing" and words.deciding(found) == [0]
    assert told(found)[0].endswith("provision root decides: permit GRU; 1 exception")


def test_content_that_nobody_vouched_for_is_named_and_then_who_vouched() -> None:
    made, request = scene()
    made.consent("ada", Provision2(PERMIT, codes=(GLUCOSE,), data_start_ms=1))
    found = weighed(made, request)
    assert found.verdict.rule == "content-not-decided" and words.deciding(found) == [0]
    assert told(found)[0].endswith(
        "codes or data periods decide and the head has not named this object since"
    )
    made.grant_head(request, objects=["a1"])
    found = weighed(made, request)
    assert told(found)[0].endswith(f"permit where the data say {GLUCOSE}; data from 1970-01-01 00:00 UTC")


@pytest.mark.parametrize(
    ("provision", "term"),
    [
        (Provision2(PERMIT, actors=(1,)), "actor"),
        (Provision2(PERMIT, classes=("allergies",)), "class"),
        (Provision2(PERMIT, levels=(5,)), "level"),
        (Provision2(PERMIT, end_ms=1), "period"),
        (Provision2(PERMIT, purposes=("DS:gout",)), "purpose"),
    ],
)
def test_a_consent_that_says_nothing_says_for_which_term(provision: Provision2, term: str) -> None:
    made, request = scene()
    made.consent("ada", provision)
    found = weighed(made, request)
    assert told(found)[0].endswith(f"says nothing, for its {term} is another one")
    assert words.deciding(found) == []
    assert words.verdict_words(found).startswith("refused, patient-not-signed: Neither a live grant")


def test_live_words_policy_and_revocation_are_told_apart_from_standing_terms() -> None:
    made, request = scene()
    made.grant_patient(request, "ada")
    live = words.verdict_words(weighed(made, request))
    assert live.startswith("authorised, live: the patient signed this application at height")
    made.grant_patient(request, "ada", DENY)
    assert "It was said of this application, at height" in words.verdict_words(weighed(made, request))
    made.consent("ada", Provision(PERMIT))
    made.revoke("ada")
    found = weighed(made, request)
    assert "The latest revocation is of height" in words.verdict_words(found)
    assert ", taken back at height" in told(found)[0]
    narrow, request = scene(policy=UsePolicy("HMB", ("IRB",)))
    refused = words.verdict_words(weighed(narrow, request))
    assert refused.endswith("Asked for HMB; the policy is HMB IRB.")


def test_terms_that_are_gone_are_named() -> None:
    made, request = scene()
    made.consent("ada", Provision(PERMIT))
    made.chain.rows.pop(consent_row("adac1", Provision(PERMIT)).digest())
    assert told(weighed(made, request))[0].endswith("says nothing")


def test_a_time_beyond_what_a_calendar_holds_is_told_as_its_end() -> None:
    assert words.provision_words(Provision(PERMIT, end_ms=2**53), INFO).endswith("until 9999-12-31 23:59 UTC")
