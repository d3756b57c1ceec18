"""One link over TLS: a reader, a writer and a heartbeat in the asyncio loop. Whatever goes wrong in any of
them closes this link, with a reason, and nothing else."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from chainnode.net.framing import WRITE_BYTES, LinkFault
from chainnode.net.link import LinkShare
from chainnode.net.linkstate import LinkState, clock_us
from chainnode.net.port import Channel, CloseReason, LinkLimits, Tap
from chainnode.net.tls_wire import TlsWire

log = structlog.get_logger(__name__)


class TlsLink:
    """Runs until it is closed; `run` returns the fault that ended it."""

    def __init__(
        self,
        share: LinkShare,
        wire: TlsWire,
        limits: LinkLimits,
        notify: Callable[[], None],
        tap: Tap | None,
    ) -> None:
        self.share = share
        self._wire = wire
        self._limits = limits
        self._due = asyncio.Event()  # there may be something to write
        self._closed = asyncio.Event()
        self._news = asyncio.Event()  # the next answer, or the end
        self._fault: LinkFault | None = None
        self._state = LinkState(
            share, limits, tap, _now_s(), wake=self.wake, answered=self._answered, notify=notify
        )

    def wake(self, _: Channel) -> None:
        self._due.set()

    def close(self, fault: LinkFault) -> None:
        """The first fault is the one that counts."""
        if self._fault is None:
            self._fault = fault
        self._news.set()
        self._closed.set()

    def _answered(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def answers(self) -> bool:
        """See linktable.RunningLink. A process that died, stopped or was cut off gives no answer."""
        asked_us = clock_us()
        self._state.ping()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._state.probe_s):
                while self._fault is None and self._state.answered_us < asked_us:
                    await self._news.wait()
        return self._fault is None and self._state.answered_us >= asked_us

    async def run(self) -> LinkFault:
        tasks = [asyncio.create_task(self._watch(work)) for work in (self._read, self._write, self._beat)]
        try:
            await self._closed.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        assert self._fault is not None
        return self._fault

    async def _watch(self, work: Callable[[], Awaitable[None]]) -> None:
        """An exception must end this link and not the host: every task of a link runs in here."""
        try:
            await work()
        except LinkFault as fault:
            self.close(fault)
        except OSError as error:  # TLS's errors are such
            self.close(LinkFault(CloseReason.CLOSED_BY_PEER, str(error)))
        except Exception as error:
            log.error("a link failed", peer=self.share.peer, exc_info=True)
            self.close(LinkFault(CloseReason.FAULT, repr(error)))

    async def _read(self) -> None:
        while True:
            for channel, items in await self._wire.items():
                self._state.received(channel, items, _now_s())

    async def _write(self) -> None:
        bulk = memoryview(b"")
        while True:
            self._due.clear()
            votes = self._state.due(Channel.VOTES, WRITE_BYTES)
            bulk = bulk or memoryview(self._state.due(Channel.BULK, WRITE_BYTES))
            if not votes and not bulk:
                await self._due.wait()
                continue
            for start in range(0, len(votes), WRITE_BYTES):
                await self._write_piece(Channel.VOTES, votes[start : start + WRITE_BYTES])
            if bulk:  # piece by piece, for votes pass between them
                await self._write_piece(Channel.BULK, bulk[:WRITE_BYTES])
                bulk = bulk[WRITE_BYTES:]

    async def _write_piece(self, channel: Channel, piece: bytes | memoryview) -> None:
        try:
            async with asyncio.timeout(self._limits.write_timeout_ms / 1_000):
                await self._wire.write(channel, piece)
        except TimeoutError:
            detail = f"{len(piece)} bytes in {self._limits.write_timeout_ms} ms"
            raise LinkFault(CloseReason.WRITE_TIMEOUT, detail) from None

    async def _beat(self) -> None:
        interval_s = self._limits.heartbeat_ms / 1_000
        while True:
            self._state.ping()
            due_s = _now_s() + interval_s
            await asyncio.sleep(interval_s)
            self._state.beat(due_s, _now_s())


def _now_s() -> float:
    return asyncio.get_running_loop().time()
