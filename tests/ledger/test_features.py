"""Features by height: agreed on by the validators, in force on every node at once, kept in the state."""

import pytest

from chainnode.ledger import features, view
from genesis.membership import ADMIT, FEATURE, encode_change_file, parse_change
from tests.ledger.changing import DELAY, Joiner, make, pass_on, proposal, signed
from tests.ledger.test_membership import judged, rule
from tests.ledger.world import Chain


def named(name: str) -> dict[str, object]:
    """What a change says of a feature in the place of a member."""
    return {"id": name, "key": b""}


def agreed(name: str = "erasure-2") -> tuple[Chain, int]:
    """A chain that agreed on a feature, and the height from which it is in force."""
    chain = Chain()
    make(chain, FEATURE, 0, **named(name))
    return chain, chain.height + DELAY


def test_a_chain_that_agreed_on_nothing_has_no_record_and_no_feature():
    chain = Chain()
    assert view.features(chain.state) is None
    assert not features.active(chain.state, "erasure-2", 10**6) and features.unknown(chain.state) == ()


def test_a_feature_is_in_force_from_its_height_on_and_not_before():
    chain, at = agreed()
    assert not features.active(chain.state, "erasure-2", at - 1)
    assert features.active(chain.state, "erasure-2", at)
    assert not features.active(chain.state, "another", at)
    assert features.wanting(chain.state, "another", at) == "another is not agreed on"
    early = f"erasure-2 is agreed on and begins at height {at}; the next block has height {at - 1}"
    assert features.wanting(chain.state, "erasure-2", at - 1) == early
    assert [(one.name, one.from_height) for one in features.unknown(chain.state)] == [("erasure-2", at)]


def test_a_release_that_has_it_knows_it(monkeypatch: pytest.MonkeyPatch):
    chain, _ = agreed()
    monkeypatch.setitem(features.KNOWN, "erasure-2", "what it changes")
    assert features.unknown(chain.state) == ()


def test_it_takes_the_validators_signatures_and_time_to_upgrade():
    chain = Chain()
    assert judged(chain, FEATURE, 0, signers=(0, 1), **named("erasure-2")) == "too-few-signatures"
    assert judged(chain, FEATURE, 0, delay_heights=DELAY - 1, **named("erasure-2")) == "change-too-soon"
    assert judged(chain, FEATURE, 0, **named("erasure-2")) == ""
    assert judged(chain, FEATURE, 1, **named("erasure-2")) == "bad-change"
    assert judged(chain, FEATURE, 0, **named("No Slug")) == "bad-change"


def test_nobody_votes_otherwise_for_it_and_the_same_one_is_agreed_on_once():
    chain, at = agreed()
    assert len(chain.schedule.epochs) == 1
    assert judged(chain, FEATURE, 0, **named("another")) == "change-pending"
    pass_on(chain, at)
    assert judged(chain, FEATURE, 0, **named("erasure-2")) == "already-done"
    make(chain, FEATURE, 0, **named("another"))
    assert len(features.unknown(chain.state)) == 2
    pass_on(chain, chain.height + DELAY)
    make(chain, ADMIT, 4, Joiner("hospital-4"))


def test_the_chain_keeps_only_so_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(features, "MAX_FEATURES", 1)
    chain, at = agreed()
    pass_on(chain, at)
    assert judged(chain, FEATURE, 0, **named("another")) == "too-many-features"


def test_whoever_executes_the_same_agreement_gets_the_same_root():
    roots = {agreed()[0].state.root for _ in range(2)}
    assert len(roots) == 1 and agreed("another")[0].state.root not in roots


def test_the_document_comes_back_and_says_what_it_is():
    chain = Chain()
    change = proposal(chain, FEATURE, 0, **named("erasure-2"))
    payload = signed(chain, change)
    assert parse_change(payload.document).change == change
    assert rule(chain, payload) == "" and encode_change_file(b"", {}) != payload.document
