"""How far each slot is and whose votes it lacks; what a view leaves behind; what a conviction is named by."""

import msgpack
import pytest

from consensus.domain import digest
from consensus.equivocation import MAX_NUMBER, between
from consensus.messages import BlockVote, Prepare
from consensus.status import SlotStatus
from tests.consensus.fakes import CHAIN, batch
from tests.consensus.solo import (
    Solo,
    block_vote,
    commit,
    header,
    new_view,
    prepare,
    proposal,
    sign,
    view_change,
)

REF, OTHER = batch(1), batch(2)


def test_each_slot_says_how_far_it_is_and_who_is_missing():
    solo = Solo(1)
    slots = [proposal(sequence, (batch(sequence),)) for sequence in range(1, 8)]
    solo.batch(*(batch(sequence) for sequence in (1, 2, 3, 4, 7)))
    solo.decide(slots[0])
    solo.decide(slots[1])
    solo.executed(1)
    solo.receive(block_vote(1, 3))
    solo.receive(slots[2], prepare(slots[2], 3), commit(slots[2], 2))
    solo.receive(slots[3])
    solo.receive(slots[4])
    solo.receive(slots[6])
    assert solo.replica.status().slots == (
        SlotStatus(1, "certify", (0, 2)),
        SlotStatus(2, "execute", ()),
        SlotStatus(3, "commit", (0, 3)),
        SlotStatus(4, "prepare", (2, 3)),
        SlotStatus(5, "batches", ()),
        SlotStatus(6, "pre-prepare", (0,)),
        SlotStatus(7, "prepare", (2, 3)),
    )


def test_votes_on_a_block_that_is_not_executed_here_are_taken_as_they_are():
    solo = Solo(1)
    solo.batch(REF)
    solo.decide(proposal(1, (REF,)))
    solo.receive(block_vote(1, 2, header(9)), block_vote(1, 3))
    missing = solo.replica.missing_votes()
    assert missing is not None and missing.block_vote == (0, 1)
    solo.executed(1)
    missing = solo.replica.missing_votes()
    assert missing is not None and missing.block_vote == (0, 2)


def test_a_contradiction_in_a_further_view_is_evidence_again():
    solo = Solo(1, 7)
    one, two = proposal(1, (REF,), n=7), proposal(1, (OTHER,), n=7)
    assert len(solo.receive(prepare(one, 3), prepare(two, 3)).evidence) == 1
    solo.receive(new_view(2, [view_change(2, r) for r in (0, 2, 3, 4, 5)], n=7))
    one, two = proposal(1, (REF,), view=2, n=7), proposal(1, (OTHER,), view=2, n=7)
    assert len(solo.receive(prepare(one, 3), prepare(two, 3)).evidence) == 1


# --- convictions ---


def test_a_conviction_is_named_by_who_where_and_what():
    found = between(block_vote(7, 2), block_vote(7, 2, header(9)), CHAIN)
    assert found is not None and (found.slot, found.view) == (7, 0)
    named = msgpack.packb([2, 0, "block-vote", 7, 0])
    assert found.id == digest("equivocation", named, header(7), header(9))


@pytest.mark.parametrize(("number", "named"), [(2**53 - 1, True), (2**53, False), (0, True), (-1, False)])
def test_numbers_that_have_a_name_everywhere_convict(number: int, named: bool):
    assert MAX_NUMBER == 2**53
    votes = [BlockVote(0, number, header(one), 2) for one in (1, 2)]
    assert (between(votes[0], votes[1], CHAIN) is not None) == named


def test_digests_of_another_length_convict_nobody():
    for said in ((b"short", b"other"), (b"short", bytes(32))):
        first, second = (sign(Prepare(0, 0, 1, one, 2)) for one in said)
        assert between(first, second, CHAIN) is None
