"""A change of members as a file: its form, its signatures, and what it says to the one who signs it."""

from dataclasses import replace
from pathlib import Path

import pytest

from genesis import cbor
from genesis.changing import (
    change_data,
    combine_changes,
    put_change,
    read_change,
    sign_change,
    summary,
)
from genesis.errors import OperatorError
from genesis.membership import (
    ADMIT,
    DEMOTE,
    PROMOTE,
    REMOVE,
    ROTATE,
    ChangeError,
    MembershipChange,
    Validator,
    bounds_of,
    change_signed_bytes,
    encode_change,
    encode_change_file,
    parse_change,
)
from genesis.request import make_request
from tests.genesis.consortium import HOSPITALS, NETWORK, hospital_keys, public, request_for, signer

CHAIN = bytes(range(32))
PRESENT = tuple(Validator(number, slug, public(slug)) for number, slug in enumerate(HOSPITALS))


def change(kind: str = PROMOTE, **more) -> MembershipChange:
    made = MembershipChange(
        chain_id=CHAIN,
        number=1,
        kind=kind,
        member=4,
        id="espoo",
        key=public("espoo"),
        validators=PRESENT,
        request=None,
        delay_heights=17,
        valid_until_height=1_000,
    )
    return replace(made, **more)


def admission(**more) -> MembershipChange:
    request = request_for("espoo", hospital_keys("espoo"))
    return change(ADMIT, request=request, delay_heights=0, **more)


def rotation() -> MembershipChange:
    """Of bergen: keys of its own making, its steward's as before."""
    keys = replace(hospital_keys("anew"), steward=public("bergen/steward"))
    request = make_request(NETWORK, "bergen", "House of bergen", keys, signer("anew"))
    return change(ROTATE, member=1, id="bergen", key=public("anew"), request=request)


def file(made: MembershipChange, signers=()) -> bytes:
    body = encode_change(made)
    said = change_signed_bytes(made.chain_id, body)
    return encode_change_file(body, {slug: signer(slug)(said) for slug in signers})


def reason(made: MembershipChange, signers=()) -> str:
    with pytest.raises(ChangeError) as refused:
        parse_change(file(made, signers))
    return str(refused.value)


@pytest.mark.parametrize(
    "made",
    [
        change(),
        admission(),
        change(DEMOTE, member=3, id="delft", key=b"", fewer_faults=True),
        change(REMOVE, member=3, id="delft", key=b""),
        rotation(),
    ],
    ids=lambda made: made.kind,
)
def test_a_change_comes_back_as_it_was_written(made: MembershipChange) -> None:
    read = parse_change(file(made, ("aachen", "cork")))
    assert read.change == made and sorted(read.signatures) == ["aachen", "cork"]
    assert read.needed == 3 and read.missing() == ["bergen", "delft"]


@pytest.mark.parametrize(
    "broken",
    [
        {"version": 2},
        {"kind": "depose"},
        {"chain_id": b"short"},
        {"number": 0},
        {"member": -1},
        {"member": 70_000},
        {"delay_heights": -1},
        {"delay_heights": 100_001},
        {"valid_until_height": 0},
        {"validators": ()},
        {"validators": PRESENT[::-1]},
        {"validators": (PRESENT[0], replace(PRESENT[1], id="aachen"))},
        {"validators": (PRESENT[0], replace(PRESENT[1], key=public("aachen")))},
        {"validators": (replace(PRESENT[0], key=b"short"),)},
        {"id": "Espoo"},
        {"id": "member"},
        {"key": b""},
        {"key": public("aachen")},
        {"kind": ADMIT},
        {"kind": DEMOTE},
    ],
    ids=str,
)
def test_what_cannot_be_a_change_is_refused(broken: dict) -> None:
    assert reason(change(**broken))


def test_a_delay_stands_only_where_somebody_has_to_wait() -> None:
    assert "delay" in reason(replace(admission(), delay_heights=17))
    assert parse_change(file(change(REMOVE, key=b"", delay_heights=0))), "an observer leaves at once"


def test_the_join_request_in_it_is_the_members_and_self_signed() -> None:
    good = admission()
    assert good.request is not None
    assert "another id" in reason(replace(good, id="essen"))
    assert "another validator key" in reason(replace(good, key=public("essen")))
    forged = replace(good.request, signature=bytes(64))
    assert "not signed" in reason(replace(good, request=forged))
    weak = replace(good.request, keys=replace(hospital_keys("espoo"), sealing=bytes(1_216)))
    assert "sealing" in reason(replace(good, request=weak))


def test_only_validators_named_in_it_sign_and_only_this_very_change() -> None:
    assert "no validator" in reason(change(), ("espoo",))
    other = parse_change(file(change(number=2), ("aachen",)))
    with pytest.raises(ChangeError, match="not that validator's"):
        parse_change(encode_change_file(encode_change(change()), other.signatures))
    with pytest.raises(ChangeError):
        parse_change(cbor.encode({"body": encode_change(change()), "signatures": {"aachen": 7}}))
    for data in (b"", b"\xa0", file(change()) + b"\x00", cbor.encode({"body": b"", "signatures": {}})):
        with pytest.raises(ChangeError):
            parse_change(data)


def test_the_bounds_before_and_after_follow_from_the_change() -> None:
    made = change()
    assert (bounds_of(made.present()), bounds_of(made.voters())) == ((4, 1, 3), (5, 1, 4))
    assert bounds_of(change(REMOVE, member=3, key=b"").voters()) == (3, 0, 2)
    assert bounds_of(()) == (0, 0, 0)


def test_a_summary_says_what_changes_for_whom_and_what_is_lost() -> None:
    lines = "\n".join(summary(parse_change(file(change(), ("aachen",)))))
    assert "espoo" in lines and "becomes a validator" in lines
    assert (
        "4, of which 1 may be faulty; 3 decide" in lines and "5, of which 1 may be faulty; 4 decide" in lines
    )
    assert "17 heights after" in lines and "Signatures: 1 (at least 3 are needed)" in lines
    lost = "\n".join(summary(parse_change(file(change(REMOVE, member=3, id="delft", key=b"")))))
    assert "LOST: 0 faulty members are tolerated instead of 1; the chain refuses that" in lost
    meant = change(REMOVE, member=3, id="delft", key=b"", fewer_faults=True)
    assert "meant" in "\n".join(summary(parse_change(file(meant))))
    seven = tuple(Validator(n, f"house-{n}", public(f"house-{n}")) for n in range(6))
    won = change(validators=seven, member=6)
    assert "Won: 2" in "\n".join(summary(parse_change(file(won))))
    assert "join request" in "\n".join(summary(parse_change(file(admission()))))


def test_data_for_programs_says_the_same() -> None:
    data = change_data(parse_change(file(change(), ("cork",))))
    assert data["before"] == {"n": 4, "f": 1, "quorum": 3} and data["after"]["quorum"] == 4
    assert (data["signed"], data["missing"]) == (["cork"], ["aachen", "bergen", "delft"])
    assert len(str(data["words"]).split()) == 6


def test_signatures_are_added_beside_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "change.cbor"
    put_change(path, file(change(), ("aachen",)))
    signed = sign_change(path, "bergen", signer("bergen"))
    assert sorted(signed.signatures) == ["aachen", "bergen"]
    assert read_change(path) == signed
    assert sign_change(path, "bergen", signer("bergen")) == signed


def test_nobody_signs_for_another(tmp_path: Path) -> None:
    path = tmp_path / "change.cbor"
    put_change(path, file(change()))
    before = path.read_bytes()
    for member in ("aachen", "espoo"):
        with pytest.raises(OperatorError) as refused:
            sign_change(path, member, signer("bergen"))
        assert refused.value.code.code == "GEN-17"
    assert path.read_bytes() == before


def test_copies_are_put_together_only_of_one_change(tmp_path: Path) -> None:
    one, two = file(change(), ("aachen",)), file(change(), ("cork", "delft"))
    assert sorted(parse_change(combine_changes([one, two])).signatures) == ["aachen", "cork", "delft"]
    with pytest.raises(OperatorError) as refused:
        combine_changes([one, file(change(number=2))])
    assert refused.value.code.code == "GEN-15"
    with pytest.raises(OperatorError) as refused:
        combine_changes([one, b"something else"])
    assert refused.value.code.code == "GEN-14"
    path = tmp_path / "change.cbor"
    put_change(path, one)
    assert sorted(put_change(path, two).signatures) == ["aachen", "cork", "delft"]
    with pytest.raises(OperatorError) as refused:
        put_change(path, file(change(number=2)))
    assert refused.value.code.code == "GEN-16"
    assert len(read_change(path).signatures) == 3
