"""A lost quorum, and members that are linked and may not vote, are said in words, with numbers and names."""

from types import SimpleNamespace

import pytest

from chainnode.net.wire import Pulse
from chainnode.node.peers import Peers
from chainnode.node.quorum import Quorum, Voter, lost_quorum, on_hold
from tests.consensus.fakes import members
from tests.node.stand_ins import Clock, Log
from tests.node.wires import Wires

NAMES = {number: f"hospital-{name}" for number, name in enumerate("abcdefg")}


def voters(word: str) -> list[Voter]:
    """This node first; v: votes, s: linked without voting, d: not linked."""
    return [Voter(NAMES[at], one != "d", one != "s", own=not at) for at, one in enumerate(word)]


@pytest.mark.parametrize(("word", "quorum"), [("vvvd", 3), ("vvvv", 3), ("v", 1), ("vvvvvss", 5)])
def test_nothing_is_said_while_enough_members_vote(word, quorum):
    assert lost_quorum(voters(word), quorum) == ""


def test_a_lost_quorum_is_said_with_how_many_are_missing():
    assert lost_quorum(voters("vvdd"), 3) == (
        "quorum lost: 2 of 4 members linked (this one included), 3 needed; "
        "nothing can be committed until 1 more is back"
    )
    assert lost_quorum(voters("vdddddd"), 5).endswith(
        "1 of 7 members linked (this one included), 5 needed; nothing can be committed until 4 more are back"
    )
    assert lost_quorum([Voter("b", True, True), Voter("c", False, True)], 2).startswith(
        "quorum lost: 1 of 2 members linked, 2 needed"
    ), "an observer does not count itself"


def test_two_members_that_follow_without_voting_are_the_reason_why_nothing_moves():
    assert lost_quorum(voters("vssv"), 3) == (
        "quorum lost: 2 of 4 members vote, 3 are needed: hospital-b and hospital-c follow without voting "
        "(status of each says until which height); nothing can be committed, and no height is reached, "
        "until 1 more votes"
    )
    assert on_hold(voters("vssv"), 3).endswith(
        "too few to commit anything; restore, resync or re-image no other member before "
        "hospital-b and hospital-c vote again"
    )


def test_one_without_a_vote_and_one_without_a_link_are_both_named():
    assert "hospital-b follows without voting (status of it" in lost_quorum(voters("vsvd"), 3)
    assert "height), hospital-d is not linked; nothing" in lost_quorum(voters("vsvd"), 3)


def test_who_is_out_of_reach_is_told_before_who_does_not_vote_yet():
    """Without a quorum of links no start ends: everybody asks which of its votes the others hold."""
    assert lost_quorum(voters("ssdd"), 3) == lost_quorum(voters("vvdd"), 3)
    assert on_hold(voters("ssdd"), 3) == ""


def test_one_member_on_hold_is_an_alarm_for_it_takes_the_tolerance_away():
    assert lost_quorum(voters("svvv"), 3) == ""
    assert on_hold(voters("svvv"), 3) == (
        "hospital-a follows without voting (status of it says until which height): 3 of 4 members vote and "
        "3 are needed, none of which may fail or stop; restore, resync or re-image no other member before "
        "hospital-a votes again"
    )
    assert "6 of 7 members vote and 5 are needed, 1 of which may fail" in on_hold(voters("svvvvvv"), 5)
    assert on_hold(voters("vvvd"), 3) == "", "a link that is down is told elsewhere"


async def test_the_running_node_counts_links_and_what_each_peer_says_of_its_vote():
    clock, wires = Clock(), Wires(3)
    peers = Peers((1, 2, 3), 2_000, Log(), clock)  # type: ignore[arg-type]
    own = SimpleNamespace(voting=True)
    quorum = Quorum(
        member=0,
        names=lambda: NAMES,
        members=lambda: members(4),
        replica=SimpleNamespace(status=lambda: own),  # type: ignore[arg-type]
        transport=wires,
        peers=peers,
    )
    assert (quorum.lost(), quorum.alarm()) == ("", ""), "who sends no pulse counts as voting"
    await peers.on_pulse(1, Pulse(False, clock.wall_ms))
    assert quorum.lost() == "" and quorum.alarm().startswith("hospital-b follows without voting")
    wires.up[3] = False
    assert "hospital-b follows without voting" in quorum.lost() and "hospital-d is not" in quorum.lost()
    wires.up[3] = True
    own.voting = False
    assert "hospital-a and hospital-b follow without voting" in quorum.lost()
    await peers.on_link(1, True)
    assert quorum.lost() == "", "after a new link it has to say it anew"
