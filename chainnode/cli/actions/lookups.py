"""What an id may name: a block, a transaction, an object, an application."""

from dataclasses import dataclass

from chainnode.cli.actions.records import MAX_ENCODED_TRANSACTION_BYTES
from chainnode.cli.actions.requests import RequestView, resolve_request, show_request
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
    """`held`: whether this node has the ciphertext."""

    pointer: ObjectPointer
    batch: BatchRecord
    held: bool


Found = FoundBlock | FoundTransaction | FoundObject | RequestView


async def look_up(client: GatewayClient, given: str) -> Found:
    """Digits alone: a height. 64 hex digits: a transaction. 32: an object or an application. Fewer
    hex digits: the application that alone begins so. Raises NotFound, OperatorError CLI-01."""
    if given.isdecimal() and len(given) < 16:
        view = await client.block(int(given))
        return FoundBlock(view, decode(view.header, BlockHeader, limit_bytes=MAX_HEADER_BYTES))
    try:
        id_ = bytes.fromhex(given)
    except ValueError:
        id_ = b""
    if len(id_) == DIGEST_BYTES:
        return await _transaction(client, id_)
    if len(id_) == ID_BYTES:
        try:
            return await _object(client, id_)
        except NotFound:
            return await show_request(client, id_)
    if len(id_) > ID_BYTES:
        raise usage(f"{given!r} is no id", "give a height, or 64 or 32 hex digits")
    return await show_request(client, await resolve_request(client, given))


async def _transaction(client: GatewayClient, id_: bytes) -> FoundTransaction:
    height, code, encoded = await client.transaction(id_)
    signed = decode(encoded, SignedTransaction, limit_bytes=MAX_ENCODED_TRANSACTION_BYTES)
    body = decode(signed.body, TransactionBody, limit_bytes=MAX_TRANSACTION_BYTES)
    return FoundTransaction(id_, height, code, str(body.payload.__struct_config__.tag), body)


async def _object(client: GatewayClient, id_: bytes) -> FoundObject:
    pointer, batch, held = await client.object(id_)
    return FoundObject(
        decode(pointer, ObjectPointer, limit_bytes=RECORD_BYTES),
        decode(batch, BatchRecord, limit_bytes=RECORD_BYTES),
        held,
    )
