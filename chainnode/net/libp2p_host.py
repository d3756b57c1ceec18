"""The trio side: one listener, one dialler for each peer that this node dials, the table of links.

Runs in a thread of its own. To the asyncio side it speaks through `Bridge` alone.
"""

import contextlib
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Protocol

import structlog
import trio
from libp2p.peer.id import ID

from chainnode.net.dialling import dials, outlives, pauses_s
from chainnode.net.framing import LinkFault
from chainnode.net.libp2p_connect import Connection
from chainnode.net.libp2p_link import ChannelEnd, Link, Signal, turn_away, unix_ms
from chainnode.net.libp2p_session import TcpStream, Upgrader, peer_id
from chainnode.net.link import LinkShare
from chainnode.net.port import Channel, CloseReason, Peer, PeerId, Tap, TransportConfig
from chainnode.net.rivals import RIVALS_TOLD

log = structlog.get_logger(__name__)

_MAX_BACKLOG = 256
_MAX_NOTED = 256


class Bridge(Protocol):
    """What the host tells the asyncio side; called from the trio thread."""

    def link_up(self, share: LinkShare) -> None: ...

    def link_down(self, share: LinkShare, reason: CloseReason) -> None: ...

    def failed(self, peer: PeerId, reason: CloseReason) -> None:
        """An attempt that gave no link."""

    def notify(self) -> None:
        """Frames came in, or there is room for frames that wait to be sent."""

    def contested(self, peer: PeerId, *, own: bool) -> int:
        """See rivals.Rivals.seen."""

    def backlog(self) -> int:
        """How many links came up or went down that the asyncio side has not seen yet."""


class Host:
    """`wake` may be called from any thread, all else belongs to trio's."""

    def __init__(self, config: TransportConfig, bridge: Bridge, tap: Tap | None) -> None:
        self._config = config
        self._bridge = bridge
        self._tap = tap
        self._allowed = _allowed(config)
        self._upgrader = Upgrader(config.seed, self._allowed)
        self._links: dict[PeerId, Link] = {}
        self._remotes: dict[PeerId, ID] = {}
        self._diallers: dict[PeerId, tuple[Peer, trio.CancelScope]] = {}
        self._nursery: trio.Nursery | None = None
        self._gone: dict[PeerId, Signal] = {}
        self._pending: Counter[str] = Counter()
        self._noted: dict[str, CloseReason] = {}
        self._token: trio.lowlevel.TrioToken | None = None

    async def run(self, ready: Callable[[list[str]], None]) -> None:
        """Listen, dial and serve until cancelled. Raises OSError where it cannot listen."""
        self._token = trio.lowlevel.current_trio_token()
        host, port = self._config.listen
        # No SO_REUSEPORT: a second daemon on the same port must fail, not share it.
        listeners = await trio.open_tcp_listeners(port, host=host)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._dial_peers()
            nursery.start_soon(trio.serve_listeners, self._accept, listeners)
            ready([join_address(listener.socket.getsockname()) for listener in listeners])

    def change(self, config: TransportConfig) -> None:
        """Other peers or another key, from any thread. `listen`, `member` and the limits stay."""
        assert self._token is not None
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._change, config)

    def _change(self, config: TransportConfig) -> None:
        old, self._config = self._config, config
        self._allowed = _allowed(config)
        self._upgrader = Upgrader(config.seed, self._allowed)
        for peer, link in list(self._links.items()):
            if config.seed != old.seed:
                self._drop(link, LinkFault(CloseReason.REPLACED, "this node takes another key"))
            elif self._allowed.get(self._remotes[peer]) != peer:
                self._drop(link, LinkFault(CloseReason.REMOVED, "its key is no member's any more"))
        self._dial_peers()

    def _dial_peers(self) -> None:
        """A dialler for each peer that this node connects to, and for nobody else."""
        assert self._nursery is not None
        peers = self._config.peers
        for number, (peer, scope) in list(self._diallers.items()):
            now = peers.get(number)
            if now is None or (now.address, now.dial) != (peer.address, peer.dial):
                scope.cancel()
                del self._diallers[number]
        for number, peer in peers.items():
            self._gone.setdefault(number, Signal())
            if number not in self._diallers and dials(self._config.member, number, peer):
                self._diallers[number] = (peer, trio.CancelScope())
                self._nursery.start_soon(self._dialler, number, *self._diallers[number])

    async def _dialler(self, number: PeerId, peer: Peer, scope: trio.CancelScope) -> None:
        with scope:
            await self._keep_dialling(number, peer)

    def wake(self, share: LinkShare, channel: Channel) -> None:
        """The writer of that channel has something to do."""
        assert self._token is not None
        # The host may have ended a moment ago; then nobody has to be woken.
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._wake, share, channel, idempotent=True)

    def _wake(self, share: LinkShare, channel: Channel) -> None:
        link = self._links.get(share.peer)
        if link is not None and link.share is share:
            link.wake(channel)

    async def _accept(self, stream: trio.SocketStream) -> None:
        limits = self._config.limits
        try:
            address = join_address(stream.socket.getpeername())
        except OSError:  # it is gone already
            await trio.aclose_forcefully(stream)
            return
        host = address.rpartition(":")[0]
        if (
            self._pending.total() >= limits.pending_inbound
            or self._pending[host] >= limits.pending_inbound_per_host
        ):
            await trio.aclose_forcefully(stream)
            return
        self._pending[host] += 1
        await self._serve(stream, None, address, lambda: self._settled(host))

    def _settled(self, host: str) -> None:
        self._pending[host] -= 1
        if not self._pending[host]:
            del self._pending[host]

    async def _keep_dialling(self, number: PeerId, peer: Peer) -> None:
        assert peer.address is not None
        limits, random = self._config.limits, Random()
        pauses = pauses_s(limits, random)
        while True:
            if number in self._links:
                await self._gone[number].wait()
                continue
            began = trio.current_time()
            await self._dial(number, peer.address)
            if (trio.current_time() - began) * 1_000 > limits.silent_after_ms:
                pauses = pauses_s(limits, random)
            await trio.sleep(next(pauses))

    async def _dial(self, number: PeerId, target: tuple[str, int]) -> None:
        address = join_address(target)
        try:
            with trio.fail_after(self._config.limits.handshake_timeout_ms / 1_000):
                stream = await trio.open_tcp_stream(*target)
        except (OSError, trio.TooSlowError) as error:
            fault = LinkFault(CloseReason.UNREACHABLE, str(error) or "no answer in time")
            self._no_link(number, address, fault)
        else:
            await self._serve(stream, number, address, lambda: None)

    async def _serve(
        self, stream: trio.SocketStream, peer: PeerId | None, address: str, settled: Callable[[], None]
    ) -> None:
        """Carry one connection from its first byte to its end; `peer` None: it came in.

        `settled` is called once it is a link, or over before that.
        """
        tcp = TcpStream(stream)
        connection = Connection(self._config, self._upgrader, tcp, peer)
        try:
            async with trio.open_nursery() as nursery:
                try:
                    try:
                        ends = await connection.establish(nursery)
                        link = await self._admit(connection, ends, address)
                    finally:
                        settled()
                    await self._run(link, connection)
                except LinkFault as fault:
                    self._no_link(connection.peer, address, fault)
                nursery.cancel_scope.cancel()
        finally:
            await tcp.close()

    async def _admit(self, connection: Connection, ends: tuple[ChannelEnd, ...], address: str) -> Link:
        """Make it the peer's link. Raises LinkFault where another one stays."""
        own, peer = self._config.member, connection.peer
        assert peer is not None
        if self._bridge.backlog() > _MAX_BACKLOG:
            raise LinkFault(CloseReason.FAULT, "the node does not keep up with links that come and go")
        dialled_by = peer if connection.inbound else own
        while (old := self._links.get(peer)) is not None:
            if outlives(own, peer, old.share.dialled_by, dialled_by):
                raise LinkFault(CloseReason.REPLACED, f"the link that member {min(own, peer)} dialled stays")
            if connection.inbound and old.share.dialled_by == dialled_by and await old.answers():
                self._contested(peer, own=False, address=address, linked=old.share.address)
                await turn_away(ends[Channel.VOTES], self._config.limits.heartbeat_ms)
                raise LinkFault(CloseReason.KEY_IN_USE, f"{old.share.address} has a live link under this key")
            self._drop(old, LinkFault(CloseReason.REPLACED, "a newer link took its place"))
        if self._allowed.get(connection.remote) != peer:  # it was when this began
            raise LinkFault(CloseReason.STRANGER, f"the key of member {peer} is taken no more")
        share = LinkShare(
            peer, dialled_by, address, self._config.limits, unix_ms(), self.wake, version=ends[0].version
        )
        link = Link(share, ends, self._config.limits, self._bridge.notify, self._tap)
        self._links[peer], self._remotes[peer] = link, connection.remote
        self._noted.pop(f"member {peer}", None)
        self._bridge.link_up(share)
        log.info("link up", peer=peer, address=address, dialled_by=dialled_by)
        return link

    async def _run(self, link: Link, connection: Connection) -> None:
        fault = LinkFault(CloseReason.STOPPING)
        try:
            ended = await link.run()
            fault = connection.guard_fault or ended
        finally:  # when the host is cancelled too
            if fault.reason is CloseReason.KEY_IN_USE:
                self._contested(link.share.peer, own=True, address=link.share.address)
            self._drop(link, fault)

    def _contested(self, peer: PeerId, *, own: bool, **addresses: str) -> None:
        """Two processes use one key. Said once, until it has been over for a while."""
        if self._bridge.contested(peer, own=own) != RIVALS_TOLD:
            return
        if own:
            log.warning("another process uses this member's key", peer=peer, **addresses)
        else:
            log.warning("two processes use one member's key", peer=peer, **addresses)

    def _drop(self, link: Link, fault: LinkFault) -> None:
        """Take the link out of the table, once, and end it."""
        peer = link.share.peer
        link.close(fault)
        if self._links.get(peer) is link:
            del self._links[peer]
            self._bridge.link_down(link.share, fault.reason)
            self._gone[peer].set()
            log.info("link down", peer=peer, reason=str(fault.reason), detail=fault.detail)

    def _no_link(self, peer: PeerId | None, address: str, fault: LinkFault) -> None:
        """Report an attempt that failed, dialled or not; the same again and again is no news."""
        if peer is not None:
            self._bridge.failed(peer, fault.reason)
        whom = f"member {peer}" if peer is not None else address.rpartition(":")[0]
        if self._noted.get(whom) is fault.reason:
            return
        if len(self._noted) >= _MAX_NOTED:
            self._noted.clear()
        self._noted[whom] = fault.reason
        say = log.info if fault.reason is CloseReason.UNREACHABLE else log.warning
        say("no link", whom=whom, address=address, reason=str(fault.reason), detail=fault.detail)


def _allowed(config: TransportConfig) -> dict[ID, PeerId]:
    """Whose each key is. One that a later member presents too stays the earlier one's."""
    allowed: dict[ID, PeerId] = {}
    for number in sorted(config.peers):
        for key in config.peers[number].keys:
            allowed.setdefault(peer_id(key), number)
    return allowed


def join_address(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """`host:port`, an IPv6 host in brackets."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
