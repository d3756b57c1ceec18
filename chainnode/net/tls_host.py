"""The TLS transport's engine, in the asyncio loop: one listener, one dialler for each peer that this node
dials, the table of links."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from random import Random
from typing import Any

from chainnode.net.bridge import LoopBridge
from chainnode.net.dialling import join_address, pauses_s
from chainnode.net.framing import LinkFault
from chainnode.net.link import LinkShare
from chainnode.net.linktable import LinkTable, Newcomer, Pending
from chainnode.net.port import Channel, CloseReason, Peer, PeerId, Tap, TransportConfig
from chainnode.net.tls_identity import Credentials
from chainnode.net.tls_link import TlsLink
from chainnode.net.tls_wire import TlsWire

_STRANGER_PAUSE_S = 0.25
"""Who came and showed no member's key keeps its place among the pending ones so long: that bounds how many
handshakes a second strangers can have of this node's loop."""
_CLOSE_S = 1.0


class TlsHost:
    """See bridge.Engine."""

    def __init__(self, config: TransportConfig, drain: Callable[[], None], tap: Tap | None) -> None:
        self._loop = asyncio.get_running_loop()
        self.bridge = LoopBridge(self._loop.call_soon, drain)
        self.failure: BaseException | None = None
        self._config = config
        self._tap = tap
        self._table = LinkTable(config, self.bridge, self._wake, lambda peer: self._gone[peer].set())
        self._credentials = Credentials(config.seed, self._table.allowed)
        self._diallers: dict[PeerId, tuple[Peer, asyncio.Task[None]]] = {}
        self._gone: dict[PeerId, asyncio.Event] = {}
        self._pending = Pending(config.limits)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> list[str]:
        host, port = self._config.listen
        # No SO_REUSEPORT: a second daemon on the same port must fail, not share it.
        self._server = await asyncio.start_server(self._came, host, port)
        self._dial_peers()
        return [join_address(one.getsockname()) for one in self._server.sockets]

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        while self._tasks:  # one that was just accepted may begin another
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._server.wait_closed()

    def change(self, config: TransportConfig) -> None:
        self._config = config
        self._table.change(config)
        self._credentials = Credentials(config.seed, self._table.allowed)
        self._dial_peers()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = error
            self.bridge.notify()

    def _wake(self, share: LinkShare, channel: Channel) -> None:
        link = self._table.of(share)
        if link is not None:
            link.wake(channel)

    def _dial_peers(self) -> None:
        """A dialler for each peer that this node connects to, and for nobody else."""
        wanted = self._table.to_dial()
        for number, (peer, task) in list(self._diallers.items()):
            now = wanted.get(number)
            if now is None or (now.address, now.dial) != (peer.address, peer.dial):
                task.cancel()
                del self._diallers[number]
        for number in self._config.peers:
            self._gone.setdefault(number, asyncio.Event())
        for number in sorted(wanted.keys() - self._diallers.keys()):
            work = self._keep_dialling(number, wanted[number])
            self._diallers[number] = (wanted[number], self._spawn(work))

    async def _keep_dialling(self, number: PeerId, peer: Peer) -> None:
        assert peer.address is not None
        limits, random = self._config.limits, Random()
        pauses = pauses_s(limits, random)
        while True:
            self._gone[number].clear()
            if number in self._table:
                await self._gone[number].wait()
                continue
            began_s = self._loop.time()
            await self._dial(number, peer.address)
            if (self._loop.time() - began_s) * 1_000 > limits.silent_after_ms:
                pauses = pauses_s(limits, random)
            await asyncio.sleep(next(pauses))

    async def _dial(self, number: PeerId, target: tuple[str, int]) -> None:
        try:
            async with asyncio.timeout(self._config.limits.handshake_timeout_ms / 1_000):
                streams = await asyncio.open_connection(*target)
        except OSError as error:  # TimeoutError is one
            fault = LinkFault(CloseReason.UNREACHABLE, str(error) or "no answer in time")
            self._table.no_link(number, join_address(target), fault)
        else:
            await self._serve(*streams, number, join_address(target), lambda _: None)

    def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = writer.get_extra_info("peername")
        host = join_address(name).rpartition(":")[0] if name else ""
        if not name or not self._pending.enter(host):  # gone already, or too many
            writer.transport.abort()
            return

        def settled(known: bool) -> None:
            if known:
                self._pending.leave(host)
            else:
                self._loop.call_later(_STRANGER_PAUSE_S, self._pending.leave, host)

        self._spawn(self._serve(reader, writer, None, join_address(name), settled))

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        dialled: PeerId | None,
        address: str,
        settled: Callable[[bool], None],
    ) -> None:
        """Carry one connection from its first byte to its end; `dialled` None: it came in.

        `settled` is called once it is a link, or over before that: whether it has shown a member's key.
        """
        security = self._credentials.inbound if dialled is None else self._credentials.outbound
        wire = TlsWire(reader, writer, security, self._config.frame_bytes, inbound=dialled is None)
        peer, close = dialled, wire.abort
        try:
            try:
                async with _handshake(self._config.limits.handshake_timeout_ms, inbound=dialled is None):
                    key = await wire.handshake()
                    peer = self._whose(key, dialled)
                    version = await wire.greet(self._config, peer)
                link = await self._admit(wire, key, peer, dialled is None, address, version)
            finally:
                settled(peer is not None)
            await self._run(link)
            close = wire.close
        except LinkFault as fault:
            close = wire.close
            self._table.no_link(peer, address, fault)
        finally:
            close()

    def _whose(self, key: bytes, dialled: PeerId | None) -> PeerId:
        """Raises LinkFault where the key is not a member's, or not that of the one who was dialled."""
        peer = self._table.allowed.get(key)
        if peer is None or dialled not in (None, peer):
            reason = CloseReason.STRANGER if dialled is None else CloseReason.HANDSHAKE_FAILED
            raise LinkFault(reason, f"the key {key.hex()}")
        return peer

    async def _admit(
        self, wire: TlsWire, key: bytes, peer: PeerId, inbound: bool, address: str, version: int
    ) -> TlsLink:
        limits = self._config.limits
        newcomer = Newcomer(peer, key, inbound, address, version, lambda: wire.turn_away(limits.heartbeat_ms))
        return await self._table.admit(
            newcomer, lambda share: TlsLink(share, wire, limits, self.bridge.notify, self._tap)
        )

    async def _run(self, link: TlsLink) -> None:
        fault = LinkFault(CloseReason.STOPPING)
        try:
            fault = await link.run()
        finally:  # when the host is stopped too
            self._table.ended(link, fault)


@contextlib.asynccontextmanager
async def _handshake(timeout_ms: int, *, inbound: bool) -> AsyncIterator[None]:
    """What goes wrong within is a LinkFault, whatever the other side does or sends."""
    try:
        async with asyncio.timeout(timeout_ms / 1_000):
            yield
    except TimeoutError:
        raise LinkFault(CloseReason.HANDSHAKE_FAILED, "it was not done in time") from None
    except ssl.SSLCertVerificationError as error:
        reason = CloseReason.STRANGER if inbound else CloseReason.HANDSHAKE_FAILED
        raise LinkFault(reason, f"no key of a member taken here: {error.verify_message}") from None
    except (OSError, ValueError) as error:  # TLS's errors are OSErrors
        raise LinkFault(CloseReason.HANDSHAKE_FAILED, str(error) or repr(error)) from None
