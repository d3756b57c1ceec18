"""What of a patient was released to whom, when, at all hospitals that know the wallet.

The wallet alone can put this together: no hospital knows which handles elsewhere are the same patient's. Each
release is told by its receipt, verified here from the genesis file on.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from chainnode.cli.actions.audits import BETWEEN_HEIGHTS, PRUNED, certified_height
from chainnode.cli.actions.base import listed
from chainnode.cli.actions.patients import find_handle
from chainnode.cli.actions.records import MAX_ENCODED_TRANSACTION_BYTES
from chainnode.cli.actions.requests import REQUEST_PREFIX, release_record
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.fields import SHARE_PROVIDER
from chainnode.ledger.founding import Founding
from chainnode.ledger.payloads import ObjectPointer, Purpose, RequestRelease
from chainnode.ledger.records import (
    BASIS_LIVE,
    OUTCOME_AUTHORISED,
    RECORD_BYTES,
    BatchRecord,
    RequestRecord,
    ShareRecord,
)
from chainnode.ledger.transaction import MAX_TRANSACTION_BYTES, SignedTransaction, TransactionBody
from chainnode.ledger.verification import Report, verify_receipt
from chainnode.node.api import NotFound
from chainnode.vault.wallet import Wallet
from consensus.codec import decode
from genesis.keys import verify

DECISION = "request-release"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Disclosed:
    """Objects of one patient that one decision set free. `provider`, `requester`: members' numbers;
    `classes`: data class and how many objects; `live`: how many of them by a yes to this very application,
    the others by a standing consent; `delivered_height`: where the provider put on record that it sent its
    parts, 0 where it did not."""

    request_id: bytes
    height: int
    time_ms: int
    requester: int
    department: str
    project: str
    purpose: Purpose
    provider: int
    handle: bytes
    classes: tuple[tuple[str, int], ...]
    objects: tuple[bytes, ...]
    live: int
    delivered_height: int


@dataclass(frozen=True, slots=True)
class Unproven:
    """A decision that set something of an application free whose receipt does not verify here, by which rule:
    what it rested on may have been erased since, or the node that gave it lies."""

    request_id: bytes
    height: int
    rule: str


@dataclass(frozen=True, slots=True)
class History:
    """`handles`: by the number of the hospital. `complete`: all decisions were looked at; else this node
    keeps no blocks so old, and of each application the latest authorised one alone was."""

    handles: dict[int, bytes]
    disclosed: tuple[Disclosed, ...]
    unproven: tuple[Unproven, ...]
    up_to_height: int
    complete: bool


async def history(
    client: GatewayClient, wallet: Wallet, document: Founding, progress: Progress = lambda done, of: None
) -> History:
    """All disclosures of the wallet's patient, oldest first.

    `document`: the founding that the patient trusts, from the genesis file.
    """
    info, last = await client.info(), await certified_height(client)
    handles: dict[int, bytes] = {}
    for number, _, _ in info.members:
        handle = await find_handle(client, wallet.identity(document.chain_id, number).public)
        if handle is not None:
            handles[number] = handle
    mine = set(handles.values())
    records, _ = await listed(client, REQUEST_PREFIX, RequestRecord)
    requests = {id_: record for id_, record in records if mine.intersection(record.handles)}
    complete = True
    try:
        decided = {one async for one in _authorised(client, set(requests), last, progress)}
    except NotFound as error:
        if error.rule != PRUNED:
            raise
        complete, decided = False, await _latest(client, set(requests))
    found: list[Disclosed] = []
    unproven: list[Unproven] = []
    for height, request_id in sorted(decided):
        report = await _receipt(client, request_id, height, document)
        if isinstance(report, Unproven):
            unproven.append(report)
        else:
            found += await _disclosed(client, report, mine)
    return History(handles, tuple(found), tuple(unproven), last, complete)


async def _authorised(
    client: GatewayClient, requests: set[bytes], last: int, progress: Progress
) -> AsyncIterator[tuple[int, bytes]]:
    """(height, request) of every decision that set something free. Raises NotFound `pruned`."""
    if not requests:
        return
    async for block in client.blocks(1):
        for id_, kind, code in block.transactions:
            if kind != DECISION or code != "ok":
                continue
            _, _, encoded = await client.transaction(id_)
            signed = decode(encoded, SignedTransaction, limit_bytes=MAX_ENCODED_TRANSACTION_BYTES)
            said = decode(signed.body, TransactionBody, limit_bytes=MAX_TRANSACTION_BYTES).payload
            if isinstance(said, RequestRelease) and said.request_id in requests:
                yield block.height, said.request_id
        if block.height % BETWEEN_HEIGHTS == 0:
            progress(block.height, last)
        if block.height >= last:
            return


async def _latest(client: GatewayClient, requests: set[bytes]) -> set[tuple[int, bytes]]:
    records = {one: await release_record(client, one) for one in requests}
    heights = {one: record.last_authorised_height for one, record in records.items() if record is not None}
    return {(height, one) for one, height in heights.items() if height}


async def _receipt(
    client: GatewayClient, request_id: bytes, height: int, document: Founding
) -> Report | Unproven:
    data = await client.receipt(request_id, height)
    try:
        report = verify_receipt(data, document, verify=verify)
    except VerificationError as error:
        return Unproven(request_id, height, error.rule)
    if report.release.outcome != OUTCOME_AUTHORISED or report.header.height != height:
        return Unproven(request_id, height, "verdict-differs")
    return report


async def _disclosed(client: GatewayClient, report: Report, mine: set[bytes]) -> list[Disclosed]:
    """By handle, one for each hospital that provides something of the patient's."""
    release, request = report.release, report.request
    of_handle: dict[bytes, list[tuple[ObjectPointer, int, str]]] = {}
    for verdict in release.verdicts:
        if verdict.rule:
            continue
        encoded, batch, _ = await client.object(verdict.object_id)
        pointer = decode(encoded, ObjectPointer, limit_bytes=RECORD_BYTES)
        provider = decode(batch, BatchRecord, limit_bytes=RECORD_BYTES).member
        if pointer.handle in mine:
            of_handle.setdefault(pointer.handle, []).append((pointer, provider, verdict.basis))
    sent = await _sent(client, release.request_id, release.height)
    return [
        Disclosed(
            request_id=release.request_id,
            height=release.height,
            time_ms=release.time_ms,
            requester=request.member,
            department=request.department,
            project=request.project,
            purpose=request.purpose,
            provider=objects[0][1],
            handle=handle,
            classes=tuple(sorted(Counter(pointer.data_class for pointer, _, _ in objects).items())),
            objects=tuple(pointer.object_id for pointer, _, _ in objects),
            live=sum(basis == BASIS_LIVE for _, _, basis in objects),
            delivered_height=sent.get(objects[0][1], 0),
        )
        for handle, objects in of_handle.items()
    ]


async def _sent(client: GatewayClient, request_id: bytes, height: int) -> dict[int, int]:
    """At which height each provider put on record that it sent its parts of a release."""
    prefix = b"share/" + request_id + b"/%d/%s/" % (height, SHARE_PROVIDER.encode())
    shares, _ = await listed(client, prefix, ShareRecord)
    return {int(name.partition(b"/")[0]): share.shared.height for name, share in shares}
