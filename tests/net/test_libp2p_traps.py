"""py-libp2p's known traps, one test each, beside what can be tried against every transport."""

import asyncio
import contextlib
import struct

import multiaddr
import trio
import trio.testing
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.peerinfo import PeerInfo
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.stream_muxer.yamux.yamux import TYPE_DATA, YAMUX_HEADER_FORMAT

from chainnode.net.framing import Operation, encode_control, join_frames
from chainnode.net.libp2p_connect import MAX_STREAMS, PROTOCOLS
from chainnode.net.libp2p_session import STREAM_WINDOW_BYTES, Stream, TcpStream, peer_id
from chainnode.net.libp2p_transport import Libp2pTransport
from chainnode.net.port import Channel, CloseReason, Peer, Tap, Transport, TransportConfig
from chainnode.net.wire import NEWEST_VERSION, OLDEST_VERSION, Hello, encode_frame
from tests.net.hostile_contract import HostileContract, link_of, still_works
from tests.net.raw_member import Libp2pPlayer, RawMember, connected, on_trio
from tests.net.transport_net import CHAIN, FRAME_BYTES, LIMITS, Net, address, config, event, frame, key, seed


def data_header(stream_id: int, length: int) -> bytes:
    return struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_DATA, 0, stream_id, length)


class TestLibp2pTransportHostile(HostileContract):
    player = Libp2pPlayer()

    @staticmethod
    def make(made: TransportConfig, tap: Tap | None) -> Transport:
        return Libp2pTransport(made, tap)

    async def test_plaintext_is_refused(self, pair: tuple[Transport, Transport]) -> None:
        node, bystander = pair

        async def ask() -> list[str]:
            tcp = TcpStream(await trio.open_tcp_stream(*address(node)))
            communicator = MultiselectCommunicator(tcp)
            answers = [await communicator.read()]
            for line in (
                "/multistream/1.0.0",
                "/plaintext/2.0.0",
                "/plaintext/1.0.0",
                "/secio/1.0.0",
                "/tls/1.0.0",
            ):
                await communicator.write(line)
                if line.startswith("/multi"):
                    continue
                answers.append(await communicator.read())
            await tcp.close()
            return answers

        assert await on_trio(ask) == ["/multistream/1.0.0", "na", "na", "na", "na"]
        await still_works(node, bystander)

    async def test_a_member_that_ignores_the_yamux_window_is_cut_off(
        self,
        pair: tuple[Transport, Transport],
    ) -> None:
        """py-libp2p buffers what exceeds the window. The stream here is one that nobody reads."""
        node, bystander = pair

        async def play(member: RawMember, votes: Stream, bulk: Stream) -> None:
            stray = await member.yamux.open_stream()
            for _ in range(4 * STREAM_WINDOW_BYTES // 60_000):
                header = data_header(stray.stream_id, 60_000)
                await member.yamux._write_frame(header + bytes(60_000))

        assert await self.link_and(node, play) is CloseReason.OVERRUN
        await still_works(node, bystander)

    async def test_a_yamux_frame_of_megabytes_is_not_read(self, pair: tuple[Transport, Transport]) -> None:
        node, bystander = pair

        async def play(member: RawMember, votes: Stream, bulk: Stream) -> None:
            await member.yamux._write_frame(data_header(1, 15_000_000))

        assert await self.link_and(node, play) is CloseReason.OVERRUN
        await still_works(node, bystander)

    async def test_a_member_that_opens_stream_after_stream_is_cut_off(
        self,
        pair: tuple[Transport, Transport],
    ) -> None:
        node, bystander = pair

        async def play(member: RawMember, votes: Stream, bulk: Stream) -> None:
            for _ in range(2 * MAX_STREAMS):
                await member.yamux.open_stream()

        assert await self.link_and(node, play) is CloseReason.MALFORMED
        await still_works(node, bystander)

    async def test_a_member_that_never_reads_is_cut_off_and_costs_no_more_than_its_queues(
        self, net: Net
    ) -> None:
        node = await net.start(config(1, {0: Peer(key(0))}))

        async def never(_: int | None = None) -> bytes:
            await trio.sleep_forever()

        async def deaf() -> None:
            async with connected(address(node), 1, 0) as member:
                votes, _, _ = await link_of(member, 0)
                member.yamux.secured_conn.conn.read_writer.read_write_closer.stream.read = never
                with contextlib.suppress(BaseLibp2pError, trio.BrokenResourceError):
                    while True:
                        await votes.write(encode_control(Operation.PING, 1))
                        await trio.sleep(0.05)

        task = asyncio.create_task(on_trio(deaf))
        await event(node, 0, up=True)
        while await node.send(0, Channel.BULK, bytes(FRAME_BYTES)):
            assert node.links()[0].queued_out_bytes <= LIMITS.bulk_queue_bytes
        assert node.links()[0].reason is CloseReason.WRITE_TIMEOUT
        await task

    async def test_a_stock_libp2p_host_with_a_members_key_can_link(
        self, pair: tuple[Transport, Transport]
    ) -> None:
        node, _ = pair

        async def work() -> bytes:
            host = new_host(key_pair=create_new_key_pair(seed(0)))
            async with host.run([multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]):
                at = "/ip4/{}/tcp/{}".format(*address(node))
                await host.connect(PeerInfo(peer_id(key(1)), [multiaddr.Multiaddr(at)]))
                votes = await host.new_stream(peer_id(key(1)), [next(iter(PROTOCOLS))])
                await votes.write(
                    join_frames([encode_frame(Hello(OLDEST_VERSION, NEWEST_VERSION, CHAIN, 0))])
                )
                hello = await votes.read(1_000)
                await host.new_stream(peer_id(key(1)), [list(PROTOCOLS)[1]])
                await votes.write(join_frames([b"from a stock host"]))
                await trio.sleep(0.5)
                return hello

        task = asyncio.create_task(on_trio(work))
        assert (await frame(node)).frame == b"from a stock host"
        assert await task == join_frames([encode_frame(Hello(OLDEST_VERSION, NEWEST_VERSION, CHAIN, 1))])
