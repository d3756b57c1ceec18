"""`status --why` and `--can-stop`: what a node says of itself and of each peer."""

from dataclasses import replace

import pytest

from chainnode.net.wire import Pulse, Status
from chainnode.node.insight import Insight
from chainnode.node.peers import Peers
from chainnode.node.whyreport import PeerReport, WhyReport, can_stop
from tests.consensus.fakes import batch
from tests.consensus.solo import Solo, commit, prepare, proposal
from tests.node.stand_ins import Clock, Log
from tests.node.wires import Wires

NAMES = {number: f"hospital-{name}" for number, name in enumerate("abcd")}


class Claims:
    def __init__(self) -> None:
        self.heights = {0: 4, 2: 5, 3: 0}

    def claimed(self, peer: int) -> int:
        return self.heights[peer]


async def test_the_report_names_votes_timers_and_each_peer():
    solo, wires, clock = Solo(1), Wires(3), Clock(monotonic_ms=50_000)
    wires.up = {0: True, 2: True, 3: False}
    wires.versions = dict.fromkeys(wires.up, 2)
    peers = Peers(tuple(wires.up), 2_000, Log(), clock)  # type: ignore[arg-type]
    insight = Insight(
        member=1,
        names=lambda: NAMES,
        window=16,
        replica=solo.replica,
        replica_sets=solo.replica_sets,
        transport=wires,
        sync=Claims(),  # type: ignore[arg-type]
        peers=peers,
        alarms=lambda: ("the disk",),
        clock=clock,
    )
    first = proposal(1, (batch(1),))
    solo.batch(batch(1), batch(2))
    solo.receive(first, prepare(first, 2))
    peers.on_message(2, commit(first, 2))
    await peers.on_status(2, Status(5, 3))
    await peers.on_pulse(2, Pulse(True, clock.wall_ms + 40))
    clock.pass_ms(250)
    report = insight.report()
    assert (report.slug, report.primary, report.view, report.quorum) == ("hospital-b", "hospital-a", 0, 3)
    assert report.lacking is not None and report.lacking.stage == "commit"
    assert report.lacking.commit == ("hospital-a", "hospital-c", "hospital-d")
    assert report.lacking.prepare == ("hospital-d",)
    assert report.batches_waiting == 1 and report.silent_because == "" and report.alarms == ("the disk",)
    assert [name for name, _ in report.timers] == ["pulse"]
    heard = {peer.slug: peer for peer in report.peers}
    assert list(heard) == ["hospital-a", "hospital-c", "hospital-d"]
    told = heard["hospital-c"]
    assert (told.message, told.message_age_ms, told.view, told.height, told.voting, told.clock_ms) == (
        "commit 1", 250, 3, 5, True, 40,
    )  # fmt: skip
    assert not heard["hospital-d"].up and heard["hospital-d"].message_age_ms is None
    assert heard["hospital-a"].voting is None


def peer(number: int, *, up: bool = True, height: int = 100, voting: bool | None = True, votes: bool = True):
    return PeerReport(number, NAMES[number], up, "", 2, height, 0, votes, voting, "", None, None, 0, None)


WHY = WhyReport(
    0, "hospital-a", 0, 0, False, "hospital-a", 100, 100, None, True, "", 3, 16, (), 0, 0, (), None, (),
    (peer(1), peer(2), peer(3)),
)  # fmt: skip


def test_a_node_may_stop_while_a_quorum_of_the_others_is_up_to_date_and_votes():
    answer = can_stop(WHY)
    assert answer.yes and "3 others are linked, up to date and voting" in answer.because
    assert can_stop(replace(WHY, peers=(peer(1, height=84), peer(2, voting=None), peer(3)))).yes


@pytest.mark.parametrize(
    ("third", "reason"),
    [
        (peer(3, up=False), "hospital-d is not linked"),
        (peer(3, height=83), "hospital-d is 17 blocks behind"),
        (peer(3, voting=False), "hospital-d does not vote"),
    ],
)
def test_a_node_may_not_stop_where_too_few_would_be_left(third: PeerReport, reason: str):
    answer = can_stop(replace(WHY, peers=(peer(1), peer(2), third)))
    assert not answer.yes and reason in answer.because
    assert "only 2 members would vote and 3 are needed" in answer.because


def test_an_observer_may_stop_at_any_time_and_others_observers_do_not_count():
    assert can_stop(replace(WHY, votes=False, peers=())).yes
    assert not can_stop(replace(WHY, peers=(peer(1), peer(2), peer(3, votes=False)))).yes
