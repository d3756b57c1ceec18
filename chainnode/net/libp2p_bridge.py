"""The bridge between the two loops: a thread in which trio runs the host, and calls back into asyncio.

From asyncio to trio there are `Host.wake`, `Host.change` and `HostThread.stop`; frames go through a
LinkShare's mailboxes.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable

import trio

from chainnode.net.libp2p_host import Host
from chainnode.net.link import LinkShare
from chainnode.net.port import CloseReason, PeerId, Tap, TransportConfig
from chainnode.net.rivals import Rivals


class LoopBridge:
    """See libp2p_host.Bridge. `drain` runs in the asyncio loop, once for many calls."""

    def __init__(self, loop: asyncio.AbstractEventLoop, drain: Callable[[], None]) -> None:
        self.changes: deque[tuple[LinkShare, CloseReason | None]] = deque()
        self.failures: dict[PeerId, CloseReason] = {}
        self.rivals = Rivals()
        self._loop = loop
        self._drain = drain
        self._scheduled = False

    def link_up(self, share: LinkShare) -> None:
        self.changes.append((share, None))
        self.notify()

    def link_down(self, share: LinkShare, reason: CloseReason) -> None:
        self.changes.append((share, reason))
        self.notify()

    def failed(self, peer: PeerId, reason: CloseReason) -> None:
        self.failures[peer] = reason

    def contested(self, peer: PeerId, *, own: bool) -> int:
        return self.rivals.seen(peer, own=own)

    def backlog(self) -> int:
        return len(self.changes)

    def notify(self) -> None:
        # What there is to see was stored before the flag is read here, and the loop clears the flag
        # before it looks: nothing is missed, and a burst costs one wake-up.
        if not self._scheduled:
            self._scheduled = True
            self.call(self._run)

    def call(self, function: Callable[[], None]) -> None:
        # A loop that was closed without `stop` has nobody left who could be told.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    def _run(self) -> None:
        self._scheduled = False
        self._drain()


class HostThread:
    """Starts and stops the host. `failure`: what ended it of itself, None while it runs or was stopped."""

    def __init__(self, config: TransportConfig, drain: Callable[[], None], tap: Tap | None) -> None:
        loop = asyncio.get_running_loop()
        self.bridge = LoopBridge(loop, drain)
        self.failure: BaseException | None = None
        self._host = Host(config, self.bridge, tap)
        self._started: asyncio.Future[list[str]] = loop.create_future()
        self._ended = asyncio.Event()
        self._stop: Callable[[], None] | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"net-{config.member}", daemon=True)

    async def start(self) -> list[str]:
        """The addresses it listens on. Raises OSError where it cannot."""
        self._thread.start()
        await self._ended_or_started()
        if self.failure is not None:
            self._thread.join()
            raise self.failure
        return self._started.result()

    async def _ended_or_started(self) -> None:
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait((ended, self._started), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()

    def change(self, config: TransportConfig) -> None:
        """See port.Transport.change. The host has started."""
        self._host.change(config)

    async def stop(self) -> None:
        self._stopping = True  # for a host that has not come so far as to set _stop
        # It may have ended of itself; then there is nothing to stop.
        with contextlib.suppress(trio.RunFinishedError):
            if self._stop is not None:
                self._stop()
        await self._ended.wait()
        self._thread.join()

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as error:  # noqa: BLE001 - handed to the asyncio side, which raises it
            self.failure = error
        finally:
            self.bridge.call(self._ended.set)
            self.bridge.notify()

    async def _main(self) -> None:
        token = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as scope:
            self._stop = lambda: token.run_sync_soon(scope.cancel)
            if self._stopping:
                return
            await self._host.run(
                lambda addresses: self.bridge.call(lambda: self._started.set_result(addresses))
            )
