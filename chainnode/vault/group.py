"""The prime-order group that Ed25519 lives in, by libsodium's operations.

Points and scalars are 32 bytes, little-endian, in canonical form; L is the order (RFC 8032
section 5.1). Results of operations on checked inputs cannot fail, so a failure here is our bug.
"""

from nacl import bindings

from consensus.domain import digest

ORDER = 2**252 + 27742317777372353535851937790883648493
POINT_BYTES = SCALAR_BYTES = 32
WIDE_BYTES = 64
"""Bytes that are reduced to a scalar: 64, so that the bias is below 2^-250."""

_IDENTITY = bytes([1]) + bytes(31)


def is_point(point: bytes) -> bool:
    """Canonical, on the curve, in the prime-order subgroup, and not of small order."""
    return len(point) == POINT_BYTES and bool(bindings.crypto_core_ed25519_is_valid_point(point))


def is_scalar(scalar: bytes) -> bool:
    """Canonical (below L) and not zero."""
    return len(scalar) == SCALAR_BYTES and 0 < int.from_bytes(scalar, "little") < ORDER


def is_identity(point: bytes) -> bool:
    return point == _IDENTITY


def reduce(wide: bytes) -> bytes:
    """64 bytes modulo L."""
    assert len(wide) == WIDE_BYTES
    return bindings.crypto_core_ed25519_scalar_reduce(wide)


def scalar(value: int) -> bytes:
    """A public number modulo L; secrets never take this way, Python's integers leak time."""
    return (value % ORDER).to_bytes(SCALAR_BYTES, "little")


def multiply(factor: bytes, point: bytes) -> bytes:
    """factor * point, for a scalar and a point that were checked."""
    return bindings.crypto_scalarmult_ed25519_noclamp(factor, point)


def multiply_base(factor: bytes) -> bytes:
    """factor * B, for a scalar that was checked."""
    return bindings.crypto_scalarmult_ed25519_base_noclamp(factor)


def add(left: bytes, right: bytes) -> bytes:
    return bindings.crypto_core_ed25519_add(left, right)


def subtract(left: bytes, right: bytes) -> bytes:
    return bindings.crypto_core_ed25519_sub(left, right)


def scalar_multiply_add(left: bytes, right: bytes, summand: bytes) -> bytes:
    """left * right + summand modulo L, in constant time."""
    product = bindings.crypto_core_ed25519_scalar_mul(left, right)
    return bindings.crypto_core_ed25519_scalar_add(product, summand)


def hash_to_scalar(tag: str, *parts: bytes) -> bytes:
    """A scalar from SHA-256 in two domains, 64 bytes, modulo L."""
    return reduce(digest(tag + "/low", *parts) + digest(tag + "/high", *parts))


def hash_to_point(tag: str) -> bytes:
    """A point whose discrete logarithm nobody knows: Elligator 2 on a digest, cofactor cleared."""
    return bindings.crypto_core_ed25519_from_uniform(digest(tag))
