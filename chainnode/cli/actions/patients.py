"""Enrolment in three signatures: the hospital's steward, a registrar from outside, the patient.

The hospital's own record numbers never leave the machine that knows them: the node keeps keyed
digests (MACs) by which intake recognises the patient, the chain a random handle.
"""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass

from chainnode.cli.actions.base import OK, find, listed, member_slug, new_row, require, submit
from chainnode.cli.actions.cards import EnrolmentCard
from chainnode.cli.errors import bad_input
from chainnode.cli.next_steps import FOREIGN_CLASS_KEY, PATIENT_NOT_ENROLLED, command
from chainnode.gateway.client import GatewayClient
from chainnode.intake.identity import Identifier, identifier_macs
from chainnode.ledger import keys
from chainnode.ledger.payloads import AttestEnrolment, EnrolPatient, ProveEnrolment
from chainnode.ledger.records import HOLDER_PATIENT, DepartmentRecord, EnrolmentRecord, HolderRecord
from chainnode.ledger.transaction import ID_BYTES
from chainnode.node.api import ChainInfo, NotFound, Outcome, Refused, SubmitResult
from chainnode.vault.keys import SigningKey
from chainnode.vault.keystore import RegistrarKeys, StewardKeys
from chainnode.vault.wallet import Wallet
from consensus.domain import digest

PATIENT_PREFIX = b"patient/"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """`departments`: those whose intake recognises the patient now."""

    handle: bytes
    departments: tuple[str, ...]
    result: SubmitResult


async def departments_of(client: GatewayClient, member: int) -> list[str]:
    """The departments of a member, by name."""
    records, _ = await listed(client, keys.department(member, ""), DepartmentRecord)
    return [name.decode() for name, _ in records]


async def link(
    client: GatewayClient, handle: bytes, identifiers: Sequence[Identifier], departments: Sequence[str]
) -> None:
    """Tell the node by which MACs each department's intake is to recognise the patient.

    Raises Refused("subject-linked") where one of the identifiers is another enrolment's.
    """
    for macs in await _macs(client, identifiers, departments):
        await client.link_subject(macs, handle)


async def _macs(
    client: GatewayClient, identifiers: Sequence[Identifier], departments: Sequence[str]
) -> list[tuple[bytes, ...]]:
    return [identifier_macs(await client.intake_key(name), identifiers) for name in departments]


async def enrol(
    client: GatewayClient,
    steward: StewardKeys,
    card: EnrolmentCard,
    identifiers: Sequence[Identifier],
    *,
    departments: Sequence[str] = (),
) -> Enrolled:
    """Enrol a patient's keys under a fresh handle and link the identifiers to it.

    `departments` empty: all that this node's member has. A card that is enrolled already keeps its
    handle, and only the links are made. Raises OperatorError CLI-02 for a card of another chain or
    hospital; TransactionRefused.
    """
    info = await client.info()
    _check_card(card, info)
    chosen = tuple(departments) or tuple(await departments_of(client, info.member))
    handle = await find_handle(client, card.patient_key)
    if handle is not None:
        earlier = (await enrolment(client, handle)).enrolled
        result = SubmitResult(earlier.transaction_id, Outcome.COMMITTED, earlier.height, OK)
    else:
        handle = os.urandom(ID_BYTES)
        macs = await _macs(client, identifiers, chosen)
        for of_one in macs:
            if await client.resolve_subject(of_one) is not None:
                raise Refused("subject-linked", "the identifiers belong to another enrolment already")
        row = new_row(digest("subject-link", handle, *itertools.chain(*macs)))
        payload = EnrolPatient(info.member, handle, card.patient_key, card.class_keys, row.digest())
        result = await submit(client, payload, steward.signing, rows=[row])
    await link(client, handle, identifiers, chosen)
    return Enrolled(handle, chosen, result)


def _check_card(card: EnrolmentCard, info: ChainInfo) -> None:
    if card.chain_id != info.chain_id:
        raise bad_input(
            "the enrolment card is for another chain",
            command("wallet", "card", "--help", remark="with this network's genesis file"),
        )
    if card.member != info.member:
        here = member_slug(info, info.member)
        raise bad_input(
            f"the enrolment card is for {member_slug(info, card.member)}, this node is {here}",
            command("wallet", "card", "--help", remark=f"with --member {here}"),
        )


async def find_handle(client: GatewayClient, patient_key: bytes) -> bytes | None:
    """The handle under which a patient's key is enrolled."""
    holder = await find(client, keys.holder(patient_key), HolderRecord)
    return holder.name if holder is not None and holder.role == HOLDER_PATIENT else None


async def wallet_identity(client: GatewayClient, wallet: Wallet, member: int) -> tuple[SigningKey, bytes]:
    """The wallet's key for a hospital, and its handle there. Raises NotFound."""
    info = await client.info()
    key = wallet.identity(info.chain_id, member)
    handle = await find_handle(client, key.public)
    if handle is None:
        raise NotFound(PATIENT_NOT_ENROLLED, f"the wallet is not enrolled at {member_slug(info, member)}")
    return key, handle


async def enrolment(client: GatewayClient, handle: bytes) -> EnrolmentRecord:
    """Raises NotFound."""
    return await require(
        client,
        keys.patient(handle),
        EnrolmentRecord,
        "unknown-patient",
        f"nobody is enrolled as {handle.hex()}",
    )


async def list_enrolments(
    client: GatewayClient, member: int | None = None
) -> list[tuple[bytes, EnrolmentRecord]]:
    """(handle, enrolment) of one member or of all, oldest first."""
    records, _ = await listed(client, PATIENT_PREFIX, EnrolmentRecord)
    found = [(handle, record) for handle, record in records if member in (None, record.member)]
    return sorted(found, key=lambda one: (one[1].enrolled.height, one[0]))


async def attest(client: GatewayClient, registrar: RegistrarKeys, handle: bytes) -> SubmitResult:
    """The registrar's word that the patient exists."""
    return await submit(client, AttestEnrolment(handle), registrar.signing)


async def prove(client: GatewayClient, wallet: Wallet, member: int) -> SubmitResult:
    """The wallet's proof that it holds the enrolled key.

    The class keys on chain must be the wallet's own: with others in their place, whoever holds those
    would open the patient's halves. Raises Refused `foreign-class-key`; nothing is signed then.
    """
    info = await client.info()
    key, handle = await wallet_identity(client, wallet, member)
    record = await enrolment(client, handle)
    for one in record.class_keys:
        if wallet.class_key(info.chain_id, member, one.data_class, one.epoch).point != one.point:
            raise Refused(
                FOREIGN_CLASS_KEY,
                f"the key for {one.data_class} on chain is not this wallet's: do not prove this enrolment, "
                "and ask the hospital who enrolled it",
            )
    return await submit(client, ProveEnrolment(handle), key)
