"""Primaries that were left: what a replica shows of it, and turns in which they do not lead."""

import pytest
from msgspec import structs

from consensus.authenticate import authenticate
from consensus.codec import encode
from consensus.domain import digest
from consensus.messages import CommitCertificate, NewView, Vote, commit_claims
from consensus.parameters import Parameters
from consensus.ready import Rejection
from consensus.types import TURN_VIEWS, ReplicaSet, SequenceNumber
from tests.consensus.cluster import Cluster
from tests.consensus.fakes import CHAIN, batch, fake_verify, members
from tests.consensus.solo import Solo, certificate, commit, new_view, prepare, proposal, view_change

SHORT = Parameters(window=4, turn_heights=3)
NEXT = TURN_VIEWS
REFS = (batch(0),)


def without(*left: int, n: int = 4) -> ReplicaSet:
    return members(n).passing_over(left)


@pytest.mark.parametrize(
    ("left", "leaders"),
    [
        ((1,), [[0, 2, 3, 0], [2, 3, 0, 2], [2, 3, 0, 2], [3, 0, 2, 3], [0, 2, 3, 0]]),
        ((0,), [[1, 2, 3, 1], [1, 2, 3, 1], [2, 3, 1, 2], [3, 1, 2, 3], [1, 2, 3, 1]]),
    ],
)
def test_who_is_passed_over_leads_no_view_and_the_order_stays(left, leaders):
    group = without(*left)
    found = [[group.primary(turn * TURN_VIEWS + view) for view in range(4)] for turn in range(5)]
    assert found == leaders


@pytest.mark.parametrize(
    ("n", "left", "passed_over"),
    [
        (4, (2, 1), (2,)),
        (4, (2, 2), (2,)),
        (4, (9, 1), (1,)),
        (4, (9,), ()),
        (7, (5, 1, 3), (5, 1)),
        (3, (1,), ()),
    ],
)
def test_f_voters_at_most_are_passed_over_the_first_named_ones(n, left, passed_over):
    assert without(*left, n=n).passed_over == passed_over


def test_the_sets_digest_and_its_quorum_are_those_of_the_voters():
    plain = members(4)
    assert without(2).digest() == plain.digest() == digest("replica-set", encode(plain))
    assert (without(2).quorum, without(2).ids, without(2).key(2)) == (3, plain.ids, plain.key(2))
    assert plain.passed_over == () and plain.passing_over(()) is plain


def committed(solo: Solo, sequence: int, view: int) -> list[CommitCertificate]:
    """What the slot's last COMMIT brings."""
    refs = (batch(sequence),)
    solo.batch(batch(sequence))
    own = proposal(sequence, refs, view=view)
    backups = [one for one in range(4) if one not in (own.replica, solo.number)]
    solo.receive(own, *(prepare(own, one) for one in backups))
    return [one for other in (own.replica, *backups) for one in solo.receive(commit(own, other)).left]


def test_the_first_slot_that_is_committed_in_a_later_view_shows_that_the_earlier_ones_were_left():
    solo = Solo(3)
    assert committed(solo, 1, 0) == [], "the turn's first view: nobody was left"
    solo.enter(1)
    [shown] = committed(solo, 2, 1)
    assert (shown.epoch, shown.view, shown.sequence) == (0, 1, 2)
    assert shown.digest == proposal(2, (batch(2),), view=1).digest(CHAIN)
    voters = [vote.replica for vote in shown.votes]
    assert len(voters) == members(4).quorum and voters == sorted(voters)
    claims = list(commit_claims(shown, CHAIN))
    assert all(fake_verify(members(4).key(one.replica), one.signed, one.signature) for one in claims)
    assert committed(solo, 3, 1) == [], "once for each view"


def test_the_signatures_of_a_commit_certificate_are_those_of_the_commits():
    own = proposal(2, REFS, view=1)
    one = commit(own, 2)
    shown = CommitCertificate(0, 1, 2, own.digest(CHAIN), (Vote(2, one.signature),))
    [claim] = commit_claims(shown, CHAIN)
    assert (claim.replica, claim.sequence, claim.signature) == (2, 2, one.signature)
    assert fake_verify(members(4).key(2), claim.signed, claim.signature)
    [other] = commit_claims(structs.replace(shown, view=2), CHAIN)
    assert not fake_verify(members(4).key(2), other.signed, other.signature)


def test_the_first_view_of_a_later_turn_shows_nothing_and_its_second_does():
    solo = Solo(0, parameters=SHORT)
    solo.install(certificate(3))
    assert committed(solo, 4, NEXT) == []
    changes = [view_change(NEXT + 1, replica, certificate(3)) for replica in (1, 2, 3)]
    solo.receive(new_view(NEXT + 1, changes))
    [shown] = committed(solo, 5, NEXT + 1)
    assert (shown.view, shown.sequence) == (NEXT + 1, 5)


def test_a_proposal_of_who_is_passed_over_is_nobodys():
    sets = {False: members(4), True: without(1)}
    checked = authenticate(proposal(4, REFS, view=NEXT), CHAIN, lambda one: sets[one > 3], fake_verify)
    assert isinstance(checked, Rejection) and checked.rule == "not-primary"


def passing(sequence: SequenceNumber) -> ReplicaSet:
    return without(1) if sequence > 3 else members(4)


@pytest.mark.parametrize("seed", range(6))
def test_a_crashed_member_that_is_passed_over_costs_no_view_change(seed: int):
    cluster = Cluster(4, seed=seed, parameters=SHORT, replica_sets=passing)
    cluster.crash(1)
    for number in range(20):
        cluster.submit(batch(number))
        cluster.run(200)
    alive = [node for node in cluster.nodes if node.alive]
    cluster.run_until(
        lambda: all(batch(number) in cluster.ordered(node) for node in alive for number in range(20))
    )
    assert not [message for _, _, message in cluster.sent if isinstance(message, NewView)]
    assert len(alive[0].disk.chain) > 12, "every member's turn came"


@pytest.mark.parametrize("seed", range(4))
def test_where_the_next_one_crashes_too_late_to_be_passed_over_the_views_go_on(seed: int):
    cluster = Cluster(4, seed=seed, parameters=SHORT, replica_sets=passing)
    cluster.crash(2)
    for number in range(20):
        cluster.submit(batch(number))
        cluster.run(200)
    alive = [node for node in cluster.nodes if node.alive]
    cluster.run_until(
        lambda: all(batch(number) in cluster.ordered(node) for node in alive for number in range(20))
    )
    led = {message.replica for _, _, message in cluster.sent if isinstance(message, NewView)}
    assert led and 1 not in led - {passing(1).primary(1)}, "who is passed over leads no view of those turns"
