"""Keys that a hospital's node derives from its local key (32 bytes, never leaves the keystore)."""

import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consensus.codec import encode

KEY_BYTES = 32
PSEUDONYM_BYTES = 16


def hkdf(secret: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
    """HKDF-SHA256 (RFC 5869) without salt: the secrets here are uniform."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret)


def derive_intake_key(local_key: bytes, department: str) -> bytes:
    """The key (32 bytes) of a department's identifiers' MACs at intake."""
    assert len(local_key) == KEY_BYTES
    return hkdf(local_key, encode(("intake", department)))


def pseudonym(local_key: bytes, request_id: bytes, handle: bytes) -> bytes:
    """A subject's pseudonym (16 bytes) in one project's table: HMAC-SHA256 under a key of the request.

    Different requests give unlinkable pseudonyms for one subject.
    """
    assert len(local_key) == KEY_BYTES
    key = hkdf(local_key, encode(("pseudonym", request_id)))
    return hmac.digest(key, encode(("pseudonym", handle)), "sha256")[:PSEUDONYM_BYTES]
