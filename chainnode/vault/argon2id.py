"""Passphrase to key by argon2id (RFC 9106), at libsodium's three levels."""

from dataclasses import dataclass

from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from chainnode.vault.errors import NO_MEMORY
from genesis.errors import OperatorError

KEY_BYTES = 32
SALT_BYTES = argon2id.SALTBYTES


@dataclass(frozen=True, slots=True)
class Cost:
    """argon2id's passes and its memory in bytes; one lane, as in libsodium."""

    operations: int
    memory_bytes: int


LEVELS: dict[str, Cost] = {
    "interactive": Cost(argon2id.OPSLIMIT_INTERACTIVE, argon2id.MEMLIMIT_INTERACTIVE),
    "moderate": Cost(argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE),
    "sensitive": Cost(argon2id.OPSLIMIT_SENSITIVE, argon2id.MEMLIMIT_SENSITIVE),
}
"""64 MiB, 256 MiB and 1 GiB. Files record the figures too, so that a level may be raised later."""


def cost_of(level: str) -> Cost:
    assert level in LEVELS
    return LEVELS[level]


def affordable(cost: Cost) -> bool:
    """Whether a file may demand this: within argon2id's minimum and the sensitive level."""
    most = LEVELS["sensitive"]
    return (
        argon2id.OPSLIMIT_MIN <= cost.operations <= most.operations
        and argon2id.MEMLIMIT_MIN <= cost.memory_bytes <= most.memory_bytes
    )


def derive(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    """A key of 32 bytes. Raises OperatorError KEY-11 where memory is short."""
    assert len(salt) == SALT_BYTES and affordable(cost)
    try:
        key = bindings.crypto_pwhash_alg(
            KEY_BYTES, passphrase, salt, cost.operations, cost.memory_bytes, argon2id.ALG
        )
    # With lengths and limits checked above, libsodium fails for one reason: no memory.
    except (CryptoError, MemoryError):
        raise OperatorError(
            NO_MEMORY,
            f"deriving a key from the passphrase needs {cost.memory_bytes >> 20} MiB, which are not free",
            unchanged="No file was changed.",
            next_step="Free memory or raise the limit (ulimit -v, MemoryMax=), then run the command again.",
        ) from None
    return key
