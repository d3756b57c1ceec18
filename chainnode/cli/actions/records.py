"""What is anchored, and how an application picks objects out of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from chainnode.cli.actions.base import find, listed, member_number
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.payloads import AnchorRecords, ObjectPointer
from chainnode.ledger.records import BatchRecord, ErasedRecord, ErasuresRecord
from chainnode.ledger.transaction import MAX_TRANSACTION_BYTES, SignedTransaction, TransactionBody
from chainnode.node.api import Stamp
from consensus.codec import decode

BATCH_PREFIX = b"batch/"
MAX_ERASED = 10_000
"""Looked at for an application; the node refuses an object that was erased in any case."""
MAX_ENCODED_TRANSACTION_BYTES = MAX_TRANSACTION_BYTES + 256


@dataclass(frozen=True, slots=True)
class Batch:
    """An anchored batch; `root` names it."""

    root: bytes
    record: BatchRecord


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects: empty fields mean "any". `member` is a number."""

    member: int | None = None
    department: str = ""
    study: str = ""
    classes: tuple[str, ...] = ()
    handles: tuple[bytes, ...] = ()


async def list_batches(
    client: GatewayClient, selection: Selection = Selection()
) -> tuple[list[Batch], Stamp]:
    """Anchored batches in the order of their heights."""
    records, stamp = await listed(client, BATCH_PREFIX, BatchRecord)
    batches = [
        Batch(root, record)
        for root, record in records
        if selection.member in (None, record.member)
        and selection.department in ("", record.department)
        and selection.study in ("", record.study)
    ]
    return sorted(batches, key=lambda batch: (batch.record.anchored.height, batch.root)), stamp


async def pointers_of(client: GatewayClient, batch: Batch) -> tuple[ObjectPointer, ...]:
    """The pointers of a batch, as its transaction carries them."""
    body = await transaction_body(client, batch.record.anchored.transaction_id)
    return body.payload.pointers if isinstance(body.payload, AnchorRecords) else ()


async def transaction_body(client: GatewayClient, transaction_id: bytes) -> TransactionBody:
    """The body of an included transaction. Raises NotFound."""
    _, _, encoded = await client.transaction(transaction_id)
    transaction = decode(encoded, SignedTransaction, limit_bytes=MAX_ENCODED_TRANSACTION_BYTES)
    return decode(transaction.body, TransactionBody, limit_bytes=MAX_TRANSACTION_BYTES)


async def select(client: GatewayClient, selection: Selection) -> list[ObjectPointer]:
    """The pointers that match and are not erased, oldest first."""
    batches, _ = await list_batches(client, selection)
    erased = await erased_ids(client)
    found: list[ObjectPointer] = []
    for batch in batches:
        found.extend(
            pointer
            for pointer in await pointers_of(client, batch)
            if _matches(pointer, selection) and not erased & {pointer.object_id, pointer.handle}
        )
    return found


async def erased_ids(client: GatewayClient) -> frozenset[bytes]:
    """Objects that were erased by themselves, and handles of which everything was."""
    if await find(client, keys.ERASURES, ErasuresRecord) is None:
        return frozenset()
    prefixes = (keys.erased_object(b""), keys.erased_handle(b""))
    found = [await listed(client, prefix, ErasedRecord, limit=MAX_ERASED) for prefix in prefixes]
    return frozenset(name for records, _ in found for name, _ in records)


def _matches(pointer: ObjectPointer, selection: Selection) -> bool:
    return _in(pointer.data_class, selection.classes) and _in(pointer.handle, selection.handles)


def _in(value: object, allowed: Sequence[object]) -> bool:
    return not allowed or value in allowed


async def selected(client: GatewayClient, sources: tuple[str, ...], classes: tuple[str, ...]) -> list[bytes]:
    """Ids of the objects of `sources`, each a member or member/department. Raises NotFound."""
    info = await client.info()
    found: list[bytes] = []
    for source in sources:
        slug, _, department = source.partition("/")
        selection = Selection(member_number(info, slug), department, classes=classes)
        found += [pointer.object_id for pointer in await select(client, selection)]
    return found
