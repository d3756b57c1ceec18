"""Digests and signing bytes, each in a domain of its own.

A digest or a signature made for one purpose must never pass for another: the suite, the purpose
and the length of every part stand in front of what is hashed. For signatures the chain id does too.
"""

from functools import cache
from hashlib import sha256
from typing import Any

SUITE = 1
"""Suite 1: Ed25519 by libsodium's rule, SHA-256, ChaCha20-Poly1305, HPKE with MLKEM768-X25519."""

DIGEST_BYTES = 32
SIGNATURE_BYTES = 64
PUBLIC_KEY_BYTES = 32

_PREFIX = b"chainnode" + bytes([SUITE])


@cache
def _begun(tag: str) -> Any:
    """SHA-256 after prefix and tag: tags are few and each is used often."""
    name = tag.encode("ascii")
    return sha256(_PREFIX + bytes([len(name)]) + name)


def digest(tag: str, *parts: bytes) -> bytes:
    """SHA-256 over prefix, tag and parts, each part behind its length (4 bytes, big-endian)."""
    hasher = _begun(tag).copy()
    for part in parts:
        hasher.update(len(part).to_bytes(4, "big"))
        hasher.update(part)
    return bytes(hasher.digest())


def signing_bytes(kind: str, chain_id: bytes, body: bytes) -> bytes:
    """What a key signs: prefix, kind behind its length, chain id (32 bytes), body."""
    name = kind.encode("ascii")
    return _PREFIX + b"sign" + bytes([len(name)]) + name + chain_id + body
