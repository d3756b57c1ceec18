"""Admission: what is looked at before a transaction or a batch is passed on.

`check_form` and `check_batch` need no state; a batch's verdict is the same on every node at every height,
for one bad transaction voids it and speaks against its origin. `check_state` asks the state machine itself.
"""

from collections.abc import Callable, Sequence

from chainnode.ledger import features
from chainnode.ledger.fields import FormContext, ValidPoint, Verify, require, require_length
from chainnode.ledger.forms import check_payload
from chainnode.ledger.machine import Included, rehearse, validity_rule
from chainnode.ledger.payloads import Consent
from chainnode.ledger.rows import RowLookup, check_rows, in_second_form, no_rows, row_digests
from chainnode.ledger.rules import Refusal, RefusedError
from chainnode.ledger.transaction import (
    MAX_ROW_BYTES,
    MAX_ROWS,
    MAX_TRANSACTION_BYTES,
    NONCE_BYTES,
    BatchBody,
    Row,
    SignedBatch,
    SignedTransaction,
    Submission,
    TransactionBody,
    batch_ref,
    batch_signed_bytes,
    transaction_id,
)
from chainnode.ledger.transition import BlockContext
from chainnode.ledger.view import Reader
from consensus.codec import DecodeError, decode, encode
from consensus.domain import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, SUITE, signing_bytes
from consensus.parameters import Parameters
from consensus.types import BatchRef, ReplicaId, ReplicaSet

BATCH_OVERHEAD_BYTES = 256
"""What a batch holds beside the bodies and signatures of its transactions, at most."""
TRANSACTION_OVERHEAD_BYTES = 80
"""What a batch adds to one body: its signature and the lengths."""


def transaction_limit_bytes(parameters: Parameters) -> int:
    """How long a body may be so that it fits a batch."""
    fitting = parameters.batch_bytes - BATCH_OVERHEAD_BYTES - TRANSACTION_OVERHEAD_BYTES
    return min(MAX_TRANSACTION_BYTES, fitting)


def batch_rows_limit_bytes(parameters: Parameters) -> int:
    """How many bytes of rows (data and salts) may travel beside one batch."""
    return parameters.batch_bytes + MAX_ROWS * MAX_ROW_BYTES


def _decode_body(body: bytes, limit_bytes: int) -> TransactionBody:
    try:
        return decode(body, TransactionBody, limit_bytes=limit_bytes)
    except DecodeError as error:
        raise RefusedError(error.code, error.detail) from None


def _check_transaction(
    transaction: SignedTransaction, limit_bytes: int, form: FormContext
) -> TransactionBody:
    """All that holds at every height. Raises RefusedError."""
    body = _decode_body(transaction.body, limit_bytes)
    require(body.suite == SUITE, "unknown-suite", f"suite {body.suite}, this chain uses {SUITE}")
    require(body.chain_id == form.chain_id, "other-chain", "")
    require(body.valid_until_height >= 1, "malformed", "valid_until_height is to be 1 at least")
    require_length(body.nonce, NONCE_BYTES, "nonce")
    require_length(body.signer, PUBLIC_KEY_BYTES, "signer")
    require_length(transaction.signature, SIGNATURE_BYTES, "signature")
    signed = signing_bytes("transaction", form.chain_id, transaction.body)
    require(form.verify(body.signer, signed, transaction.signature), "bad-signature", "")
    check_payload(body.payload, form)
    return body


def check_form(
    submission: Submission | SignedTransaction,
    *,
    chain_id: bytes,
    height: int,
    parameters: Parameters,
    verify: Verify,
    valid_point: ValidPoint,
) -> TransactionBody | Refusal:
    """Form of a transaction that a client hands in when `height` is the last executed one.

    Of a Submission the rows are checked too; of a bare SignedTransaction they are not.
    """
    rows: Sequence[Row] | None = None
    transaction = submission
    if isinstance(submission, Submission):
        rows, transaction = submission.rows, submission.transaction
    assert isinstance(transaction, SignedTransaction)
    form = FormContext(chain_id, verify, valid_point)
    try:
        body = _check_transaction(transaction, transaction_limit_bytes(parameters), form)
        until, longest = body.valid_until_height, height + parameters.validity_heights
        require(until > height, "expired-transaction", f"valid to height {until}, now {height}")
        require(until <= longest, "validity-too-long", f"valid to height {until}, at most {longest}")
        if rows is not None:
            check_rows(body.payload, rows)
    except RefusedError as error:
        return error.refusal
    return body


def check_state(
    body: TransactionBody,
    reader: Reader,
    context: BlockContext,
    rows: RowLookup = no_rows,
    included: Included = lambda _: False,
) -> Refusal | None:
    """Whether `body` would be executed if it stood alone in the block that `context` describes (the
    next one: last executed height + 1, this node's time)."""
    if included(transaction_id(encode(body))):
        return Refusal("replayed")
    rule = validity_rule(body, context)
    if rule:
        return Refusal(rule)
    if isinstance(body.payload, Consent):
        # Here and not in execution, which must not read a row that may be erased by the time it is repeated.
        row = rows(body.payload.provision_row)
        early = row is not None and in_second_form(row)
        if early and not features.active(reader, features.CONSENT_2, context.height):
            return Refusal(
                "feature-not-in-force", features.wanting(reader, features.CONSENT_2, context.height)
            )
    return rehearse(context, reader, rows, body)


def check_origin(voters: ReplicaSet, member: ReplicaId) -> Refusal | None:
    """Whether this node's member may have transactions ordered: `voters` stand at the next height."""
    if voters.key(member) is None:
        return Refusal("observer-node", f"member {member} does not vote at this height")
    return None


def check_batch(
    batch: SignedBatch,
    *,
    origin_key: Callable[[ReplicaId], bytes | None] | None,
    chain_id: bytes,
    parameters: Parameters,
    verify: Verify,
    valid_point: ValidPoint,
) -> tuple[BatchRef, BatchBody] | Refusal:
    """Everything about a batch that does not need the state; `origin_key`: ReplicaSet.key, None for a batch
    that a certified block names: those who ordered it have judged whose it is.

    Validity windows are left to execution: they depend on the height.
    """
    form = FormContext(chain_id, verify, valid_point)
    try:
        return _check_batch(batch, origin_key, parameters, form)
    except RefusedError as error:
        return error.refusal


def _check_batch(
    batch: SignedBatch,
    origin_key: Callable[[ReplicaId], bytes | None] | None,
    parameters: Parameters,
    form: FormContext,
) -> tuple[BatchRef, BatchBody]:
    try:
        body = decode(batch.body, BatchBody, limit_bytes=parameters.batch_bytes)
    except DecodeError as error:
        raise RefusedError(error.code, error.detail) from None
    require_length(batch.signature, SIGNATURE_BYTES, "the origin's signature")
    if origin_key is not None:
        key = origin_key(body.origin)
        if key is None:
            raise RefusedError("unknown-origin", f"origin {body.origin}")
        signed = batch_signed_bytes(form.chain_id, batch.body)
        require(form.verify(key, signed, batch.signature), "bad-signature", "the origin's")
    require(body.origin_sequence >= 0, "malformed", "origin_sequence is negative")
    require(body.expiry_height >= 1, "malformed", "expiry_height is to be 1 at least")
    count = len(body.transactions)
    require(0 < count <= parameters.batch_transactions, "malformed", f"{count} transactions")
    row_bytes = sum(len(row.data) + len(row.salt) for row in batch.rows)
    require(row_bytes <= batch_rows_limit_bytes(parameters), "too-large", f"{row_bytes} bytes of rows")
    rows, at = batch.rows, 0
    seen: dict[bytes, None] = {}
    for transaction in body.transactions:
        id_ = transaction.id()
        require(id_ not in seen, "duplicate", "a transaction stands in the batch twice")
        seen[id_] = None
        checked = _check_transaction(transaction, transaction_limit_bytes(parameters), form)
        named = len(row_digests(checked.payload))
        check_rows(checked.payload, rows[at : at + named])
        at += named
    require(at == len(rows), "row-mismatch", f"{len(rows)} rows for {at} digests")
    return batch_ref(body, batch.body), body
