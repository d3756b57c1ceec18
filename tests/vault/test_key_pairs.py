from hashlib import sha256

import pytest

from chainnode.vault.errors import SealingError
from chainnode.vault.keys import SEALING_KEY_BYTES, KemKey, sealing_key, valid_sealing_key

GOOD = KemKey(bytes(32)).public


def test_a_sealing_key_pair_is_that_of_x_wing() -> None:
    """draft-connolly-cfrg-xwing-kem, appendix C, first vector: seed and public key."""
    key = KemKey(bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26"))
    assert len(key.public) == SEALING_KEY_BYTES
    assert key.public.hex().startswith("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5")
    assert (
        sha256(key.public).hexdigest() == "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb"
    )


def test_generated_keys_differ() -> None:
    assert KemKey.generate().public != KemKey.generate().public


def test_a_good_public_key_can_be_sealed_to() -> None:
    assert valid_sealing_key(GOOD)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\x00",
        b"\xff" * 1_184 + GOOD[1_184:],
        GOOD[:1_184] + bytes(32),
        GOOD[:1_184] + bytes([1]) + bytes(31),
    ],
    ids=["empty", "short", "long", "lattice-not-reduced", "curve-zero", "curve-order-1"],
)
def test_a_weak_or_malformed_public_key_is_refused(bad: bytes) -> None:
    assert not valid_sealing_key(bad)
    with pytest.raises(SealingError) as caught:
        sealing_key(bad)
    assert caught.value.rule == "key-invalid"


def test_a_sealing_key_does_not_print_its_seed() -> None:
    key = KemKey(bytes(range(32)))
    assert key.seed.hex()[:16] not in repr(key)
