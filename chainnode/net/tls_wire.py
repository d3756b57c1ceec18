"""From a TCP connection to two channels over TLS, without tasks of its own.

Inside TLS go lanes: pieces of a channel's bytes, each behind the channel (1 byte) and its length (3 bytes,
big-endian, at most WRITE_BYTES), so that votes pass between the pieces of a large frame. OpenSSL works on
memory here, over asyncio's plain streams: what is read of a stranger can be bounded, and the keys that are
taken can change while the listener stands. (asyncio's own TLS fixes both when it begins to listen.)
"""

import asyncio
import ssl

from chainnode.net.framing import WRITE_BYTES, FrameReader, Item, LinkFault, Operation, encode_control
from chainnode.net.linkstate import agreed_version, own_hello
from chainnode.net.port import Channel, CloseReason, PeerId, TransportConfig
from chainnode.net.tls_identity import ALPN, certified_key

READ_BYTES = 65_536
STRANGER_BYTES = 16_384
"""What is read of a side that has not shown its key; an honest one needs about two KiB."""
_STRANGER_READ_BYTES = 4_096
_LANE_HEADER_BYTES = 4
_UNSENT_BYTES = 4 * WRITE_BYTES
_LINGER_S = 1.0
"""What was written last is given so long to leave."""


def lane_piece(channel: Channel, data: bytes | memoryview) -> bytes:
    """At most WRITE_BYTES of a channel, as they go into TLS."""
    return b"".join(((channel << 24 | len(data)).to_bytes(_LANE_HEADER_BYTES, "big"), data))


class LaneReader:
    """Cuts what came out of TLS into the channels' bytes; holds less than one header."""

    def __init__(self) -> None:
        self._header = b""
        self._channel = Channel.VOTES
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[Channel, bytes]]:
        """In order. Raises LinkFault for a channel or a length that is none."""
        found: list[tuple[Channel, bytes]] = []
        position = 0
        while position < len(data):
            if self._left:
                piece = data[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                found.append((self._channel, piece))
                continue
            wanted = _LANE_HEADER_BYTES - len(self._header)
            self._header += data[position : position + wanted]
            position += wanted
            if len(self._header) == _LANE_HEADER_BYTES:
                self._begin(int.from_bytes(self._header, "big"))
                self._header = b""
        return found

    def _begin(self, header: int) -> None:
        number, self._left = header >> 24, header & 0xFF_FFFF
        if number not in (Channel.VOTES, Channel.BULK) or not 0 < self._left <= WRITE_BYTES:
            raise LinkFault(CloseReason.MALFORMED, f"no lane has the header {header:#010x}")
        self._channel = Channel(number)


class TlsWire:
    """One connection. Every method raises LinkFault, ssl.SSLError or OSError where it is over."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        security: ssl.SSLContext,
        frame_bytes: int,
        *,
        inbound: bool,
    ) -> None:
        self._reader = reader
        self._writer = writer
        writer.transport.set_write_buffer_limits(high=0)  # `drain` waits until the kernel has it all
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = security.wrap_bio(self._incoming, self._outgoing, server_side=inbound)
        self._lanes = LaneReader()
        self._frames = tuple(
            FrameReader(frame_bytes, control=channel is Channel.VOTES) for channel in Channel
        )
        self._ahead: list[tuple[Channel, list[Item]]] = []

    async def handshake(self) -> bytes:
        """The other side's key, which it has shown that it holds.

        Raises ssl.SSLCertVerificationError where no member's key signed the certificate, and ValueError
        where that is for no Ed25519 key."""
        read_bytes = 0
        while not self._is_shaken():
            data = await self._reader.read(_STRANGER_READ_BYTES)
            read_bytes += len(data)
            if not data:
                raise LinkFault(CloseReason.HANDSHAKE_FAILED, "the peer closed the connection")
            if read_bytes > STRANGER_BYTES:
                raise LinkFault(CloseReason.MALFORMED, f"{read_bytes} bytes before a key was shown")
            self._incoming.write(data)
        if self._tls.selected_alpn_protocol() != ALPN:
            raise LinkFault(CloseReason.HANDSHAKE_FAILED, f"the peer does not speak {ALPN}")
        shown = self._tls.getpeercert(binary_form=True)
        assert shown is not None, "CERT_REQUIRED"
        return certified_key(shown)

    def _is_shaken(self) -> bool:
        """Whether the handshake is done; else it waits for bytes."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()  # the alert that says why too
        return True

    async def greet(self, config: TransportConfig, peer: PeerId) -> int:
        """Exchange Hellos; the version of the frames. Raises LinkFault: see linkstate.agreed_version."""
        await self.write(Channel.VOTES, own_hello(config))
        (channel, items), *rest = await self.items()
        if channel is not Channel.VOTES:
            raise LinkFault(CloseReason.MALFORMED, "the first frame is no Hello")
        self._ahead = [(channel, items[1:]), *rest]
        return agreed_version(items[0], config, peer)

    async def turn_away(self, wait_ms: int) -> None:
        """Say that another live link has the peer's key, and wait until the peer closes: who closes first,
        with bytes of the peer unread, may lose what it said."""
        try:
            async with asyncio.timeout(wait_ms / 1_000):
                await self.write(Channel.VOTES, encode_control(Operation.IN_USE, 0))
                while True:
                    await self.items()
        except (LinkFault, OSError):  # TimeoutError is one
            return

    async def items(self) -> list[tuple[Channel, list[Item]]]:
        """What came: at least one channel with at least one item."""
        found, self._ahead = [one for one in self._ahead if one[1]], []
        while not found:
            for channel, piece in self._lanes.feed(await self._read()):
                if items := self._frames[channel].feed(piece):
                    found.append((channel, items))
        return found

    async def write(self, channel: Channel, data: bytes | memoryview) -> None:
        """At most WRITE_BYTES of a channel; returns once the kernel has them."""
        rest = memoryview(lane_piece(channel, data))
        while rest:
            rest = rest[self._tls.write(rest) :]
        self._flush()
        await self._writer.drain()

    async def _read(self) -> bytes:
        while True:
            plain = self._plain()
            if self._outgoing.pending:  # TLS answers for itself
                if self._writer.transport.get_write_buffer_size() > _UNSENT_BYTES:
                    raise LinkFault(CloseReason.OVERRUN, "the peer asks of TLS and does not take the answers")
                self._flush()
            if plain:
                return plain
            data = await self._reader.read(READ_BYTES)
            if not data:
                raise LinkFault(CloseReason.CLOSED_BY_PEER)
            self._incoming.write(data)

    def _plain(self) -> bytes:
        """What is here, decrypted."""
        parts: list[bytes] = []
        try:
            while part := self._tls.read(READ_BYTES):
                parts.append(part)
        except ssl.SSLWantReadError:
            return b"".join(parts)
        if not parts:
            raise LinkFault(CloseReason.CLOSED_BY_PEER, "by TLS's own word")
        return b"".join(parts)

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._writer.write(self._outgoing.read())

    def close(self) -> None:
        """Without waiting: a peer that is stopped must not hold this up."""
        self._writer.close()
        asyncio.get_running_loop().call_later(_LINGER_S, self._writer.transport.abort)

    def abort(self) -> None:
        """The same, and what was not sent yet is lost."""
        self._writer.transport.abort()
