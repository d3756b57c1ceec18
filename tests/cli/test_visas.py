"""A visa says what a hospital granted: the founding document checks it, and one changed byte fails."""

import base64
import json
from pathlib import Path

import msgspec
import pytest

from chainnode.cli.actions import duo
from chainnode.cli.actions.visas import (
    ALGORITHM,
    BY,
    GRANT_TYPE,
    OnChain,
    Visa,
    VisaObject,
    looks_like_visa,
    sign_visa,
    verify_visa,
)
from chainnode.cli.options import use_policy
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.founding import Founding
from chainnode.ledger.payloads import MODIFIERS, PERMISSIONS, Purpose, UsePolicy
from chainnode.ledger.records import MemberRecord
from chainnode.vault.keys import SigningKey, verify
from genesis.errors import EXIT_INPUT, EXIT_VERIFY

NODE, OTHER = SigningKey(b"n" * 32), SigningKey(b"o" * 32)
CHAIN = b"c" * 32
FOUNDING = Founding(
    CHAIN,
    (
        MemberRecord(0, "hospital-a", "City Hospital", NODE.public, b"s" * 32),
        MemberRecord(1, "hospital-b", "Other", OTHER.public, b"t" * 32),
    ),
    (),
)
URN = f"urn:chainnode:{CHAIN.hex()}"
ISSUER, RELEASE = f"{URN}:member:hospital-a", f"{URN}:release:{'72' * 16}:9"
VISA = Visa(
    ISSUER,
    f"{URN}:project:{'70' * 32}",
    2_000,
    9_000,
    f"{URN}:visa:1",
    VisaObject(GRANT_TYPE, 1_000, RELEASE, ISSUER, BY),
    OnChain(CHAIN.hex(), "72" * 16, 9, 3, ("DUO:0000006",)),
)
NOW_MS = 3_000_000
WHERE = ("--department", "cardio", "--study", "registry", "--policy", "DUO:0000006")


def checked(data: bytes, now_ms: int = NOW_MS) -> Visa:
    return verify_visa(data, FOUNDING, now_ms, verify=verify)


def part(token: bytes, at: int) -> dict[str, object]:
    """A part of a JWT, read as any other software does."""
    text = token.decode().strip().split(".")[at]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def test_a_visa_is_a_jwt_with_the_claims_of_a_controlled_access_grant() -> None:
    token = sign_visa(VISA, NODE)
    assert checked(token) == VISA and looks_like_visa(token)
    assert part(token, 0) == {"alg": "EdDSA", "typ": "vnd.ga4gh.visa+jwt", "kid": NODE.public.hex()}
    claims = part(token, 1)
    assert {"iss", "sub", "iat", "exp", "jti", "ga4gh_visa_v1"} <= set(claims)
    assert claims["ga4gh_visa_v1"] == {
        "type": "ControlledAccessGrants",
        "asserted": 1_000,
        "value": RELEASE,
        "source": ISSUER,
        "by": "dac",
    }


def test_every_changed_byte_is_noticed() -> None:
    token = sign_visa(VISA, NODE)
    for at in range(len(token) - 1):
        with pytest.raises(VerificationError):
            checked(token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :])


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (sign_visa(VISA, OTHER), "issuer and key"),
        (sign_visa(msgspec.structs.replace(VISA, iss=f"{URN}:member:hospital-b"), NODE), "issuer and key"),
        (sign_visa(msgspec.structs.replace(VISA, iss="https://hospital-a"), NODE), "issuer and key"),
        (sign_visa(VISA, NODE).replace(b".", b"..", 1), "no visa"),
        (b"ey.x", "no visa"),
        (b"", "no visa"),
        (b"ey" + b"A" * 20_000, "at most"),
    ],
)
def test_what_no_founding_member_signed_is_no_visa(token: bytes, why: str) -> None:
    with pytest.raises(VerificationError, match=why):
        checked(token)


def test_a_token_without_signature_is_no_visa() -> None:
    """RFC 8725: the algorithm is ours to say, not the token's."""
    header = {"alg": "none", "typ": "vnd.ga4gh.visa+jwt", "kid": NODE.public.hex()}
    _, body, _ = sign_visa(VISA, NODE).split(b".")
    for name in ("none", "HS256", ALGORITHM):
        first = base64.urlsafe_b64encode(json.dumps(header | {"alg": name}).encode()).rstrip(b"=")
        with pytest.raises(VerificationError):
            checked(first + b"." + body + b".")


def test_a_visa_ends_and_does_not_begin_before_its_release() -> None:
    token = sign_visa(VISA, NODE)
    for now_ms in (9_000_000, 999_999):
        with pytest.raises(VerificationError, match="expired"):
            checked(token, now_ms)
    assert checked(token, 8_999_999) and checked(token, 1_000_000)


def test_halves_that_speak_of_different_releases_are_refused() -> None:
    other = msgspec.structs.replace(VISA.chainnode_v1, height=10)
    with pytest.raises(VerificationError, match="different releases"):
        checked(sign_visa(msgspec.structs.replace(VISA, chainnode_v1=other), NODE))
    elsewhere = msgspec.structs.replace(VISA.chainnode_v1, chain_id="00" * 32)
    with pytest.raises(VerificationError, match="another chain"):
        checked(sign_visa(msgspec.structs.replace(VISA, chainnode_v1=elsewhere), NODE))


def test_terms_of_the_data_use_ontology_go_in_and_out_by_their_ids() -> None:
    assert use_policy("duo:0000042", ["DUO:0000021,NPU"], "") == UsePolicy("GRU", ("IRB", "NPU"), "")
    assert duo.codes(UsePolicy("GRU", ("IRB", "NPU"), "")) == ("DUO:0000042", "DUO:0000021", "DUO:0000045")
    assert duo.codes(Purpose("DS", "MONDO:0005148")) == ("DUO:0000007", "MONDO:0005148")
    for name in (*PERMISSIONS, *MODIFIERS):
        assert duo.named([duo.CODES[name]]) == (name,)


def test_from_a_release_to_a_visa_that_verifies_offline(
    hospital, enrol, apply, department, ok, cli, tmp_path
):
    patient = enrol(33)
    assert ok("record", "add", patient.bundle, *WHERE, *hospital.node)["objects"]
    request, project = apply("--purpose", "DUO:0000006", "--from", "hospital-a", "--class", "conditions")
    visa: Path = tmp_path / "visa.jwt"
    issue = ("visa", "issue", request[:8], *hospital.node, "--out", visa)
    assert cli(*issue, "--json").code == EXIT_INPUT and not visa.exists(), "nothing is authorised yet"
    ok("consent", "sign", patient.wallet, request, *patient.member, *hospital.node)
    steward = ("--role", "steward", "--key-file", hospital.steward_file, *hospital.opened)
    ok("request", "approve", request, *steward, *hospital.node)
    head = ("--role", "head", "--department", "cardio", "--key-file", department, *hospital.opened)
    height = ok("request", "approve", request, *head, *hospital.node)["height"]
    released = ok(
        "request", "release", request, *project, "--receipt", tmp_path / "r", "--min-height", height
    )
    ok(*issue, "--min-height", released["height"])
    verified = ok("verify", visa, "--genesis", hospital.genesis)
    assert verified["kind"] == "visa" and verified["claims"]["chainnode_v1"]["duo"] == ["DUO:0000006"]
    assert verified["claims"]["chainnode_v1"]["height"] == released["height"]
    assert "ControlledAccessGrants" in cli("verify", visa, "--genesis", hospital.genesis).out
    assert cli("verify", visa, "--json").error["code"] == "CLI-01"
    visa.write_bytes(visa.read_bytes().replace(b"A", b"B", 1))
    assert cli("verify", visa, "--genesis", hospital.genesis).code == EXIT_VERIFY
    ok("consent", "revoke", patient.wallet, *patient.member, *hospital.node, "--all")
    assert cli("visa", "issue", request, *hospital.node, "--out", tmp_path / "late").code == EXIT_INPUT
