"""Members of the network: who they are now, and the change that follows from that."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chainnode.cli.actions.base import find, listed, submit
from chainnode.cli.errors import CLI_CHANGE, CLI_UNSIGNED, usage
from chainnode.cli.next_steps import command
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.membership import objection
from chainnode.ledger.networkrecords import (
    MEMBER_REMOVED,
    MEMBER_VALIDATOR,
    EpochRecord,
    MembershipRecord,
    StandingRecord,
)
from chainnode.ledger.payloads import ChangeMembership
from chainnode.ledger.records import MemberRecord
from chainnode.ledger.rules import RULES, Refusal
from chainnode.node.api import ChainInfo, NotFound, Refused, SubmitResult
from chainnode.vault.keystore import StewardKeys
from consensus.types import ReplicaSet
from genesis.document import Genesis, parse_genesis
from genesis.errors import OperatorError
from genesis.membership import (
    ADMIT,
    DEMOTE,
    FEATURE,
    REMOVE,
    ROTATE,
    ChangeFile,
    MembershipChange,
    Validator,
    encode_change,
    encode_change_file,
)
from genesis.request import JoinRequest, MemberKeys
from genesis.words import fingerprint_words

MEMBERS, STANDINGS = b"member/", b"standing/"


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member as the chain has it. `role` is that of the next height; `next_role` and `from_height` say what
    waits to take effect, "" and 0 where nothing does. `voting_key`: that of its vote, empty without one."""

    number: int
    id: str
    name: str
    role: str
    next_role: str
    from_height: int
    voting_key: bytes
    validator_key: bytes
    steward_key: bytes

    @property
    def words(self) -> str:
        """Of its validator key."""
        return " ".join(fingerprint_words(self.validator_key))


@dataclass(frozen=True, slots=True)
class Roster:
    """All members ever, and where the chain stands with its changes."""

    info: ChainInfo
    genesis: Genesis
    record: MembershipRecord
    members: tuple[MemberRow, ...]

    @property
    def voters(self) -> ReplicaSet:
        """Who votes at the next height."""
        return self.record.voters(self.info.height + 1)

    @property
    def pending(self) -> bool:
        return self.record.effective_height > self.info.height + 1

    def member(self, slug: str) -> MemberRow:
        """Raises NotFound."""
        found = next((one for one in self.members if one.id == slug), None)
        if found is None:
            known = ", ".join(one.id for one in self.members if one.role != MEMBER_REMOVED)
            raise NotFound("unknown-member", f"{slug} is no member; the members are {known}")
        return found


async def roster(client: GatewayClient) -> Roster:
    """As of the latest certified block."""
    records, _ = await listed(client, MEMBERS, MemberRecord)
    standings = dict((await listed(client, STANDINGS, StandingRecord))[0])
    info = await client.info()
    genesis = parse_genesis(info.genesis)
    record = await find(client, keys.MEMBERSHIP, MembershipRecord)
    if record is None:
        founding = EpochRecord(0, genesis.replica_set())
        record = MembershipRecord(0, len(genesis.members), 0, (founding,))
    rows = []
    for name, one in sorted(records, key=lambda pair: pair[1].number):
        standing = standings.get(name)
        role = MEMBER_VALIDATOR if standing is None else standing.role_at(info.height + 1)
        waits = standing is not None and standing.effective_height > info.height + 1
        rows.append(
            MemberRow(
                number=one.number,
                id=one.id,
                name=one.name,
                role=role,
                next_role=standing.role if standing is not None and waits else "",
                from_height=standing.effective_height if standing is not None and waits else 0,
                voting_key=record.voters(info.height + 1).key(one.number) or b"",
                validator_key=one.validator_key,
                steward_key=one.steward_key,
            )
        )
    return Roster(info, genesis, record, tuple(rows))


@dataclass(frozen=True, slots=True)
class Terms:
    """How a change is made. `delay_heights` 0: the shortest that the chain allows."""

    delay_heights: int
    valid_heights: int
    fewer_faults: bool


def propose(known: Roster, kind: str, subject: str | JoinRequest, terms: Terms) -> bytes:
    """The file of a change, signed by nobody yet. `subject`: a member's id, the join request of who is
    admitted or rotates keys, or a feature's name.

    Raises OperatorError CLI-01 (the request does not fit), CLI-14 (another change waits), NotFound, and
    Refused by the rule by which the chain as it stands would refuse the change.
    """
    if known.pending:
        raise OperatorError(
            CLI_CHANGE,
            f"change {known.record.changes} waits until height {known.record.effective_height}, "
            f"the chain is at {known.info.height}",
            unchanged="nothing was written",
            next_step=command("member", "list"),
        )
    request = subject if isinstance(subject, JoinRequest) else None
    if isinstance(subject, JoinRequest):
        number, slug, key = _presented(known, kind, subject)
    elif kind == FEATURE:
        number, slug, key = 0, subject, b""
    else:
        row = known.member(subject)
        number, slug = row.number, row.id
        key = b"" if kind in (DEMOTE, REMOVE) else row.validator_key
    ids = {one.number: one.id for one in known.members}
    change = MembershipChange(
        chain_id=known.info.chain_id,
        number=known.record.changes + 1,
        kind=kind,
        member=number,
        id=slug,
        key=key,
        validators=tuple(Validator(one.id, ids[one.id], one.key) for one in known.voters.members),
        request=request,
        delay_heights=0,
        valid_until_height=known.info.height + terms.valid_heights,
        fewer_faults=terms.fewer_faults,
    )
    if change.needs_delay():
        shortest = known.genesis.parameters.window + 1
        change = replace(change, delay_heights=max(shortest, terms.delay_heights))
    _require_fitting(known, change)
    return encode_change_file(encode_change(change), {})


def _require_fitting(known: Roster, change: MembershipChange) -> None:
    """What the chain will ask of the change, asked before anybody signs. Raises Refused."""
    row = next((one for one in known.members if one.number == change.member), None)
    refusal = objection(
        change,
        known.voters,
        known.genesis.parameters,
        role="" if row is None else row.role,
        name="" if row is None else row.name,
        steward_key=b"" if row is None else row.steward_key,
    )
    taken = {one.id for one in known.members} | {one.id for one in known.genesis.registrars}
    if change.kind == ADMIT and change.id in taken:
        refusal = Refusal("duplicate-id", f"{change.id} is a member's, a former member's or a registrar's")
    if refusal is not None:
        said = RULES[refusal.rule].removesuffix(".")
        raise Refused(refusal.rule, f"{said}: {refusal.detail}" if refusal.detail else said)


def _presented(known: Roster, kind: str, request: JoinRequest) -> tuple[int, str, bytes]:
    """Number, id and validator key of who presents a join request."""
    if kind not in (ADMIT, ROTATE) or not isinstance(request.keys, MemberKeys):
        raise usage(
            f"{kind} takes no join request of a {request.kind}", command("member", "propose", "--help")
        )
    if request.network != known.genesis.network:
        raise usage(
            f"the request of {request.id!r} is for the network {request.network!r}, "
            f"this is {known.genesis.network!r}",
            f"ask {request.id!r} for a request for {known.genesis.network!r}",
        )
    taken = known.genesis.member_by_transport_key(request.keys.transport)
    if taken is not None and taken.id != request.id:
        raise usage(
            f"the transport key that {request.id!r} presents is that of {taken.id!r}",
            f"call {request.id!r} and ask for a request with keys of its own",
        )
    number = known.record.numbers if kind == ADMIT else known.member(request.id).number
    return number, request.id, request.keys.validator


async def submit_change(client: GatewayClient, steward: StewardKeys, data: bytes) -> SubmitResult:
    """Hand in a signed change. Raises as `base.submit` does."""
    return await submit(client, ChangeMembership(data), steward.signing)


def require_enough(file: ChangeFile, path: object) -> None:
    """Raises OperatorError CLI-15 where too few have signed: the chain would refuse it."""
    if len(file.signatures) < file.needed:
        raise OperatorError(
            CLI_UNSIGNED,
            f"{path} has {len(file.signatures)} of the {file.needed} signatures that it needs; "
            f"missing are {', '.join(file.missing())}",
            unchanged="nothing was handed in",
            next_step=command("member", "sign", path, "--help", remark="let one of them sign it"),
        )


def rows_data(rows: Sequence[MemberRow]) -> list[dict[str, object]]:
    """JSON of members."""
    return [
        {
            "number": one.number,
            "id": one.id,
            "name": one.name,
            "role": one.role,
            "next_role": one.next_role or None,
            "from_height": one.from_height or None,
            "votes": bool(one.voting_key),
            "validator_key": one.validator_key,
            "words": one.words,
        }
        for one in rows
    ]
