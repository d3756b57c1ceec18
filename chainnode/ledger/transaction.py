"""The signed transaction, its rows, and the batch that carries it.

Frozen bytes: what is signed is `signing_bytes("transaction", chain_id, body)`, where `body` is the
canonical MessagePack of a TransactionBody; the id is the digest of the body alone, so neither
signature nor rows can change it.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from chainnode.ledger.payloads import Payload, Purpose
from consensus.codec import encode
from consensus.domain import SUITE, digest, signing_bytes
from consensus.types import BatchRef, Digest

MAX_TRANSACTION_BYTES = 245_760
"""Body, so that one transaction always fits a batch of the default size (256 KiB)."""
MAX_ROW_BYTES = 16_384
MAX_ROWS = 8
NONCE_BYTES = 16
ID_BYTES = 16


class Row(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An erasable row: 32 bytes of salt and the data. Blocks and state hold `row_digest` alone."""

    salt: bytes
    data: bytes

    def digest(self) -> Digest:
        return digest("row", self.salt, self.data)


class TransactionBody(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is signed. May be included at heights up to `valid_until_height`, once."""

    suite: int
    chain_id: bytes
    valid_until_height: int
    nonce: bytes
    signer: bytes
    payload: Payload


class SignedTransaction(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The exact signed body bytes, never encoded again, and the signature (64 bytes)."""

    body: bytes
    signature: bytes

    def id(self) -> Digest:
        return transaction_id(self.body)


class Submission(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A transaction with the rows that its payload names, in the payload's order."""

    transaction: SignedTransaction
    rows: tuple[Row, ...] = ()


class BatchBody(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Transactions of one origin. The digest of a batch covers this and nothing else."""

    origin: int
    origin_sequence: int
    expiry_height: int
    transactions: tuple[SignedTransaction, ...]


class SignedBatch(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A batch on the wire: encoded BatchBody, the origin's signature, and beside them the rows."""

    body: bytes
    signature: bytes
    rows: tuple[Row, ...] = ()


def transaction_id(body: bytes) -> Digest:
    return digest("transaction", body)


def batch_digest(body: bytes) -> Digest:
    return digest("batch", body)


def batch_signed_bytes(chain_id: bytes, body: bytes) -> bytes:
    """What a batch's origin signs with its validator key."""
    return signing_bytes("batch", chain_id, batch_digest(body))


def batch_ref(batch: BatchBody, body: bytes) -> BatchRef:
    """The reference that blocks carry for the batch whose encoding is `body`."""
    return BatchRef(batch_digest(body), batch.origin, batch.origin_sequence, len(body), batch.expiry_height)


def possession_bytes(chain_id: bytes, request_id: bytes, sealing_key: bytes, purpose: Purpose) -> bytes:
    """What a project's key signs to prove that the applicant holds it."""
    return signing_bytes("possession", chain_id, encode((request_id, sealing_key, purpose)))


def sign_transaction(
    payload: Payload,
    *,
    chain_id: bytes,
    valid_until_height: int,
    nonce: bytes,
    signer: bytes,
    sign: Callable[[bytes], bytes],
    rows: Sequence[Row] = (),
) -> Submission:
    """Build and sign. `nonce`: 16 fresh random bytes; `sign`: Ed25519 over the bytes given."""
    assert len(nonce) == NONCE_BYTES
    body = encode(TransactionBody(SUITE, chain_id, valid_until_height, nonce, signer, payload))
    signature = sign(signing_bytes("transaction", chain_id, body))
    return Submission(SignedTransaction(body, signature), tuple(rows))
