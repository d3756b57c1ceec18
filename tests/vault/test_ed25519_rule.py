"""Which odd Ed25519 signatures are good: libsodium's rule, which is the protocol's.

Verification is without cofactor, refuses S >= L, keys and R of small order and non-canonical keys.
OpenSSL, for one, takes several of these; two rules on one chain would fork it. The vectors were made
for this test with the curve's arithmetic and the key SHA-512("chainnode vector key") mod L.
"""

from typing import NamedTuple

import pytest

from chainnode.vault.keys import SigningKey, valid_point, verify


class Case(NamedTuple):
    name: str
    accepted: bool
    enrollable: bool
    key: str
    number: int
    r: str
    s: str

    @property
    def message(self) -> bytes:
        return b"odd signature %d" % self.number

    @property
    def signature(self) -> bytes:
        return bytes.fromhex(self.r + self.s)


CASES = [
    Case(
        "plain",
        accepted=True,
        enrollable=True,
        key="532fa237e8c769267eb4c6162807d06d8bf3f0b9dd583078957a372808c61819",
        number=0,
        r="f2006091462fa45d446c516234ce3bdc83d3e9f9093d412c5af862ba543b3182",
        s="97a985e4b16727673f7df31352b66571073c10cbda2530fc18152e7cb1a1460b",
    ),
    Case(
        "s-plus-order",
        accepted=False,
        enrollable=True,
        key="532fa237e8c769267eb4c6162807d06d8bf3f0b9dd583078957a372808c61819",
        number=0,
        r="f2006091462fa45d446c516234ce3bdc83d3e9f9093d412c5af862ba543b3182",
        s="847d7b41ccca39bf151aebb630b04486073c10cbda2530fc18152e7cb1a1461b",
    ),
    Case(
        "s-plus-eight-orders",
        accepted=False,
        enrollable=True,
        key="532fa237e8c769267eb4c6162807d06d8bf3f0b9dd583078957a372808c61819",
        number=0,
        r="f2006091462fa45d446c516234ce3bdc83d3e9f9093d412c5af862ba543b3182",
        s="ff4834cc8480ba27f263b02b47855d18083c10cbda2530fc18152e7cb1a1468b",
    ),
    Case(
        "key-of-order-1-equation-holds",
        accepted=False,
        enrollable=False,
        key="0100000000000000000000000000000000000000000000000000000000000000",
        number=0,
        r="b5663cdde6c8f1c8b4fe6ff111358a50d9a64c19f2fa2575a52b80cfdc09e180",
        s="f01a098fc1ae33dda7baf7b130c8492cc877c9aac4c31685c4b630cd9b8b6502",
    ),
    Case(
        "key-of-order-8-equation-holds",
        accepted=False,
        enrollable=False,
        key="c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        number=24,
        r="546db5d9733e0c6a8f7ba45cf2af4615780ae176c71eee8ea0cacce77f4dcb66",
        s="12fa09cb45b38ad58cbb0deef7f173a61780ab4be492c23ced6ccde45732890a",
    ),
    Case(
        "key-of-order-4-equation-holds",
        accepted=False,
        enrollable=False,
        key="0000000000000000000000000000000000000000000000000000000000000080",
        number=9,
        r="066f2c7e6e3af968ec7d3fefe5993ace4cb302d0c24498d362811739bc186b8d",
        s="bdd1b7618007cfb04793cd56067e7010ca9c425c69c44d55ae1b0e958aa3f402",
    ),
    Case(
        "key-of-order-2-equation-holds",
        accepted=False,
        enrollable=False,
        key="ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        number=2,
        r="595caeeb93cc5c6e6d8d94954fd593d67a412bcf16eaf7510f79ab8cd915d92e",
        s="5f1b59d2f39fa75c2fe0b11897a20f0375026729578067e018a900c4504e3607",
    ),
    Case(
        "r-of-order-1",
        accepted=False,
        enrollable=True,
        key="532fa237e8c769267eb4c6162807d06d8bf3f0b9dd583078957a372808c61819",
        number=0,
        r="0100000000000000000000000000000000000000000000000000000000000000",
        s="0648b486874e78361e5e937823c07062dd7e9a282049845dbb95cbd7e0567a06",
    ),
    Case(
        "r-of-order-8",
        accepted=False,
        enrollable=True,
        key="532fa237e8c769267eb4c6162807d06d8bf3f0b9dd583078957a372808c61819",
        number=0,
        r="c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        s="0ad943df5965da342bf59963a0082243dfc93f12b4856f2c7ab4f8a383c54008",
    ),
    Case(
        "mixed-key-equation-holds",
        accepted=True,
        enrollable=False,
        key="735cdfc8980097e8ae6083668c5472978c186677363fb6d82e6aff4096ce8a49",
        number=3,
        r="dfc03b046be0e84fcaf3d8b10ac85eccbfc3b1775aef90fa0e4559ab2def6ad4",
        s="23f4638e69051ff38e89e1f84e1c7cbb820f295134b4b6583f713787c8344d0d",
    ),
    Case(
        "mixed-key-cofactored-only",
        accepted=False,
        enrollable=False,
        key="735cdfc8980097e8ae6083668c5472978c186677363fb6d82e6aff4096ce8a49",
        number=0,
        r="f2006091462fa45d446c516234ce3bdc83d3e9f9093d412c5af862ba543b3182",
        s="4b46a023f38a40943a424264e2d7faefd94ffd68c1221d6b504dfe6350310c03",
    ),
    Case(
        "mixed-r-cofactored-only",
        accepted=False,
        enrollable=True,
        key="532fa237e8c769267eb4c6162807d06d8bf3f0b9dd583078957a372808c61819",
        number=0,
        r="da37c7b64260f4e4d23c5a59802afe95a70df3a5f256931314071d83d37f6bcc",
        s="a06e1b7f74d3054b14086b55a7d4007ef3712fe39d11779bdeb7cd7e56d38a08",
    ),
    Case(
        "mixed-key-mixed-r-equation-holds",
        accepted=True,
        enrollable=False,
        key="735cdfc8980097e8ae6083668c5472978c186677363fb6d82e6aff4096ce8a49",
        number=0,
        r="c80dba433eb93a7dd915ad6eb98c8063ed000be23af3c38d945460fe597b13df",
        s="fce31b662f160d76f03b7c2138c465bc65a769f5f1a87c478480bc0a82407b05",
    ),
    Case(
        "r-non-canonical-identity",
        accepted=False,
        enrollable=True,
        key="532fa237e8c769267eb4c6162807d06d8bf3f0b9dd583078957a372808c61819",
        number=0,
        r="eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        s="028cad7c2c5270c938b0d06e4a2e733df71fa6973c4baa8db07804ae541f420c",
    ),
    Case(
        "key-non-canonical-identity",
        accepted=False,
        enrollable=False,
        key="eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        number=0,
        r="b5663cdde6c8f1c8b4fe6ff111358a50d9a64c19f2fa2575a52b80cfdc09e180",
        s="f01a098fc1ae33dda7baf7b130c8492cc877c9aac4c31685c4b630cd9b8b6502",
    ),
    Case(
        "key-negative-zero",
        accepted=False,
        enrollable=False,
        key="0100000000000000000000000000000000000000000000000000000000000080",
        number=0,
        r="b5663cdde6c8f1c8b4fe6ff111358a50d9a64c19f2fa2575a52b80cfdc09e180",
        s="f01a098fc1ae33dda7baf7b130c8492cc877c9aac4c31685c4b630cd9b8b6502",
    ),
    Case(
        "r-negative-zero",
        accepted=False,
        enrollable=True,
        key="532fa237e8c769267eb4c6162807d06d8bf3f0b9dd583078957a372808c61819",
        number=0,
        r="0100000000000000000000000000000000000000000000000000000000000080",
        s="a461c9a270043b40ffa49a75e9401d9168e45423b030b9df38df98846e818a0f",
    ),
]
BY_NAME = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@BY_NAME
def test_verification_takes_exactly_what_libsodium_takes(case: Case) -> None:
    assert verify(bytes.fromhex(case.key), case.message, case.signature) is case.accepted


@BY_NAME
def test_enrolment_takes_only_keys_of_the_prime_order_group(case: Case) -> None:
    assert valid_point(bytes.fromhex(case.key)) is case.enrollable


def test_every_odd_signature_that_verifies_is_under_a_key_that_cannot_be_enrolled() -> None:
    odd = [case.name for case in CASES if case.accepted and case.enrollable]
    assert odd == ["plain"]


def test_verification_refuses_a_signature_with_any_bit_flipped() -> None:
    plain = CASES[0]
    for position in range(0, 512, 7):
        flipped = bytearray(plain.signature)
        flipped[position // 8] ^= 1 << position % 8
        assert not verify(bytes.fromhex(plain.key), plain.message, bytes(flipped)), position


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_verification_refuses_keys_of_another_length(length: int) -> None:
    assert not verify(bytes(length), b"message", bytes(64))


@pytest.mark.parametrize("length", [0, 63, 65])
def test_verification_refuses_signatures_of_another_length(length: int) -> None:
    key = SigningKey(bytes(32))
    assert not verify(key.public, b"message", key.sign(b"message").ljust(65, b"0")[:length])


def test_signing_gives_the_first_signature_of_rfc_8032() -> None:
    key = SigningKey(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert key.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    assert verify(key.public, b"", key.sign(b""))


def test_a_key_does_not_print_its_seed() -> None:
    key = SigningKey(bytes(range(32)))
    assert key.seed.hex()[:16] not in repr(key) and str(key.seed) not in repr(key)
