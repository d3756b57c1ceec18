"""Feldman's verifiable secret sharing of a class key, over the group that TDH2 works in.

Source: P. Feldman, "A Practical Scheme for Non-interactive Verifiable Secret Sharing" (FOCS 1987).
The dealer draws a polynomial a_0 + a_1 z + ... + a_(t-1) z^(t-1) modulo L with a_0 the secret. Share i is
its value at i, and the commitments a_j * B let everybody compute the public point of any share:
sum of i^j * (a_j B). The first commitment is the public key itself, so what is dealt is that key and no
other. Fewer than t shares say nothing of the secret beyond its public point.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from secrets import token_bytes

from chainnode.vault import group
from chainnode.vault.tdh2 import MAX_SHARES

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Dealing:
    """`commitments`: t points of 32 bytes, the first one the secret's; `shares`: scalars by index, from 1."""

    commitments: tuple[bytes, ...]
    shares: dict[int, bytes] = field(repr=False)


def deal(secret: bytes, threshold: int, count: int, random: Random = token_bytes) -> Dealing:
    """Share the scalar `secret` among the indices 1 to `count`, any `threshold` of whom can act for it.

    A polynomial that happens to give a share of zero (once in 2^252 draws) is drawn again.
    """
    assert group.is_scalar(secret) and 1 <= threshold <= count <= MAX_SHARES
    while True:
        drawn = [group.reduce(random(group.WIDE_BYTES)) for _ in range(threshold - 1)]
        coefficients = [secret, *drawn]
        shares = {index: _value(coefficients, index) for index in range(1, count + 1)}
        if all(map(group.is_scalar, (*coefficients, *shares.values()))):
            return Dealing(tuple(map(group.multiply_base, coefficients)), shares)


def _value(coefficients: Sequence[bytes], index: int) -> bytes:
    """The polynomial at `index`, by Horner's rule in constant time."""
    value = bytes(group.SCALAR_BYTES)
    for coefficient in reversed(coefficients):
        value = group.scalar_multiply_add(value, group.scalar(index), coefficient)
    return value


def share_point(commitments: Sequence[bytes], index: int) -> bytes | None:
    """The public point x_i * B of the share `index`; None where commitments were chosen so that it is none
    (the identity): nobody can prove anything by such a share.

    The commitments are points that were checked (`group.is_point`).
    """
    assert commitments and 1 <= index <= MAX_SHARES
    power, point = 1, commitments[0]
    for commitment in commitments[1:]:
        power = power * index % group.ORDER
        point = group.add(point, group.multiply(group.scalar(power), commitment))
    return point if group.is_point(point) else None


def verify_share(commitments: Sequence[bytes], index: int, share: bytes) -> bool:
    """Whether `share` is the one that the commitments promise to `index`."""
    if not group.is_scalar(share) or not all(map(group.is_point, commitments)):
        return False
    return group.multiply_base(share) == share_point(commitments, index)
