"""Messages that were judged before this replica knew who leads in their turn, and waited."""

import pytest

from consensus.authenticate import authenticate
from consensus.messages import (
    Authenticated,
    NewView,
    Prepare,
    PreparedCertificate,
    PrePrepare,
    ViewChange,
    Vote,
)
from consensus.parameters import Parameters
from consensus.ready import StableRecord
from consensus.types import TURN_VIEWS, ReplicaSet
from tests.consensus.fakes import CHAIN, START_MS, WALL_MS, batch, fake_verify, members
from tests.consensus.solo import Solo, certificate, commit, new_view, prepare, rules, sent, sign, view_change

SHORT = Parameters(window=2, turn_heights=8)
FIRST = 3 * TURN_VIEWS
"""Of the turn of slots 25 to 32, which is member 3's by the numbers."""
PLAIN, KNOWN = members(4), members(4).passing_over((3,))


class Lagging:
    """At height 18. The block at 19, the last that may, passes over member 3 from turn 3 on."""

    def __init__(self, number: int) -> None:
        self.known = False
        stable = certificate(18)
        self.solo = Solo(
            number,
            parameters=SHORT,
            replica_sets=self.sets,
            records=[StableRecord(stable)],
            stable=stable,
            executed=18,
        )

    def sets(self, sequence: int) -> ReplicaSet:
        return KNOWN if self.known and sequence > 24 else PLAIN

    def judged(self, message: PrePrepare | NewView | ViewChange) -> Authenticated:
        checked = authenticate(message, CHAIN, self.sets, fake_verify)
        assert isinstance(checked, Authenticated)
        return checked

    def goes_on(self, to: int) -> None:
        self.known = True
        for height in range(self.solo.replica.status().certified + 1, to + 1):
            self.solo.install(certificate(height))


def proposed(number: int, content: int) -> PrePrepare:
    return sign(PrePrepare(0, FIRST, 25, WALL_MS + START_MS, (batch(content),), number))


def through(replica_set: ReplicaSet, message: ViewChange | NewView) -> bool:
    """Whether a peer takes it that knows who leads."""
    taken = authenticate(message, CHAIN, lambda one: replica_set if one > 24 else PLAIN, fake_verify)
    return isinstance(taken, Authenticated)


@pytest.mark.parametrize("height", [21, 23, 24])
def test_a_proposal_judged_before_is_not_taken_from_who_is_passed_over(height: int):
    node = Lagging(1)
    waiting = node.judged(proposed(3, 1))
    node.solo.batch(batch(1), batch(2))
    node.goes_on(height)
    ready = node.solo._keep(node.solo.replica.receive(waiting, node.solo.now()))
    assert rules(ready) == ["not-primary"] and not ready.evidence
    node.goes_on(24)
    right = node.solo.receive(proposed(0, 2))
    assert len(sent(right, Prepare)) == 1 and not rules(right), "the right primary's is"


def test_no_certificate_comes_of_it_that_no_peer_takes():
    node, wrong = Lagging(1), proposed(3, 1)
    waiting = node.judged(wrong)
    node.solo.batch(batch(1))
    node.goes_on(24)
    node.solo._keep(node.solo.replica.receive(waiting, node.solo.now()))
    node.solo.receive(prepare(wrong, 2), commit(wrong, 2), commit(wrong, 3))
    node.solo.batch(batch(5))
    asked = sent(node.solo.wait(20_000), ViewChange)
    assert asked and all(through(KNOWN, one) for one in asked)


def test_a_new_view_judged_before_is_not_taken_from_who_does_not_lead_it():
    node = Lagging(1)
    changes = [view_change(FIRST + 3, one, certificate(24)) for one in (0, 2, 3)]
    by_the_numbers = new_view(FIRST + 3, changes)
    assert by_the_numbers.replica == 2 and KNOWN.primary(FIRST + 3) == 0
    waiting = node.judged(by_the_numbers)
    node.goes_on(24)
    ready = node.solo._keep(node.solo.replica.receive(waiting, node.solo.now()))
    assert rules(ready) == ["not-primary"] and node.solo.replica.status().view == FIRST


def test_a_kept_view_change_is_looked_at_again_when_its_turn_begins():
    node = Lagging(2)
    real = proposed(0, 1)
    votes = tuple(Vote(one, prepare(real, one).signature) for one in (1, 2))
    lie = view_change(FIRST + 2, 3, certificate(24), (PreparedCertificate(proposed(3, 1), votes),))
    node.solo.receive(lie)
    honest = view_change(FIRST + 2, 0, certificate(24))
    node.solo.receive(honest)
    node.goes_on(24)
    assert node.solo.replica.status().asked == ((0, FIRST + 2),), "that of the passed-over member is dropped"
    made = sent(node.solo.receive(view_change(FIRST + 2, 1, certificate(24))), NewView)
    assert made and all(through(KNOWN, one) for one in made)
