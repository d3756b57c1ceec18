"""Join requests travel as text, and say to a person what they say to a program."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.domain import digest
from genesis import cbor
from genesis.errors import OperatorError
from genesis.request import (
    BEGIN,
    END,
    MAX_REQUEST_BYTES,
    JoinRequest,
    MemberKeys,
    RegistrarKeys,
    TrusteeKeys,
    make_request,
    parse_request,
    render_request,
    request_body,
    request_signed_bytes,
)
from tests.genesis.consortium import NETWORK, hospital_keys, public, request_for, sealing, signer

REQUEST = request_for("aachen", hospital_keys("aachen"), "Universitätsklinikum Aachen")
TEXT = render_request(REQUEST)


def refused(text: str | bytes, code: str = "GEN-06") -> str:
    with pytest.raises(OperatorError, match=code) as caught:
        parse_request(text if isinstance(text, bytes) else text.encode())
    return caught.value.what


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        (hospital_keys("aachen"), "member"),
        (RegistrarKeys(public("aachen"), "health-fund"), "registrar"),
        (TrusteeKeys(public("aachen"), sealing("aachen"), "patients-union"), "trustee"),
    ],
)
def test_a_request_of_each_kind_comes_back_from_its_text(keys, kind):
    request = request_for("aachen", keys)
    assert request.kind == kind
    assert parse_request(render_request(request).encode()) == request


def test_the_text_shows_id_name_and_the_words_of_all_it_says():
    head = TEXT.split(BEGIN)[0]
    assert "aachen" in head and "Universitätsklinikum Aachen" in head and " ".join(REQUEST.words) in head
    other = request_for("aachen", MemberKeys(public("aachen"), public("x"), sealing("aachen"), public("y")))
    assert other.words != REQUEST.words


def test_carriage_returns_and_blank_lines_of_a_mail_do_no_harm():
    assert parse_request(TEXT.replace("\n", "\r\n").encode()) == REQUEST
    assert parse_request(("\n\n" + TEXT + "\n \n").encode()) == REQUEST


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Id:    aachen", "Id:    bergen"),
        ("Universitätsklinikum Aachen", "Universitätsklinikum Bonn"),
        ("as member", "as trustee"),
        (f"network {NETWORK}", "network other"),
        (REQUEST.words[0], "babab"),
        (BEGIN, "Note: the words changed, all is well\n" + BEGIN),
        (END, END + "\nId:    bergen"),
        ("Id:    aachen\n", ""),
        ("Id:    aachen", "Id:    aachen\nId:    aachen"),
    ],
)
def test_text_around_the_request_that_does_not_follow_from_it_is_refused(old, new):
    assert TEXT.count(old) >= 1
    assert "signed request" in refused(TEXT.replace(old, new, 1))


def armour(data: bytes) -> str:
    lines = [base64.b64encode(data).decode()[at : at + 64] for at in range(0, len(data) * 4 // 3 + 4, 64)]
    return "\n".join([BEGIN, *(line for line in lines if line), "=" + digest("armour", data).hex()[:16], END])


def test_a_changed_letter_in_the_armoured_part_is_refused_by_the_check_line():
    body = TEXT.split(BEGIN + "\n")[1].split("\n=")[0]
    for at in range(0, len(body), 50):
        letter = "A" if body[at] != "A" else "B"
        changed = TEXT.replace(body, body[:at] + letter + body[at + 1 :])
        assert "check line" in refused(changed) or body[at] == "\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        BEGIN,
        END + "\n" + BEGIN,
        TEXT + TEXT,
        BEGIN + "\n" + END,
        BEGIN + "\n=\n" + END,
        BEGIN + "\nnot base64!\n=00\n" + END,
        TEXT.replace("=", "", 1),
        TEXT[: len(TEXT) // 2],
    ],
)
def test_what_is_no_armoured_request_is_refused(text):
    refused(text)


def test_bytes_that_are_no_text_and_files_too_long_are_refused():
    refused(b"\xff\xfe" + TEXT.encode())
    assert "at most" in refused(TEXT + "\n" * MAX_REQUEST_BYTES)


def wrapped(body: bytes, owner: str = "aachen") -> str:
    return armour(cbor.encode({"body": body, "signature": signer(owner)(request_signed_bytes(body))}))


def test_a_request_signed_by_another_key_is_refused():
    body = request_body(NETWORK, "aachen", "Aachen", hospital_keys("aachen"))
    assert "not signed by the key" in refused(wrapped(body, "bergen"), "GEN-07")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "observer"},
        {"kind": 7},
        {"version": 2},
        {"extra": 1},
        {"id": None},
        {"operator": "aachen"},
        {"validator_key": "text"},
    ],
)
def test_fields_that_do_not_belong_are_refused(change):
    fields = cbor.decode(
        request_body(NETWORK, "aachen", "Aachen", hospital_keys("aachen")), limit_bytes=10_000
    )
    refused(wrapped(cbor.encode({**fields, **change})))


def test_what_could_not_stand_in_genesis_is_refused_when_the_request_is_made():
    keys = hospital_keys("aachen")
    for slug, name, changed in (
        ("Aachen", "Aachen", keys),
        ("aachen", "two\nlines", keys),
        ("aachen", "Aachen", MemberKeys(keys.validator, keys.validator, keys.sealing, keys.steward)),
        ("aachen", "Aachen", MemberKeys(keys.validator, bytes(32), keys.sealing, keys.steward)),
        ("aachen", "Aachen", MemberKeys(keys.validator, keys.transport, b"", keys.steward)),
        ("aachen", "Aachen", RegistrarKeys(keys.validator, "Not An Id")),
        ("aachen", "Aachen", TrusteeKeys(keys.validator, keys.sealing[:-1], "union")),
    ):
        with pytest.raises(OperatorError, match="GEN-06"):
            make_request(NETWORK, slug, name, changed, signer("aachen"))


def test_a_weak_key_cannot_sign_for_itself():
    forged = JoinRequest(NETWORK, "aachen", "Aachen", RegistrarKeys(bytes(32), "fund"), bytes(64))
    refused(render_request(forged), "GEN-07")


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_refused_and_nothing_else_comes_out(text):
    refused(text)
    refused(f"{BEGIN}\n{text}\n{END}")
