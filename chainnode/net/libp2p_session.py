"""From a TCP connection to two libp2p streams: Noise by the allow-list, then yamux, each guarded.

Used of py-libp2p are its protocols (multistream-select, Noise XX, yamux, peer ids), not its Swarm and
Host: those stop accepting after 250 connections in a lifetime, share a port with a second process
(SO_REUSEPORT), take plaintext by default, block a peer for 60 s after a failed dial, and end with the
first exception of a handler. What is spoken on the wire is libp2p's.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping

import trio
from libp2p.abc import IRawConnection, ISecureConn
from libp2p.crypto.ed25519 import Ed25519PublicKey
from libp2p.crypto.ed25519 import create_new_key_pair as ed25519_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.io.abc import ReadWriteCloser
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.protocol_muxer.generic_selector import GenericMultistreamSelector
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.security.secure_session import SecureSession
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream
from libp2p.transport.upgrader import TransportUpgrader

from chainnode.net.framing import LinkFault
from chainnode.net.port import CloseReason, PeerId

# Without a handler its warnings would go to the terminal; what matters of them the links report.
logging.getLogger("libp2p").addHandler(logging.NullHandler())

STREAM_WINDOW_BYTES = 1_048_576
"""Receive window of each stream; fixed, for yamux would let it grow to 16 MiB."""
_FIRST_WINDOW_BYTES = 262_144
_MAX_READ_BYTES = 131_072
_SLACK_BYTES = 1_048_576
STRANGER_BYTES = 16_384
"""What is read of a side that has not shown its key; an honest one needs about one KiB."""


def peer_id(transport_key: bytes) -> ID:
    """The libp2p peer id of an Ed25519 public key; it contains the key, so ids match when keys do."""
    return ID.from_pubkey(Ed25519PublicKey.from_bytes(transport_key))


class TcpStream(ReadWriteCloser):
    """A socket whose `read(n)` gives n bytes or the end. (libp2p's own gives what is there, and its
    readers give up a message that comes in more than 100 pieces.)

    Until `trust` is called a few KiB are read and no more: multistream-select would take lines of a
    megabyte from anybody.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._sending = trio.Lock()
        self._trusted = False
        self._read_bytes = 0

    def trust(self) -> None:
        """The other side has shown its key."""
        self._trusted = True

    async def read(self, n: int | None = None) -> bytes:
        """Raises LinkFault where one that has not shown its key sends too much."""
        wanted = 1 if n is None else n
        while len(self._buffer) < wanted:
            if not self._trusted and self._read_bytes > STRANGER_BYTES:
                raise LinkFault(CloseReason.MALFORMED, f"{self._read_bytes} bytes before a key was shown")
            data = await self._stream.receive_some(65_536 if self._trusted else 4_096)
            if not data:
                break
            self._read_bytes += len(data)
            self._buffer += data
        taken = len(self._buffer) if n is None else n
        result = bytes(self._buffer[:taken])
        del self._buffer[:taken]
        return result

    async def write(self, data: bytes) -> None:
        async with self._sending:
            await self._stream.send_all(data)

    async def close(self) -> None:
        # Without waiting: a peer that is stopped must not hold this up.
        await trio.aclose_forcefully(self._stream)

    def get_remote_address(self) -> tuple[str, int] | None:
        return None


class GuardedSession(SecureSession):
    """A secured connection that stops reading for good where its reader is owed too much.

    yamux buffers whatever comes, whatever window it announced; it reads through here.
    """

    def __init__(self, session: ISecureConn) -> None:
        assert isinstance(session, SecureSession), "Noise gives no other"
        super().__init__(
            local_peer=session.local_peer,
            local_private_key=session.local_private_key,
            remote_peer=session.remote_peer,
            remote_permanent_pubkey=session.remote_permanent_pubkey,
            is_initiator=session.is_initiator,
            conn=session.conn,
        )
        self.fault: LinkFault | None = None
        self.buffered_bytes: Callable[[], int] = lambda: 0

    async def read(self, n: int | None = None) -> bytes:
        """Raises LinkFault."""
        if self.fault is None and (n or 0) > _MAX_READ_BYTES:
            self.fault = LinkFault(CloseReason.OVERRUN, f"a yamux frame of {n} bytes")
        if self.fault is None and self.buffered_bytes() > 2 * STREAM_WINDOW_BYTES + _SLACK_BYTES:
            self.fault = LinkFault(CloseReason.OVERRUN, "more was sent than the windows allow")
        if self.fault is not None:
            raise self.fault
        return await super().read(n)


class MemberNoise(NoiseTransport):
    """Noise XX that knows its members: a stranger is turned away here, before a byte of ours is read."""

    def __init__(self, seed: bytes, members: Mapping[ID, PeerId]) -> None:
        super().__init__(ed25519_key_pair(seed), x25519_key_pair().private_key)
        self._members = members

    async def secure_inbound(self, conn: IRawConnection) -> ISecureConn:
        """Raises LinkFault for a peer whose key is not on the list."""
        session = await super().secure_inbound(conn)
        peer = session.get_remote_peer()
        if peer not in self._members:
            await session.close()
            raise LinkFault(CloseReason.STRANGER, f"peer id {peer.to_base58()}")
        return GuardedSession(session)

    async def secure_outbound(self, conn: IRawConnection, peer_id: ID) -> ISecureConn:
        return GuardedSession(await super().secure_outbound(conn, peer_id))


class Stream(ReadWriteCloser):
    """One yamux stream, read with a window that never grows and never stalls for want of an update."""

    def __init__(self, stream: YamuxStream) -> None:
        self._stream = stream
        self._owed_bytes = STREAM_WINDOW_BYTES - _FIRST_WINDOW_BYTES

    async def read(self, n: int | None = None) -> bytes:
        """At least one byte, at most n. Raises MuxedStreamError at the end."""
        data: bytes = await self._stream.conn.read_stream(self._stream.stream_id, n or 65_536)
        self._owed_bytes += len(data)
        if self._owed_bytes >= STREAM_WINDOW_BYTES // 2:
            owed, self._owed_bytes = self._owed_bytes, 0
            self._stream.recv_window += owed
            await self._stream.send_window_update(owed)
        return data

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)

    async def close(self) -> None:
        await self._stream.reset()

    def get_remote_address(self) -> tuple[str, int] | None:
        return None


class Upgrader:
    """Secures and multiplexes connections for one member."""

    def __init__(self, seed: bytes, members: Mapping[ID, PeerId]) -> None:
        """`members`: whom an id belongs to; a member may have two while it changes its key."""
        self._members = members
        self._ids: dict[PeerId, deque[ID]] = {}
        for peer, number in members.items():
            self._ids.setdefault(number, deque()).append(peer)
        self._security = TransportUpgrader({NOISE: MemberNoise(seed, members)}, {})
        self._muxers: GenericMultistreamSelector[None] = GenericMultistreamSelector()
        self._muxers.add_handler(TProtocol(YAMUX), None)

    async def upgrade(self, stream: TcpStream, peer: PeerId | None) -> tuple[PeerId, Yamux, GuardedSession]:
        """`peer` is whom we dialled, None for an inbound connection. The Yamux is not started.

        Raises LinkFault, and whatever libp2p raises where the other side does not speak its protocols.
        """
        raw = RawConnection(stream, peer is not None)
        expected = None
        if peer is not None:
            # Which of its keys it has now is seen by trying them in turn.
            self._ids[peer].rotate(1)
            expected = self._ids[peer][0]
        session = await self._security.upgrade_security(raw, peer is not None, expected)
        stream.trust()
        await self._muxers.select(session, session.is_initiator)
        assert isinstance(session, GuardedSession), "MemberNoise gives no other"
        remote = session.get_remote_peer()
        yamux = Yamux(session, remote)
        session.buffered_bytes = lambda: sum(map(len, yamux.stream_buffers.values()))
        return self._members[remote], yamux, session
