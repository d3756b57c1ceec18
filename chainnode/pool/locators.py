"""Locators: where an object lies and what is in it, for the study alone.

One key for a batch of pointers, sealed to the study by HPKE; each locator under a key of its own,
so that the chain shows neither places nor schemas.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from secrets import token_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from chainnode.pool.errors import ObjectError
from chainnode.vault.derive import KEY_BYTES, hkdf
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey
from chainnode.vault.sealing import open_sealed, seal
from consensus.codec import encode

MAX_LOCATOR_BYTES = 128
_ZERO_NONCE = bytes(12)
"""Each key encrypts one locator, once: it is derived from a fresh batch key and the object's id."""


@dataclass(frozen=True, slots=True)
class SealedLocators:
    """`sealed_key`: for AnchorRecords; `locators`: for its pointers, in the order they were given."""

    sealed_key: bytes
    locators: tuple[bytes, ...]


def _info(chain_id: bytes, member: int, study: str) -> bytes:
    return encode(("locators", chain_id, member, study))


def _cipher(batch_key: bytes, object_id: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hkdf(batch_key, encode(("locator", object_id))))


def seal_locators(
    entries: Sequence[tuple[bytes, bytes]],
    *,
    chain_id: bytes,
    member: int,
    study: str,
    study_public: bytes,
    random: Callable[[int], bytes] = token_bytes,
) -> SealedLocators:
    """Seal (object id, locator of at most 128 bytes) pairs. Raises SealingError `key-invalid`."""
    assert len({object_id for object_id, _ in entries}) == len(entries), "one key, one locator"
    assert all(len(locator) <= MAX_LOCATOR_BYTES for _, locator in entries)
    batch_key = random(KEY_BYTES)
    sealed_key = seal(study_public, batch_key, _info(chain_id, member, study))
    sealed = tuple(
        _cipher(batch_key, object_id).encrypt(_ZERO_NONCE, locator, None) for object_id, locator in entries
    )
    return SealedLocators(sealed_key, sealed)


def open_locators(
    entries: Sequence[tuple[bytes, bytes]],
    sealed_key: bytes,
    *,
    chain_id: bytes,
    member: int,
    study: str,
    study_key: KemKey,
) -> tuple[bytes, ...]:
    """The locators of (object id, sealed locator) pairs, in their order.

    Raises SealingError where the batch's key does not open, ObjectError `locator-altered`.
    """
    batch_key = open_sealed(study_key, sealed_key, _info(chain_id, member, study))
    if len(batch_key) != KEY_BYTES:
        raise SealingError("malformed", f"a batch's key has {KEY_BYTES} bytes, this one {len(batch_key)}")
    try:
        return tuple(
            _cipher(batch_key, object_id).decrypt(_ZERO_NONCE, sealed, None) for object_id, sealed in entries
        )
    except InvalidTag:
        raise ObjectError("locator-altered") from None
