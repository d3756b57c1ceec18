"""The trio side: one listener, one dialler for each peer that this node dials, the table of links.

Runs in a thread of its own. To the asyncio side it speaks through a Bridge alone.
"""

import contextlib
from collections.abc import Callable, Mapping
from random import Random

import trio
from libp2p.peer.id import ID

from chainnode.net.bridge import Bridge
from chainnode.net.dialling import join_address, pauses_s
from chainnode.net.framing import LinkFault
from chainnode.net.libp2p_connect import Connection
from chainnode.net.libp2p_link import ChannelEnd, Link, Signal, turn_away
from chainnode.net.libp2p_session import TcpStream, Upgrader, peer_id
from chainnode.net.link import LinkShare
from chainnode.net.linktable import LinkTable, Newcomer, Pending
from chainnode.net.port import Channel, CloseReason, Peer, PeerId, Tap, TransportConfig


class Host:
    """`wake` may be called from any thread, all else belongs to trio's."""

    def __init__(self, config: TransportConfig, bridge: Bridge, tap: Tap | None) -> None:
        self._config = config
        self._bridge = bridge
        self._tap = tap
        self._table = LinkTable(config, bridge, self.wake, lambda peer: self._gone[peer].set())
        self._ids, self._upgrader = _upgrading(config, self._table.allowed)
        self._diallers: dict[PeerId, tuple[Peer, trio.CancelScope]] = {}
        self._nursery: trio.Nursery | None = None
        self._gone: dict[PeerId, Signal] = {}
        self._pending = Pending(config.limits)
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
        self._config = config
        self._table.change(config)
        self._ids, self._upgrader = _upgrading(config, self._table.allowed)
        self._dial_peers()

    def _dial_peers(self) -> None:
        """A dialler for each peer that this node connects to, and for nobody else."""
        assert self._nursery is not None
        wanted = self._table.to_dial()
        for number, (peer, scope) in list(self._diallers.items()):
            now = wanted.get(number)
            if now is None or (now.address, now.dial) != (peer.address, peer.dial):
                scope.cancel()
                del self._diallers[number]
        for number in self._config.peers:
            self._gone.setdefault(number, Signal())
        for number in wanted.keys() - self._diallers.keys():
            self._diallers[number] = (wanted[number], trio.CancelScope())
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
        link = self._table.of(share)
        if link is not None:
            link.wake(channel)

    async def _accept(self, stream: trio.SocketStream) -> None:
        try:
            address = join_address(stream.socket.getpeername())
        except OSError:  # it is gone already
            await trio.aclose_forcefully(stream)
            return
        host = address.rpartition(":")[0]
        if not self._pending.enter(host):
            await trio.aclose_forcefully(stream)
            return
        await self._serve(stream, None, address, lambda: self._pending.leave(host))

    async def _keep_dialling(self, number: PeerId, peer: Peer) -> None:
        assert peer.address is not None
        limits, random = self._config.limits, Random()
        pauses = pauses_s(limits, random)
        while True:
            if number in self._table:
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
            self._table.no_link(number, address, fault)
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
                    self._table.no_link(connection.peer, address, fault)
                nursery.cancel_scope.cancel()
        finally:
            await tcp.close()

    async def _admit(self, connection: Connection, ends: tuple[ChannelEnd, ...], address: str) -> Link:
        """Make it the peer's link. Raises LinkFault where another one stays."""
        assert connection.peer is not None
        votes = ends[Channel.VOTES]
        newcomer = Newcomer(
            connection.peer,
            self._ids.get(connection.remote, b""),
            connection.inbound,
            address,
            votes.version,
            lambda: turn_away(votes, self._config.limits.heartbeat_ms),
        )
        return await self._table.admit(
            newcomer, lambda share: Link(share, ends, self._config.limits, self._bridge.notify, self._tap)
        )

    async def _run(self, link: Link, connection: Connection) -> None:
        fault = LinkFault(CloseReason.STOPPING)
        try:
            ended = await link.run()
            fault = connection.guard_fault or ended
        finally:  # when the host is cancelled too
            self._table.ended(link, fault)


def _upgrading(config: TransportConfig, allowed: Mapping[bytes, PeerId]) -> tuple[dict[ID, bytes], Upgrader]:
    """The key behind each peer id that is let in, and what secures connections with them."""
    ids = {peer_id(key): key for key in allowed}
    return ids, Upgrader(config.seed, {peer: allowed[key] for peer, key in ids.items()})
