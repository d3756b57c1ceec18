"""Whose keys a change names is said by the file itself: `member show` says so, and checks it where it can."""

from dataclasses import replace
from pathlib import Path

import pytest

from chainnode.cli.actions.changes import check_with_chain
from chainnode.cli.actions.members import Terms, propose
from genesis.changing import put_change, read_change, sign_change
from genesis.document import parse_genesis
from genesis.errors import EXIT_VERIFY, OperatorError
from genesis.membership import PROMOTE, MembershipChange, Validator, encode_change, encode_change_file
from genesis.words import fingerprint_words
from tests.cli.test_member_proposals import known as _known
from tests.genesis.consortium import HOSPITALS, consortium, public, signed_file, signer, unsigned_file

known = _known
FOUNDERS = tuple(Validator(number, slug, public(slug)) for number, slug in enumerate(HOSPITALS))
IMPOSTORS = tuple(replace(one, key=public(f"{one.id}/impostor")) for one in FOUNDERS)


@pytest.fixture
def genesis(tmp_path: Path) -> Path:
    path = tmp_path / "genesis.cbor"
    path.write_bytes(signed_file(unsigned_file(consortium())))
    return path


@pytest.fixture
def file(tmp_path: Path, genesis: Path):
    """Makes the file of a change on top of some validators, signed by all of them."""

    def make(validators: tuple[Validator, ...], number: int = 1, chain_id: bytes = b"") -> Path:
        chain_id = chain_id or parse_genesis(genesis.read_bytes()).chain_id
        key, ends = public("espoo"), (17, 1_000)
        change = MembershipChange(chain_id, number, PROMOTE, 4, "espoo", key, validators, None, *ends)
        path = tmp_path / f"change-{number}-{len(validators)}-{validators[0].key.hex()[:8]}.cbor"
        put_change(path, encode_change_file(encode_change(change), {}))
        for one in validators:
            name = one.id if one in FOUNDERS else f"{one.id}/impostor"
            sign_change(path, one.id, signer(name))
        return path

    return make


def test_a_made_up_file_is_not_taken_for_a_checked_one(file, genesis, cli):
    path = file(IMPOSTORS)
    ran = cli("member", "show", path)
    assert ran.code == 0 and "NOT CHECKED" in ran.out and "Signatures: 4 (at least 3 are needed)" in ran.out
    words = " ".join(fingerprint_words(parse_genesis(genesis.read_bytes()).chain_id))
    assert f"Words of the chain that it is for, as its genesis document has them: {words}" in ran.out
    refused = cli("member", "show", path, "--genesis", genesis, "--json")
    assert (refused.code, refused.error["code"]) == (EXIT_VERIFY, "CLI-09")
    assert "not the founding members" in refused.error["what"]


def test_the_founders_keys_are_checked_with_the_genesis_file(file, genesis, ok, cli):
    path = file(FOUNDERS)
    shown = ok("member", "show", path, "--genesis", genesis)
    assert (shown["checked_against"], shown["unchecked"]) == ("genesis", [])
    assert ok("member", "show", path)["unchecked"] == list(HOSPITALS)
    assert "the keys of all 4 validators" in cli("member", "show", path, "--genesis", genesis).out


def test_validators_who_came_later_are_left_unchecked_by_the_genesis_file(file, genesis, ok):
    path = file((*FOUNDERS[:3], IMPOSTORS[3]), number=2)
    assert ok("member", "show", path, "--genesis", genesis)["unchecked"] == ["delft"]


def test_a_change_of_another_chain_is_refused_with_the_words_of_both(file, genesis, cli):
    path = file(FOUNDERS, chain_id=bytes(range(32)))
    refused = cli("member", "show", path, "--genesis", genesis, "--json")
    assert refused.error["code"] == "CLI-09"
    assert " ".join(fingerprint_words(bytes(range(32)))) in refused.error["what"]


def test_a_nodes_chain_checks_all_of_them(known, file, tmp_path: Path):
    path = tmp_path / "proposed.cbor"
    change = put_change(path, propose(known, "promote", "espoo", Terms(0, 1_000, False)))
    assert check_with_chain(change, known, path).unchecked == ()
    for validators, number in ((IMPOSTORS, 2), (FOUNDERS[:3], 2), (FOUNDERS, 3)):
        with pytest.raises(OperatorError) as refused:
            check_with_chain(read_change(file(validators, number)), known, path)
        assert refused.value.code.code == "CLI-09"
