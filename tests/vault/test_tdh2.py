from itertools import combinations

import pytest
from msgspec.structs import replace
from shamir import fixed_random, share_secret

from chainnode.vault import group, tdh2
from chainnode.vault.errors import SealingError
from consensus.codec import encode

SECRET = group.hash_to_scalar("test/secret")
POINT = group.multiply_base(SECRET)
LABEL = b"chain, object, member, policy"
MESSAGE = bytes(range(64))

IDENTITY = bytes([1]) + bytes(31)
ORDER_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
MIXED = bytes.fromhex("735cdfc8980097e8ae6083668c5472978c186677363fb6d82e6aff4096ce8a49")
NON_CANONICAL = bytes([0xF0]) + b"\xff" * 30 + b"\x7f"
OFF_CURVE = bytes([2]) + bytes(31)
BAD_POINTS = {
    "identity": IDENTITY,
    "order-8": ORDER_8,
    "mixed-order": MIXED,
    "non-canonical": NON_CANONICAL,
    "off-curve": OFF_CURVE,
    "short": bytes(31),
    "empty": b"",
}
ALL_BAD_POINTS = pytest.mark.parametrize("bad", BAD_POINTS.values(), ids=BAD_POINTS)


def sealed(message: bytes = MESSAGE, label: bytes = LABEL) -> tdh2.Ciphertext:
    return tdh2.encrypt(POINT, message, label, fixed_random(b"sealed"))


@pytest.mark.parametrize("length", [1, 31, 32, 33, 63, 64])
def test_the_holder_of_the_key_opens_messages_of_every_length(length: int) -> None:
    ciphertext = sealed(MESSAGE[:length])
    assert len(ciphertext.c) == length
    assert tdh2.decrypt(SECRET, ciphertext, LABEL) == MESSAGE[:length]


def test_another_key_gives_noise_and_never_the_message() -> None:
    other = group.hash_to_scalar("test/other")
    assert tdh2.decrypt(other, sealed(), LABEL) != MESSAGE


def test_fresh_randomness_gives_another_ciphertext_each_time() -> None:
    assert tdh2.encrypt(POINT, MESSAGE, LABEL) != tdh2.encrypt(POINT, MESSAGE, LABEL)


def test_a_ciphertext_is_refused_under_another_label() -> None:
    assert tdh2.check(sealed(), LABEL)
    assert not tdh2.check(sealed(), LABEL + b"!")
    with pytest.raises(SealingError) as caught:
        tdh2.decrypt(SECRET, sealed(), b"laxer policy")
    assert caught.value.rule == "ciphertext-invalid"


@pytest.mark.parametrize("field", ["u", "u_bar", "e", "f", "c"])
def test_every_bit_of_a_ciphertext_is_covered_by_its_proof(field: str) -> None:
    ciphertext = sealed()
    value = getattr(ciphertext, field)
    for position in range(0, 8 * len(value), 37):
        flipped = bytearray(value)
        flipped[position // 8] ^= 1 << position % 8
        assert not tdh2.check(replace(ciphertext, **{field: bytes(flipped)}), LABEL), (field, position)


def test_fields_of_two_good_ciphertexts_do_not_mix() -> None:
    first, second = sealed(), tdh2.encrypt(POINT, MESSAGE, LABEL, fixed_random(b"second"))
    for field in ("u", "u_bar", "e", "f", "c"):
        assert not tdh2.check(replace(first, **{field: getattr(second, field)}), LABEL), field


@ALL_BAD_POINTS
@pytest.mark.parametrize("field", ["u", "u_bar"])
def test_a_ciphertext_with_a_point_outside_the_group_is_refused(field: str, bad: bytes) -> None:
    assert not tdh2.check(replace(sealed(), **{field: bad}), LABEL)


@ALL_BAD_POINTS
def test_encryption_to_a_point_outside_the_group_is_refused(bad: bytes) -> None:
    with pytest.raises(SealingError) as caught:
        tdh2.encrypt(bad, MESSAGE, LABEL)
    assert caught.value.rule == "point-invalid"


@pytest.mark.parametrize("field", ["e", "f"])
@pytest.mark.parametrize("how", ["zero", "plus-order", "short"])
def test_scalars_that_are_zero_or_not_reduced_are_refused(field: str, how: str) -> None:
    ciphertext = sealed()
    value = int.from_bytes(getattr(ciphertext, field), "little")
    bad = {
        "zero": bytes(32),
        "plus-order": (value + group.ORDER).to_bytes(32, "little"),
        "short": getattr(ciphertext, field)[:31],
    }[how]
    assert not tdh2.check(replace(ciphertext, **{field: bad}), LABEL)


def test_a_proof_whose_commitments_are_the_identity_is_refused() -> None:
    """s = 0: e and f would give the randomness r away, and with it the message."""
    r, c = group.hash_to_scalar("test/r"), bytes(64)
    u, u_bar = group.multiply_base(r), group.multiply(r, tdh2.SECOND_GENERATOR)
    e = tdh2._challenge(c, LABEL, u, IDENTITY, u_bar, IDENTITY)
    f = group.scalar_multiply_add(r, e, bytes(32))
    assert not tdh2.check(tdh2.Ciphertext(1, u, u_bar, e, f, c), LABEL)


def test_a_ciphertext_of_another_suite_is_refused() -> None:
    assert not tdh2.check(replace(sealed(), suite=2), LABEL)


def test_a_ciphertext_without_a_message_is_refused() -> None:
    assert not tdh2.check(replace(sealed(), c=b""), LABEL)
    assert not tdh2.check(replace(sealed(), c=bytes(65)), LABEL)


def test_no_partial_is_given_for_a_ciphertext_that_fails_its_check() -> None:
    with pytest.raises(SealingError) as caught:
        tdh2.partial(SECRET, replace(sealed(), c=bytes(64)), LABEL)
    assert caught.value.rule == "ciphertext-invalid"


def test_any_three_of_five_shares_open_and_no_two_do() -> None:
    shares = share_secret(SECRET, 3, 5, fixed_random(b"deal"))
    points = {index: group.multiply_base(share) for index, share in shares.items()}
    ciphertext = sealed()
    answers = {index: tdh2.partial(share, ciphertext, LABEL, index=index) for index, share in shares.items()}
    for chosen in combinations(answers.values(), 3):
        assert tdh2.combine(ciphertext, LABEL, chosen, points, 3) == MESSAGE
    for chosen in combinations(answers.values(), 2):
        with pytest.raises(SealingError) as caught:
            tdh2.combine(ciphertext, LABEL, chosen, points, 3)
        assert caught.value.rule == "partials-too-few"
        assert tdh2.combine(ciphertext, LABEL, chosen, points, 2) != MESSAGE


def test_combining_survives_lies_as_long_as_enough_answers_are_good() -> None:
    shares = share_secret(SECRET, 2, 4, fixed_random(b"deal"))
    points = {index: group.multiply_base(share) for index, share in shares.items()}
    ciphertext = sealed()
    answers = [tdh2.partial(share, ciphertext, LABEL, index=index) for index, share in shares.items()]
    lies = [replace(answers[0], u=answers[1].u), replace(answers[1], index=1)]
    assert tdh2.combine(ciphertext, LABEL, [*lies, *answers[2:]], points, 2) == MESSAGE


def test_lies_are_named_where_too_few_answers_are_good() -> None:
    shares = share_secret(SECRET, 2, 3, fixed_random(b"deal"))
    points = {index: group.multiply_base(share) for index, share in shares.items()}
    ciphertext = sealed()
    good = tdh2.partial(shares[1], ciphertext, LABEL, index=1)
    lie = tdh2.partial(shares[3], ciphertext, LABEL, index=2)
    stranger = tdh2.partial(shares[3], ciphertext, LABEL, index=9)
    with pytest.raises(SealingError) as caught:
        tdh2.combine(ciphertext, LABEL, [lie, good, stranger], points, 2)
    assert caught.value.rule == "partials-too-few" and "[2, 9]" in caught.value.detail


def test_one_share_given_twice_counts_once() -> None:
    shares = share_secret(SECRET, 2, 3, fixed_random(b"deal"))
    points = {index: group.multiply_base(share) for index, share in shares.items()}
    ciphertext = sealed()
    twice = [tdh2.partial(shares[1], ciphertext, LABEL, index=1) for _ in range(2)]
    with pytest.raises(SealingError):
        tdh2.combine(ciphertext, LABEL, twice, points, 2)


@pytest.mark.parametrize("field", ["u", "e", "f"])
def test_a_partial_with_any_field_altered_fails_its_proof(field: str) -> None:
    ciphertext = sealed()
    answer = tdh2.partial(SECRET, ciphertext, LABEL)
    other = tdh2.partial(SECRET, tdh2.encrypt(POINT, MESSAGE, LABEL), LABEL)
    assert tdh2.verify_partial(POINT, ciphertext, answer)
    assert not tdh2.verify_partial(POINT, ciphertext, replace(answer, **{field: getattr(other, field)}))
    assert not tdh2.verify_partial(POINT, ciphertext, replace(answer, index=2))


@ALL_BAD_POINTS
def test_a_partial_with_a_point_outside_the_group_fails(bad: bytes) -> None:
    ciphertext = sealed()
    answer = tdh2.partial(SECRET, ciphertext, LABEL)
    assert not tdh2.verify_partial(POINT, ciphertext, replace(answer, u=bad))
    assert not tdh2.verify_partial(bad, ciphertext, answer)


@pytest.mark.parametrize("index", [0, -1, 256, 2**40])
def test_a_partial_with_an_index_out_of_range_fails(index: int) -> None:
    ciphertext = sealed()
    answer = replace(tdh2.partial(SECRET, ciphertext, LABEL), index=index)
    assert not tdh2.verify_partial(POINT, ciphertext, answer)


@pytest.mark.parametrize("field", ["e", "f"])
def test_a_partial_whose_scalars_are_not_reduced_fails(field: str) -> None:
    ciphertext = sealed()
    answer = tdh2.partial(SECRET, ciphertext, LABEL)
    value = int.from_bytes(getattr(answer, field), "little") + group.ORDER
    for bad in (value.to_bytes(32, "little"), bytes(32), b""):
        assert not tdh2.verify_partial(POINT, ciphertext, replace(answer, **{field: bad}))


def test_encoded_ciphertexts_come_back_as_they_were() -> None:
    assert tdh2.decode_ciphertext(tdh2.encode_ciphertext(sealed())) == sealed()


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "malformed"),
        (bytes(300), "malformed"),
        (b"\x96" * 200, "malformed"),
        (tdh2.encode_ciphertext(sealed())[:-1], "malformed"),
        (tdh2.encode_ciphertext(sealed()) + b"\x00", "malformed"),
        (encode((9, b"", b"", b"", b"", b"")), "suite-unknown"),
    ],
    ids=["empty", "zeros", "nested", "truncated", "trailing", "other-suite"],
)
def test_bytes_that_are_no_ciphertext_are_refused(data: bytes, rule: str) -> None:
    with pytest.raises(SealingError) as caught:
        tdh2.decode_ciphertext(data)
    assert caught.value.rule == rule
