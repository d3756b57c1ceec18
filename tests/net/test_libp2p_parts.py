"""Parts of the libp2p transport on trio alone, without sockets."""

import asyncio

import pytest
import trio
import trio.testing

from chainnode.net.framing import FrameReader, LinkFault
from chainnode.net.libp2p_link import ChannelEnd, Link
from chainnode.net.libp2p_session import STRANGER_BYTES, TcpStream
from chainnode.net.link import LinkShare
from chainnode.net.port import Channel, CloseReason
from tests.net.raw_member import on_trio
from tests.net.transport_net import LIMITS


async def test_a_message_in_a_thousand_pieces_is_read_whole() -> None:
    """libp2p's read_exactly gives up after 100 pieces; on a path with a small MSS that would break links."""

    async def work() -> bytes:
        left, right = trio.testing.memory_stream_pair()
        reader = TcpStream(right)

        async def drip() -> None:
            for _ in range(1_000):
                await left.send_all(b"drip")
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            return await reader.read(4_000)

    assert await on_trio(work) == b"drip" * 1_000


async def test_of_a_stranger_no_more_than_a_handshake_is_read() -> None:
    """multistream-select would take a line of a megabyte from anybody."""

    async def work() -> None:
        left, right = trio.testing.memory_stream_pair()
        reader = TcpStream(right)
        await left.send_all(bytes(STRANGER_BYTES + 4_096))
        assert len(await reader.read(STRANGER_BYTES)) == STRANGER_BYTES
        with pytest.raises(LinkFault):
            await reader.read(100_000)
        reader.trust()
        await left.send_all(bytes(100_000))
        assert len(await reader.read(100_000)) == 100_000

    await on_trio(work)


class _Hollow:
    """A stream that takes everything and gives nothing."""

    async def read(self, n: int | None = None) -> bytes:
        await trio.sleep_forever()

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()


async def test_a_pause_of_this_node_is_not_taken_for_a_peers_silence() -> None:
    """A virtual machine that was stopped and goes on must not drop every link."""

    def work() -> list[CloseReason | None]:
        clock = trio.testing.MockClock()
        reasons: list[CloseReason | None] = []

        async def main() -> None:
            share = LinkShare(1, 0, "host:1", LIMITS, 0, lambda *_: None, version=1)
            ends = [ChannelEnd(_Hollow(), FrameReader(100, control=True), []) for _ in Channel]
            link = Link(share, ends, LIMITS, lambda: None, None)

            async def run() -> None:
                reasons.append((await link.run()).reason)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(run)
                await trio.testing.wait_all_tasks_blocked()
                clock.jump(60)
                await trio.testing.wait_all_tasks_blocked()
                reasons.append(None)
                for _ in range(30):
                    clock.jump(0.1)
                    await trio.testing.wait_all_tasks_blocked()

        trio.run(main, clock=clock)
        return reasons

    assert await asyncio.to_thread(work) == [None, CloseReason.SILENT]
