"""What every action needs: build and sign a transaction, submit it, read a record.

Actions are plain async functions over a GatewayClient and open keys. They print nothing; they raise
OperatorError or Refused.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

from chainnode.cli.errors import CLI_BUSY, CLI_PENDING, TransactionRefused
from chainnode.cli.next_steps import command
from chainnode.gateway.client import DEFAULT_TIMEOUT_MS, GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.payloads import Payload
from chainnode.ledger.records import RECORD_BYTES, Record
from chainnode.ledger.transaction import NONCE_BYTES, Row, sign_transaction
from chainnode.node.api import ChainInfo, NotFound, Outcome, Part, Stamp, SubmitResult
from chainnode.vault.keys import SigningKey
from consensus.codec import decode, encode
from genesis.errors import OperatorError

R = TypeVar("R", bound=Record)

MAX_VALIDITY_HEIGHTS = 500
SALT_BYTES = 32
OK = "ok"


def new_row(data: bytes) -> Row:
    """An erasable row under a fresh salt."""
    return Row(os.urandom(SALT_BYTES), data)


def build(payload: Payload, key: SigningKey, info: ChainInfo, rows: Sequence[Row] = ()) -> bytes:
    """An encoded Submission, valid for as long as the chain allows but at most 500 heights."""
    submission = sign_transaction(
        payload,
        chain_id=info.chain_id,
        valid_until_height=info.height + min(info.validity_heights, MAX_VALIDITY_HEIGHTS),
        nonce=os.urandom(NONCE_BYTES),
        signer=key.public,
        sign=key.sign,
        rows=rows,
    )
    return encode(submission)


def require_committed(result: SubmitResult) -> SubmitResult:
    """`result`, if it was executed.

    Raises TransactionRefused, OperatorError CLI-03 (not certified yet), CLI-04 (busy).
    """
    if result.outcome is Outcome.COMMITTED and result.code == OK:
        return result
    if result.outcome in (Outcome.COMMITTED, Outcome.TURNED_AWAY):
        raise TransactionRefused(result)
    if result.outcome is Outcome.BUSY:
        raise OperatorError(
            CLI_BUSY,
            "the node's queues are full" + (f": {result.detail}" if result.detail else ""),
            unchanged="the transaction was not taken in",
            next_step="run the command again in a moment",
        )
    id_ = result.transaction_id.hex()
    why = f": {result.detail}" if result.detail else ""
    raise OperatorError(
        CLI_PENDING,
        f"transaction {id_} was taken in but is not certified yet{why}",
        unchanged="it may still be included: do not sign it anew before you looked",
        next_step=command("show", id_),
    )


async def submit(
    client: GatewayClient,
    payload: Payload,
    key: SigningKey,
    *,
    rows: Sequence[Row] = (),
    parts: Sequence[Part] = (),
    timeout_ms: int = DEFAULT_TIMEOUT_MS,
) -> SubmitResult:
    """Sign, submit, wait for the certificate. Raises as `require_committed` does."""
    info = await client.info()
    result = await client.submit(build(payload, key, info, rows), parts, timeout_ms=timeout_ms)
    return require_committed(result)


async def find(client: GatewayClient, key: bytes, type_: type[R], *, min_height: int = 0) -> R | None:
    """The record at a key of the state, None where there is none."""
    result = await client.read(key, min_height=min_height, limit=1)
    if not result.entries:
        return None
    return decode(result.entries[0].value, type_, limit_bytes=RECORD_BYTES)


async def require(
    client: GatewayClient, key: bytes, type_: type[R], rule: str, detail: str, *, min_height: int = 0
) -> R:
    """The record at a key. Raises NotFound(rule, detail)."""
    record = await find(client, key, type_, min_height=min_height)
    if record is None:
        raise NotFound(rule, detail)
    return record


async def listed(
    client: GatewayClient, prefix: bytes, type_: type[R], *, limit: int = 10_000
) -> tuple[list[tuple[bytes, R]], Stamp]:
    """(name below the prefix, record) of all records below a prefix, and as of which block."""
    result = await client.read(prefix, prefix=True, limit=limit)
    records = [
        (entry.key.removeprefix(prefix), decode(entry.value, type_, limit_bytes=RECORD_BYTES))
        for entry in result.entries
    ]
    return records, result.stamp


async def barrier(client: GatewayClient, height: int, *, strong: bool = False) -> None:
    """Wait until this node has certified `height`; `strong`: and whatever was certified anywhere by now. What
    is read from it afterwards is at least as new. Raises ReadTimeout."""
    await client.read(keys.GENESIS, min_height=height, strong=strong, limit=1)


def member_number(info: ChainInfo, slug: str) -> int:
    """The number of a member. Raises NotFound."""
    for number, known, _ in info.members:
        if known == slug:
            return number
    known = ", ".join(member[1] for member in info.members)
    raise NotFound("unknown-member", f"{slug} is no member; the members are {known}")


def member_slug(info: ChainInfo, number: int) -> str:
    """The slug of a member, or its number where it is not listed."""
    return next((slug for known, slug, _ in info.members if known == number), str(number))
