"""Every pointer of an anchored batch proves its place; no other leaf passes for it."""

import pytest

from consensus.merkle import merkle_proof, merkle_proofs, merkle_root, merkle_verify


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 33])
def test_proofs_made_together_are_those_made_one_by_one(count: int) -> None:
    leaves = [b"pointer %d" % n for n in range(count)]
    root = merkle_root("pointer", leaves)
    together = merkle_proofs("pointer", leaves, range(count))
    for index, proof in enumerate(together):
        assert proof == merkle_proof("pointer", leaves, index)
        assert merkle_verify("pointer", root, count, index, leaves[index], proof)
        assert not merkle_verify("pointer", root, count, index, b"another", proof)
        assert (
            not merkle_verify("pointer", root, count, (index + 1) % count, leaves[index], proof) or count == 1
        )


def test_a_place_outside_of_the_batch_has_no_proof() -> None:
    for index in (-1, 3):
        with pytest.raises(IndexError):
            merkle_proofs("pointer", [b"a", b"b", b"c"], [0, index])
