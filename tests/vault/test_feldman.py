"""Feldman's sharing: against Shamir's own, with what it promises and what it refuses."""

from hashlib import sha256

import pytest

from chainnode.vault import group, tdh2
from chainnode.vault.classshares import Committed, Seated, deal_to, open_shares, trustee_tag
from chainnode.vault.errors import SealingError
from chainnode.vault.feldman import Dealing, deal, share_point, verify_share
from chainnode.vault.keys import KemKey
from chainnode.vault.parts import parts_digest
from consensus.codec import encode
from tests.vault.shamir import fixed_random, share_secret

SECRET = group.hash_to_scalar("test/class-key")
SUBSETS = ((1, 2, 3), (2, 4, 5), (5, 3, 1))
CHAIN, HANDLE = b"c" * 32, b"h" * 16


def dealt(threshold: int = 3, count: int = 5, seed: bytes = b"dealing") -> Dealing:
    return deal(SECRET, threshold, count, fixed_random(seed))


def at_zero(shares: dict[int, bytes]) -> bytes:
    """Lagrange's interpolation of the secret."""
    total = bytes(32)
    for index, share in shares.items():
        total = group.scalar_multiply_add(tdh2.lagrange_at_zero(tuple(shares), index), share, total)
    return total


def test_shares_are_shamirs_of_the_same_polynomial() -> None:
    assert dealt().shares == share_secret(SECRET, 3, 5, fixed_random(b"dealing"))


def test_the_bytes_of_a_dealing_are_frozen() -> None:
    one = dealt()
    named = sha256(encode((one.commitments, sorted(one.shares.items())))).hexdigest()
    assert named == "0a5adc7a4124ad723ffe060148e9ee5676a0f41114b2329ab08c528f445f764d"


def test_the_first_commitment_is_the_class_keys_point() -> None:
    assert dealt().commitments[0] == group.multiply_base(SECRET)
    assert len(dealt().commitments) == 3


@pytest.mark.parametrize("threshold", [1, 2, 5])
def test_every_share_fits_its_own_index_and_no_other(threshold: int) -> None:
    one = dealt(threshold)
    for index, share in one.shares.items():
        assert verify_share(one.commitments, index, share)
        assert share_point(one.commitments, index) == group.multiply_base(share)
        assert verify_share(one.commitments, index % 5 + 1, share) is (threshold == 1)


def test_any_t_shares_give_the_key_and_fewer_give_another() -> None:
    shares = dealt().shares
    for seats in SUBSETS:
        assert at_zero({seat: shares[seat] for seat in seats}) == SECRET
    assert at_zero({seat: shares[seat] for seat in (1, 4)}) != SECRET


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_altered_commitment_is_seen_by_every_trustee(at: int) -> None:
    one = dealt()
    altered = list(one.commitments)
    altered[at] = group.add(altered[at], group.multiply_base(group.scalar(1)))
    assert not any(verify_share(tuple(altered), index, share) for index, share in one.shares.items())


def test_what_is_no_scalar_or_no_point_is_no_share() -> None:
    one = dealt()
    assert not verify_share(one.commitments, 1, bytes(32))
    assert not verify_share(one.commitments, 1, b"\xff" * 32)
    assert not verify_share(one.commitments, 1, b"")
    assert not verify_share((*one.commitments[:2], bytes(32)), 1, one.shares[1])


def test_commitments_that_cancel_out_give_no_point() -> None:
    point = group.multiply_base(SECRET)
    negative = group.multiply(group.scalar(-1), point)
    assert share_point((point, negative), 1) is None
    assert not verify_share((point, negative), 1, group.scalar(1))


def test_partials_of_any_t_shares_open_what_is_sealed_to_the_dealt_key() -> None:
    one, half = dealt(), b"s" * 64
    wrap = tdh2.encrypt(one.commitments[0], half, b"label")
    points = {index: share_point(one.commitments, index) or b"" for index in one.shares}
    for seats in SUBSETS:
        answers = [tdh2.partial(one.shares[seat], wrap, b"label", index=seat) for seat in seats]
        assert tdh2.combine(wrap, b"label", answers, points, 3) == half
    with pytest.raises(SealingError, match="partials-too-few"):
        tdh2.combine(wrap, b"label", answers[:2], points, 3)


class Trustees:
    """Three of five seats are dealt to."""

    def __init__(self) -> None:
        self.kems = {seat: KemKey(bytes([seat]) * 32) for seat in (2, 3, 5)}
        self.seated = [Seated(seat, bytes([seat]) * 32, kem.public) for seat, kem in self.kems.items()]
        self.dealt = deal_to(
            {("conditions", 0): SECRET, ("allergies", 2): group.scalar(7)},
            self.seated,
            seats=5,
            threshold=2,
            chain_id=CHAIN,
            handle=HANDLE,
        )
        self.blobs = dict(self.dealt.sealed)

    def open(
        self, seat: int, keys: tuple[Committed, ...] = (), *, handle: bytes = HANDLE, blob: int = 0
    ) -> tuple[bytes, ...]:
        sealed = self.blobs[trustee_tag(bytes([blob or seat]) * 32)]
        return open_shares(
            self.kems[seat], sealed, keys or self.dealt.keys, seat=seat, chain_id=CHAIN, handle=handle
        )


def test_each_trustee_opens_its_own_shares_of_all_keys() -> None:
    trustees = Trustees()
    assert [(key.data_class, key.epoch) for key in trustees.dealt.keys] == [
        ("allergies", 2),
        ("conditions", 0),
    ]
    for seat in (2, 3, 5):
        shares = trustees.open(seat)
        assert all(
            verify_share(key.commitments, seat, share)
            for key, share in zip(trustees.dealt.keys, shares, strict=True)
        )
    assert trustees.dealt.digest == parts_digest(trustees.dealt.sealed)


def test_a_part_of_the_keys_can_be_taken_out_of_a_blob() -> None:
    trustees = Trustees()
    (second,) = trustees.open(3, trustees.dealt.keys[1:])
    assert second == trustees.open(3)[1]


def test_a_blob_of_another_trustee_or_patient_does_not_open() -> None:
    trustees = Trustees()
    with pytest.raises(SealingError, match="not-for-this-key"):
        trustees.open(2, blob=3)
    with pytest.raises(SealingError, match="not-for-this-key"):
        trustees.open(2, handle=b"o" * 16)


def test_shares_that_the_commitments_on_chain_do_not_promise_are_refused() -> None:
    trustees, other = Trustees(), Trustees()
    with pytest.raises(SealingError, match="share-mismatch"):
        trustees.open(2, other.dealt.keys)
