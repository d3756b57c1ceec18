"""Erasure: asked for by a patient's wallet or a department's head, and which nodes say that it is done."""

from collections.abc import Sequence
from dataclasses import dataclass

from chainnode.cli.actions.base import find, listed, submit
from chainnode.cli.actions.consents import resolve_consent
from chainnode.cli.actions.patients import wallet_identity
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.fields import SCOPE_ALL, SCOPE_CONSENT
from chainnode.ledger.networkrecords import MEMBER_REMOVED, StandingRecord
from chainnode.ledger.payloads import Erase, EraseObjects
from chainnode.ledger.records import AttestedRecord, ErasedRecord, ErasureRecord
from chainnode.node.api import SubmitResult
from chainnode.vault.head import HeadKeys
from chainnode.vault.wallet import Wallet

ERASURE_PREFIX = b"erasure/"

LIMITS = (
    "Each node deletes it and then says so on the chain: chainnode record erasures. This is its word, not a "
    "proof. Erasure does not call back what was released to a project before, and does not reach copies "
    "outside of the nodes: exports, prints, backups until they are restored, receipts that were handed out."
)
"""What erasure does and does not do, for people."""


@dataclass(frozen=True, slots=True)
class ErasureView:
    """`attested`, `missing`: ids of the members whose node has said that it is done, and of the others."""

    number: int
    record: ErasureRecord
    attested: tuple[str, ...]
    missing: tuple[str, ...]


async def erase_patient(client: GatewayClient, wallet: Wallet, member: int) -> SubmitResult:
    """All that a hospital and the others hold under the wallet's handle there."""
    key, handle = await wallet_identity(client, wallet, member)
    return await submit(client, Erase(handle, SCOPE_ALL, b""), key)


async def erase_consent(client: GatewayClient, wallet: Wallet, member: int, consent: str) -> SubmitResult:
    """The words of one standing consent, named by the first digits of its id; it ends with that."""
    key, handle = await wallet_identity(client, wallet, member)
    consent_id = await resolve_consent(client, handle, consent)
    return await submit(client, Erase(handle, SCOPE_CONSENT, consent_id), key)


async def erase_objects(
    client: GatewayClient, head: HeadKeys, department: str, objects: Sequence[bytes]
) -> SubmitResult:
    """Objects of a department of this node's member."""
    info = await client.info()
    return await submit(client, EraseObjects(info.member, department, tuple(objects)), head.signing)


async def list_erasures(client: GatewayClient) -> list[ErasureView]:
    """All of them, in their order."""
    records, _ = await listed(client, ERASURE_PREFIX, ErasureRecord)
    info, removed = await client.info(), set()
    for number, _slug, _name in info.members:
        standing = await find(client, keys.standing(number), StandingRecord)
        if standing is not None and standing.role == MEMBER_REMOVED:
            removed.add(number)
    found = []
    for name, record in records:
        number = int(name)
        said, _ = await listed(client, keys.erasure_attested(number, 0)[:-1], AttestedRecord)
        attested = {int(member) for member, _ in said}
        found.append(
            ErasureView(
                number,
                record,
                tuple(slug for one, slug, _ in info.members if one in attested),
                tuple(slug for one, slug, _ in info.members if one not in attested | removed),
            )
        )
    return sorted(found, key=lambda one: one.number)


async def erased_by(client: GatewayClient, object_id: bytes, handle: bytes) -> int:
    """The number of the erasure by which an object went, 0 where it was not erased."""
    for key in (keys.erased_object(object_id), keys.erased_handle(handle)):
        record = await find(client, key, ErasedRecord)
        if record is not None:
            return record.number
    return 0
