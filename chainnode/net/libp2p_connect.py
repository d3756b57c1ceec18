"""From a TCP connection to a channel pair whose Hellos were checked; either way round."""

import contextlib

import structlog
import trio
from libp2p.custom_types import TProtocol
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.id import ID
from libp2p.protocol_muxer.multiselect import Multiselect
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream

from chainnode.net.framing import FrameReader, LinkFault
from chainnode.net.libp2p_link import ChannelEnd, greet
from chainnode.net.libp2p_session import GuardedSession, Stream, TcpStream, Upgrader
from chainnode.net.port import Channel, CloseReason, PeerId, TransportConfig

log = structlog.get_logger(__name__)

PROTOCOLS = {
    TProtocol("/chainnode/votes/1.0.0"): Channel.VOTES,
    TProtocol("/chainnode/bulk/1.0.0"): Channel.BULK,
}
_NAMES = {channel: protocol for protocol, channel in PROTOCOLS.items()}
MAX_STREAMS = 8
"""That a peer may open in the life of a connection: our two, and what a stock libp2p host tries."""


class Connection:
    """`peer`: whom we dialled; None for an inbound connection until its key is known."""

    def __init__(
        self, config: TransportConfig, upgrader: Upgrader, tcp: TcpStream, peer: PeerId | None
    ) -> None:
        self.peer = peer
        self.inbound = peer is None
        self._config = config
        self._upgrader = upgrader
        self._tcp = tcp
        self._session: GuardedSession | None = None
        self._scope = trio.CancelScope()
        self._streams: dict[Channel, Stream] = {}
        self._arrived = {channel: trio.Event() for channel in Channel}
        self._multiselect = Multiselect({protocol: None for protocol in PROTOCOLS} if self.inbound else {})

    @property
    def guard_fault(self) -> LinkFault | None:
        """Set where the peer overran the windows: the reason behind a stream that just ended."""
        return None if self._session is None else self._session.fault

    @property
    def remote(self) -> ID:
        """The other side's peer id, once it is known."""
        assert self._session is not None
        return self._session.get_remote_peer()

    async def establish(self, nursery: trio.Nursery) -> tuple[ChannelEnd, ...]:
        """The ends of both channels, VOTES first; what runs behind them runs in `nursery`.

        Raises LinkFault, whatever the other side does or sends.
        """
        try:
            with self._scope, trio.fail_after(self._config.limits.handshake_timeout_ms / 1_000):
                return await self._establish(nursery)
        except LinkFault:
            raise
        except trio.TooSlowError:
            raise LinkFault(CloseReason.HANDSHAKE_FAILED, "it was not done in time") from None
        # Hostile bytes raise anything in here: ValueError, InvalidTag, errors of noise and protobuf.
        except Exception as error:
            raise LinkFault(CloseReason.HANDSHAKE_FAILED, repr(error)) from error
        raise self.guard_fault or LinkFault(CloseReason.HANDSHAKE_FAILED, "the peer closed the connection")

    async def _establish(self, nursery: trio.Nursery) -> tuple[ChannelEnd, ...]:
        self.peer, yamux, self._session = await self._upgrader.upgrade(self._tcp, self.peer)
        nursery.start_soon(self._run_yamux, yamux)
        await yamux.event_started.wait()
        nursery.start_soon(self._accept_streams, yamux, nursery)
        votes = await self._end(yamux, Channel.VOTES)
        await greet(votes, self._config, self.peer)
        return votes, await self._end(yamux, Channel.BULK)

    async def _end(self, yamux: Yamux, channel: Channel) -> ChannelEnd:
        if self.inbound:
            await self._arrived[channel].wait()
            stream = self._streams[channel]
        else:
            stream = Stream(await yamux.open_stream())
            await MultiselectClient().select_one_of([_NAMES[channel]], MultiselectCommunicator(stream))
        reader = FrameReader(self._config.frame_bytes, control=channel is Channel.VOTES)
        return ChannelEnd(stream, reader, [])

    async def _run_yamux(self, yamux: Yamux) -> None:
        try:
            await yamux.start()
        except Exception as error:  # noqa: BLE001 - its fault must end this connection and no other
            assert self._session is not None
            self._session.fault = self._session.fault or LinkFault(CloseReason.FAULT, repr(error))
        finally:
            self._scope.cancel()

    async def _accept_streams(self, yamux: Yamux, nursery: trio.Nursery) -> None:
        with contextlib.suppress(BaseLibp2pError):  # the connection is over
            for _ in range(MAX_STREAMS):
                nursery.start_soon(self._negotiate, await yamux.accept_stream())
            await yamux.accept_stream()
            assert self._session is not None
            self._session.fault = LinkFault(CloseReason.MALFORMED, f"more than {MAX_STREAMS} streams")
            await self._tcp.close()

    async def _negotiate(self, muxed: YamuxStream) -> None:
        """The stream handler: no peer's bytes may end the host, so that nothing escapes from here."""
        stream = Stream(muxed)
        try:
            protocol, _ = await self._multiselect.negotiate(MultiselectCommunicator(stream))
            assert protocol is not None, "the empty protocol is not on offer"
        except Exception as error:  # noqa: BLE001
            log.debug("a stream was refused", peer=self.peer, error=repr(error))
        else:
            channel = PROTOCOLS[protocol]
            if channel not in self._streams:
                self._streams[channel] = stream
                self._arrived[channel].set()
                return
        with contextlib.suppress(
            BaseLibp2pError, OSError, trio.BrokenResourceError, trio.ClosedResourceError
        ):
            await stream.close()
