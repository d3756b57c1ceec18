"""Changes of members by transaction: what is refused and why, what takes effect and when."""

from dataclasses import replace

import pytest
from msgspec import structs

from chainnode.ledger import membership, view
from chainnode.ledger.admission import check_form, check_state
from chainnode.ledger.payloads import Barrier, ChangeMembership
from chainnode.ledger.rules import Refusal
from chainnode.ledger.transaction import TransactionBody
from consensus.codec import decode
from consensus.parameters import Parameters
from genesis.membership import ADMIT, DEMOTE, PROMOTE, REMOVE, ROTATE, encode_change_file, parse_change
from tests.ledger.changing import DELAY, Joiner, make, pass_on, present, proposal, signed
from tests.ledger.world import Actor, Chain, valid_point, verify

FIFTH = Joiner("hospital-4")


def rule(chain: Chain, payload: ChangeMembership, actor: Actor | None = None) -> str:
    """The first rule that says no, of form or of state; "" for none."""
    submission = chain.submission(actor or chain.stewards[0], payload)
    checked = check_form(
        submission,
        chain_id=chain.chain_id,
        height=chain.height,
        parameters=chain.parameters,
        verify=verify,
        valid_point=valid_point,
    )
    if isinstance(checked, Refusal):
        return checked.rule
    body = decode(submission.transaction.body, TransactionBody, limit_bytes=1 << 20)
    refusal = check_state(body, chain.state, chain.context())
    return refusal.rule if refusal else ""


def judged(chain: Chain, kind: str, member: int, joiner: Joiner | None = None, *, signers=(0, 1, 2), **more):
    return rule(chain, signed(chain, proposal(chain, kind, member, joiner, **more), signers))


def with_fifth() -> Chain:
    chain = Chain()
    make(chain, ADMIT, 4, FIFTH)
    return chain


def test_one_who_is_admitted_observes_and_nobody_votes_otherwise() -> None:
    chain = Chain()
    block = make(chain, ADMIT, 4, FIFTH)
    assert block.kinds() == ["membership-changed"]
    assert view.member(chain.state, 4).id == "hospital-4"
    assert view.standing(chain.state, 4).role_at(chain.height) == "observer"
    assert len(chain.schedule.epochs) == 1 and present(chain).n == 4
    # It may speak: its node's key and its steward's are known.
    assert chain.run(FIFTH.validator, Barrier(4)).code == ""


def test_one_who_is_promoted_votes_from_the_activation_height_on() -> None:
    chain = with_fifth()
    make(chain, PROMOTE, 4)
    at = chain.height + DELAY
    assert chain.schedule(at - 1).epoch == 0 and chain.schedule(at).epoch == 1
    assert chain.schedule(at).ids == (0, 1, 2, 3, 4) and chain.schedule(at).quorum == 4
    assert view.standing(chain.state, 4).role_at(at - 1) == "observer"
    assert view.standing(chain.state, 4).role_at(at) == "validator"
    pass_on(chain, at)
    last, first = chain.headers[-2:]
    assert last.next_validators == first.validators == chain.schedule(at).digest() != last.validators
    assert (last.epoch, first.epoch) == (0, 1)


def test_the_state_before_any_change_is_what_it_was() -> None:
    chain = Chain()
    assert view.membership(chain.state) is None
    assert membership.current(chain.state).epochs[0].voters == chain.founding.replica_set()


def test_more_than_half_of_the_present_validators_sign() -> None:
    chain = Chain()
    assert judged(chain, ADMIT, 4, FIFTH, signers=(0, 1)) == "too-few-signatures"
    assert judged(chain, ADMIT, 4, FIFTH, signers=(1, 2, 3)) == ""
    change = proposal(chain, ADMIT, 4, FIFTH)
    others = replace(change, validators=change.validators[:2])
    assert rule(chain, signed(chain, others, (0, 1))) == "other-validators"
    renamed = replace(change, validators=(replace(change.validators[0], id="not-it"), *change.validators[1:]))
    assert rule(chain, signed(chain, renamed)) == "other-validators"


def test_a_signature_counts_only_for_this_very_change() -> None:
    chain = Chain()
    one = parse_change(signed(chain, proposal(chain, ADMIT, 4, FIFTH)).document)
    other = parse_change(signed(chain, proposal(chain, REMOVE, 3, fewer_faults=True)).document)
    mixed = ChangeMembership(encode_change_file(one.body, other.signatures))
    assert rule(chain, mixed) == "bad-change"
    stranger = {"somebody": one.signatures["hospital-0"]}
    assert rule(chain, ChangeMembership(encode_change_file(one.body, stranger))) == "bad-change"
    elsewhere = proposal(chain, ADMIT, 4, FIFTH, chain_id=bytes(32))
    assert rule(chain, signed(chain, elsewhere)) == "other-chain"
    assert rule(chain, ChangeMembership(b"")) == "bad-change"


def test_a_change_is_handed_in_by_a_steward_or_a_node() -> None:
    chain = Chain()
    payload = signed(chain, proposal(chain, ADMIT, 4, FIFTH))
    assert rule(chain, payload, chain.stewards[3]) == "" == rule(chain, payload, chain.validators[1])
    assert rule(chain, payload, chain.registrars[0]) == "not-permitted"
    assert rule(chain, payload, Actor("a stranger")) == "unknown-signer"


def test_no_change_is_made_twice_or_out_of_turn() -> None:
    chain = Chain()
    payload = signed(chain, proposal(chain, ADMIT, 4, FIFTH))
    early = signed(chain, proposal(chain, ADMIT, 4, FIFTH, number=2))
    assert rule(chain, early) == "change-out-of-turn"
    chain.must(chain.stewards[0], payload)
    assert rule(chain, payload) == "change-out-of-turn"
    assert judged(chain, ADMIT, 4, Joiner("hospital-5")) == "change-out-of-turn"
    assert judged(chain, ADMIT, 5, Joiner("hospital-5")) == ""


def test_one_change_waits_at_a_time() -> None:
    chain = with_fifth()
    make(chain, PROMOTE, 4)
    at = chain.height + DELAY
    assert judged(chain, ADMIT, 5, Joiner("hospital-5")) == "change-pending"
    pass_on(chain, at - 2)
    assert judged(chain, ADMIT, 5, Joiner("hospital-5")) == "change-pending"
    pass_on(chain, at - 1)  # the next block is the first of the new epoch
    chain.voters[FIFTH.validator.public] = FIFTH.validator
    assert judged(chain, ADMIT, 5, Joiner("hospital-5"), signers=(0, 2, 4)) == ""
    assert judged(chain, ADMIT, 5, Joiner("hospital-5"), signers=(0, 2)) == "too-few-signatures"


def test_a_change_has_a_last_height_and_a_shortest_delay() -> None:
    chain = with_fifth()
    pass_on(chain, 9)
    assert judged(chain, PROMOTE, 4, valid_until_height=9) == "change-expired"
    assert judged(chain, PROMOTE, 4, valid_until_height=10) == ""
    assert judged(chain, PROMOTE, 4, delay_heights=DELAY - 1) == "change-too-soon"
    assert judged(chain, ADMIT, 5, Joiner("hospital-5"), delay_heights=DELAY) == "bad-change"


@pytest.mark.parametrize(
    ("kind", "member", "expected"),
    [
        (PROMOTE, 0, "wrong-role"),
        (DEMOTE, 4, "wrong-role"),
        (PROMOTE, 9, "unknown-member"),
        (DEMOTE, 3, "fault-tolerance-lost"),
        (REMOVE, 3, "fault-tolerance-lost"),
        (REMOVE, 4, ""),
        (PROMOTE, 4, ""),
    ],
)
def test_roles_that_do_not_fit_are_refused(kind: str, member: int, expected: str) -> None:
    chain = with_fifth()
    more = {"key": Actor("nobody").public} if member == 9 else {}
    assert judged(chain, kind, member, **more) == expected


def test_fewer_faults_are_tolerated_only_where_that_is_said() -> None:
    chain = Chain()
    assert judged(chain, REMOVE, 3) == "fault-tolerance-lost"
    assert judged(chain, REMOVE, 3, fewer_faults=True) == ""
    lone = Chain(members=1)
    assert judged(lone, DEMOTE, 0, signers=(0,)) == "no-validator-left"
    three = Chain(members=3)
    assert judged(three, DEMOTE, 2, signers=(0, 1)) == "", "no faulty one was tolerated before"


def test_one_who_left_is_gone_for_good() -> None:
    chain = Chain(members=5)
    make(chain, REMOVE, 4)
    at = chain.height + DELAY
    assert chain.run(chain.validators[4], Barrier(4)).code == "", "it is still a member"
    pass_on(chain, at - 1)
    assert chain.run(chain.validators[4], Barrier(4)).code == "member-removed"
    assert chain.schedule(at).ids == (0, 1, 2, 3)
    assert judged(chain, PROMOTE, 4, key=chain.validators[4].public) == "member-removed"
    again = Joiner("hospital-4", " again")
    assert judged(chain, ADMIT, 5, again) == "duplicate-id"


def test_keys_and_ids_of_others_are_not_taken_twice() -> None:
    chain = with_fifth()
    same_steward = Joiner("hospital-5", steward=chain.stewards[1])
    assert judged(chain, ADMIT, 5, same_steward) == "key-in-use"
    same_link = Joiner("hospital-5")
    same_link.transport = FIFTH.transport
    assert judged(chain, ADMIT, 5, same_link) == "key-in-use"
    assert judged(chain, ADMIT, 5, Joiner("insurer")) == "duplicate-id"
    assert judged(chain, ADMIT, 5, Joiner("hospital-2")) == "duplicate-id"


def test_a_join_request_proves_that_its_key_is_held() -> None:
    chain = Chain()
    forged = replace(FIFTH.request(), signature=bytes(64))
    assert judged(chain, ADMIT, 4, FIFTH, request=forged) == "bad-change"
    assert judged(chain, ADMIT, 4, FIFTH, request=Joiner("hospital-5").request()) == "bad-change"


def test_a_rotated_key_votes_from_the_activation_height_on() -> None:
    chain = Chain()
    fresh = Joiner("hospital-1", " anew", steward=chain.stewards[1])
    make(chain, ROTATE, 1, fresh)
    at = chain.height + DELAY
    assert chain.schedule(at - 1).key(1) == chain.validators[1].public
    assert chain.schedule(at).key(1) == fresh.validator.public
    assert chain.schedule(at).quorum == chain.schedule(0).quorum
    assert chain.run(chain.validators[1], Barrier(1)).code == "", "the old key signs until then"
    assert chain.run(fresh.validator, Barrier(1)).code == "not-permitted"
    pass_on(chain, at - 1)
    assert chain.run(fresh.validator, Barrier(1)).code == ""
    assert chain.run(chain.validators[1], Barrier(1)).code == "not-permitted"
    standing = view.standing(chain.state, 1)
    assert (standing.transport_key, standing.former_transport_key) == (fresh.transport.public, b"")
    assert view.holder(chain.state, chain.validators[1].public).role == "validator", "nobody else gets it"


def test_a_rotation_leaves_steward_and_name_alone() -> None:
    chain = Chain()
    fresh = Joiner("hospital-1", " anew", steward=chain.stewards[1])
    assert judged(chain, ROTATE, 1, fresh, request=fresh.request("Another name")) == "other-key"
    assert judged(chain, ROTATE, 1, Joiner("hospital-1", " anew")) == "other-key"
    taken = Joiner("hospital-1", " anew", steward=chain.stewards[1])
    taken.validator = chain.stewards[3]
    chain.voters[taken.validator.public] = taken.validator
    assert judged(chain, ROTATE, 1, taken) == "key-in-use"


def test_no_more_validators_than_a_view_change_has_room_for() -> None:
    cramped = Parameters(window=32, frame_bytes=524_288)
    chain = Chain(members=19, parameters=cramped)
    make(chain, ADMIT, 19, Joiner("hospital-19"))
    refused = judged(chain, PROMOTE, 19, signers=range(10), delay_heights=33)
    assert refused == "frame-too-small"


def test_validators_are_at_most_as_many_as_genesis_allows() -> None:
    chain = Chain(members=31)
    make(chain, ADMIT, 31, Joiner("hospital-31"))
    assert judged(chain, PROMOTE, 31, signers=range(16)) == "too-many-members"


def test_what_a_change_writes_follows_from_the_blocks_alone() -> None:
    chains = (with_fifth(), with_fifth())
    for chain in chains:
        make(chain, PROMOTE, 4)
    assert chains[0].state.root == chains[1].state.root
    assert structs.asdict(chains[0].headers[-1]) == structs.asdict(chains[1].headers[-1])
