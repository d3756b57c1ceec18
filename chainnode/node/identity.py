"""Which member this node is: of the founding, or by a change of members that came later."""

from collections.abc import Sequence

from chainnode.ledger import membership, view
from chainnode.ledger.records import HOLDER_VALIDATOR
from chainnode.ledger.view import Reader
from chainnode.node.config import NodeConfig
from chainnode.node.errors import NOD_NOT_MEMBER
from genesis.changing import read_change
from genesis.codes import GEN_CHANGE
from genesis.document import Genesis, Member
from genesis.errors import OperatorError, quoted


def not_member(config: NodeConfig) -> OperatorError:
    """Nobody is known by the keystore's key."""
    return OperatorError(
        NOD_NOT_MEMBER,
        f"{config.genesis_file} has no member with the validator key of {config.keystore_file}",
        unchanged="nothing was started",
        next_step=f"compare: chainnode genesis show {quoted(config.genesis_file)}  # who joined later sets "
        "genesis.membership to the signed change",
    )


def founding_member(genesis: Genesis, held: Sequence[bytes]) -> Member | None:
    """The founding member with one of the validator keys that are held here."""
    return next((one for one in genesis.members if one.validator_key in held), None)


def admitted_member(config: NodeConfig, genesis: Genesis, held: Sequence[bytes]) -> Member | None:
    """The member that `genesis.membership` admits or gives new keys, if one of them is held here.

    Enough signatures stand there; that they are the right validators' the chain says when it is here, and the
    others know this node's key from the chain alone. Raises OperatorError GEN-01, GEN-14.
    """
    if config.membership_file is None:
        return None
    file = read_change(config.membership_file)
    change, keys = file.change, file.change.keys
    if change.chain_id != genesis.chain_id or len(file.signatures) < file.needed or keys is None:
        raise OperatorError(
            GEN_CHANGE,
            f"{config.membership_file} admits nobody to {genesis.network}: it is of another network or kind, "
            f"or has {len(file.signatures)} of the {file.needed} signatures that it needs",
            unchanged="nothing was started",
            next_step=f"chainnode member show {quoted(config.membership_file)}",
        )
    assert change.request is not None
    if keys.validator not in held:
        return None
    return Member(
        number=change.member,
        id=change.id,
        name=change.request.name,
        validator_key=keys.validator,
        transport_key=keys.transport,
        sealing_key=keys.sealing,
        steward_key=keys.steward,
    )


def member_on_chain(state: Reader, genesis: Genesis, held: Sequence[bytes]) -> Member | None:
    """The member whose validator key one of those that are held here is or was, as the chain has it."""
    for key in held:
        holder = view.holder(state, key)
        if holder is None or holder.role != HOLDER_VALIDATOR:
            continue
        record = view.member(state, holder.member)
        assert record is not None, "a validator's key is a member's"
        standing, founder = membership.standing_of(state, holder.member), genesis.member(holder.member)
        return Member(
            number=record.number,
            id=record.id,
            name=record.name,
            validator_key=record.validator_key,
            transport_key=standing.transport_key or (founder.transport_key if founder else b""),
            sealing_key=standing.sealing_key or (founder.sealing_key if founder else b""),
            steward_key=record.steward_key,
        )
    return None
