"""One link on the trio side: the Hello of both sides, then a reader and a writer for each channel
and a heartbeat. Whatever goes wrong in any of them closes this link, with a reason, and nothing else."""

import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
import trio
from libp2p.exceptions import BaseLibp2pError

from chainnode.net.framing import (
    WRITE_BYTES,
    Control,
    FrameReader,
    Item,
    LinkFault,
    Operation,
    cost,
    encode_control,
    join_frames,
)
from chainnode.net.libp2p_session import Stream
from chainnode.net.link import LinkShare
from chainnode.net.port import Channel, CloseReason, LinkLimits, PeerId, Tap, TransportConfig
from chainnode.net.wire import (
    MAX_HELLO_BYTES,
    NEWEST_VERSION,
    OLDEST_VERSION,
    Hello,
    common_version,
    decode_frame,
    encode_frame,
)
from consensus.codec import DecodeError

log = structlog.get_logger(__name__)

_GRANTS = (Operation.GRANT_VOTES, Operation.GRANT_BULK)
_PROBE_SHARE = 4
"""An answer is waited for so small a part of what counts as silence."""
_LATE_S = 1.0
"""A heartbeat that is later than this was held up on our side: it says nothing about the peer."""


def unix_ms() -> int:
    return time.time_ns() // 1_000_000


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
    """Exchange Hellos on the VOTES channel. Raises LinkFault where the peer's says another chain,
    no version in common, or a number that its key does not belong to."""
    ours = Hello(OLDEST_VERSION, NEWEST_VERSION, config.chain_id, config.member)
    await end.stream.write(join_frames([encode_frame(ours)]))
    first, *end.ahead = await end.items()
    try:
        theirs = decode_frame(first if isinstance(first, bytes) else b"", limit_bytes=MAX_HELLO_BYTES)
    except DecodeError as error:
        raise LinkFault(CloseReason.MALFORMED, f"the first frame is no Hello: {error}") from None
    if not isinstance(theirs, Hello):
        raise LinkFault(CloseReason.MALFORMED, "the first frame is no Hello")
    version = common_version(theirs.oldest, theirs.newest)
    if version is None:
        detail = (
            f"the peer speaks versions {theirs.oldest} to {theirs.newest}, "
            f"this node {OLDEST_VERSION} to {NEWEST_VERSION}"
        )
        raise LinkFault(CloseReason.WRONG_VERSION, detail)
    end.version = version
    if theirs.chain_id != config.chain_id:
        detail = f"the peer's chain is {theirs.chain_id.hex()}, this node's {config.chain_id.hex()}"
        raise LinkFault(CloseReason.WRONG_CHAIN, detail)
    if theirs.member != peer:
        raise LinkFault(CloseReason.WRONG_MEMBER, f"the key of member {peer} says it is {theirs.member}")


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
        self._notify = notify
        self._tap = tap
        self._signals = (Signal(), Signal())
        self._scope = trio.CancelScope()
        self._fault: LinkFault | None = None
        self._heard = trio.current_time()
        self._credit = [0, 0]  # how much the peer takes in all, per channel
        self._granted = [0, 0]  # how much we take in all
        self._ping_due = False
        self._pong: int | None = None
        self._answered_us = 0  # when the last ping left that was answered
        self._news = trio.Event()  # the next answer, or the end

    def wake(self, channel: Channel) -> None:
        self._signals[channel].set()

    def close(self, fault: LinkFault) -> None:
        """The first fault is the one that counts."""
        if self._fault is None:
            self._fault = fault
        self._news.set()
        self._scope.cancel()

    async def answers(self) -> bool:
        """Whether a ping that is sent now is answered soon. A process that died, stopped or was cut off gives
        no answer; one that lives does."""
        asked_us = _clock_us()
        self._ping_due = True
        self.wake(Channel.VOTES)
        with trio.move_on_after(self._limits.silent_after_ms / _PROBE_SHARE / 1_000):
            while self._fault is None and self._answered_us < asked_us:
                await self._news.wait()
        return self._fault is None and self._answered_us >= asked_us

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
            self._heard = trio.current_time()
            self.share.last_heard_ms = unix_ms()
            for item in items:
                if isinstance(item, Control):
                    self._obey(item)
                else:
                    self._deliver(channel, item)
            self._notify()

    def _deliver(self, channel: Channel, frame: bytes) -> None:
        inbox = self.share.inboxes[channel]
        if inbox.put_bytes + cost(frame) > self._granted[channel]:
            raise LinkFault(CloseReason.OVERRUN, f"more came on {channel.name} than was granted")
        if self._tap is not None:
            self._tap("in", self.share.peer, channel, frame)
        inbox.put(frame)

    def _obey(self, control: Control) -> None:
        if control.operation is Operation.PING:
            self._pong = control.value
            self.wake(Channel.VOTES)
        elif control.operation is Operation.PONG:
            self.share.round_trip_us = max(1, _clock_us() - control.value)
            self._answered_us = max(self._answered_us, control.value)
            self._news.set()
            self._news = trio.Event()
        elif control.operation is Operation.IN_USE:
            detail = f"member {self.share.peer} has a live link with another process under this node's key"
            raise LinkFault(CloseReason.KEY_IN_USE, detail)
        else:
            channel = Channel(_GRANTS.index(control.operation))
            self._credit[channel] = max(self._credit[channel], control.value)
            self.wake(channel)

    async def _write(self, channel: Channel) -> None:
        stream = self._ends[channel].stream
        outbox = self.share.outboxes[channel]
        while True:
            head = self._controls() if channel is Channel.VOTES else b""
            frames = outbox.take_batch(WRITE_BYTES - len(head), self._credit[channel] - outbox.taken_bytes)
            if not head and not frames:
                await self._signals[channel].wait()
                continue
            if self.share.room_wanted[channel] and frames:
                self._notify()
            if self._tap is not None:
                for frame in frames:
                    self._tap("out", self.share.peer, channel, frame)
            data = head + join_frames(frames)
            for start in range(0, len(data), WRITE_BYTES):
                await self._write_piece(stream, data[start : start + WRITE_BYTES])

    async def _write_piece(self, stream: Stream, piece: bytes) -> None:
        try:
            with trio.fail_after(self._limits.write_timeout_ms / 1_000):
                await stream.write(piece)
        except trio.TooSlowError:
            detail = f"{len(piece)} bytes in {self._limits.write_timeout_ms} ms"
            raise LinkFault(CloseReason.WRITE_TIMEOUT, detail) from None

    def _controls(self) -> bytes:
        """Control words that are due: pong, ping, and a grant for what the node has taken out."""
        words = b""
        if self._pong is not None:
            words += encode_control(Operation.PONG, self._pong)
            self._pong = None
        if self._ping_due:
            words += encode_control(Operation.PING, _clock_us())
            self._ping_due = False
        for channel in Channel:
            total = self.share.inboxes[channel].limit_bytes + self.share.returned_bytes[channel]
            if total > self._granted[channel]:
                self._granted[channel] = total
                words += encode_control(_GRANTS[channel], total)
        return words

    async def _beat(self, _: Channel) -> None:
        interval = self._limits.heartbeat_ms / 1_000
        while True:
            self._ping_due = True
            self.wake(Channel.VOTES)
            due = trio.current_time() + interval
            await trio.sleep_until(due)
            now = trio.current_time()
            if now - due > _LATE_S:
                self._heard = now
            silence_ms = int((now - self._heard) * 1_000)
            if silence_ms > self._limits.silent_after_ms:
                raise LinkFault(CloseReason.SILENT, f"nothing was heard for {silence_ms} ms")


def _clock_us() -> int:
    return time.monotonic_ns() // 1_000
