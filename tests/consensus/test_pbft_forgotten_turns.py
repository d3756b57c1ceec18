"""The guard against a rolled-back disk, for votes of an epoch or a turn that the disk knows nothing of."""

import pytest

from consensus.authenticate import authenticate, said_by_own
from consensus.messages import (
    Authenticated,
    BlockVote,
    Certified,
    Message,
    Prepare,
    PrePrepare,
    SignedMessage,
)
from consensus.parameters import Parameters
from consensus.ready import Ready, StableRecord
from consensus.types import TURN_VIEWS, ReplicaSet
from tests.consensus.fakes import CHAIN, START_MS, WALL_MS, batch, fake_verify, key_of, members
from tests.consensus.solo import Solo, block_vote, certificate, prepare, sent, sign, view_change

SHORT = Parameters(window=2, turn_heights=8)
TURN, SLOT = 3, 27
"""Turn 3 holds 25 to 32; by the numbers member 3 leads it."""
PASSED_OVER = members(4).passing_over((3,))


class RolledBack:
    """Its disk is of height 8, its peers are at 26; a block between says who votes and leads there."""

    def __init__(self, number: int, later: ReplicaSet, from_height: int) -> None:
        self.known, self.later, self.from_height = False, later, from_height
        stable = certificate(8)
        self.solo = Solo(
            number,
            parameters=SHORT,
            replica_sets=self.sets,
            records=[StableRecord(stable)],
            stable=stable,
            executed=8,
            observed=False,
        )

    def sets(self, sequence: int) -> ReplicaSet:
        return self.later if self.known and sequence >= self.from_height else members(4)

    def answers(self, *messages: Message) -> None:
        """As the node's network takes them."""
        solo, found = self.solo, []
        for message in messages:
            checked = authenticate(message, CHAIN, self.sets, fake_verify)
            if not isinstance(checked, Authenticated):
                assert checked.rule in ("epoch", "not-primary", "primary-prepares", "stranger")
                said = said_by_own(message, CHAIN, solo.number, [key_of(solo.number)], fake_verify)
                found += [said] if said is not None else []
            else:
                found.append(checked)
        solo.replica.observed_own(found, solo.now())

    def catches_up(self) -> None:
        self.known = True
        for height in range(9, SLOT):
            epoch = self.later.epoch if height >= self.from_height else 0
            self.solo.install(certificate(height, epoch=epoch))


def proposed(ready: Ready) -> list[PrePrepare]:
    return [one for one in sent(ready, PrePrepare) if one.sequence == SLOT]


def slot_27(number: int, content: int, epoch: int = 0) -> PrePrepare:
    time_ms = WALL_MS + START_MS
    return sign(PrePrepare(epoch, TURN * TURN_VIEWS, SLOT, time_ms, (batch(content),), number))


def test_a_primary_by_a_list_that_its_disk_lost_does_not_propose_its_slot_anew():
    node = RolledBack(0, PASSED_OVER, 25)
    node.answers(Certified(certificate(26), 1), slot_27(0, 1))
    node.catches_up()
    assert not proposed(node.solo.batch(batch(2)))
    assert "peers hold votes" in node.solo.replica.status().silent_because


def test_it_would_have_proposed_where_nothing_was_shown():
    node = RolledBack(0, PASSED_OVER, 25)
    node.answers()
    node.catches_up()
    assert proposed(node.solo.batch(batch(2)))


def test_a_backup_that_its_disk_takes_for_the_primary_does_not_prepare_a_second_time():
    node = RolledBack(3, PASSED_OVER, 25)
    node.answers(Certified(certificate(26), 1), prepare(slot_27(0, 1), 3))
    node.catches_up()
    node.solo.batch(batch(2))
    assert not sent(node.solo.receive(slot_27(0, 2)), Prepare)


def test_votes_of_an_epoch_that_the_disk_does_not_know_count_too():
    node = RolledBack(3, members(4, epoch=1), 20)
    node.answers(slot_27(3, 1, epoch=1))
    node.catches_up()
    assert not proposed(node.solo.batch(batch(2)))


OWN = sign(BlockVote(1, 27, bytes(32), 2))


@pytest.mark.parametrize(
    ("message", "own", "keys", "taken"),
    [
        (OWN, 2, [key_of(2)], True),
        (OWN, 2, [key_of(9), key_of(2)], True),
        (OWN, 2, [key_of(9)], False),
        (OWN, 2, [], False),
        (OWN, 1, [key_of(2)], False),
        (BlockVote(1, 27, bytes(32), 2, b"short"), 2, [key_of(2)], False),
        (Certified(certificate(3), 2), 2, [key_of(2)], False),
        (view_change(1, 2), 2, [key_of(2)], True),
        (block_vote(3, 2), 2, [key_of(2)], True),
    ],
)
def test_its_own_signature_says_that_it_said_so_and_nothing_else_does(
    message: SignedMessage, own: int, keys: list[bytes], taken: bool
):
    said = said_by_own(message, CHAIN, own, keys, fake_verify)
    assert (said is not None and said.message == message) is taken
