"""Signing keys (Ed25519, libsodium's rule) and sealing keys (MLKEM768-X25519)."""

from hashlib import shake_256
from secrets import token_bytes

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey
from nacl import bindings
from nacl.exceptions import CryptoError

from chainnode.vault import group
from chainnode.vault.errors import SealingError
from consensus.domain import PUBLIC_KEY_BYTES, SIGNATURE_BYTES

SEED_BYTES = 32
SEALING_KEY_BYTES = 1_216
"""ML-KEM-768 encapsulation key (1,184 bytes), then the X25519 public key (32)."""
_MLKEM_PUBLIC_BYTES = 1_184
_MLKEM_SEED_BYTES = 64


class SigningKey:
    """An Ed25519 key pair of RFC 8032, kept as its seed (32 bytes)."""

    __slots__ = ("_secret", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        assert len(seed) == SEED_BYTES
        self.seed = seed
        self.public: bytes
        self.public, self._secret = bindings.crypto_sign_seed_keypair(seed)

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls(token_bytes(SEED_BYTES))

    def sign(self, message: bytes) -> bytes:
        """The signature alone: 64 bytes."""
        return bindings.crypto_sign(message, self._secret)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey({self.public.hex()[:16]}...)"


def verify(key: bytes, signed: bytes, signature: bytes) -> bool:
    """Whether `signature` over `signed` is good under `key`, by libsodium's rule.

    The rule is the protocol's: libraries differ on odd keys and signatures, and two rules on one
    chain fork it. tests/vault/test_ed25519_rule.py pins it.
    """
    if len(key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + signed, key)
    except CryptoError:
        return False
    return True


def valid_point(key: bytes) -> bool:
    """Whether a public key may be enrolled: a canonical point of the prime-order group."""
    return group.is_point(key)


class KemKey:
    """A hybrid key pair, kept as a seed of 32 bytes.

    The expansion by SHAKE256 to ML-KEM's seed (64 bytes) and X25519's scalar (32) is that of X-Wing
    (draft-connolly-cfrg-xwing-kem, section 5.2), whose key pairs these are.
    """

    __slots__ = ("private", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        assert len(seed) == SEED_BYTES
        expanded = shake_256(seed).digest(_MLKEM_SEED_BYTES + 32)
        lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_BYTES])
        curve = X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_BYTES:])
        self.seed = seed
        self.private = MLKEM768X25519PrivateKey(lattice, curve)
        self.public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> "KemKey":
        return cls(token_bytes(SEED_BYTES))

    def __repr__(self) -> str:
        return f"KemKey({self.public.hex()[:16]}...)"


def sealing_key(public: bytes) -> MLKEM768X25519PublicKey:
    """The key behind 1,216 bytes. Raises SealingError `key-invalid`."""
    if len(public) != SEALING_KEY_BYTES:
        raise SealingError("key-invalid", f"{len(public)} bytes, a sealing key has {SEALING_KEY_BYTES}")
    curve = X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC_BYTES:])
    try:
        lattice = MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC_BYTES])
        # A point of small order is seen only when it is used.
        X25519PrivateKey.generate().exchange(curve)
    except ValueError as error:
        raise SealingError("key-invalid", str(error)) from None
    return MLKEM768X25519PublicKey(lattice, curve)


def valid_sealing_key(public: bytes) -> bool:
    """Whether the bytes are an MLKEM768-X25519 public key that can be sealed to."""
    try:
        sealing_key(public)
    except SealingError:
        return False
    return True
