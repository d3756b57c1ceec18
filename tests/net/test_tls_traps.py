"""What a stranger or a faulty member can try against the TLS transport, one test each."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chainnode.net import tls_host
from chainnode.net.framing import WRITE_BYTES, LinkFault, Operation, encode_control, join_frames
from chainnode.net.port import Channel, CloseReason, Peer, Tap, Transport, TransportConfig
from chainnode.net.tls_identity import Credentials, certificate, certified_key, context
from chainnode.net.tls_transport import TlsTransport
from chainnode.net.tls_wire import LaneReader, lane_piece
from tests.net.hostile_contract import HostileContract, link_of, until_closed
from tests.net.tls_player import TlsPlayer, connected_with
from tests.net.transport_net import (
    FRAME_BYTES,
    HANG_S,
    LIMITS,
    Net,
    address,
    config,
    event,
    key,
    seed,
    until,
)


class TestTlsTransportHostile(HostileContract):
    player = TlsPlayer()

    @staticmethod
    def make(made: TransportConfig, tap: Tap | None) -> Transport:
        return TlsTransport(made, tap)


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    made = Net(TlsTransport)
    yield made
    await made.close()


@pytest.fixture
async def node(net: Net) -> Transport:
    """Member 1, which waits for member 0: the test plays its part."""
    return await net.start(config(1, {0: Peer(key(0))}, limits=replace(LIMITS, handshake_timeout_ms=1_000)))


def private(member: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed(member))


def showing(shown: bytes, holder: Ed25519PrivateKey) -> ssl.SSLContext:
    """A client that shows a certificate (PEM) of its own making, and takes the node's."""
    pem = shown + holder.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made = context(ssl.PROTOCOL_TLS_CLIENT, pem, b"")
    made.verify_mode = ssl.CERT_NONE
    return made


async def reason_for(node: Transport, security: ssl.SSLContext) -> CloseReason:
    """Why a client with this context gets no link."""
    with capture_logs() as lines:
        with contextlib.suppress(OSError, LinkFault):
            async with connected_with(address(node), security) as member:
                await member.read(Channel.VOTES)
        await until(lambda: any(line["event"] == "no link" for line in lines))
    assert not node.links()[0].up and node.links()[0].reason is None
    return CloseReason(next(line["reason"] for line in lines if line["event"] == "no link"))


async def links(node: Transport, security: ssl.SSLContext) -> bool:
    async with connected_with(address(node), security) as member:
        await link_of(member, 0)
        await event(node, 0, up=True)
        return node.links()[0].up


async def test_a_certificate_that_names_a_member_and_is_signed_by_another_key_is_a_strangers(
    node: Transport,
) -> None:
    stranger = private(8)
    honest = certificate(private(0), stranger.public_key()).public_bytes(Encoding.DER)
    forged = bytearray(honest)
    forged[-64:] = stranger.sign(b"anything")  # a certificate ends with its signature
    pem = ssl.DER_cert_to_PEM_cert(bytes(forged)).encode()
    assert await reason_for(node, showing(pem, stranger)) is CloseReason.STRANGER


async def test_a_members_certificate_for_another_key_lets_nobody_in(node: Transport) -> None:
    """Members vouch for no keys but their own: a stolen signature is not a key."""
    other = private(8)
    delegated = certificate(private(0), other.public_key()).public_bytes(Encoding.PEM)
    assert await reason_for(node, showing(delegated, other)) is CloseReason.STRANGER


async def test_a_certificate_that_expired_is_taken_for_its_key(node: Transport) -> None:
    own = private(0)
    expired = certificate(own, own.public_key(), end=datetime(1971, 1, 1)).public_bytes(Encoding.PEM)
    assert await links(node, showing(expired, own))


async def test_a_client_without_a_certificate_gets_no_link(node: Transport) -> None:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
    assert await reason_for(node, bare) is CloseReason.HANDSHAKE_FAILED


async def test_older_tls_gets_no_link(node: Transport) -> None:
    older = Credentials(seed(0), [key(1)]).outbound
    older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await reason_for(node, older) is CloseReason.HANDSHAKE_FAILED


async def test_a_member_that_speaks_something_else_inside_gets_no_link(node: Transport) -> None:
    other = Credentials(seed(0), [key(1)]).outbound
    other.set_alpn_protocols(["h2"])
    assert await reason_for(node, other) is CloseReason.HANDSHAKE_FAILED


async def test_no_session_can_be_taken_up_again(node: Transport) -> None:
    """It would be let in without its key being looked at."""
    reader, writer = await asyncio.open_connection(
        *address(node), ssl=Credentials(seed(0), [key(1)]).outbound
    )
    assert await reader.read(4_096)  # the node's Hello, so that tickets would have come
    session = writer.get_extra_info("ssl_object").session
    assert session is None or not session.has_ticket
    writer.transport.abort()


async def test_a_handshake_byte_by_byte_ends_in_time(node: Transport) -> None:
    reader, writer = await asyncio.open_connection(*address(node))
    with capture_logs() as lines, contextlib.suppress(OSError):
        for byte in b"\x16\x03\x01\x02\x00" + bytes(10_000):
            writer.write(bytes([byte]))
            await writer.drain()
            if reader.at_eof() or lines:
                break
            await asyncio.sleep(0.02)
    await until(lambda: any(line["event"] == "no link" for line in lines))
    assert next(one["detail"] for one in lines if one["event"] == "no link") == "it was not done in time"
    writer.transport.abort()


async def test_strangers_keep_their_places_for_a_while_and_members_that_are_refused_do_not(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That bounds how many handshakes a second somebody without a key can have of the node's loop."""
    monkeypatch.setattr(tls_host, "_STRANGER_PAUSE_S", 3_600)
    limits = replace(LIMITS, pending_inbound_per_host=2, handshake_timeout_ms=10 * 1_000 * HANG_S)
    node = await net.start(config(1, {0: Peer(key(0))}, limits=limits))
    player = TlsPlayer()
    for _ in range(3):  # with a member's key, but no Hello
        async with player.connected(address(node), 1, 0) as member:
            await (await member.open(Channel.VOTES)).write(join_frames([b"x"]))
            await until_closed(player, await member.open(Channel.VOTES))
    for _ in range(2):
        with contextlib.suppress(*player.closed):
            async with player.connected(address(node), 1, 0, seed_of=8) as member:
                await member.read(Channel.VOTES)
    reader, writer = await asyncio.open_connection(*address(node))
    async with asyncio.timeout(HANG_S):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b"", "closed before anything was said"
    writer.transport.abort()


async def test_of_a_stranger_no_more_than_a_handshake_is_read(node: Transport) -> None:
    """The record's length says that more is to come, again and again: a ClientHello in fragments."""
    reader, writer = await asyncio.open_connection(*address(node))
    hello = b"\x01" + (120_000).to_bytes(3, "big") + bytes(120_000)
    with capture_logs() as lines, contextlib.suppress(OSError):
        for start in range(0, len(hello), 2_000):
            piece = hello[start : start + 2_000]
            writer.write(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece)
        await writer.drain()
        await reader.read()
        await until(lambda: any(line["event"] == "no link" for line in lines))
    ended = next(line for line in lines if line["event"] == "no link")
    assert ended["reason"] == CloseReason.MALFORMED
    writer.transport.abort()


@pytest.mark.parametrize(
    "lane",
    [b"\x02" + bytes(3), b"\x00" + bytes(3), lane_piece(Channel.BULK, bytes(WRITE_BYTES + 1))[:4]],
    ids=["no-channel", "empty", "too-long"],
)
async def test_a_lane_that_is_none_closes_the_link(node: Transport, lane: bytes) -> None:
    async with connected_with(address(node), Credentials(seed(0), [key(1)]).outbound) as member:
        await link_of(member, 0)
        await event(node, 0, up=True)
        member.wire._tls.write(lane)
        member.wire._flush()
        assert (await event(node, 0, up=False)).reason is CloseReason.MALFORMED


async def test_a_member_that_never_reads_is_cut_off_and_costs_no_more_than_its_queues(
    node: Transport,
) -> None:
    async def ping(member: object) -> None:
        with contextlib.suppress(OSError, LinkFault):
            while True:
                await member.wire.write(Channel.VOTES, encode_control(Operation.PING, 1))  # type: ignore[attr-defined]
                await asyncio.sleep(0.05)

    async with connected_with(address(node), Credentials(seed(0), [key(1)]).outbound) as member:
        await link_of(member, 0)
        await event(node, 0, up=True)
        pinging = asyncio.create_task(ping(member))
        while await node.send(0, Channel.BULK, bytes(FRAME_BYTES)):
            assert node.links()[0].queued_out_bytes <= LIMITS.bulk_queue_bytes
        assert node.links()[0].reason is CloseReason.WRITE_TIMEOUT
        pinging.cancel()


async def test_what_comes_with_tlss_own_end_is_delivered_first(node: Transport) -> None:
    async with connected_with(address(node), Credentials(seed(0), [key(1)]).outbound) as member:
        votes, _, _ = await link_of(member, 0)
        await votes.write(join_frames([b"last words"]))
        with contextlib.suppress(ssl.SSLWantReadError):
            member.wire._tls.unwrap()
        member.wire._flush()
        await event(node, 0, up=True)
        item = await node.receive()
        assert getattr(item, "frame", None) == b"last words"
        assert (await event(node, 0, up=False)).reason is CloseReason.CLOSED_BY_PEER


@given(
    st.lists(st.tuples(st.sampled_from(Channel), st.binary(min_size=1, max_size=50)), max_size=20), st.data()
)
def test_lanes_survive_any_fragmentation(pieces: list[tuple[Channel, bytes]], data: st.DataObject) -> None:
    wire = b"".join(lane_piece(channel, piece) for channel, piece in pieces)
    reader, got = LaneReader(), {channel: b"" for channel in Channel}
    while wire:
        size = data.draw(st.integers(1, len(wire)))
        for channel, piece in reader.feed(wire[:size]):
            got[channel] += piece
        wire = wire[size:]
    assert got == {lane: b"".join(piece for channel, piece in pieces if channel is lane) for lane in Channel}


@given(st.binary(max_size=200))
def test_any_bytes_are_lanes_or_a_link_fault(data: bytes) -> None:
    try:
        LaneReader().feed(data)
    except LinkFault as fault:
        assert fault.reason is CloseReason.MALFORMED


def test_a_certificate_for_another_kind_of_key_or_none_is_a_value_error() -> None:
    exchange = X25519PrivateKey.generate().public_key()
    for der in (certificate(private(0), exchange).public_bytes(Encoding.DER), b"", b"\x30\x03\x02\x01\x00"):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="a certificate"):
            certified_key(der)
    own = certificate(private(0), private(0).public_key()).public_bytes(Encoding.DER)
    assert certified_key(own) == key(0)


def test_the_key_is_in_no_file_afterwards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """ssl takes keys from paths alone; the one that it is given is memory, and closed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    held = Path("/proc/self/fd")
    before = set(held.iterdir())
    made = Credentials(seed(0), [key(1)])
    assert set(held.iterdir()) == before and not list(tmp_path.iterdir())
    assert made.inbound.verify_mode is made.outbound.verify_mode is ssl.CERT_REQUIRED
