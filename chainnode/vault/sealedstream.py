"""A stream under a passphrase: encrypted in segments, in order, with an end that cannot be cut off.

    b"chainnode-sealed-1\n", length of the head (4 bytes, big-endian), head (CBOR: argon2id's cost and salt),
    segments of 65,536 bytes and their tag; the last one is shorter or empty

ChaCha20-Poly1305 under a key that is derived anew for each stream, so the nonce is the segment's number and
whether it is the last one (the STREAM construction, Hoang et al., CRYPTO 2015). The head is associated data
of every segment.
"""

from secrets import token_bytes
from typing import Protocol

from nacl import bindings
from nacl.exceptions import CryptoError

from chainnode.vault.argon2id import SALT_BYTES, Cost, affordable, cost_of, derive
from chainnode.vault.errors import SealingError
from genesis import cbor

MAGIC = b"chainnode-sealed-1\n"
SEGMENT_BYTES = 65_536
TAG_BYTES = 16
MAX_HEAD_BYTES = 1_024
_LENGTH_BYTES, _NONCE_BYTES = 4, 12


class Source(Protocol):
    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, fewer only at the end."""
        ...


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(_NONCE_BYTES - 1, "big") + bytes([last])


class Sealer:
    """Seals a stream piece by piece: `begin`, then `feed` as often as need be, then `end`."""

    def __init__(self, passphrase: bytes, *, level: str = "moderate") -> None:
        """One argon2id derivation. Raises OperatorError KEY-11."""
        cost, salt = cost_of(level), token_bytes(SALT_BYTES)
        self._head = cbor.encode({"operations": cost.operations, "memory": cost.memory_bytes, "salt": salt})
        self._key = derive(passphrase, salt, cost)
        self._waiting = bytearray()
        self._number = 0

    def begin(self) -> bytes:
        return MAGIC + len(self._head).to_bytes(_LENGTH_BYTES, "big") + self._head

    def feed(self, piece: bytes) -> bytes:
        """The segments that are full with it."""
        self._waiting += piece
        sealed = bytearray()
        while len(self._waiting) >= SEGMENT_BYTES:
            sealed += self._seal(bytes(self._waiting[:SEGMENT_BYTES]), last=False)
            del self._waiting[:SEGMENT_BYTES]
        return bytes(sealed)

    def end(self) -> bytes:
        """The last segment, empty where nothing was left."""
        return self._seal(bytes(self._waiting), last=True)

    def _seal(self, segment: bytes, *, last: bool) -> bytes:
        nonce = _nonce(self._number, last=last)
        self._number += 1
        sealed: bytes = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
            segment, self._head, nonce, self._key
        )
        return sealed


class SealedReader:
    """Reads what a Sealer sealed, segment by segment. The MAGIC was read already.

    Raises SealingError: malformed, not-for-this-key, ciphertext-invalid (altered or cut off).
    """

    def __init__(self, source: Source, passphrase: bytes) -> None:
        """Raises OperatorError KEY-11 too."""
        self._source = source
        length = int.from_bytes(source.read(_LENGTH_BYTES), "big")
        if not 0 < length <= MAX_HEAD_BYTES:
            raise SealingError("malformed", "the sealed stream's head has an impossible length")
        self._head = source.read(length)
        cost, salt = _parse_head(self._head)
        self._key = derive(passphrase, salt, cost)
        self._number = 0
        self._plain = bytearray()
        self._ahead = source.read(SEGMENT_BYTES + TAG_BYTES)
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, fewer only at the end, which is authentic."""
        while len(self._plain) < size and not self._ended:
            self._plain += self._next()
        taken = bytes(self._plain[:size])
        del self._plain[:size]
        return taken

    def _next(self) -> bytes:
        last = len(self._ahead) < SEGMENT_BYTES + TAG_BYTES
        try:
            plain: bytes = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
                self._ahead, self._head, _nonce(self._number, last=last), self._key
            )
        except (CryptoError, ValueError):
            if self._number == 0:
                raise SealingError(
                    "not-for-this-key", "wrong passphrase, or the first bytes were altered"
                ) from None
            raise SealingError("ciphertext-invalid", "the sealed stream was altered or cut off") from None
        self._number += 1
        self._ended = last
        self._ahead = b"" if last else self._source.read(SEGMENT_BYTES + TAG_BYTES)
        return plain


def _parse_head(head: bytes) -> tuple[Cost, bytes]:
    try:
        fields = cbor.decode(head, limit_bytes=MAX_HEAD_BYTES)
    except cbor.CborError as error:
        raise SealingError("malformed", str(error)) from None
    if not isinstance(fields, dict) or set(fields) != {"operations", "memory", "salt"}:
        raise SealingError("malformed", "the sealed stream's head lacks a field")
    operations, memory, salt = fields["operations"], fields["memory"], fields["salt"]
    if type(operations) is not int or type(memory) is not int or not isinstance(salt, bytes):
        raise SealingError("malformed", "a field of the sealed stream's head has the wrong type")
    cost = Cost(operations, memory)
    if len(salt) != SALT_BYTES or not affordable(cost):
        raise SealingError("malformed", "the sealed stream demands more work than argon2id's sensitive level")
    return cost, salt
