"""What is ours about timers: pauses, cut links and a node that is behind are not the primary's fault."""

from consensus.bounds import VIEW_JUMP
from consensus.messages import (
    ViewChange,
)
from tests.consensus.fakes import batch
from tests.consensus.solo import (
    Solo,
    sent,
    view_change,
)

REF = batch(1)


def waiting(number: int = 1, **more: object) -> Solo:
    """A backup with a batch that the primary does not order."""
    solo = Solo(number, **more)
    solo.batch(REF)
    return solo


def test_a_replica_that_reaches_no_quorum_blames_nobody():
    solo = waiting()
    solo.disconnected(2, 3)
    assert not sent(solo.wait(10_000), ViewChange)
    solo.connected(2)
    assert not sent(solo.wait(900), ViewChange)
    assert sent(solo.wait(200), ViewChange)


def test_a_replica_that_knows_itself_behind_asks_for_blocks_not_for_a_view():
    solo = waiting()
    solo.pass_on(5)
    ready = solo.wait(2_000)
    assert ready.behind is not None and not sent(ready, ViewChange)


def test_a_pause_of_its_own_is_not_held_against_the_primary():
    solo = waiting()
    solo.wait(900)
    assert not sent(solo.wait(1_500, step_ms=1_500), ViewChange)
    assert not sent(solo.wait(900), ViewChange)
    assert sent(solo.wait(200), ViewChange)


def test_one_step_towards_a_far_view_is_capped():
    solo = Solo(1)
    solo.receive(view_change(10**5, 2))
    [change] = sent(solo.receive(view_change(10**5, 3)), ViewChange)
    assert change.view == VIEW_JUMP
