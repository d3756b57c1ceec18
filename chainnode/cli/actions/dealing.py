"""The patient's class keys: dealt to the trustees with a standing consent, renewed after a revocation.

The trustees are those of the genesis document that the node hands out. One with others in it is another
chain's: the wallet derives other keys for that, so a node that lies here is dealt nothing of worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chainnode.cli.actions.base import find, submit
from chainnode.cli.actions.patients import enrolment, wallet_identity
from chainnode.cli.errors import bad_input
from chainnode.cli.next_steps import command
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.dealing import newest
from chainnode.ledger.documents import AnyConsent, AnyProvision
from chainnode.ledger.payloads import DATA_CLASSES, PERMIT, ClassKey, DealClassKeys, DealtKey, RenewClassKey
from chainnode.ledger.records import DealingsRecord, DealtRecord, RenewedKeysRecord
from chainnode.node.api import ChainInfo, Part, SubmitResult
from chainnode.vault.classshares import Seated, deal_to
from chainnode.vault.wallet import Wallet
from genesis.document import Genesis, parse_file


@dataclass(frozen=True, slots=True)
class Dealt:
    """How many class keys were dealt to how many trustees."""

    keys: int
    trustees: int
    result: SubmitResult


@dataclass(frozen=True, slots=True)
class TrusteeView:
    """`member`: the number of the member whose node hosts it, None where its operator is no member."""

    seat: int
    id: str
    name: str
    operator: str
    member: int | None


@dataclass(frozen=True, slots=True)
class TrusteesView:
    threshold: int
    faults: int
    trustees: tuple[TrusteeView, ...]


def genesis_of(info: ChainInfo) -> Genesis:
    """The founding document of the node's chain. Raises OperatorError GEN-xx, CLI-02."""
    genesis = parse_file(info.genesis, "the node's genesis document").genesis
    if genesis.chain_id != info.chain_id:
        raise bad_input(
            "the node hands out the genesis document of another chain",
            command("status", remark="at a node of another hospital"),
        )
    return genesis


async def trustee_views(client: GatewayClient) -> TrusteesView:
    """The trustees of the network, in order of their seats."""
    info = await client.info()
    genesis = genesis_of(info)
    members = {slug: number for number, slug, _ in info.members}
    return TrusteesView(
        genesis.trustee_threshold,
        genesis.trustee_faults,
        tuple(
            TrusteeView(seat, one.id, one.name, one.operator, members.get(one.operator))
            for seat, one in enumerate(genesis.trustees, start=1)
        ),
    )


async def known_class_keys(client: GatewayClient, handle: bytes) -> tuple[ClassKey, ...]:
    """All class keys of a patient on chain. Raises NotFound."""
    record = await enrolment(client, handle)
    renewed = await find(client, keys.renewed(handle), RenewedKeysRecord)
    return (*record.class_keys, *(one.key for one in (renewed.keys if renewed else ())))


async def dealings(client: GatewayClient, handle: bytes, min_height: int = 0) -> tuple[DealtRecord, ...]:
    """What was dealt of a patient's class keys, ended dealings included."""
    held = await find(client, keys.dealings(handle), DealingsRecord, min_height=min_height)
    return held.dealt if held else ()


async def dealt_classes(client: GatewayClient, wallet: Wallet, member: int) -> tuple[str, ...]:
    """Data classes of which a dealing stands. Raises NotFound."""
    _, handle = await wallet_identity(client, wallet, member)
    standing = {one.data_class for one in await dealings(client, handle) if not one.ended.height}
    return tuple(name for name in DATA_CLASSES if name in standing)


def permitted_classes(document: AnyConsent) -> tuple[str, ...]:
    """The data classes for which the terms say yes somewhere; where they name none, all."""
    found: dict[str, None] = {}
    left: list[AnyProvision] = [document.provision]
    while left:
        one = left.pop()
        if one.type == PERMIT:
            found.update(dict.fromkeys(one.classes or DATA_CLASSES))
        left.extend(one.provisions)
    return tuple(name for name in DATA_CLASSES if name in found)


async def deal(
    client: GatewayClient, wallet: Wallet, member: int, classes: Sequence[str], *, again: bool = False
) -> Dealt | None:
    """Share the class keys of these classes, of every epoch, among the trustees that the patient's own
    hospital does not run. `again`: those too whose dealing stands. None where there is nothing to deal, or
    the network has no trustees. Raises TransactionRefused, NotFound."""
    info = await client.info()
    genesis = genesis_of(info)
    key, handle = await wallet_identity(client, wallet, member)
    standing = {(one.data_class, one.epoch) for one in await dealings(client, handle) if not one.ended.height}
    wanted = [
        one
        for one in await known_class_keys(client, handle)
        if one.data_class in classes and (again or (one.data_class, one.epoch) not in standing)
    ]
    if not genesis.trustees or not wanted:
        return None
    own = next(slug for number, slug, _ in info.members if number == member)
    seated = [
        Seated(seat, one.key, one.sealing_key)
        for seat, one in enumerate(genesis.trustees, start=1)
        if one.operator != own
    ]
    secrets = {
        (one.data_class, one.epoch): wallet.class_key(info.chain_id, member, one.data_class, one.epoch).scalar
        for one in wanted
    }
    dealt = deal_to(
        secrets,
        seated,
        seats=len(genesis.trustees),
        threshold=genesis.trustee_threshold,
        chain_id=info.chain_id,
        handle=handle,
    )
    payload = DealClassKeys(
        handle,
        tuple(DealtKey(one.data_class, one.epoch, one.commitments) for one in dealt.keys),
        dealt.digest,
    )
    parts = [Part(tag, sealed) for tag, sealed in dealt.sealed]
    result = await submit(client, payload, key, parts=parts)
    return Dealt(len(wanted), len(seated), result)


async def renew(client: GatewayClient, wallet: Wallet, member: int, min_height: int) -> tuple[ClassKey, ...]:
    """After a revocation: a class key of the next epoch in place of each newest one whose dealing ended."""
    info = await client.info()
    key, handle = await wallet_identity(client, wallet, member)
    known, renewed = await known_class_keys(client, handle), []
    ended = {
        (one.data_class, one.epoch) for one in await dealings(client, handle, min_height) if one.ended.height
    }
    for name in DATA_CLASSES:
        latest = newest(known, name)
        if latest is not None and (name, latest.epoch) in ended:
            epoch = latest.epoch + 1
            point = wallet.class_key(info.chain_id, member, name, epoch).point
            renewed.append(ClassKey(name, epoch, point))
            await submit(client, RenewClassKey(handle, renewed[-1]), key)
    return tuple(renewed)
