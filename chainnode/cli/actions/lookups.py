"""What an id may name: a block, a transaction, an object, an application."""

from dataclasses import dataclass

from chainnode.cli.actions.base import member_slug
from chainnode.cli.actions.erasures import erased_by
from chainnode.cli.actions.records import MAX_ENCODED_TRANSACTION_BYTES
from chainnode.cli.actions.requests import (
    HEX,
    ID_DIGITS,
    RequestView,
    resolve_request,
    show_request,
)
from chainnode.cli.errors import usage
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.payloads import ObjectPointer
from chainnode.ledger.records import RECORD_BYTES, BatchRecord
from chainnode.ledger.transaction import (
    ID_BYTES,
    MAX_TRANSACTION_BYTES,
    SignedTransaction,
    TransactionBody,
)
from chainnode.node.api import BlockView, NotFound
from consensus.codec import decode
from consensus.domain import DIGEST_BYTES
from consensus.types import BlockHeader

MAX_HEADER_BYTES = 4_096
MAX_HEIGHT_DIGITS = 15


@dataclass(frozen=True, slots=True)
class FoundBlock:
    view: BlockView
    header: BlockHeader


@dataclass(frozen=True, slots=True)
class FoundTransaction:
    """`code`: "ok" or the rule that refused it."""

    id: bytes
    height: int
    code: str
    kind: str
    body: TransactionBody


@dataclass(frozen=True, slots=True)
class FoundObject:
    """`member`: the slug of the one who provides it; `held`: whether this node has the ciphertext; `erased`:
    the number of the erasure by which it went, 0 where none did."""

    member: str
    pointer: ObjectPointer
    batch: BatchRecord
    held: bool
    erased: int


Found = FoundBlock | FoundTransaction | FoundObject | RequestView


async def look_up(client: GatewayClient, given: str) -> Found:
    """Decimal digits: a height. 64 hex digits: a transaction. 32: an object or an application. Fewer,
    from 8 on: the application that alone begins so, also where they are all decimal and no block has
    that height. Raises NotFound, OperatorError CLI-01."""
    if given.isdecimal() and given.isascii() and len(given) <= MAX_HEIGHT_DIGITS:
        try:
            return await _block(client, int(given))
        except NotFound:
            if len(given) < ID_DIGITS:
                raise
    if len(given) == 2 * DIGEST_BYTES and _is_hex(given):
        return await _transaction(client, bytes.fromhex(given))
    if len(given) == 2 * ID_BYTES and _is_hex(given):
        try:
            return await _object(client, bytes.fromhex(given))
        except NotFound:
            return await show_request(client, bytes.fromhex(given))
    if not (ID_DIGITS <= len(given) <= 2 * ID_BYTES and _is_hex(given)):
        raise usage(
            f"{given!r} is no id",
            "give a height, a transaction's whole id (64 hex digits), an object's (32), or an application's "
            f"(32, or its first {ID_DIGITS} or more)",
        )
    return await show_request(client, await resolve_request(client, given))


def _is_hex(given: str) -> bool:
    return set(given.lower()) <= set(HEX)


async def _block(client: GatewayClient, height: int) -> FoundBlock:
    view = await client.block(height)
    return FoundBlock(view, decode(view.header, BlockHeader, limit_bytes=MAX_HEADER_BYTES))


async def _transaction(client: GatewayClient, id_: bytes) -> FoundTransaction:
    height, code, encoded = await client.transaction(id_)
    signed = decode(encoded, SignedTransaction, limit_bytes=MAX_ENCODED_TRANSACTION_BYTES)
    body = decode(signed.body, TransactionBody, limit_bytes=MAX_TRANSACTION_BYTES)
    return FoundTransaction(id_, height, code, str(body.payload.__struct_config__.tag), body)


async def _object(client: GatewayClient, id_: bytes) -> FoundObject:
    pointer, batch, held = await client.object(id_)
    record = decode(batch, BatchRecord, limit_bytes=RECORD_BYTES)
    found = decode(pointer, ObjectPointer, limit_bytes=RECORD_BYTES)
    erased = await erased_by(client, id_, found.handle)
    return FoundObject(member_slug(await client.info(), record.member), found, record, held, erased)
