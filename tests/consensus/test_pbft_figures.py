"""Figures and codes that members must share, each written out here a second time."""

import pytest
from msgspec import structs

from consensus.authenticate import authenticate
from consensus.bounds import proposal_bytes
from consensus.messages import Commit, Prepare
from consensus.output import Output
from consensus.parameters import Parameters
from consensus.ready import Decided, Evidence, Rejection, Relay
from consensus.rules import RULES
from consensus.suspicion import Timers
from consensus.types import Now, ReplicaSet, Voter
from tests.consensus.fakes import CHAIN, batch, fake_verify, key_of, members
from tests.consensus.solo import Solo, commit, proposal, rules, sent, sign, view_change

CODES = [
    "below-watermarks",
    "beyond-watermarks",
    "clock",
    "decided-otherwise",
    "duplicate",
    "epoch",
    "equivocation",
    "expired-batch",
    "form",
    "new-view",
    "not-primary",
    "null-request",
    "old-view",
    "own-message",
    "primary-prepares",
    "quorum",
    "repeated-batch",
    "signature",
    "stranger",
    "superseded",
    "too-large",
    "turn",
    "window",
]


def worst_new_view(parameters: Parameters, quorum: int, refs_bytes: int) -> int:
    """Bytes of a NEW-VIEW whose slots each hold `refs_bytes` of refs: 72 for a vote, 192 for what else a
    message says, 256 for the frame."""
    certified = quorum * 72
    prepared = 192 + refs_bytes + (quorum - 1) * 72
    view_change = 192 + 192 + certified + parameters.window * prepared
    return 256 + quorum * view_change + parameters.window * (192 + refs_bytes)


@pytest.mark.parametrize(("n", "window"), [(1, 1), (4, 1), (4, 16), (7, 3)])
def test_a_proposal_holds_as_many_bytes_as_the_worst_new_view_leaves_in_a_frame(n: int, window: int):
    group = members(n)
    for spare in range((group.quorum + 1) * window):
        parameters = Parameters(window=window, frame_bytes=1_048_576 + spare)
        limit = proposal_bytes(parameters, group)
        assert worst_new_view(parameters, group.quorum, limit) <= parameters.frame_bytes
        assert worst_new_view(parameters, group.quorum, limit + 1) > parameters.frame_bytes


def test_a_view_is_jumped_to_over_a_hundred_others_and_no_more():
    solo = Solo(1)
    solo.receive(view_change(200, 2))
    [change] = sent(solo.receive(view_change(200, 3)))
    assert change.view == 100


def test_a_pause_of_a_second_is_no_standing_still_and_a_millisecond_more_is():
    timers = Timers(Parameters())
    timers.observe(Now(5_000, 0))
    assert not timers.observe(Now(6_000, 0)) and timers.observe(Now(7_001, 0))


def test_the_sixteen_oldest_batches_are_relayed():
    solo = Solo(1)
    refs = [batch(number) for number in range(18)]
    solo.batch(*refs)
    assert solo.wait(600).relay == tuple(Relay(ref, 0) for ref in refs[:16])


def test_the_codes_of_rejections_are_those_that_alarms_name():
    assert list(RULES) == CODES


@pytest.mark.parametrize("kind", [Prepare, Commit])
def test_a_contradiction_is_evidence_and_its_second_message_is_rejected(kind: type):
    first, second = (sign(kind(0, 0, 1, digest * 32, 2)) for digest in (b"a", b"b"))
    solo = Solo(1)
    ready = solo.receive(first, second)
    assert ready.evidence == (Evidence(first, second),)
    assert ready.rejections == (Rejection("equivocation", 2, ""),)


def test_a_rejection_that_needs_no_words_has_none():
    out = Output()
    vote = commit(proposal(1, (batch(1),)), 2)
    out.reject("duplicate", vote)
    assert (out.rejections[0].detail, rules(out.ready(None))) == ("", ["duplicate"])
    refused = authenticate(structs.replace(vote, signature=b""), CHAIN, lambda _: members(4), fake_verify)
    assert isinstance(refused, Rejection) and refused.detail == ""


@pytest.mark.parametrize(
    ("time_ms", "refs", "null"),
    [(0, (), True), (0, (batch(1),), False), (5, (), False), (5, (batch(1),), False)],
)
def test_a_decided_slot_is_a_null_request_if_it_has_neither_batches_nor_a_time(time_ms, refs, null):
    assert Decided(1, 0, 0, time_ms, refs).is_null is null


@pytest.mark.parametrize(
    "voters",
    [
        (),
        (Voter(1, key_of(1)), Voter(0, key_of(0))),
        (Voter(0, key_of(0)), Voter(0, key_of(1))),
        (Voter(0, key_of(0)), Voter(1, key_of(0))),
        (Voter(0, key_of(0)), Voter(1, b"short")),
    ],
    ids=["nobody", "descending", "a number twice", "a key twice", "a short key"],
)
def test_voters_that_are_no_set_are_a_fault_of_our_own(voters: tuple[Voter, ...]):
    with pytest.raises(AssertionError):
        ReplicaSet(0, voters)
