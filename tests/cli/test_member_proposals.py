"""What `member propose` makes of the network as it stands, and what it refuses before anybody signs."""

from dataclasses import replace

import pytest

from chainnode.cli.actions.members import MemberRow, Roster, Terms, propose, require_enough, rows_data
from chainnode.ledger.networkrecords import EpochRecord, MembershipRecord
from chainnode.node.api import ChainInfo, NotFound, Refused
from genesis.document import parse_genesis
from genesis.errors import OperatorError
from genesis.membership import MembershipChange, parse_change
from genesis.request import RegistrarKeys, make_request
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

TERMS = Terms(0, 1_000, False)
SHORTEST = 17


@pytest.fixture(scope="module")
def known() -> Roster:
    """Four founding validators and an observer, at height 50."""
    genesis = parse_genesis(signed_file(unsigned_file(consortium())))
    members = tuple(
        MemberRow(
            n,
            slug,
            f"House of {slug}",
            "validator",
            "",
            0,
            public(slug),
            public(slug),
            public(f"{slug}/steward"),
        )
        for n, slug in enumerate(HOSPITALS)
    )
    observer = MemberRow(
        4, "espoo", "Espoo", "observer", "", 0, b"", public("espoo"), public("espoo/steward")
    )
    info = ChainInfo(
        chain_id=genesis.chain_id,
        network=genesis.network,
        member=0,
        members=tuple((one.number, one.id, one.name) for one in (*members, observer)),
        height=50,
        time_ms=0,
        validity_heights=1_000,
        genesis=b"",
    )
    record = MembershipRecord(1, 5, 20, (EpochRecord(0, genesis.replica_set()),))
    return Roster(info, genesis, record, (*members, observer))


def proposed(known: Roster, kind: str, subject, terms: Terms = TERMS) -> MembershipChange:
    return parse_change(propose(known, kind, subject, terms)).change


def test_a_proposal_stands_on_the_present_members(known: Roster) -> None:
    made = proposed(known, "promote", "espoo")
    assert (made.number, made.member, made.key) == (2, 4, public("espoo"))
    assert [one.id for one in made.validators] == list(HOSPITALS)
    assert (made.delay_heights, made.valid_until_height) == (SHORTEST, 1_050)
    assert proposed(known, "promote", "espoo", Terms(40, 1, False)).delay_heights == 40
    assert proposed(known, "promote", "espoo", Terms(3, 1, False)).delay_heights == SHORTEST


def test_who_leaves_has_no_key_and_waits_only_where_its_vote_does(known: Roster) -> None:
    left = proposed(known, "remove", "delft", Terms(0, 1, True))
    assert (left.key, left.delay_heights, left.fewer_faults) == (b"", SHORTEST, True)
    assert proposed(known, "remove", "espoo").delay_heights == 0
    assert proposed(known, "demote", "delft", Terms(0, 1, True)).key == b""


def test_a_join_request_gets_the_next_number_or_its_members(known: Roster) -> None:
    new = request_for("faro", hospital_keys("faro"))
    admitted = proposed(known, "admit", new)
    assert (admitted.member, admitted.id, admitted.delay_heights) == (5, "faro", 0)
    keys = replace(hospital_keys("anew"), steward=public("bergen/steward"))
    again = make_request(known.genesis.network, "bergen", "House of bergen", keys, signer("anew"))
    rotated = proposed(known, "rotate", again)
    assert (rotated.member, rotated.key, rotated.delay_heights) == (1, public("anew"), SHORTEST)


def test_one_change_waits_at_a_time(known: Roster) -> None:
    waiting = replace(known, record=MembershipRecord(1, 5, 60, known.record.epochs))
    assert waiting.pending and not known.pending
    with pytest.raises(OperatorError) as refused:
        propose(waiting, "promote", "espoo", TERMS)
    assert refused.value.code.code == "CLI-14" and "60" in refused.value.what


def test_what_does_not_fit_is_said_before_anybody_signs(known: Roster) -> None:
    with pytest.raises(NotFound, match="nobody is no member"):
        propose(known, "demote", "nobody", TERMS)
    with pytest.raises(NotFound):
        propose(known, "rotate", request_for("faro", hospital_keys("faro")), TERMS)
    registrar = request_for("fund", RegistrarKeys(public("fund"), "fund"))
    elsewhere = make_request("elsewhere", "faro", "Faro", hospital_keys("faro"), signer("faro"))
    stolen = request_for("faro", replace(hospital_keys("faro"), transport=public("cork/link")))
    for request, why in ((registrar, "no join request"), (elsewhere, "elsewhere"), (stolen, "cork")):
        with pytest.raises(OperatorError, match=why) as refused:
            propose(known, "admit", request, TERMS)
        assert refused.value.code.code == "CLI-01"


@pytest.mark.parametrize(
    ("kind", "subject", "rule", "words"),
    [
        ("promote", "delft", "wrong-role", "does not fit the member's present role: delft is validator"),
        ("demote", "espoo", "wrong-role", "espoo is observer"),
        ("remove", "delft", "fault-tolerance-lost", "does not say so: 1 of 4 now, 0 of 3 then"),
        ("demote", "delft", "fault-tolerance-lost", "1 of 4 now, 0 of 3 then"),
        ("remove", "gone", "member-removed", "The member left the network: gone"),
    ],
)
def test_what_the_chain_would_refuse_is_refused_by_its_rule_before_anybody_signs(
    known: Roster, kind: str, subject: str, rule: str, words: str
) -> None:
    gone = MemberRow(5, "gone", "Gone", "removed", "", 0, b"", public("gone"), public("gone/steward"))
    with pytest.raises(Refused) as refused:
        propose(replace(known, members=(*known.members, gone)), kind, subject, TERMS)
    assert refused.value.rule == rule and words in refused.value.detail


def test_who_is_known_is_not_admitted_and_who_rotates_keeps_name_and_steward(known: Roster) -> None:
    with pytest.raises(Refused) as refused:
        propose(known, "admit", request_for("bergen", hospital_keys("bergen")), TERMS)
    assert refused.value.rule == "duplicate-id"
    other_name = make_request(known.genesis.network, "bergen", "B", hospital_keys("bergen"), signer("bergen"))
    other_steward = request_for("bergen", replace(hospital_keys("bergen"), steward=public("x")))
    for request in (other_name, other_steward):
        with pytest.raises(Refused) as refused:
            propose(known, "rotate", request, TERMS)
        assert refused.value.rule == "other-key"


def test_too_few_signatures_are_said_before_the_chain_refuses_them(known: Roster) -> None:
    with pytest.raises(OperatorError) as refused:
        require_enough(parse_change(propose(known, "promote", "espoo", TERMS)), "change.cbor")
    assert refused.value.code.code == "CLI-15" and "0 of the 3" in refused.value.what


def test_members_are_listed_with_the_words_of_their_keys(known: Roster) -> None:
    rows = rows_data(known.members)
    assert [one["votes"] for one in rows] == [True] * 4 + [False]
    assert all(len(str(one["words"]).split()) == 6 for one in rows)
