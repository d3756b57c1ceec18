"""What is hashed, signed and sent, byte for byte, built here a second time with other means (hashlib, and the
`msgpack` package in place of msgspec)."""

import importlib
import pkgutil
from hashlib import sha256

import msgpack
import msgspec
import pytest

import consensus
from consensus import bounds, domain, types
from consensus.codec import encode
from consensus.domain import digest, signing_bytes
from consensus.messages import Certified, Message, SignedMessage, signed_bytes
from consensus.ready import HoldRecord, PreparedRecord, Record, StableRecord, ViewRecord
from consensus.types import Attestation, BatchRef, BlockHeader, slot_digest
from tests.consensus.fakes import CHAIN, batch, members
from tests.consensus.solo import (
    block_vote,
    certificate,
    commit,
    new_view,
    prepare,
    prepared,
    proposal,
    view_change,
)

REF = BatchRef(b"d" * 32, 3, 70_000, 300, 5_000_000_000, (Attestation(2, b"s" * 64),))
FIRST = proposal(9, (REF, batch(2)), view=6, time_ms=1_700_000_000_123)
CHANGES = [view_change(7, 0), view_change(7, 2, certificate(8), (prepared(FIRST),)), view_change(7, 3)]


def packed(*values: object) -> bytes:
    return msgpack.packb(plain(values), use_bin_type=True)


def plain(value: object) -> object:
    """The lists that an array_like Struct stands for."""
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        fields = [plain(getattr(value, name)) for name in value.__struct_fields__]
        return fields if tag is None else [tag, *fields]
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def hashed(tag: bytes, *parts: bytes) -> bytes:
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return sha256(b"chainnode\x01" + bytes([len(tag)]) + tag + framed).digest()


def signed(kind: bytes, body: bytes) -> bytes:
    return b"chainnode\x01sign" + bytes([len(kind)]) + kind + CHAIN + body


def slot_of(message: object) -> bytes:
    body = packed(CHAIN, message.epoch, message.sequence, message.time_ms, message.refs)
    return hashed(b"slot", body)


def bare(kind: bytes, message: SignedMessage) -> bytes:
    fields = plain(message)
    assert isinstance(fields, list) and fields[-1] == message.signature
    return signed(kind, hashed(kind, msgpack.packb([*fields[:-1], b""], use_bin_type=True)))


NEW_VIEW = new_view(7, CHANGES)
SIGNED = [
    (FIRST, signed(b"pre-prepare", packed(0, 6, 9, slot_of(FIRST), 2))),
    (prepare(FIRST, 3), signed(b"prepare", packed(0, 6, 9, slot_of(FIRST), 3))),
    (commit(FIRST, 1), signed(b"commit", packed(0, 6, 9, slot_of(FIRST), 1))),
    (block_vote(9, 1, b"h" * 32), signed(b"block-vote", packed(0, 9, b"h" * 32, 1))),
    (CHANGES[1], bare(b"view-change", CHANGES[1])),
    (NEW_VIEW, bare(b"new-view", NEW_VIEW)),
]


def test_a_digest_frames_its_tag_and_every_part():
    assert digest("tag", b"a", b"bc") == hashed(b"tag", b"a", b"bc")
    assert digest("tag") == hashed(b"tag")
    assert digest("tag", b"ab", b"c") != digest("tag", b"a", b"bc")


def test_what_is_signed_names_suite_purpose_and_chain():
    assert signing_bytes("kind", CHAIN, b"body") == signed(b"kind", b"body")


@pytest.mark.parametrize(("message", "expected"), SIGNED, ids=lambda item: type(item).__name__)
def test_each_message_signs_what_the_record_says(message: SignedMessage, expected: bytes):
    assert signed_bytes(message, CHAIN) == expected


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("pre-prepare", FIRST),
        ("prepare", prepare(FIRST, 3)),
        ("commit", commit(FIRST, 1)),
        ("block-vote", block_vote(9, 1)),
        ("view-change", CHANGES[1]),
        ("new-view", NEW_VIEW),
        ("certified", Certified(certificate(4), 9)),
        ("view", ViewRecord(1, 2, True)),
        ("hold", HoldRecord(1, 2, 3)),
        ("prepared", PreparedRecord(prepared(FIRST))),
        ("stable", StableRecord(certificate(4))),
    ],
)
def test_messages_and_records_are_arrays_behind_their_tag(tag: str, value: Message | Record):
    assert encode(value) == msgpack.packb(plain(value), use_bin_type=True)
    assert plain(value)[0] == tag


def test_a_slot_s_digest_names_chain_epoch_sequence_time_and_refs():
    assert FIRST.digest(CHAIN) == slot_of(FIRST)
    assert slot_digest(CHAIN, 1, 9, 5, (REF,)) == hashed(b"slot", packed(CHAIN, 1, 9, 5, (REF,)))


def test_header_and_replica_set_are_hashed_as_they_are_encoded():
    roots = [bytes([number]) * 32 for number in range(7)]
    header = BlockHeader(1, CHAIN, 0, 9, roots[0], 5, *roots[1:])
    assert header.hash() == hashed(b"header", msgpack.packb(plain(header), use_bin_type=True))
    group = members(4, epoch=3)
    assert group.digest() == hashed(b"replica-set", msgpack.packb(plain(group), use_bin_type=True))


def test_numbers_that_other_software_relies_on():
    assert (domain.SUITE, types.HEADER_VERSION, types.NULL_TIME_MS) == (1, 1, 0)
    assert (domain.DIGEST_BYTES, domain.SIGNATURE_BYTES, domain.PUBLIC_KEY_BYTES) == (32, 64, 32)
    assert (bounds.MAX_VIEW, bounds.ONE_REF_BYTES) == (2**50, 4_096)
    assert types.TURN_VIEWS == 1_000_000


def structs_of_the_core() -> list[type[msgspec.Struct]]:
    found = {}
    for module in pkgutil.iter_modules(consensus.__path__):
        for value in vars(importlib.import_module(f"consensus.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, msgspec.Struct) and value is not msgspec.Struct:
                found[value.__qualname__] = value
    return [found[name] for name in sorted(found)]


@pytest.mark.parametrize("kind", structs_of_the_core(), ids=lambda kind: kind.__name__)
def test_every_struct_is_frozen_an_array_and_takes_no_further_field(kind: type[msgspec.Struct]):
    config = kind.__struct_config__
    assert config.frozen and config.array_like and config.forbid_unknown_fields
