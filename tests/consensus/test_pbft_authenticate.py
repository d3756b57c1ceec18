"""Nothing gets to the Replica whose form or whose signatures, nested ones included, do not hold."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.authenticate import authenticate
from consensus.codec import DecodeError, decode, encode
from consensus.messages import (
    Authenticated,
    BlockVote,
    Certified,
    Commit,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    SignedMessage,
    ViewChange,
    message_sequence,
)
from consensus.ready import Rejection
from consensus.types import Attestation, BatchRef
from tests.consensus.fakes import CHAIN, batch, fake_verify, members
from tests.consensus.solo import (
    Solo,
    block_vote,
    certificate,
    commit,
    new_view,
    prepare,
    prepared,
    proposal,
    sign,
    view_change,
)

EVERYBODY = members(4)
REF = batch(1)


def at(sequence: int):
    return EVERYBODY


def check(message: Message) -> str:
    """ "" where it passes, else the rule."""
    result = authenticate(message, CHAIN, at, fake_verify)
    return result.rule if isinstance(result, Rejection) else ""


def good_messages() -> list[Message]:
    first = proposal(1, (REF,))
    change = view_change(2, 1, certificate(1), (prepared(proposal(2, (batch(2),))),))
    changes = [view_change(1, 0), view_change(1, 2, certificate(1), (prepared(proposal(2, (REF,))),))]
    return [
        first,
        prepare(first, 1),
        commit(first, 2),
        block_vote(1, 3),
        change,
        new_view(1, [*changes, view_change(1, 3)]),
        Certified(certificate(4), 9),
    ]


NAMES = [type(message).__name__ for message in good_messages()]


@pytest.mark.parametrize("message", good_messages(), ids=NAMES)
def test_a_good_message_passes_and_survives_the_wire(message: Message):
    assert authenticate(message, CHAIN, at, fake_verify) == Authenticated(message)
    assert decode(encode(message), Message, limit_bytes=1 << 20) == message


def signatures_in(value: object) -> list[bytes]:
    """Whatever stands in a field `signature`, at any depth."""
    if isinstance(value, tuple):
        return [signature for item in value for signature in signatures_in(item)]
    if not isinstance(value, msgspec.Struct):
        return []
    fields = msgspec.structs.asdict(value)
    own = [fields.pop("signature")] if "signature" in fields else []
    return own + signatures_in(tuple(fields.values()))


def forged(value: object, signature: bytes) -> object:
    """`value` with that one signature made up, and whatever lies around it signed again by who sent it."""
    if isinstance(value, tuple):
        return tuple(forged(item, signature) for item in value)
    if not isinstance(value, msgspec.Struct):
        return value
    fields = msgspec.structs.asdict(value)
    if fields.get("signature") == signature:
        return msgspec.structs.replace(value, signature=bytes(64))
    changed = {name: forged(field, signature) for name, field in fields.items()}
    again = msgspec.structs.replace(value, **changed)
    return sign(again) if changed != fields and isinstance(value, SignedMessage) else again


@pytest.mark.parametrize(
    ("message", "count"), zip(good_messages(), (1, 1, 1, 1, 7, 11, 3), strict=True), ids=NAMES
)
def test_every_signature_in_a_message_is_checked_though_those_around_it_hold(message: Message, count: int):
    signatures = list(dict.fromkeys(signatures_in(message)))
    assert len(signatures) == count
    for signature in signatures:
        assert check(forged(message, signature)) == "signature"


def test_each_signature_is_checked_once():
    changes = [view_change(1, r, certificate(1)) for r in (0, 2, 3)]
    seen = []

    def counting(key: bytes, signed: bytes, signature: bytes) -> bool:
        seen.append(signature)
        return fake_verify(key, signed, signature)

    authenticate(new_view(1, changes), CHAIN, at, counting)
    assert len(seen) == len(set(seen)) == 1 + 3 + 3


def test_a_malformed_message_costs_no_signature_check():
    def never(key: bytes, signed: bytes, signature: bytes) -> bool:
        raise AssertionError

    assert authenticate(proposal(1, (REF, REF)), CHAIN, at, never) == Rejection("repeated-batch", 0)


def odd_refs() -> list[BatchRef]:
    return [
        BatchRef(b"short", 0, 1, 10, 10),
        BatchRef(REF.digest, -1, 1, 10, 10),
        BatchRef(REF.digest, 0, 1, 0, 10),
        BatchRef(REF.digest, 0, 1, 10, 0),
    ]


MALFORMED = [
    ("stranger", sign(Prepare(0, 0, 1, bytes(32), 4))),
    ("stranger", sign(Commit(0, 0, 1, bytes(32), -1))),
    ("stranger", sign(BlockVote(0, 1, bytes(32), 7))),
    ("epoch", sign(Prepare(1, 0, 1, bytes(32), 1))),
    ("epoch", sign(BlockVote(1, 1, bytes(32), 1))),
    ("form", sign(Prepare(0, 0, 0, bytes(32), 1))),
    ("form", sign(Prepare(0, -1, 1, bytes(32), 1))),
    ("form", sign(Prepare(0, 2**62, 1, bytes(32), 1))),
    ("form", sign(Commit(0, 0, 1, b"short", 1))),
    ("form", sign(BlockVote(0, 1, b"short", 1))),
    ("form", Prepare(0, 0, 1, bytes(32), 1, b"short")),
    ("form", sign(PrePrepare(0, 0, 1, 0, (REF,), 0))),
    ("form", sign(PrePrepare(0, 0, 1, 5, (), 0))),
    ("form", sign(ViewChange(0, 0, None, (), 1))),
    *(("form", sign(PrePrepare(0, 0, 1, 5, (ref,), 0))) for ref in odd_refs()),
]


@pytest.mark.parametrize(("rule", "message"), MALFORMED)
def test_what_cannot_be_valid_is_refused(rule: str, message: Message):
    assert check(message) == rule


def test_a_vote_of_one_kind_does_not_pass_for_another():
    vote = prepare(proposal(1, (REF,)), 1)
    assert check(Commit(0, 0, 1, vote.digest, 1, vote.signature)) == "signature"


@pytest.mark.parametrize("field", ["view", "sequence"])
def test_a_vote_signs_its_view_and_sequence(field: str):
    vote = prepare(proposal(1, (REF,)), 1)
    assert check(msgspec.structs.replace(vote, **{field: 2})) == "signature"


def test_a_vote_of_another_chain_is_refused():
    vote = prepare(proposal(1, (REF,)), 1)
    result = authenticate(vote, b"\x08" * 32, at, fake_verify)
    assert isinstance(result, Rejection) and result.rule == "signature"


def test_a_key_votes_only_where_its_set_is_in_force():
    later = members(4, epoch=1, first=4)

    def by_height(sequence: int):
        return EVERYBODY if sequence < 10 else later

    def outcome(message: Message) -> str:
        result = authenticate(message, CHAIN, by_height, fake_verify)
        return result.rule if isinstance(result, Rejection) else ""

    assert outcome(sign(BlockVote(0, 9, bytes(32), 1))) == ""
    assert outcome(sign(BlockVote(1, 10, bytes(32), 1))) == "stranger"
    assert outcome(sign(BlockVote(1, 10, bytes(32), 5))) == ""
    assert outcome(sign(BlockVote(0, 10, bytes(32), 1))) == "epoch"


def test_attestations_are_part_of_what_is_signed():
    ref = BatchRef(REF.digest, 0, 1, 10, 10, (Attestation(1, bytes(64)),))
    signed = proposal(1, (ref,))
    bare = msgspec.structs.replace(signed, refs=(BatchRef(REF.digest, 0, 1, 10, 10),))
    assert check(signed) == "" and check(bare) == "signature"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_comes_gives_a_decode_error_a_rejection_or_a_message(data: st.DataObject):
    """Bytes of a good message, damaged: nothing else comes out, and the replica stands."""
    source = bytearray(encode(data.draw(st.sampled_from(good_messages()))))
    for _ in range(data.draw(st.integers(1, 4))):
        source[data.draw(st.integers(0, len(source) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = decode(bytes(source), Message, limit_bytes=1 << 20)
    except DecodeError:
        return
    # The signer is lenient here, so that damaged fields get through to the replica.
    result = authenticate(message, CHAIN, at, lambda key, signed, signature: True)
    if isinstance(result, Authenticated):
        solo = Solo(1)
        solo.replica.receive(result, solo.now())
        solo.wait(1_500)


def test_a_signature_is_looked_up_in_the_set_of_its_own_sequence():
    """Sets that contradict themselves within an epoch are no reason to ask a stranger's key."""
    message = new_view(
        1, [view_change(1, 0), view_change(1, 1, None, (prepared(proposal(3, (REF,))),)), view_change(1, 2)]
    )

    def odd(sequence: int):
        return members(3, first=4) if sequence == 2 else EVERYBODY

    assert authenticate(message, CHAIN, odd, fake_verify) == Rejection("stranger", 1, "1 at 2")


def test_a_rejected_signature_is_named():
    vote = prepare(proposal(3, (REF,)), 2)
    forged = msgspec.structs.replace(vote, signature=bytes(64))
    assert authenticate(forged, CHAIN, at, fake_verify) == Rejection("signature", 2, "of 2 at 3")


def test_a_message_s_sequence_says_whose_keys_count():
    changes = [view_change(1, 0), view_change(1, 2, certificate(4)), view_change(1, 3)]
    expected = [1, 1, 1, 1, 2, 2, 4]
    assert [message_sequence(message) for message in good_messages()] == expected
    assert message_sequence(new_view(1, changes)) == 5
    assert message_sequence(NewView(0, 1, (), (), 1)) == 1
    assert message_sequence(view_change(1, 0)) == 1
