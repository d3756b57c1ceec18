"""One link on the trio side: the Hello of both sides, then a reader and a writer for each channel
and a heartbeat. Whatever goes wrong in any of them closes this link, with a reason, and nothing else."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
import trio
from libp2p.exceptions import BaseLibp2pError

from chainnode.net.framing import WRITE_BYTES, FrameReader, Item, LinkFault, Operation, encode_control
from chainnode.net.libp2p_session import Stream
from chainnode.net.link import LinkShare
from chainnode.net.linkstate import LinkState, agreed_version, clock_us, own_hello
from chainnode.net.port import Channel, CloseReason, LinkLimits, PeerId, Tap, TransportConfig

log = structlog.get_logger(__name__)


class Signal:
    """An event that can be waited for again and again; set before the wait, it does not wait."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = trio.Event()


@dataclass(slots=True)
class ChannelEnd:
    """A channel's stream and the cutter of what comes out of it."""

    stream: Stream
    reader: FrameReader
    ahead: list[Item]
    version: int = 0
    """Of the frames, once the Hellos were exchanged on it."""

    async def items(self) -> list[Item]:
        """What came, at least one item. Raises LinkFault, or libp2p's error at the end of the stream."""
        items, self.ahead = self.ahead, []
        while not items:
            items = self.reader.feed(await self.stream.read())
        return items


async def greet(end: ChannelEnd, config: TransportConfig, peer: PeerId) -> None:
    """Exchange Hellos on the VOTES channel. Raises LinkFault: see linkstate.agreed_version."""
    await end.stream.write(own_hello(config))
    first, *end.ahead = await end.items()
    end.version = agreed_version(first, config, peer)


async def turn_away(end: ChannelEnd, wait_ms: int) -> None:
    """Say on the VOTES channel that another live link has the peer's key, and wait until the peer closes: who
    closes first, with bytes of the peer unread, may lose what it said."""
    with (
        contextlib.suppress(
            LinkFault, BaseLibp2pError, OSError, trio.BrokenResourceError, trio.ClosedResourceError
        ),
        trio.move_on_after(wait_ms / 1_000),
    ):
        await end.stream.write(encode_control(Operation.IN_USE, 0))
        while True:
            await end.items()


class Link:
    """Runs until it is closed; `run` returns the fault that ended it."""

    def __init__(
        self,
        share: LinkShare,
        ends: Sequence[ChannelEnd],
        limits: LinkLimits,
        notify: Callable[[], None],
        tap: Tap | None,
    ) -> None:
        self.share = share
        self._ends = ends
        self._limits = limits
        self._signals = (Signal(), Signal())
        self._scope = trio.CancelScope()
        self._fault: LinkFault | None = None
        self._news = trio.Event()  # the next answer, or the end
        self._state = LinkState(
            share,
            limits,
            tap,
            trio.current_time(),
            wake=self.wake,
            answered=self._answered,
            notify=notify,
        )

    def wake(self, channel: Channel) -> None:
        self._signals[channel].set()

    def close(self, fault: LinkFault) -> None:
        """The first fault is the one that counts."""
        if self._fault is None:
            self._fault = fault
        self._news.set()
        self._scope.cancel()

    def _answered(self) -> None:
        self._news.set()
        self._news = trio.Event()

    async def answers(self) -> bool:
        """Whether a ping that is sent now is answered soon. A process that died, stopped or was cut off gives
        no answer; one that lives does."""
        asked_us = clock_us()
        self._state.ping()
        with trio.move_on_after(self._state.probe_s):
            while self._fault is None and self._state.answered_us < asked_us:
                await self._news.wait()
        return self._fault is None and self._state.answered_us >= asked_us

    async def run(self) -> LinkFault:
        with self._scope:
            async with trio.open_nursery() as nursery:
                for channel in Channel:
                    nursery.start_soon(self._watch, self._read, channel)
                    nursery.start_soon(self._watch, self._write, channel)
                nursery.start_soon(self._watch, self._beat, Channel.VOTES)
        return self._fault or LinkFault(CloseReason.CLOSED_BY_PEER)

    async def _watch(self, work: Callable[[Channel], Awaitable[None]], channel: Channel) -> None:
        """An exception must end this link and not the host: every task of a link runs in here."""
        try:
            await work(channel)
        except LinkFault as fault:
            self.close(fault)
        except (BaseLibp2pError, OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.close(LinkFault(CloseReason.CLOSED_BY_PEER, str(error)))
        except Exception as error:
            log.error("a link failed", peer=self.share.peer, exc_info=True)
            self.close(LinkFault(CloseReason.FAULT, repr(error)))

    async def _read(self, channel: Channel) -> None:
        end = self._ends[channel]
        while True:
            items = await end.items()
            self._state.received(channel, items, trio.current_time())

    async def _write(self, channel: Channel) -> None:
        stream = self._ends[channel].stream
        while True:
            data = self._state.due(channel, WRITE_BYTES)
            if not data:
                await self._signals[channel].wait()
                continue
            for start in range(0, len(data), WRITE_BYTES):
                await self._write_piece(stream, data[start : start + WRITE_BYTES])

    async def _write_piece(self, stream: Stream, piece: bytes) -> None:
        try:
            with trio.fail_after(self._limits.write_timeout_ms / 1_000):
                await stream.write(piece)
        except trio.TooSlowError:
            detail = f"{len(piece)} bytes in {self._limits.write_timeout_ms} ms"
            raise LinkFault(CloseReason.WRITE_TIMEOUT, detail) from None

    async def _beat(self, _: Channel) -> None:
        interval = self._limits.heartbeat_ms / 1_000
        while True:
            self._state.ping()
            due = trio.current_time() + interval
            await trio.sleep_until(due)
            self._state.beat(due, trio.current_time())
