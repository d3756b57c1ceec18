"""What an engine of links (libp2p's host in its thread, the TLS host in the loop) tells the asyncio side."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Protocol

from chainnode.net.link import LinkShare
from chainnode.net.port import CloseReason, PeerId, TransportConfig
from chainnode.net.rivals import Rivals


class Bridge(Protocol):
    """Called from the engine's own thread or loop."""

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


class LoopBridge:
    """See Bridge. `drain` runs in the asyncio loop, once for many calls; `soon` has it called there
    (the loop's call_soon_threadsafe where the engine has a thread of its own, else call_soon)."""

    def __init__(
        self, soon: Callable[[Callable[[], None]], asyncio.Handle], drain: Callable[[], None]
    ) -> None:
        self.changes: deque[tuple[LinkShare, CloseReason | None]] = deque()
        self.failures: dict[PeerId, CloseReason] = {}
        self.rivals = Rivals()
        self._soon = soon
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
            self._soon(function)

    def _run(self) -> None:
        self._scheduled = False
        self._drain()


class Engine(Protocol):
    """What carries the links of one transport. `failure`: what ended it of itself, None while it runs or was
    stopped."""

    @property
    def bridge(self) -> LoopBridge: ...

    @property
    def failure(self) -> BaseException | None: ...

    async def start(self) -> list[str]:
        """The addresses it listens on. Raises OSError where it cannot."""

    def change(self, config: TransportConfig) -> None:
        """See port.Transport.change. It has started."""

    async def stop(self) -> None:
        """See port.Transport.stop."""
