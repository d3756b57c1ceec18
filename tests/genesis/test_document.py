"""The genesis file has one encoding, and nothing else is taken."""

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis import cbor
from genesis.document import (
    MAX_FILE_BYTES,
    decode_body,
    encode_body,
    encode_file,
    load_genesis,
    parse_file,
    parse_genesis,
)
from genesis.errors import EXIT_INPUT, OperatorError
from tests.genesis.consortium import HOSPITALS, signer


def refused(data: bytes, code: str, text: str = "") -> None:
    with pytest.raises(OperatorError, match=code) as caught:
        parse_genesis(data)
    assert text in caught.value.what
    assert caught.value.code.exit_code == EXIT_INPUT


def edited(signed: bytes, edit) -> bytes:
    """The file with its document edited as a map, encoded again, without signatures."""
    body = cbor2.loads(cbor2.loads(signed)["body"])
    edit(body)
    return encode_file(cbor2.dumps(body, canonical=True), {})


def test_every_flipped_byte_is_refused(signed):
    for at in range(0, len(signed), 37):
        data = bytearray(signed)
        data[at] ^= 0x01
        with pytest.raises(OperatorError, match=r"GEN-0[2345]"):
            parse_genesis(bytes(data))


def test_every_truncation_is_refused(signed):
    for length in range(0, len(signed), 97):
        refused(signed[:length], "GEN-02")


def test_trailing_bytes_are_refused(signed):
    refused(signed + b"\x00", "GEN-02", "deterministic")


def test_a_file_that_is_too_long_is_refused_before_it_is_decoded(tmp_path, signed):
    refused(signed + bytes(MAX_FILE_BYTES), "GEN-02", "at most")
    path = tmp_path / "genesis.cbor"
    path.write_bytes(signed + bytes(MAX_FILE_BYTES))
    with pytest.raises(OperatorError, match="GEN-01"):
        load_genesis(path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda body: body.update(extra=1),
        lambda body: body.pop("trustees"),
        lambda body: body.update(network=b"bytes"),
        lambda body: body.update(created_ms=1.5),
        lambda body: body.update(created_ms=True),
        lambda body: body.update(created_ms=2**70),
        lambda body: body.update(members={}),
        lambda body: body.update(parameters=[]),
        lambda body: body["parameters"].update(turbo=1),
        lambda body: body["parameters"].pop("window"),
        lambda body: body["parameters"].update(turn_heights=0),
        lambda body: body["parameters"].update(pass_over_turns=0),
        lambda body: body["members"][0].update(vote_weight=7),
        lambda body: body["members"].append("a member"),
        lambda body: body["registrars"][0].pop("operator"),
        lambda body: body["trustees"][0].update(key="text"),
        lambda body: body.update(network=cbor2.CBORTag(35, "pool")),
        lambda body: body.update(registrars=body["registrars"] * 1_001),
    ],
)
def test_unknown_missing_and_mistyped_fields_are_refused(signed, edit):
    refused(edited(signed, edit), "GEN-02")


@pytest.mark.parametrize("left_out", [("turn_heights", "pass_over_turns"), ("pass_over_turns",)])
def test_a_document_without_turns_or_without_passing_over_keeps_its_bytes_and_its_meaning(signed, left_out):
    body = cbor2.loads(cbor2.loads(signed)["body"])
    assert all(body["parameters"].pop(name) > 0 for name in left_out)
    data = cbor2.dumps(body, canonical=True)
    assert all(getattr(decode_body(data).parameters, name) == 0 for name in left_out)
    assert encode_body(decode_body(data)) == data


def test_a_document_that_breaks_a_rule_is_refused_with_the_rule(signed):
    refused(edited(signed, lambda body: body["parameters"].update(window=99)), "GEN-05", "window = 99")


def test_other_spellings_of_the_same_document_are_refused(signed):
    file = cbor2.loads(signed)
    body = cbor2.loads(file["body"])
    backwards = dict(reversed(list(cbor2.loads(cbor2.dumps(body, canonical=True)).items())))
    refused(encode_file(cbor2.dumps(backwards), file["signatures"]), "GEN-02", "deterministic")
    indefinite = cbor2.dumps(body, canonical=True, indefinite_containers=True)
    refused(encode_file(indefinite, file["signatures"]), "GEN-02")


def test_a_file_with_other_parts_is_refused(signed):
    file = cbor2.loads(signed)
    for changed in (
        {**file, "note": "x"},
        {"body": file["body"]},
        {**file, "signatures": []},
        {**file, "body": "text"},
        [file],
        file["body"],
    ):
        refused(cbor2.dumps(changed, canonical=True), "GEN-02")


def test_a_signature_by_nobody_or_over_something_else_is_refused(signed):
    file = cbor2.loads(signed)
    signatures = file["signatures"]
    for changed in (
        {**signatures, "eindhoven": signatures["cork"]},
        {**signatures, "cork": signatures["delft"]},
        {**signatures, "cork": signer("cork")(b"something else")},
        {**signatures, "cork": signatures["cork"][:63]},
        {**signatures, "cork": "text"},
    ):
        refused(encode_file(file["body"], changed), "GEN-04")


def test_a_signature_for_one_document_does_not_pass_for_another(signed):
    changed = edited(signed, lambda body: body.update(created_ms=body["created_ms"] + 1))
    body = cbor2.loads(changed)["body"]
    refused(encode_file(body, cbor2.loads(signed)["signatures"]), "GEN-04")


def test_missing_signatures_are_named(signed):
    file = cbor2.loads(signed)
    for slug in HOSPITALS:
        rest = {other: signature for other, signature in file["signatures"].items() if other != slug}
        refused(encode_file(file["body"], rest), "GEN-03", f"signature of {slug}")
        assert parse_file(encode_file(file["body"], rest)).missing() == [slug]
    refused(encode_file(file["body"], {}), "GEN-03", "aachen, bergen, cork, delft")


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_and_nothing_else_comes_out(data):
    refused(data, "GEN-02")


HOSTILE = {
    "epoch time": "c11a514b67b0",
    "bignum": "c249010000000000000000",
    "regular expression": "d8236128",
    "cyclic reference": "d81c81d81d00",
    "self-described": "d9d9f701",
    "unknown tag": "d82a40",
    "half float": "f93c00",
    "not a number": "f97e00",
    "undefined": "f7",
    "simple value": "e0",
    "indefinite array": "9f01ff",
    "indefinite text": "7f6161ff",
    "huge byte string": "5bffffffffffffffff",
    "huge array": "9bffffffffffffffff",
    "huge map": "bbffffffffffffffff",
    "long form of a number": "1800",
    "duplicate key": "a2616101616102",
    "number as key": "a10101",
    "deep nesting": "81" * 100_000 + "01",
    "not UTF-8": "61ff",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_cbor_is_refused(data):
    with pytest.raises(cbor.CborError):
        cbor.decode(bytes.fromhex(data), limit_bytes=200_000)


def test_a_document_cut_anywhere_is_said_to_end_early():
    data = cbor.encode({"a": [1, 2**40, "text"], "b": bytes(300)})
    for end in range(len(data)):
        with pytest.raises(cbor.CborError, match=r"^the file ends early$"):
            cbor.decode(data[:end], limit_bytes=1_000)


NUMBERS = st.integers(1 - 2**64, 2**64 - 1)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=30), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(PLAIN)
def test_plain_values_come_back(value):
    assert cbor.decode(cbor.encode(value), limit_bytes=10_000) == value


DEEP: list[object] = []
for _ in range(20):
    DEEP = [DEEP]


@pytest.mark.parametrize("value", [1.5, {1: 2}, DEEP, 2**64, -(2**64), {"set": {1}}, (1, 2)])
def test_only_plain_values_are_encoded(value):
    with pytest.raises(cbor.CborError):
        cbor.encode(value)
