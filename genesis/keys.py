"""Public keys as they stand in documents: are they what they say, does a signature verify."""

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from consensus.domain import PUBLIC_KEY_BYTES, SIGNATURE_BYTES

MLKEM768_PUBLIC_BYTES = 1_184
SEALING_KEY_BYTES = MLKEM768_PUBLIC_BYTES + 32
"""MLKEM768-X25519: the ML-KEM encapsulation key, then the X25519 key."""

_PROBE = X25519PrivateKey.from_private_bytes(bytes(31) + b"\x40")


def valid_signing_key(key: bytes) -> bool:
    """Whether `key` is an Ed25519 key that libsodium's rule takes: canonical, on the curve, in the
    main subgroup, not of small order."""
    return len(key) == PUBLIC_KEY_BYTES and bool(crypto_core_ed25519_is_valid_point(key))


def valid_sealing_key(key: bytes) -> bool:
    """Whether `key` is an MLKEM768-X25519 public key: reduced coefficients (FIPS 203 section 7.2) and
    an X25519 part that is not of small order (RFC 7748 section 6.1)."""
    if len(key) != SEALING_KEY_BYTES:
        return False
    try:
        MLKEM768PublicKey.from_public_bytes(key[:MLKEM768_PUBLIC_BYTES])
        _PROBE.exchange(X25519PublicKey.from_public_bytes(key[MLKEM768_PUBLIC_BYTES:]))
    except ValueError:
        return False
    return True


def verify(key: bytes, signed: bytes, signature: bytes) -> bool:
    """Ed25519 by libsodium's rule. A key that is no valid point verifies nothing."""
    if len(signature) != SIGNATURE_BYTES or not valid_signing_key(key):
        return False
    try:
        VerifyKey(key).verify(signed, signature)
    except BadSignatureError:
        return False
    return True
