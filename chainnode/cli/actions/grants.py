"""Decisions on an application: a grant is the key operation.

The head opens W_h of the department's objects, the wallet opens W_p of the patient's; each checks the
half against its commitment on chain and seals it to the project's key. The steward only signs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainnode.cli.actions.base import submit
from chainnode.cli.actions.patients import wallet_identity
from chainnode.cli.actions.requests import request_record
from chainnode.cli.errors import CLI_INPUT
from chainnode.cli.next_steps import command
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.fields import ROLE_PROJECT
from chainnode.ledger.payloads import (
    DENY,
    PERMIT,
    ROLE_HEAD,
    ROLE_PATIENT,
    ROLE_STEWARD,
    Grant,
    ObjectPointer,
    UsePolicy,
    Withdraw,
)
from chainnode.node.api import Half, Part, Refused, SubmitResult
from chainnode.pool.container import open_hospital_wrap
from chainnode.pool.errors import ObjectError
from chainnode.pool.halves import patient_wrap_label, policy_digest, require_half
from chainnode.pool.recipients import decode_recipients, wrap_for
from chainnode.vault.errors import SealingError
from chainnode.vault.head import HeadKeys
from chainnode.vault.keystore import ProjectKeys, StewardKeys
from chainnode.vault.parts import ROLE_PROVIDER, parts_digest, seal_part
from chainnode.vault.wallet import Wallet
from consensus.codec import decode
from genesis.errors import OperatorError

MAX_POINTER_BYTES = 4_096
MAX_POLICY_BYTES = 1_024

HalfOpener = Callable[[Half, ObjectPointer, bytes], bytes]
"""(half, its pointer, digest of its use policy) -> the opened half, 64 bytes."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant that stands, and for how many objects parts were sealed."""

    result: SubmitResult
    parts: int


async def approve_as_steward(client: GatewayClient, steward: StewardKeys, request_id: bytes) -> Granted:
    """The steward's yes for everything of this hospital that the application asks for."""
    info = await client.info()
    payload = Grant(request_id, ROLE_STEWARD, b"", info.member, "", PERMIT, (), b"")
    return Granted(await submit(client, payload, steward.signing), 0)


async def approve_as_head(
    client: GatewayClient,
    head: HeadKeys,
    department: str,
    request_id: bytes,
    vouched: Sequence[bytes] | None = None,
) -> Granted:
    """The head's yes: the hospital's halves of the department's objects, sealed to the project.

    `vouched`: of these objects alone (empty: of all), and with the head's word that their codes and dates are
    within what the patients permitted. Raises Refused("not-of-signer").
    """
    info = await client.info()
    halves = await client.halves(request_id, role=ROLE_HEAD, department=department)
    if vouched:
        wanted = dict.fromkeys(vouched)
        halves = [half for half in halves if _object_id(half) in wanted]
        missing = wanted.keys() - {_object_id(half) for half in halves}
        if missing:
            raise Refused("not-of-signer", f"object {min(missing).hex()} is not one that the head may open")

    def opener(half: Half, pointer: ObjectPointer, policy: bytes) -> bytes:
        opened = open_hospital_wrap(
            head.open_study(half.study),
            half.wrapped,
            chain_id=info.chain_id,
            object_id=pointer.object_id,
            member=info.member,
            policy_digest=policy,
        )
        require_half("hospital", opened, pointer.commitment_hospital)
        return opened

    sealing_key = (await request_record(client, request_id)).project_sealing_key
    parts = _seal_all(info.chain_id, request_id, sealing_key, halves, ROLE_PROVIDER, opener)
    digest = _digest(parts)
    named = tuple(part.object_id for part in parts) if vouched is not None else ()
    payload = Grant(request_id, ROLE_HEAD, b"", info.member, department, PERMIT, named, digest)
    return Granted(await submit(client, payload, head.signing, parts=parts), len(parts))


async def consent_live(client: GatewayClient, wallet: Wallet, member: int, request_id: bytes) -> Granted:
    """The patient's yes to one application: the patient's halves, sealed to the project."""
    info = await client.info()
    key, handle = await wallet_identity(client, wallet, member)
    halves = await client.halves(request_id, role=ROLE_PATIENT, handle=handle)
    sealing_key = (await request_record(client, request_id)).project_sealing_key
    parts = patient_parts(wallet, info.chain_id, member, request_id, sealing_key, halves)
    payload = Grant(request_id, ROLE_PATIENT, handle, 0, "", PERMIT, (), _digest(parts))
    return Granted(await submit(client, payload, key, parts=parts), len(parts))


def patient_parts(
    wallet: Wallet,
    chain_id: bytes,
    member: int,
    request_id: bytes,
    sealing_key: bytes,
    halves: Sequence[Half],
) -> list[Part]:
    """The patient's halves opened by the wallet and sealed to the project. No node is asked.

    Raises as `_seal_all` does.
    """

    def opener(half: Half, pointer: ObjectPointer, policy: bytes) -> bytes:
        secret = wallet.class_key(chain_id, member, pointer.data_class, pointer.epoch)
        ciphertext = wrap_for(decode_recipients(half.wrapped), secret.point)
        label = patient_wrap_label(chain_id, pointer.object_id, member, policy)
        opened = secret.open_half(ciphertext, label)
        require_half("patient", opened, pointer.commitment_patient)
        return opened

    return _seal_all(chain_id, request_id, sealing_key, halves, ROLE_PATIENT, opener)


async def deny(
    client: GatewayClient, signer: StewardKeys | HeadKeys, request_id: bytes, *, department: str = ""
) -> SubmitResult:
    """The steward's or the head's no; `department` for the head's."""
    info = await client.info()
    role = ROLE_HEAD if isinstance(signer, HeadKeys) else ROLE_STEWARD
    payload = Grant(request_id, role, b"", info.member, department, DENY, (), b"")
    return await submit(client, payload, signer.signing)


async def deny_as_patient(
    client: GatewayClient, wallet: Wallet, member: int, request_id: bytes
) -> SubmitResult:
    """The patient's no to one application."""
    key, handle = await wallet_identity(client, wallet, member)
    return await submit(client, Grant(request_id, ROLE_PATIENT, handle, 0, "", DENY, (), b""), key)


async def withdraw(
    client: GatewayClient,
    signer: ProjectKeys | StewardKeys | HeadKeys,
    request_id: bytes,
    *,
    department: str = "",
) -> SubmitResult:
    """Take back an application (the project), or one's own decision on it (steward, head)."""
    info = await client.info()
    if isinstance(signer, ProjectKeys):
        payload = Withdraw(request_id, ROLE_PROJECT, 0, "")
    elif isinstance(signer, HeadKeys):
        payload = Withdraw(request_id, ROLE_HEAD, info.member, department)
    else:
        payload = Withdraw(request_id, ROLE_STEWARD, info.member, "")
    return await submit(client, payload, signer.signing)


async def withdraw_as_patient(
    client: GatewayClient, wallet: Wallet, member: int, request_id: bytes
) -> SubmitResult:
    """Take back the patient's decision on one application."""
    key, _ = await wallet_identity(client, wallet, member)
    return await submit(client, Withdraw(request_id, ROLE_PATIENT, 0, ""), key)


def _object_id(half: Half) -> bytes:
    return decode(half.pointer, ObjectPointer, limit_bytes=MAX_POINTER_BYTES).object_id


def _seal_all(
    chain_id: bytes,
    request_id: bytes,
    sealing_key: bytes,
    halves: Sequence[Half],
    role: str,
    opener: HalfOpener,
) -> list[Part]:
    """Open every half and seal it to the project's key.

    Raises Refused where there is nothing to open, OperatorError CLI-02 where one does not open.
    """
    if not halves:
        raise Refused(
            "not-of-signer", "this node holds no object of the application that the signer may open"
        )
    parts = []
    for half in halves:
        pointer = decode(half.pointer, ObjectPointer, limit_bytes=MAX_POINTER_BYTES)
        policy = decode(half.policy, UsePolicy, limit_bytes=MAX_POLICY_BYTES)
        try:
            opened = opener(half, pointer, policy_digest(policy))
        except (SealingError, ObjectError) as error:
            raise OperatorError(
                CLI_INPUT,
                f"the half of object {pointer.object_id.hex()} does not open: {error}",
                unchanged="nothing was signed and nothing was sent",
                next_step=command("record", "list", remark="shows whose they are: is it their key file?"),
            ) from None
        sealed = seal_part(sealing_key, chain_id, request_id, pointer.object_id, role, opened)
        parts.append(Part(pointer.object_id, sealed))
    return parts


def _digest(parts: Sequence[Part]) -> bytes:
    return parts_digest((part.object_id, part.sealed) for part in parts)
