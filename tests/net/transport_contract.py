"""What every transport must do. A test module subclasses TransportContract and says how one is made."""

import asyncio
import signal
import socket
import threading
from collections.abc import AsyncIterator

import pytest
import uvloop

from chainnode.net.port import Channel, CloseReason, Inbound, LinkEvent, Peer, Tap, Transport, TransportConfig
from genesis.errors import OperatorError
from tests.net.transport_net import (
    FRAME_BYTES,
    HANG_S,
    LIMITS,
    Net,
    address,
    config,
    event,
    frame,
    key,
    seed,
    two_free_ports,
    until,
)


class TransportContract:
    @staticmethod
    def make(made: TransportConfig, tap: Tap | None) -> Transport:
        raise NotImplementedError

    @pytest.fixture
    async def net(self) -> AsyncIterator[Net]:
        made = Net(self.make)
        yield made
        await made.close()

    async def test_every_pair_of_four_gets_one_link(self, net: Net) -> None:
        group = await net.group(4)
        for member, transport in enumerate(group):
            links = transport.links()
            assert set(links) == set(range(4)) - {member}
            for peer, status in links.items():
                assert status.up and status.dialled_by == min(member, peer)
            assert transport.receive_nowait() is None

    async def test_frames_arrive_once_and_in_order_on_each_channel(self, net: Net) -> None:
        low, high = await net.pair()
        sent: dict[Channel, list[bytes]] = {channel: [] for channel in Channel}
        for number in range(200):
            for channel in Channel:
                sent[channel].append(f"{channel.name} {number} ".encode() * (1 + number % 50))
                assert await low.send(1, channel, sent[channel][-1])
        got: dict[Channel, list[bytes]] = {channel: [] for channel in Channel}
        for _ in range(400):
            item = await frame(high)
            assert item.peer == 0
            got[item.channel].append(item.frame)
        assert got == sent
        assert high.receive_nowait() is None

    @pytest.mark.parametrize("channel", Channel)
    @pytest.mark.parametrize("size", [1, 59_996, 59_997, FRAME_BYTES])
    async def test_frames_of_every_size_up_to_the_limit_pass(
        self, net: Net, channel: Channel, size: int
    ) -> None:
        low, high = await net.pair()
        payload = bytes(range(256)) * (size // 256 + 1)
        for sender, peer, receiver in ((low, 1, high), (high, 0, low)):
            assert sender.try_send(peer, channel, payload[:size])
            assert (await frame(receiver)).frame == payload[:size]

    async def test_a_receiver_that_takes_nothing_bounds_what_is_queued_for_it(self, net: Net) -> None:
        low, high = await net.pair()
        accepted = refused = idle = 0
        while idle < 20:
            if low.try_send(1, Channel.BULK, accepted.to_bytes(4, "big") * 4_000):
                accepted, idle = accepted + 1, 0
            else:
                refused, idle = refused + 1, idle + 1
                await asyncio.sleep(0.01)
        assert accepted * 16_064 <= 2 * LIMITS.bulk_queue_bytes + 16_064 * 4
        assert high.links()[0].queued_in_bytes <= LIMITS.bulk_queue_bytes
        assert low.links()[1].queued_out_bytes <= LIMITS.bulk_queue_bytes
        assert low.links()[1].dropped_frames == refused
        for number in range(accepted):
            assert (await frame(high)).frame[:4] == number.to_bytes(4, "big")
        assert low.try_send(1, Channel.BULK, b"room again")
        assert (await frame(high)).frame == b"room again"

    async def test_votes_do_not_wait_behind_bulk_that_nobody_takes(self, net: Net) -> None:
        low, high = await net.pair()
        bulk = asyncio.create_task(self._flood(low, 1))
        await until(lambda: high.links()[0].queued_in_bytes > LIMITS.bulk_queue_bytes - 20_000)
        await asyncio.sleep(0.05)
        before = high.links()[0].received_frames
        assert low.try_send(1, Channel.VOTES, b"vote")
        await until(lambda: high.links()[0].received_frames > before)
        assert await frame(high) == Inbound(0, Channel.VOTES, b"vote")
        bulk.cancel()

    @staticmethod
    async def _flood(transport: Transport, peer: int) -> int:
        sent = 0
        while await transport.send(peer, Channel.BULK, bytes(16_000)):
            sent += 1
        return sent

    async def test_a_stopped_receiver_does_not_hold_up_the_other_links(self, net: Net) -> None:
        group = await net.group(3)
        flood = asyncio.create_task(self._flood(group[0], 1))
        await until(lambda: group[0].links()[1].queued_out_bytes > LIMITS.bulk_queue_bytes // 2)
        for number in range(50):
            assert await group[0].send(2, Channel.BULK, number.to_bytes(4, "big") * 4_000)
            assert (await frame(group[2])).frame[:4] == number.to_bytes(4, "big")
        assert group[0].links()[1].up
        flood.cancel()

    async def test_a_peer_that_takes_nothing_for_long_keeps_its_link(self, net: Net) -> None:
        low, high = await net.pair()
        flood = asyncio.create_task(self._flood(low, 1))
        beats = 0
        while beats < 25:  # well past silent_after and write_timeout
            heard = low.links()[1].last_heard_ms
            await until(lambda heard=heard: low.links()[1].last_heard_ms > heard)
            beats += 1
        assert low.links()[1].up and high.links()[0].up
        assert not flood.done()
        flood.cancel()

    async def test_send_waits_for_room_and_gives_up_when_the_link_breaks(self, net: Net) -> None:
        low, high = await net.pair()
        flood = asyncio.create_task(self._flood(low, 1))
        await until(lambda: low.links()[1].queued_out_bytes > LIMITS.bulk_queue_bytes // 2)
        assert not flood.done()
        await net.stop(high)
        async with asyncio.timeout(HANG_S):
            assert await flood > 0
        assert not await low.send(1, Channel.BULK, b"nobody there")
        assert not low.try_send(1, Channel.VOTES, b"nobody there")

    async def test_a_peer_that_stops_and_comes_back_is_linked_again(self, net: Net) -> None:
        low, high = await net.pair()
        at = address(high)
        await net.stop(high)
        gone = await event(low, 1, up=False)
        assert gone.reason is CloseReason.CLOSED_BY_PEER
        assert not low.links()[1].up
        high = await net.start(config(1, {0: Peer(key(0))}, listen=at))
        await event(low, 1, up=True)
        await event(high, 0, up=True)
        assert low.try_send(1, Channel.VOTES, b"again")
        assert (await frame(high)).frame == b"again"

    async def test_a_link_that_breaks_in_the_middle_of_a_transfer_is_reported_and_carries_whole_frames(
        self, net: Net
    ) -> None:
        high = await net.start(config(1, {0: Peer(key(0))}))
        peers = {1: Peer(key(1), address(high))}
        process, _ = await net.process(config(0, peers))
        await event(high, 0, up=True)
        flood = asyncio.create_task(self._flood(high, 0))
        for _ in range(20):
            assert (await frame(high)).frame == bytes(16_000)  # the echo
        process.kill()
        async with asyncio.timeout(HANG_S):
            assert await flood > 20
        while isinstance(item := await high.receive(), Inbound):
            assert item.frame == bytes(16_000)
        assert item == LinkEvent(0, False, CloseReason.CLOSED_BY_PEER)
        await net.process(config(0, peers))
        await event(high, 0, up=True)
        assert await high.send(0, Channel.BULK, b"sent again by the layer above")
        assert (await frame(high)).frame == b"sent again by the layer above"

    async def test_a_suspended_peer_is_noticed_and_heard_again_when_it_goes_on(self, net: Net) -> None:
        process, at = await net.process(config(2, {0: Peer(key(0)), 1: Peer(key(1))}))
        middle = await net.start(config(1, {0: Peer(key(0)), 2: Peer(key(2), at)}))
        low = await net.start(config(0, {1: Peer(key(1), address(middle)), 2: Peer(key(2), at)}))
        await event(low, 2, up=True)
        await event(middle, 2, up=True)
        flood = asyncio.create_task(self._flood(low, 2))
        process.send_signal(signal.SIGSTOP)
        for transport in (low, middle):
            gone = await event(transport, 2, up=False)
            assert gone.reason in (CloseReason.SILENT, CloseReason.WRITE_TIMEOUT)
        assert await flood >= 0
        assert low.try_send(1, Channel.VOTES, b"goes on")
        assert (await frame(middle)).frame == b"goes on"
        process.send_signal(signal.SIGCONT)
        await event(low, 2, up=True)
        assert low.try_send(2, Channel.VOTES, b"echo")
        assert (await frame(low)).frame == b"echo"

    async def test_a_peer_that_was_away_for_many_dials_is_linked_when_it_comes(self, net: Net) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            at = held.getsockname()
            low = await net.start(config(0, {1: Peer(key(1), at)}))
            await until(lambda: low.links()[1].reason is CloseReason.UNREACHABLE)
            await asyncio.sleep(1)
        await net.start(config(1, {0: Peer(key(0))}, listen=at))
        await event(low, 1, up=True)

    async def test_another_chain_is_refused_on_both_sides(self, net: Net) -> None:
        high = await net.start(config(1, {0: Peer(key(0))}, chain_id=b"d" * 32))
        low = await net.start(config(0, {1: Peer(key(1), address(high))}))
        for transport, peer in ((low, 1), (high, 0)):
            await until(lambda t=transport, p=peer: t.links()[p].reason is CloseReason.WRONG_CHAIN)
            assert not transport.links()[peer].up
            assert transport.receive_nowait() is None

    async def test_a_number_that_does_not_belong_to_the_key_is_refused(self, net: Net) -> None:
        other = await net.start(config(2, {0: Peer(key(0))}, seed=seed(1)))
        low = await net.start(config(0, {1: Peer(key(1), address(other))}))
        await until(lambda: low.links()[1].reason is CloseReason.WRONG_MEMBER)
        assert low.receive_nowait() is None

    async def test_a_stranger_gets_no_link_and_is_no_event(self, net: Net) -> None:
        low, high = await net.pair()
        stranger = await net.start(config(7, {0: Peer(key(0), address(low), "out")}))
        await until(lambda: stranger.links()[0].reason is not None)
        assert not stranger.links()[0].up
        assert set(low.links()) == {1}
        assert low.try_send(1, Channel.VOTES, b"undisturbed")
        assert (await frame(high)).frame == b"undisturbed"
        assert low.receive_nowait() is None

    async def test_a_peer_with_another_key_than_genesis_says_is_not_spoken_to(self, net: Net) -> None:
        impostor = await net.start(config(1, {0: Peer(key(0))}, seed=seed(9)))
        low = await net.start(config(0, {1: Peer(key(1), address(impostor))}))
        await until(lambda: low.links()[1].reason is CloseReason.HANDSHAKE_FAILED)
        assert impostor.receive_nowait() is None

    async def test_two_diallers_end_with_one_link_that_both_sides_agree_on(self, net: Net) -> None:
        low_port, high_port = two_free_ports()
        low = await net.start(
            config(0, {1: Peer(key(1), ("127.0.0.1", high_port), "out")}, listen=("127.0.0.1", low_port))
        )
        high = await net.start(
            config(1, {0: Peer(key(0), ("127.0.0.1", low_port), "out")}, listen=("127.0.0.1", high_port))
        )

        async with asyncio.timeout(HANG_S):
            while not await self._unchanged_for_ten_beats(low, high):
                pass
        assert low.links()[1].dialled_by == high.links()[0].dialled_by

    @staticmethod
    async def _unchanged_for_ten_beats(low: Transport, high: Transport) -> bool:
        await until(lambda: low.links()[1].up and high.links()[0].up)
        since = low.links()[1].since_ms, high.links()[0].since_ms
        for _ in range(10):
            heard = low.links()[1].last_heard_ms
            await until(lambda heard=heard: low.links()[1].last_heard_ms > heard)
        return since == (low.links()[1].since_ms, high.links()[0].since_ms)

    async def test_the_higher_number_dials_where_the_lower_waits_for_it(self, net: Net) -> None:
        low = await net.start(config(0, {1: Peer(key(1), ("127.0.0.1", 1), "in")}))
        high = await net.start(config(1, {0: Peer(key(0), address(low), "out")}))
        await event(low, 1, up=True)
        await event(high, 0, up=True)
        assert low.links()[1].dialled_by == high.links()[0].dialled_by == 1

    async def test_a_port_in_use_is_the_operators_error(self, net: Net) -> None:
        first = await net.start(config(0, {}))
        with pytest.raises(OperatorError) as caught:
            await net.start(config(1, {}, listen=address(first)))
        assert caught.value.code.code == "NET-01"

    async def test_an_address_that_is_not_of_this_machine_is_the_operators_error(self, net: Net) -> None:
        with pytest.raises(OperatorError) as caught:
            await net.start(config(0, {}, listen=("192.0.2.1", 7_400)))
        assert caught.value.code.code == "NET-02"

    async def test_the_tap_sees_plain_frames_both_ways(self, net: Net) -> None:
        seen: list[tuple[str, int, Channel, bytes]] = []
        high = await net.start(config(1, {0: Peer(key(0))}), lambda *what: seen.append(what))
        low = await net.start(config(0, {1: Peer(key(1), address(high))}))
        await event(low, 1, up=True)
        await event(high, 0, up=True)
        assert low.try_send(1, Channel.BULK, b"question")
        assert (await frame(high)).frame == b"question"
        assert high.try_send(0, Channel.VOTES, b"answer")
        assert (await frame(low)).frame == b"answer"
        assert seen == [("in", 0, Channel.BULK, b"question"), ("out", 0, Channel.VOTES, b"answer")]

    async def test_status_counts_frames_and_measures_the_round_trip(self, net: Net) -> None:
        low, high = await net.pair()
        assert low.try_send(1, Channel.VOTES, b"one")
        assert low.try_send(1, Channel.BULK, b"two")
        await frame(high)
        await frame(high)
        await until(lambda: low.links()[1].round_trip_us > 0 and high.links()[0].round_trip_us > 0)
        assert low.links()[1].sent_frames == high.links()[0].received_frames == 2
        assert low.links()[1].queued_out_bytes == high.links()[0].queued_in_bytes == 0

    async def test_stop_leaves_no_thread_and_frees_the_port(self, net: Net) -> None:
        before = set(threading.enumerate())
        group = await net.group(3)
        flood = asyncio.create_task(self._flood(group[0], 1))
        await until(lambda: group[0].links()[1].queued_out_bytes > 0)
        at = address(group[0])
        for transport in group:
            await net.stop(transport)
        await flood
        assert set(threading.enumerate()) == before
        await net.start(config(0, {}, listen=at))

    async def test_stop_before_start_is_harmless(self, net: Net) -> None:
        await self.make(config(0, {}), None).stop()

    def test_four_nodes_in_one_process_run_under_uvloop(self) -> None:
        async def main() -> list[bytes]:
            net = Net(self.make)
            try:
                group = await net.group(4)
                for peer in range(1, 4):
                    assert group[0].try_send(peer, Channel.VOTES, b"to %d" % peer)
                return [(await frame(group[peer])).frame for peer in range(1, 4)]
            finally:
                await net.close()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            assert runner.run(main()) == [b"to 1", b"to 2", b"to 3"]
