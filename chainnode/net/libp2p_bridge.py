"""The bridge between the two loops: a thread in which trio runs the host, and calls back into asyncio.

From asyncio to trio there are `Host.wake`, `Host.change` and `HostThread.stop`; frames go through a
LinkShare's mailboxes.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable

import trio

from chainnode.net.bridge import LoopBridge
from chainnode.net.libp2p_host import Host
from chainnode.net.port import Tap, TransportConfig


class HostThread:
    """See bridge.Engine. Starts and stops the host."""

    def __init__(self, config: TransportConfig, drain: Callable[[], None], tap: Tap | None) -> None:
        loop = asyncio.get_running_loop()
        self.bridge = LoopBridge(loop.call_soon_threadsafe, drain)
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
