"""Sealing to a hybrid public key: HPKE (RFC 9180, base mode) with MLKEM768-X25519, HKDF-SHA256 and
ChaCha20-Poly1305 (draft-ietf-hpke-pq). A sealed blob is the suite byte, the encapsulation (1,120
bytes) and the ciphertext with its tag: 1,137 bytes more than the plaintext."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey, sealing_key
from consensus.domain import SUITE

OVERHEAD_BYTES = 1 + 1_120 + 16
MAX_PLAINTEXT_BYTES = 65_536

_HPKE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def seal(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Seal up to 64 KiB to `public` (1,216 bytes). `info` says what for and is needed to open.

    Raises SealingError `key-invalid`.
    """
    assert len(plaintext) <= MAX_PLAINTEXT_BYTES
    return bytes([SUITE]) + _HPKE.encrypt(plaintext, sealing_key(public), info)


def open_sealed(private: KemKey, sealed: bytes, info: bytes) -> bytes:
    """Raises SealingError: `malformed`, `suite-unknown`, `too-large`, or `not-for-this-key` where the
    blob was altered, sealed to another key or for another purpose."""
    if len(sealed) < OVERHEAD_BYTES:
        raise SealingError("malformed", f"{len(sealed)} bytes are too few for a sealed blob")
    if sealed[0] != SUITE:
        raise SealingError("suite-unknown", f"suite {sealed[0]}")
    if len(sealed) > OVERHEAD_BYTES + MAX_PLAINTEXT_BYTES:
        raise SealingError("too-large", f"{len(sealed)} bytes")
    try:
        return _HPKE.decrypt(sealed[1:], private.private, info)
    # ValueError: X25519 refuses an encapsulation of small order.
    except (InvalidTag, ValueError):
        raise SealingError("not-for-this-key", "altered, or sealed to another key or purpose") from None
