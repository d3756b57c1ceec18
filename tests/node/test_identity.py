"""Who this node is: by the founding, by the change that came later, or by the chain."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from chainnode.node.identity import admitted_member, founding_member, member_on_chain, not_member
from genesis.document import Genesis, parse_genesis
from genesis.errors import OperatorError
from genesis.membership import (
    ADMIT,
    PROMOTE,
    MembershipChange,
    Validator,
    change_signed_bytes,
    encode_change,
    encode_change_file,
)
from genesis.request import MemberKeys
from tests.genesis.consortium import (
    HOSPITALS,
    consortium,
    hospital_keys,
    public,
    request_for,
    signed_file,
    signer,
    unsigned_file,
)
from tests.ledger.changing import DELAY, Joiner, make, pass_on
from tests.ledger.world import Chain


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return parse_genesis(signed_file(unsigned_file(consortium())))


def admission(genesis: Genesis, **more) -> MembershipChange:
    change = MembershipChange(
        chain_id=genesis.chain_id,
        number=1,
        kind=ADMIT,
        member=4,
        id="espoo",
        key=public("espoo"),
        validators=tuple(Validator(n, slug, public(slug)) for n, slug in enumerate(HOSPITALS)),
        request=request_for("espoo", hospital_keys("espoo")),
        delay_heights=0,
        valid_until_height=100,
    )
    return replace(change, **more)


def configured(path: Path | None, made: MembershipChange | None = None, signers: int = 3) -> SimpleNamespace:
    if path is not None and made is not None:
        body = encode_change(made)
        said = change_signed_bytes(made.chain_id, body)
        path.write_bytes(encode_change_file(body, {slug: signer(slug)(said) for slug in HOSPITALS[:signers]}))
    return SimpleNamespace(membership_file=path, genesis_file="genesis.cbor", keystore_file="keystore.key")


def test_a_founding_member_is_known_by_its_validator_key(genesis: Genesis) -> None:
    found = founding_member(genesis, [public("nobody"), public("cork")])
    assert found is not None and (found.number, found.id) == (2, "cork")
    assert founding_member(genesis, [public("espoo")]) is None


def test_one_who_joins_is_known_by_the_change_that_admits_it(genesis: Genesis, tmp_path: Path) -> None:
    config = configured(tmp_path / "change.cbor", admission(genesis))
    found = admitted_member(config, genesis, [public("espoo")])  # type: ignore[arg-type]
    assert found is not None and (found.number, found.id, found.name) == (4, "espoo", "House of espoo")
    keys = hospital_keys("espoo")
    assert (found.transport_key, found.sealing_key) == (keys.transport, keys.sealing)
    assert isinstance(keys, MemberKeys)
    assert admitted_member(config, genesis, [public("essen")]) is None  # type: ignore[arg-type]
    assert admitted_member(configured(None), genesis, [public("espoo")]) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", ["unsigned", "other chain", "other kind"])
def test_a_change_that_admits_nobody_here_is_refused(genesis: Genesis, tmp_path: Path, fault: str) -> None:
    made = admission(genesis)
    if fault == "other chain":
        made = replace(made, chain_id=bytes(32))
    if fault == "other kind":
        made = replace(made, kind=PROMOTE, request=None, delay_heights=17)
    config = configured(tmp_path / "change.cbor", made, 2 if fault == "unsigned" else 3)
    with pytest.raises(OperatorError) as refused:
        admitted_member(config, genesis, [public("espoo")])  # type: ignore[arg-type]
    assert refused.value.code.code == "GEN-14"


def test_one_with_new_keys_is_known_by_its_chain(genesis: Genesis) -> None:
    chain = Chain()
    fresh = Joiner("hospital-1", " anew", steward=chain.stewards[1])
    make(chain, "rotate", 1, fresh)
    pass_on(chain, chain.height + DELAY)
    for held in ([fresh.validator.public], [chain.validators[1].public]):
        found = member_on_chain(chain.state, genesis, held)
        assert found is not None and (found.number, found.id) == (1, "hospital-1")
        assert found.validator_key == fresh.validator.public
        assert found.transport_key == fresh.transport.public
    assert member_on_chain(chain.state, genesis, [public("espoo"), chain.stewards[0].public]) is None


def test_nobody_is_told_what_to_compare() -> None:
    error = not_member(configured(None))  # type: ignore[arg-type]
    assert error.code.code == "NOD-01" and "chainnode genesis show" in error.next_step
