"""What convicts a replica, and what does not."""

import pytest
from msgspec import structs

from consensus.codec import encode
from consensus.equivocation import between, proven
from consensus.messages import Certified, Message
from tests.consensus.fakes import CHAIN, batch, fake_verify, key_of
from tests.consensus.solo import (
    block_vote,
    certificate,
    commit,
    new_view,
    prepare,
    proposal,
    sign,
    view_change,
)

ONE, OTHER = proposal(3, (batch(1),)), proposal(3, (batch(2),))
CHANGES = [view_change(1, replica) for replica in (0, 2, 3)]
LATER = [view_change(1, replica, certificate(4)) for replica in (0, 2, 3)]
PAIRS: list[tuple[Message, Message, int]] = [
    (ONE, OTHER, 3),
    (prepare(ONE, 2), prepare(OTHER, 2), 3),
    (commit(ONE, 2), commit(OTHER, 2), 3),
    (block_vote(7, 2), block_vote(7, 2, b"x" * 32), 7),
    (CHANGES[1], LATER[1], 1),
    (new_view(1, CHANGES), new_view(1, LATER), 1),
]


def convicts(first: Message, second: Message, replica: int, limit_bytes: int = 1 << 20):
    return proven(
        encode(first),
        encode(second),
        key=key_of(replica),
        chain_id=CHAIN,
        verify=fake_verify,
        limit_bytes=limit_bytes,
    )


@pytest.mark.parametrize(("first", "second", "slot"), PAIRS, ids=lambda value: type(value).__name__)
def test_two_contents_under_one_name_convict_in_either_order(first: Message, second: Message, slot: int):
    found = convicts(first, second, first.replica)
    assert found is not None and (found.replica, found.slot) == (first.replica, slot)
    assert found.kind == first.__struct_config__.tag and found.first < found.second
    assert convicts(second, first, first.replica) == found, "and have one id"


@pytest.mark.parametrize(("first", "second", "slot"), PAIRS, ids=lambda value: type(value).__name__)
def test_the_same_message_twice_convicts_nobody(first: Message, second: Message, slot: int):
    assert convicts(first, first, first.replica) is None


def test_votes_on_other_slots_views_epochs_kinds_or_of_other_replicas_contradict_nothing():
    vote = prepare(ONE, 2)
    others: list[Message] = [
        prepare(proposal(4, (batch(2),)), 2),
        prepare(proposal(3, (batch(2),), view=1), 2),
        sign(structs.replace(prepare(OTHER, 2), epoch=1)),
        commit(OTHER, 2),
        prepare(OTHER, 3),
        Certified(certificate(3), 2),
    ]
    assert [between(vote, other, CHAIN) for other in others] == [None] * len(others)
    assert between(Certified(certificate(3), 2), Certified(certificate(4), 2), CHAIN) is None


def test_a_signature_that_does_not_hold_convicts_nobody():
    good, forged = prepare(ONE, 2), structs.replace(prepare(OTHER, 2), signature=bytes(64))
    assert convicts(good, forged, 2) is None and convicts(forged, good, 2) is None
    assert convicts(good, structs.replace(forged, signature=b"short"), 2) is None
    assert convicts(good, prepare(OTHER, 2), 3) is None, "under another member's key"


def test_what_does_not_decode_is_too_long_or_has_no_name_convicts_nobody():
    good, other = prepare(ONE, 2), prepare(OTHER, 2)
    size = len(encode(good))
    assert convicts(good, other, 2, size) is not None and convicts(good, other, 2, size - 1) is None
    assert (
        proven(b"x", encode(other), key=key_of(2), chain_id=CHAIN, verify=fake_verify, limit_bytes=99) is None
    )
    huge = [sign(structs.replace(one, sequence=2**60)) for one in (good, other)]
    assert between(*huge, CHAIN) is None


def test_a_pair_has_one_id_in_whatever_order_it_is_reported():
    ids = set()
    for first, second, _ in PAIRS:
        forth, back = between(first, second, CHAIN), between(second, first, CHAIN)
        assert forth is not None and back is not None and forth.id == back.id
        ids.add(forth.id)
    assert len(ids) == len(PAIRS)
