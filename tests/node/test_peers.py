"""What is known of each peer, and whose clock is off."""

from chainnode.net.wire import Pulse, Status
from chainnode.node.peers import FRESH_MS, Peers
from consensus.messages import Certified
from tests.consensus.fakes import batch
from tests.consensus.solo import certificate, commit, proposal, view_change
from tests.node.stand_ins import Clock, Log

HOUR_MS = 3_600_000
SKEW_MS = 2_000


class House:
    def __init__(self, peers: int = 3) -> None:
        self.clock, self.log = Clock(), Log()
        self.peers = Peers(range(1, peers + 1), SKEW_MS, self.log, self.clock)  # type: ignore[arg-type]

    async def pulses(self, *offsets_ms: int) -> None:
        for peer, offset_ms in enumerate(offsets_ms, start=1):
            await self.peers.on_pulse(peer, Pulse(True, self.clock.wall_ms + offset_ms))


async def test_the_last_message_view_and_vote_of_each_peer_are_known():
    house = House()
    assert house.peers.of(1).message_at_ms is None and house.peers.of(1).voting is None
    house.peers.on_message(1, commit(proposal(5, (batch(1),)), 1))
    house.clock.pass_ms(70)
    assert house.peers.of(1).message == "commit 5"
    house.peers.on_message(1, view_change(3, 1))
    assert (house.peers.of(1).message, house.peers.of(1).message_at_ms) == (
        "view-change 3",
        house.clock.monotonic_ms,
    )
    house.peers.on_message(1, commit(proposal(6, (batch(1),)), 2))
    assert house.peers.of(1).message == "view-change 3", "another's vote that it passed on is not its word"
    house.peers.on_message(1, Certified(certificate(6), 2))
    assert house.peers.of(1).message == "certified 6"
    await house.peers.on_status(2, Status(9, 4))
    await house.peers.on_pulse(2, Pulse(False, house.clock.wall_ms))
    assert (house.peers.of(2).view, house.peers.of(2).voting) == (4, False)


async def test_clocks_within_the_allowed_skew_are_no_trouble():
    house = House()
    await house.pulses(SKEW_MS, -SKEW_MS, 0)
    assert house.peers.clock_trouble() == "" and not house.log.lines


async def test_this_nodes_clock_an_hour_off_is_named_until_it_is_mended():
    for offset_ms, side in ((HOUR_MS, "behind"), (-HOUR_MS, "ahead of")):
        house = House()
        await house.pulses(offset_ms, offset_ms + 300, offset_ms - 300)
        assert house.peers.clock_trouble().startswith(f"this node's clock is 60 min {side} the others'")
        said = house.log.said("clock off")
        await house.pulses(offset_ms, offset_ms, offset_ms)
        assert house.log.said("clock off") == said, "once for each insight, not at every pulse"
        house.clock.wall_ms += offset_ms
        await house.pulses(0, 0, 0)
        assert house.peers.clock_trouble() == ""
        assert house.log.said("clocks agree again") == 1


async def test_a_peers_clock_an_hour_off_is_named_and_not_ones_own():
    house = House()
    await house.pulses(0, -HOUR_MS, 100)
    assert house.peers.clock_trouble() == "clocks differ: member 2's is 60 min behind this node's"


async def test_of_two_clocks_that_differ_the_other_one_is_named():
    house = House(peers=1)
    await house.pulses(5_000)
    assert house.peers.clock_trouble() == "clocks differ: member 1's is 5.0 s ahead of this node's"


async def test_a_proposed_time_tells_a_clock_and_an_old_word_does_not():
    house = House()
    house.peers.proposed(3, house.clock.wall_ms + HOUR_MS)
    assert "member 3" in house.peers.clock_trouble()
    house.clock.pass_ms(FRESH_MS + 1)
    assert house.peers.clock_trouble() == "" and house.peers.clock_of(3) is None
