"""Merkle trees in the shape of RFC 9162, with domains of their own: every leaf is proven, nothing else is."""

from hashlib import sha256

import pytest

from consensus.domain import digest
from consensus.merkle import merkle_proof, merkle_proofs, merkle_root, merkle_verify

SIZES = range(1, 18)


def leaves(count: int) -> list[bytes]:
    return [sha256(b"leaf %d" % number).digest() for number in range(count)]


def split(tag: str, data: list[bytes], first: int = 0) -> bytes:
    """RFC 9162, 2.1.1: the left subtree holds the largest power of two below the count."""
    if len(data) == 1:
        return digest(tag + "/leaf", first.to_bytes(4, "big"), data[0])
    half = 1
    while half * 2 < len(data):
        half *= 2
    return digest(tag + "/node", split(tag, data[:half], first), split(tag, data[half:], first + half))


@pytest.mark.parametrize("count", SIZES)
def test_the_tree_has_the_shape_of_rfc_9162(count: int):
    data = leaves(count)
    assert merkle_root("t", data) == digest("t/root", count.to_bytes(4, "big"), split("t", data))


def test_nothing_has_a_root_too():
    assert merkle_root("t", []) == digest("t/root", bytes(4), b"")


@pytest.mark.parametrize("count", SIZES)
def test_every_leaf_is_proven_at_its_place_and_nowhere_else(count: int):
    data = leaves(count)
    root = merkle_root("t", data)
    for index, proof in enumerate(merkle_proofs("t", data, range(count))):
        assert proof == merkle_proof("t", data, index)
        for place in range(count):
            assert merkle_verify("t", root, count, place, data[index], proof) == (place == index)


@pytest.mark.parametrize("count", SIZES)
def test_a_proof_that_is_longer_shorter_or_altered_does_not_hold(count: int):
    data = leaves(count)
    root = merkle_root("t", data)
    for index, proof in enumerate(merkle_proofs("t", data, range(count))):
        assert not merkle_verify("t", root, count, index, data[index], [*proof, bytes(32)])
        for place in range(len(proof)):
            assert not merkle_verify("t", root, count, index, data[index], proof[:place])
            altered = [*proof[:place], bytes(32), *proof[place + 1 :]]
            assert not merkle_verify("t", root, count, index, data[index], altered)


def test_a_proof_holds_for_its_own_leaf_root_count_and_tag_only():
    data = leaves(5)
    root, proof = merkle_root("t", data), merkle_proof("t", data, 2)
    assert merkle_verify("t", root, 5, 2, data[2], proof)
    assert not merkle_verify("t", root, 5, 2, b"other", proof)
    assert not merkle_verify("t", bytes(32), 5, 2, data[2], proof)
    assert not merkle_verify("t", root, 6, 2, data[2], proof)
    assert not merkle_verify("u", root, 5, 2, data[2], proof)


@pytest.mark.parametrize(("count", "index"), [(0, 0), (3, 3), (3, -1), (2**32, 0), (2**32, 2**32 - 1)])
def test_there_is_no_leaf_outside_the_tree(count: int, index: int):
    assert not merkle_verify("t", merkle_root("t", leaves(3)), count, index, leaves(1)[0], ())


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_who_asks_for_the_proof_of_no_leaf_is_told(index: int):
    with pytest.raises(IndexError, match=str(index)):
        merkle_proofs("t", leaves(3), (0, index))


def test_a_tree_may_be_larger_than_this_test_likes_and_no_larger_than_its_count_can_be_written():
    data = leaves(65)
    proof = merkle_proof("t", data, 64)
    assert merkle_verify("t", merkle_root("t", data), 65, 64, data[64], proof)
    assert not merkle_verify("t", bytes(32), 2**32, 0, data[0], [bytes(32)] * 32)
