"""What a replica says of itself to an operator: whose votes it lacks, and which timers run."""

from tests.consensus.fakes import batch
from tests.consensus.solo import Solo, block_vote, commit, prepare, proposal, view_change


def test_an_idle_replica_lacks_no_votes_and_runs_no_timer():
    solo = Solo(1)
    assert solo.replica.missing_votes() is None
    assert solo.replica.timers(solo.now()) == ()


def test_the_votes_that_are_missing_on_the_lowest_slot_are_named_by_kind():
    solo = Solo(1)
    solo.batch(batch(1), batch(2))
    first, second = proposal(1, (batch(1),)), proposal(2, (batch(2),))
    solo.receive(first, second, prepare(first, 2), prepare(second, 3))
    missing = solo.replica.missing_votes()
    assert missing is not None and (missing.sequence, missing.stage) == (1, "commit")
    assert missing.prepare == (3,), "the primary's proposal is its vote, and this replica gave its own"
    assert missing.commit == (0, 2, 3) and missing.block_vote == (0, 1, 2, 3)
    solo.receive(commit(first, 0), commit(first, 3))
    solo.executed(1)
    solo.receive(block_vote(1, 2))
    missing = solo.replica.missing_votes()
    assert missing is not None and (missing.sequence, missing.stage) == (1, "certify")
    assert missing.block_vote == (0, 3) and missing.commit == (2,)
    solo.receive(block_vote(1, 0))
    missing = solo.replica.missing_votes()
    assert missing is not None and missing.sequence == 2, "what is certified is not asked for any more"


def test_a_vote_for_other_content_counts_as_not_given():
    solo = Solo(1)
    solo.batch(batch(1), batch(2))
    here, other = proposal(1, (batch(1),)), proposal(1, (batch(2),))
    solo.receive(here, prepare(other, 2))
    missing = solo.replica.missing_votes()
    assert missing is not None and missing.prepare == (2, 3)


def test_a_slot_without_a_proposal_lacks_every_vote():
    solo = Solo(1)
    solo.batch(batch(2))
    solo.receive(proposal(2, (batch(2),)))
    missing = solo.replica.missing_votes()
    assert missing is not None and (missing.sequence, missing.stage) == (1, "pre-prepare")
    assert missing.prepare == (0, 1, 2, 3)


def test_the_pulse_runs_down_while_a_batch_waits_and_ends_with_progress():
    solo = Solo(1)
    solo.batch(batch(1))
    base = solo.parameters.base_timeout_ms
    assert solo.replica.timers(solo.now()) == (("pulse", base),)
    solo.wait(200)
    assert solo.replica.timers(solo.now()) == (("pulse", base - 200),)
    solo.decide(proposal(1, (batch(1),)))
    solo.certify(1)
    assert solo.replica.timers(solo.now()) == ()


def test_the_timer_for_a_new_view_runs_once_a_quorum_asked_for_it():
    solo = Solo(1)
    solo.receive(view_change(2, 0))
    assert solo.replica.timers(solo.now()) == ()
    solo.receive(view_change(2, 3))
    assert solo.replica.timers(solo.now()) == (("new-view", solo.parameters.base_timeout_ms),)
