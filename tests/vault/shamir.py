"""What tests need around the vault: a dealer of shares, and random bytes that are the same every time."""

from collections.abc import Callable
from hashlib import shake_256

from chainnode.vault import group


def fixed_random(seed: bytes) -> Callable[[int], bytes]:
    """Bytes of SHAKE256 over the seed and a counter."""
    calls = iter(range(1_000_000))
    return lambda length: shake_256(seed + next(calls).to_bytes(4, "big")).digest(length)


def share_secret(
    secret: bytes, threshold: int, count: int, random: Callable[[int], bytes]
) -> dict[int, bytes]:
    """Shamir's shares of a scalar by index, from 1: values of a polynomial of degree threshold - 1."""
    coefficients = [secret] + [group.reduce(random(64)) for _ in range(threshold - 1)]
    shares = {}
    for index in range(1, count + 1):
        value = bytes(32)
        for coefficient in reversed(coefficients):
            value = group.scalar_multiply_add(value, group.scalar(index), coefficient)
        shares[index] = value
    return shares
