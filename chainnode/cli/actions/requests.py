"""Applications: file one, list them, see how far each has come."""

import os
from dataclasses import dataclass
from pathlib import Path

from chainnode.cli.actions.base import find, listed, member_slug, new_row, require, submit
from chainnode.cli.actions.since import Revocations, Since
from chainnode.cli.errors import usage
from chainnode.cli.next_steps import command
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.documents import RequestText
from chainnode.ledger.payloads import MAX_OBJECTS, ROLE_PATIENT, Apply, Purpose
from chainnode.ledger.records import GrantRecord, ReleaseRecord, RequestRecord
from chainnode.ledger.transaction import ID_BYTES, MAX_ROW_BYTES, possession_bytes
from chainnode.node.api import ChainInfo, NotFound, Refused, Stamp, SubmitResult
from chainnode.vault.errors import FILE_EXISTS
from chainnode.vault.head import HeadKeys
from chainnode.vault.keystore import ProjectKeys
from consensus.codec import decode, encode
from genesis.errors import OperatorError

REQUEST_PREFIX = b"request/"
HEX = "0123456789abcdef"
ID_DIGITS = 8
"""Hex digits of an application's id that are enough to name it, where no other begins so."""


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
    """A decision that stands: `who` is "hospital-a", "hospital-a/cardiology" or a patient's handle."""

    role: str
    who: str
    record: GrantRecord


@dataclass(frozen=True, slots=True)
class RequestView:
    """An application with everything that was said about it, as of `stamp`."""

    request_id: bytes
    member: str
    record: RequestRecord
    title: str
    plan: str
    grants: tuple[GrantView, ...]
    release: ReleaseRecord | None
    since: Since
    stamp: Stamp

    @property
    def state(self) -> str:
        """AUTHORISED or REFUSED by the latest decision, else withdrawn, expired, pending."""
        if self.record.withdrawn.height:
            return "withdrawn"
        if self.release is not None:
            return self.release.outcome
        return "expired" if self._expired else "pending"

    @property
    def _expired(self) -> bool:
        return self.stamp.time_ms >= self.record.expires_ms

    @property
    def story(self) -> str:
        """The state in words: a decision with its height, and what was said since."""
        release = self.release
        if release is None or self.record.withdrawn.height:
            return self.state
        authorised = sum(not one.rule for one in release.verdicts)
        parts = [f"{release.outcome} at height {release.height}"]
        if self.since.objects:
            parts.append(f"consent revoked since ({self.since.objects} of {authorised} objects)")
        if self.since.hospital:
            parts.append("denied by the hospital since")
        if self._expired:
            parts.append("expired since" if authorised else "expired")
        return "; ".join(parts)


def fresh_keys(file: Path, boot: bytes, level: str) -> ProjectKeys:
    """A project's new key file. Raises OperatorError KEY-09, KEY-11, and KEY-06, which says what the file
    that is there may mean: an attempt that was interrupted and has been certified after all."""
    try:
        return ProjectKeys.create(file, boot=boot, level=level)
    except OperatorError as error:
        if error.code is FILE_EXISTS:
            error.what += ", and an application may already stand on the chain under its key"
            error.unchanged = "nothing was filed now; the file there is as it was"
            remark = "shows whether one does; if none does, name another --project-file or move this one away"
            error.next_step = command("request", "list", remark=remark)
        raise


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
            command("request", "new", "--help", remark="choose by --from, --class or --object"),
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
    info, revocations = await client.info(), await Revocations.read(client)
    ordered = sorted(records, key=lambda item: (item[1].applied.height, item[0]))
    return [await _view(client, info, revocations, id_, record, stamp) for id_, record in ordered]


async def show_request(client: GatewayClient, request_id: bytes) -> RequestView:
    """Raises NotFound."""
    records, stamp = await listed(client, keys.request(request_id), RequestRecord, limit=1)
    if not records:
        raise _unknown(request_id.hex())
    revocations = await Revocations.read(client)
    return await _view(client, await client.info(), revocations, request_id, records[0][1], stamp)


def _unknown(digits: str) -> NotFound:
    return NotFound("unknown-request", f"there is no application {digits}")


async def _view(
    client: GatewayClient,
    info: ChainInfo,
    revocations: Revocations,
    request_id: bytes,
    record: RequestRecord,
    stamp: Stamp,
) -> RequestView:
    found, _ = await listed(client, b"grant/" + request_id + b"/", GrantRecord)
    grants = {_grant_name(name): grant for name, grant in found}
    title, plan = await _text(client, record.text_row)
    release = await release_record(client, request_id)
    return RequestView(
        request_id,
        member_slug(info, record.member),
        record,
        title,
        plan,
        tuple(_grant_view(info, role, who, grant) for (role, who), grant in grants.items()),
        release,
        await revocations.since(release, grants) if release is not None else Since(),
        stamp,
    )


def _grant_name(name: bytes) -> tuple[str, bytes]:
    """(role, a patient's handle or "0" or "0/cardiology")."""
    role, _, who = name.partition(b"/")
    return role.decode(), who


def _grant_view(info: ChainInfo, role: str, who: bytes, record: GrantRecord) -> GrantView:
    if role == ROLE_PATIENT:
        return GrantView(role, who.hex(), record)
    number, slash, department = who.decode().partition("/")
    return GrantView(role, member_slug(info, int(number)) + slash + department, record)


async def _text(client: GatewayClient, row_digest: bytes) -> tuple[str, str]:
    """Title and plan; a note in their place where the row was erased or this role may not read it."""
    try:
        text = decode(await client.row(row_digest), RequestText, limit_bytes=MAX_ROW_BYTES)
    except Refused as refusal:
        return f"({refusal.rule})", ""
    return text.title, text.plan


async def resolve_request(client: GatewayClient, given: str) -> bytes:
    """A request id from its hex digits, or from its first eight or more where only one begins so.

    Raises OperatorError CLI-01, NotFound.
    """
    digits = given.lower()
    if not ID_DIGITS <= len(digits) <= 2 * ID_BYTES or not set(digits) <= set(HEX):
        raise usage(
            f"{given!r} is no application's id: {ID_DIGITS} to {2 * ID_BYTES} hex digits are needed",
            command("request", "list", remark="shows them"),
        )
    if len(digits) == 2 * ID_BYTES:
        return bytes.fromhex(digits)
    whole_bytes = bytes.fromhex(digits[: len(digits) // 2 * 2])
    records, _ = await listed(client, REQUEST_PREFIX + whole_bytes, RequestRecord)
    found = [whole_bytes + rest for rest, _ in records if (whole_bytes + rest).hex().startswith(digits)]
    if not found:
        raise _unknown(f"whose id begins with {given}")
    if len(found) > 1:
        raise usage(
            f"{len(found)} applications begin with {given}: give more digits",
            command("request", "list", "--json", remark="shows whole ids"),
        )
    return found[0]
