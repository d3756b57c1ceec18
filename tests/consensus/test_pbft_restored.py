"""A replica without its log (a restored backup): silent until beyond everything that it may have voted on."""

from msgspec import structs

from consensus.messages import Certified
from consensus.ready import HoldRecord
from tests.consensus.cluster import Cluster
from tests.consensus.fakes import batch, members
from tests.consensus.solo import Solo, block_vote, certificate, commit, proposal, sent, sign, view_change

WINDOW = 16


def test_it_holds_two_windows_beyond_what_the_others_showed():
    """A window for what they may not know to be certified, and one for its own votes above that."""
    solo = Solo(1, observed=False, restored=True)
    ready = solo.observe(Certified(certificate(40), 2), Certified(certificate(38), 0))
    holds = [record for record in ready.persist if isinstance(record, HoldRecord)]
    assert holds[-1].height == 40 + 2 * WINDOW and not solo.replica.asking
    for height in (40, 56, 40 + 2 * WINDOW - 1):
        solo.install(certificate(height))
        assert not solo.replica.status().voting
    solo.install(certificate(40 + 2 * WINDOW))
    assert solo.replica.status().voting


def test_its_own_votes_that_the_others_hold_count_where_they_are_further():
    solo = Solo(1, observed=False, restored=True)
    slot = proposal(50, (batch(1),))
    ready = solo.observe(Certified(certificate(40), 2), commit(slot, 1), block_vote(45, 1), view_change(3, 1))
    hold = [record for record in ready.persist if isinstance(record, HoldRecord)][-1]
    assert (hold.height, hold.view) == (50 + 2 * WINDOW, 3)


def test_a_later_epochs_word_holds_its_views_too():
    sets = {0: members(4), 1: members(4, epoch=1)}
    solo = Solo(1, observed=False, restored=True, replica_sets=lambda sequence: sets[sequence > 30])
    later = sign(structs.replace(proposal(40, (batch(1),), view=1), epoch=1))
    ready = solo.observe(later, Certified(certificate(20), 2))
    hold = [record for record in ready.persist if isinstance(record, HoldRecord)][-1]
    assert (hold.epoch, hold.view, hold.height) == (1, 1, 40 + 2 * WINDOW)


def test_on_a_chain_without_a_block_it_holds_too():
    solo = Solo(1, observed=False, restored=True)
    solo.observe()
    solo.batch(batch(1))
    ready = solo.receive(proposal(1, (batch(1),)))
    assert (
        not sent(ready)
        and "not before height 32 has a certificate (about 32 more" in solo.replica.status().silent_because
    )


def test_the_hold_outlives_a_restart_with_the_log_alone():
    solo = Solo(1, observed=False, restored=True)
    solo.observe(Certified(certificate(40), 2))
    solo.install(certificate(40))
    again = Solo(1, records=solo.log, stable=certificate(40), executed=40)
    assert not again.replica.status().voting
    again.install(certificate(40 + 2 * WINDOW))
    assert again.replica.status().voting


def test_before_the_others_answered_it_says_nothing_whatever_comes():
    solo = Solo(1, observed=False, restored=True)
    solo.batch(batch(1))
    ready = solo.receive(proposal(1, (batch(1),)))
    assert not sent(ready) and solo.replica.asking


def test_a_restored_member_catches_up_stays_silent_and_votes_again_without_contradicting_itself():
    """The cluster checks at each step that nobody says two things of one slot."""
    cluster = Cluster(seed=5)
    for number in range(5):
        cluster.submit(batch(number))
        cluster.run(200)
    cluster.run_until(lambda: cluster.height() >= 3)
    victim = cluster.nodes[2]
    cluster.crash(2)
    victim.disk = type(victim.disk)()
    victim.restored = True
    cluster.restart(2)
    number = 10
    while not victim.replica.status().voting:
        assert number < 200, "it never voted again"
        cluster.submit(batch(number))
        cluster.run(300)
        number += 1
    cluster.crash(1)
    cluster.submit(batch(999))
    cluster.run_until(lambda: batch(999) in cluster.ordered(victim))
    assert not any(node.evidence for node in cluster.nodes)
