"""Changes of members: who is admitted, votes, leaves, or takes new keys, and from which height on.

A change counts only with the signatures of more than half of the present validators, one at a time and in
turn. Where votes change it takes effect more than a window of heights later: no slot that far ahead can be
proposed before the block that holds the change is certified, so every replica knows by then who votes.
"""

from msgspec import structs

from chainnode.ledger import features, keys, view
from chainnode.ledger.enrolment import require_member
from chainnode.ledger.fields import require
from chainnode.ledger.forms import read_change
from chainnode.ledger.networkrecords import (
    MEMBER_OBSERVER,
    MEMBER_REMOVED,
    MEMBER_VALIDATOR,
    EpochRecord,
    MembershipRecord,
    StandingRecord,
)
from chainnode.ledger.payloads import ChangeMembership
from chainnode.ledger.records import (
    HOLDER_STEWARD,
    HOLDER_TRANSPORT,
    HOLDER_VALIDATOR,
    GenesisRecord,
    MemberRecord,
    Source,
)
from chainnode.ledger.rules import Refusal, RefusedError
from chainnode.ledger.transition import P, Transition
from chainnode.ledger.view import Reader
from consensus.bounds import proposal_bytes
from consensus.parameters import Parameters
from consensus.types import ReplicaSet, Voter
from genesis.checks import MAX_MEMBERS as MAX_VALIDATORS
from genesis.checks import MIN_PROPOSAL_BYTES
from genesis.membership import (
    ADMIT,
    DEMOTE,
    FEATURE,
    PROMOTE,
    REMOVE,
    ROTATE,
    ChangeFile,
    MembershipChange,
    bounds_of,
)
from genesis.request import JoinRequest, MemberKeys

MAX_NUMBERS = 1_000
"""Members that a chain ever numbers; they stand in its state for ever."""
MAX_PRESENT = 100
"""Members at a time: each has a link to every other."""

_ROLE_NEEDED = {PROMOTE: (MEMBER_OBSERVER,), DEMOTE: (MEMBER_VALIDATOR,)}
_ROLE_GIVEN = {PROMOTE: MEMBER_VALIDATOR, DEMOTE: MEMBER_OBSERVER, REMOVE: MEMBER_REMOVED}


def current(reader: Reader) -> MembershipRecord:
    """The record that stands, or what it would be where no member changed yet."""
    record = view.membership(reader)
    if record is not None:
        return record
    genesis = view.read(reader, keys.GENESIS, GenesisRecord)
    assert genesis is not None, "every state begins with genesis"
    members = [view.member(reader, number) for number in range(genesis.members)]
    voters = tuple(Voter(one.number, one.validator_key) for one in members if one is not None)
    return MembershipRecord(0, genesis.members, 0, (EpochRecord(0, ReplicaSet(0, voters)),))


def standing_of(reader: Reader, number: int) -> StandingRecord:
    """The member's standing record, or what it would be for a founding validator as it was."""
    record = view.standing(reader, number)
    founding = StandingRecord(MEMBER_VALIDATOR, MEMBER_VALIDATOR, 0, b"", b"", b"", Source())
    return founding if record is None else record


def node_key(reader: Reader, record: MemberRecord, height: int) -> bytes:
    """The validator key by which a member's node signs at `height`; empty where the member left.

    Who votes signs with the key that its vote has: a new one takes over with its epoch.
    """
    membership = view.membership(reader)
    if membership is None:
        return record.validator_key
    voting = membership.voters(height).key(record.number)
    if voting is not None:
        return voting
    gone = standing_of(reader, record.number).role_at(height) == MEMBER_REMOVED
    return b"" if gone else record.validator_key


def require_node(call: Transition[P], number: int) -> None:
    """The signer is the node of this member. Raises RefusedError: unknown-member, member-removed,
    unknown-signer, not-permitted."""
    key = node_key(call.state, require_member(call, number), call.context.height)
    require(key != b"", "member-removed", f"member {number}")
    call.require_signer(key, "the member's node")


def change(call: Transition[ChangeMembership]) -> None:
    """A change of members, signed by more than half of the validators; anybody of a member hands it in."""
    holder = view.holder(call.state, call.signer)
    if holder is None:
        raise RefusedError("unknown-signer", "the key has no role on this chain")
    if holder.role not in (HOLDER_VALIDATOR, HOLDER_STEWARD):
        raise RefusedError("not-permitted", "a member's steward or node hands it in")
    file = read_change(call.payload, call.context.chain_id)
    made, before = file.change, current(call.state)
    _require_turn(call, file, before)
    effective = call.context.height + made.delay_heights
    if made.kind == ADMIT:
        _admit(call, made, before)
    elif made.kind == FEATURE:
        features.schedule(call, made.id, effective)
    else:
        _alter(call, made)
    epochs = before.epochs[-1:]
    if made.voters() != made.present():
        voters = _next_voters(made, epochs[0].voters, call.context.parameters)
        epochs = (*epochs, EpochRecord(effective, voters))
        call.put(keys.epoch(voters.epoch), epochs[-1])
    numbers = before.numbers + (made.kind == ADMIT)
    call.put(keys.MEMBERSHIP, MembershipRecord(made.number, numbers, effective, epochs))
    call.emit(
        "membership-changed",
        change=made.kind,
        member=made.id,
        epoch=str(epochs[-1].voters.epoch),
        effective_height=str(effective),
    )


def _require_turn(call: Transition[ChangeMembership], file: ChangeFile, before: MembershipRecord) -> None:
    """The right change at the right time, by enough of those who stand."""
    made, height = file.change, call.context.height
    turn = before.changes + 1
    require(made.number == turn, "change-out-of-turn", f"change {made.number}, the next one is {turn}")
    pending = f"until height {before.effective_height}"
    require(height >= before.effective_height, "change-pending", pending)
    require(height <= made.valid_until_height, "change-expired", f"at height {made.valid_until_height}")
    require(made.present() == before.epochs[-1].voters.members, "other-validators", "")
    for one in made.validators:
        record = view.member(call.state, one.number)
        require(record is not None and record.id == one.id, "other-validators", f"the id {one.id}")
    enough = len(file.signatures) >= file.needed
    require(enough, "too-few-signatures", f"{len(file.signatures)} of {file.needed}")
    soonest = call.context.parameters.window + 1
    late_enough = not made.needs_delay() or made.delay_heights >= soonest
    require(late_enough, "change-too-soon", f"{made.delay_heights} heights, {soonest} at least")


def objection(
    made: MembershipChange,
    present: ReplicaSet,
    parameters: Parameters,
    *,
    role: str,
    name: str,
    steward_key: bytes,
) -> Refusal | None:
    """Why a chain that stands so would refuse the change, None where it would not as far as one sees from
    here: what its proposer asks before anybody signs. `role`, `name`, `steward_key`: of whom it concerns."""
    try:
        if made.kind not in (ADMIT, FEATURE):
            _require_role(made.kind, made.id, role)
        if made.kind == ROTATE and made.request is not None:
            _require_same(made.request, name, steward_key)
        if made.voters() != made.present():
            _next_voters(made, present, parameters)
    except RefusedError as refused:
        return refused.refusal
    return None


def _next_voters(made: MembershipChange, present: ReplicaSet, parameters: Parameters) -> ReplicaSet:
    """The next epoch's set. Raises RefusedError where it would cost liveness, or tolerance unasked:
    no-validator-left, too-many-members, fault-tolerance-lost, frame-too-small."""
    after = made.voters()
    require(len(after) > 0, "no-validator-left", made.id)
    require(len(after) <= MAX_VALIDATORS, "too-many-members", f"{MAX_VALIDATORS} validators at most")
    n, faults, _ = bounds_of(after)
    kept = faults >= present.f or made.fewer_faults
    require(kept, "fault-tolerance-lost", f"{present.f} of {present.n} now, {faults} of {n} then")
    voters = ReplicaSet(present.epoch + 1, after)
    fits = proposal_bytes(parameters, voters) >= MIN_PROPOSAL_BYTES
    require(fits or len(after) <= present.n, "frame-too-small", f"{n} validators")
    return voters


def _admit(call: Transition[ChangeMembership], made: MembershipChange, before: MembershipRecord) -> None:
    """A new member that observes. Its keys must be nobody's yet."""
    request, presented = made.request, made.keys
    assert request is not None and presented is not None, "an admission has a join request"
    number = before.numbers
    require(made.member == number, "change-out-of-turn", f"the next member's number is {number}")
    require(number < MAX_NUMBERS, "too-many-members", f"{MAX_NUMBERS} were numbered")
    present = 0
    for known in range(number):
        record = view.member(call.state, known)
        assert record is not None, "members are numbered without a gap"
        require(record.id != made.id, "duplicate-id", f"member {known} has the id {made.id}")
        present += standing_of(call.state, known).role != MEMBER_REMOVED
    require(present < MAX_PRESENT, "too-many-members", f"{MAX_PRESENT} at a time")
    require(view.registrar(call.state, made.id) is None, "duplicate-id", f"a registrar has the id {made.id}")
    name = made.id.encode()
    call.claim_key(presented.validator, HOLDER_VALIDATOR, number, b"")
    call.claim_key(presented.steward, HOLDER_STEWARD, number, b"")
    call.claim_key(presented.transport, HOLDER_TRANSPORT, number, name)
    record = MemberRecord(number, made.id, request.name, presented.validator, presented.steward)
    call.put(keys.member(number), record)
    standing = StandingRecord(
        role=MEMBER_OBSERVER,
        former_role=MEMBER_OBSERVER,
        effective_height=call.context.height + made.delay_heights,
        transport_key=presented.transport,
        former_transport_key=presented.transport,
        sealing_key=presented.sealing,
        changed=call.source,
    )
    call.put(keys.standing(number), standing)


def _require_role(kind: str, slug: str, role: str) -> None:
    """A change of this kind fits a member's present role. Raises RefusedError: member-removed, wrong-role."""
    require(role != MEMBER_REMOVED, "member-removed", slug)
    require(role in _ROLE_NEEDED.get(kind, (role,)), "wrong-role", f"{slug} is {role}")


def _alter(call: Transition[ChangeMembership], made: MembershipChange) -> None:
    """Another role, or other keys, for a member that is there."""
    record = require_member(call, made.member)
    require(record.id == made.id, "unknown-member", f"member {made.member} is {record.id}")
    old = standing_of(call.state, made.member)
    _require_role(made.kind, made.id, old.role)
    if made.kind == PROMOTE:
        require(made.key == record.validator_key, "other-key", f"it is not the validator key of {made.id}")
    new = structs.replace(
        old,
        role=_ROLE_GIVEN.get(made.kind, old.role),
        former_role=old.role,
        former_transport_key=old.transport_key,
        effective_height=call.context.height + made.delay_heights,
        changed=call.source,
    )
    if made.kind == ROTATE:
        new = _rotate(call, made, record, new)
    call.put(keys.standing(made.member), new)


def _require_same(request: JoinRequest, name: str, steward_key: bytes) -> None:
    """Who rotates keys keeps name and steward. Raises RefusedError: other-key."""
    assert isinstance(request.keys, MemberKeys), "a change's request is a member's"
    same = (request.name, request.keys.steward) == (name, steward_key)
    require(same, "other-key", "name and steward's key stay as they are")


def _rotate(
    call: Transition[ChangeMembership], made: MembershipChange, record: MemberRecord, standing: StandingRecord
) -> StandingRecord:
    """New keys of the node. Id, name and steward stay what they are."""
    request, presented = made.request, made.keys
    assert request is not None and presented is not None, "a rotation has a join request"
    _require_same(request, record.name, record.steward_key)
    if presented.validator != record.validator_key:
        call.claim_key(presented.validator, HOLDER_VALIDATOR, made.member, b"")
        call.put(keys.member(made.member), structs.replace(record, validator_key=presented.validator))
    # A founding member's first rotation names its founding transport key again where that one stays.
    holder = view.holder(call.state, presented.transport)
    if holder is None or (holder.role, holder.member) != (HOLDER_TRANSPORT, made.member):
        call.claim_key(presented.transport, HOLDER_TRANSPORT, made.member, made.id.encode())
    return structs.replace(standing, transport_key=presented.transport, sealing_key=presented.sealing)
