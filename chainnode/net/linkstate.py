"""One link without its I/O: the Hello of both sides, what is due to be written, what may come in, silence.

Every transport's link drives one of these; it says nothing of tasks, sockets or clocks but by its arguments.
"""

import time
from collections.abc import Callable, Iterable

from chainnode.net.framing import (
    Control,
    Item,
    LinkFault,
    Operation,
    cost,
    encode_control,
    join_frames,
)
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

_GRANTS = (Operation.GRANT_VOTES, Operation.GRANT_BULK)
_PROBE_SHARE = 4
"""An answer is waited for so small a part of what counts as silence."""
_LATE_S = 1.0
"""A heartbeat that is later than this was held up on our side: it says nothing about the peer."""


def unix_ms() -> int:
    return time.time_ns() // 1_000_000


def clock_us() -> int:
    return time.monotonic_ns() // 1_000


def own_hello(config: TransportConfig) -> bytes:
    """The first bytes of the VOTES channel."""
    return join_frames([encode_frame(Hello(OLDEST_VERSION, NEWEST_VERSION, config.chain_id, config.member))])


def agreed_version(first: Item, config: TransportConfig, peer: PeerId) -> int:
    """The version of the frames, from the peer's Hello. Raises LinkFault where it says another chain,
    no version in common, or a number that its key does not belong to."""
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
    if theirs.chain_id != config.chain_id:
        detail = f"the peer's chain is {theirs.chain_id.hex()}, this node's {config.chain_id.hex()}"
        raise LinkFault(CloseReason.WRONG_CHAIN, detail)
    if theirs.member != peer:
        raise LinkFault(CloseReason.WRONG_MEMBER, f"the key of member {peer} says it is {theirs.member}")
    return version


class LinkState:
    """`wake(channel)`: that channel's writer has something to do; `answered`: a pong came; `notify`: there
    is room for frames that wait to be sent. Times in seconds are of any clock that only goes on."""

    def __init__(
        self,
        share: LinkShare,
        limits: LinkLimits,
        tap: Tap | None,
        now_s: float,
        *,
        wake: Callable[[Channel], None],
        answered: Callable[[], None],
        notify: Callable[[], None],
    ) -> None:
        self.share = share
        self._limits = limits
        self._tap = tap
        self._wake = wake
        self._answered = answered
        self._notify = notify
        self._heard_s = now_s
        self._credit = [0, 0]  # how much the peer takes in all, per channel
        self._granted = [0, 0]  # how much we take in all
        self._ping_due = False
        self._pong: int | None = None
        self.answered_us = 0
        """When the last ping left that was answered."""

    @property
    def probe_s(self) -> float:
        """How long a live process may take to answer a ping."""
        return self._limits.silent_after_ms / _PROBE_SHARE / 1_000

    def ping(self) -> None:
        self._ping_due = True
        self._wake(Channel.VOTES)

    def beat(self, due_s: float, now_s: float) -> None:
        """Once a heartbeat, which was due at `due_s`. Raises LinkFault where the peer was silent too long."""
        if now_s - due_s > _LATE_S:
            self._heard_s = now_s
        silence_ms = int((now_s - self._heard_s) * 1_000)
        if silence_ms > self._limits.silent_after_ms:
            raise LinkFault(CloseReason.SILENT, f"nothing was heard for {silence_ms} ms")

    def received(self, channel: Channel, items: Iterable[Item], now_s: float) -> None:
        """Raises LinkFault where more came than was granted, or another live link has this node's key."""
        self._heard_s = now_s
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
            self._wake(Channel.VOTES)
        elif control.operation is Operation.PONG:
            self.share.round_trip_us = max(1, clock_us() - control.value)
            self.answered_us = max(self.answered_us, control.value)
            self._answered()
        elif control.operation is Operation.IN_USE:
            detail = f"member {self.share.peer} has a live link with another process under this node's key"
            raise LinkFault(CloseReason.KEY_IN_USE, detail)
        else:
            channel = Channel(_GRANTS.index(control.operation))
            self._credit[channel] = max(self._credit[channel], control.value)
            self._wake(channel)

    def due(self, channel: Channel, limit_bytes: int) -> bytes:
        """What is to be written to that channel now: about `limit_bytes` (but one frame in any case), or
        nothing."""
        outbox = self.share.outboxes[channel]
        head = self._controls() if channel is Channel.VOTES else b""
        frames = outbox.take_batch(limit_bytes - len(head), self._credit[channel] - outbox.taken_bytes)
        if self.share.room_wanted[channel] and frames:
            self._notify()
        if self._tap is not None:
            for frame in frames:
                self._tap("out", self.share.peer, channel, frame)
        return head + join_frames(frames)

    def _controls(self) -> bytes:
        """Control words that are due: pong, ping, and a grant for what the node has taken out."""
        words = b""
        if self._pong is not None:
            words += encode_control(Operation.PONG, self._pong)
            self._pong = None
        if self._ping_due:
            words += encode_control(Operation.PING, clock_us())
            self._ping_due = False
        for channel in Channel:
            total = self.share.inboxes[channel].limit_bytes + self.share.returned_bytes[channel]
            if total > self._granted[channel]:
                self._granted[channel] = total
                words += encode_control(_GRANTS[channel], total)
        return words
