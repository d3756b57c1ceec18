"""Applications: file one, list them, see how far each has come."""

import os
from dataclasses import dataclass

from chainnode.cli.actions.base import find, listed, new_row, require, submit
from chainnode.cli.errors import usage
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.payloads import MAX_OBJECTS, Apply, Purpose, RequestText
from chainnode.ledger.records import GrantRecord, ReleaseRecord, RequestRecord
from chainnode.ledger.transaction import ID_BYTES, MAX_ROW_BYTES, possession_bytes
from chainnode.node.api import NotFound, Refused, Stamp, SubmitResult
from chainnode.vault.head import HeadKeys
from chainnode.vault.keystore import ProjectKeys
from consensus.codec import decode, encode

REQUEST_PREFIX = b"request/"


@dataclass(frozen=True, slots=True)
class Application:
    """What a project asks for. `expires_ms`: Unix time; `title` and `plan` go into an erasable row."""

    department: str
    project: str
    purpose: Purpose
    objects: tuple[bytes, ...]
    expires_ms: int
    title: str
    plan: str = ""


@dataclass(frozen=True, slots=True)
class GrantView:
    """A decision that stands: `who` is "steward of 0", "head of 0/cardiology" or a patient's handle."""

    role: str
    who: str
    record: GrantRecord


@dataclass(frozen=True, slots=True)
class RequestView:
    """An application with everything that was said about it, as of `stamp`."""

    request_id: bytes
    record: RequestRecord
    title: str
    plan: str
    grants: tuple[GrantView, ...]
    release: ReleaseRecord | None
    stamp: Stamp

    @property
    def state(self) -> str:
        """AUTHORISED or REFUSED by the latest decision, else withdrawn, expired, pending."""
        if self.record.withdrawn.height:
            return "withdrawn"
        if self.release is not None:
            return self.release.outcome
        return "expired" if self.stamp.time_ms >= self.record.expires_ms else "pending"


async def apply(
    client: GatewayClient, head: HeadKeys, project: ProjectKeys, application: Application
) -> tuple[bytes, SubmitResult]:
    """File an application of this node's member; its id (16 bytes).

    `project` must be fresh: one key, one application. Raises OperatorError CLI-01 where no or too many
    objects are asked for; TransactionRefused.
    """
    if not 0 < len(application.objects) <= MAX_OBJECTS:
        raise usage(
            f"the application asks for {len(application.objects)} objects, 1 to {MAX_OBJECTS} are allowed",
            "choose by --from, --class or --object: chainnode request new --help",
        )
    info = await client.info()
    request_id = os.urandom(ID_BYTES)
    row = new_row(encode(RequestText(application.title, application.plan)))
    signed = possession_bytes(info.chain_id, request_id, project.kem.public, application.purpose)
    payload = Apply(
        request_id=request_id,
        member=info.member,
        department=application.department,
        project=application.project,
        project_key=project.signing.public,
        project_sealing_key=project.kem.public,
        purpose=application.purpose,
        objects=application.objects,
        expires_ms=application.expires_ms,
        text_row=row.digest(),
        possession=project.signing.sign(signed),
    )
    return request_id, await submit(client, payload, head.signing, rows=[row])


async def request_record(client: GatewayClient, request_id: bytes) -> RequestRecord:
    """Raises NotFound."""
    return await require(
        client,
        keys.request(request_id),
        RequestRecord,
        "unknown-request",
        f"there is no application {request_id.hex()}",
    )


async def release_record(
    client: GatewayClient, request_id: bytes, *, min_height: int = 0
) -> ReleaseRecord | None:
    """The latest decision, None where none was asked for."""
    return await find(client, keys.release(request_id), ReleaseRecord, min_height=min_height)


async def list_requests(client: GatewayClient) -> list[RequestView]:
    """All applications, oldest first."""
    records, stamp = await listed(client, REQUEST_PREFIX, RequestRecord)
    ordered = sorted(records, key=lambda item: (item[1].applied.height, item[0]))
    return [await _view(client, request_id, record, stamp) for request_id, record in ordered]


async def show_request(client: GatewayClient, request_id: bytes) -> RequestView:
    """Raises NotFound."""
    records, stamp = await listed(client, keys.request(request_id), RequestRecord, limit=1)
    if not records:
        raise NotFound("unknown-request", f"there is no application {request_id.hex()}")
    return await _view(client, request_id, records[0][1], stamp)


async def _view(client: GatewayClient, request_id: bytes, record: RequestRecord, stamp: Stamp) -> RequestView:
    grants, _ = await listed(client, b"grant/" + request_id + b"/", GrantRecord)
    title, plan = await _text(client, record.text_row)
    return RequestView(
        request_id,
        record,
        title,
        plan,
        tuple(_grant_view(name, grant) for name, grant in grants),
        await release_record(client, request_id),
        stamp,
    )


def _grant_view(name: bytes, record: GrantRecord) -> GrantView:
    role, _, who = name.partition(b"/")
    if role == b"patient":
        return GrantView("patient", who.hex(), record)
    return GrantView(role.decode(), who.decode(), record)


async def _text(client: GatewayClient, row_digest: bytes) -> tuple[str, str]:
    """Title and plan; a note in their place where the row was erased or this role may not read it."""
    try:
        text = decode(await client.row(row_digest), RequestText, limit_bytes=MAX_ROW_BYTES)
    except Refused as refusal:
        return f"({refusal.rule})", ""
    return text.title, text.plan


async def resolve_request(client: GatewayClient, given: str) -> bytes:
    """A request id from its hex digits, or from the first of them where only one begins so.

    Raises OperatorError CLI-01.
    """
    if len(given) == 2 * ID_BYTES and _is_hex(given):
        return bytes.fromhex(given)
    if len(given) < 4 or not _is_hex(given):
        raise usage(f"{given!r} is no request id", "chainnode request list shows them")
    records, _ = await listed(client, REQUEST_PREFIX, RequestRecord)
    found = [request_id for request_id, _ in records if request_id.hex().startswith(given.lower())]
    if len(found) != 1:
        raise usage(f"{len(found)} requests begin with {given!r}", "chainnode request list shows them")
    return found[0]


def _is_hex(given: str) -> bool:
    return bool(given) and all(character in "0123456789abcdefABCDEF" for character in given)
