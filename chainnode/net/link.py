"""What the two threads share of one link that is up, and nothing else.

The trio side fills `inboxes` and empties `outboxes`, the asyncio side the other way round. Every
other attribute has one writer, named beside it; all are plain values, so a reader sees an old one at worst.
"""

from collections.abc import Callable

from chainnode.net.mailbox import Mailbox
from chainnode.net.port import Channel, LinkLimits, PeerId


class LinkShare:
    """Queues and figures of a link. `wake(channel)` tells the trio side that there is something to
    do for that channel's writer; it may be called from the asyncio thread."""

    def __init__(
        self,
        peer: PeerId,
        dialled_by: PeerId,
        address: str,
        limits: LinkLimits,
        since_ms: int,
        wake: Callable[["LinkShare", Channel], None],
        *,
        version: int,
    ) -> None:
        self.peer = peer
        self.version = version
        self.dialled_by = dialled_by
        self.address = address
        self.since_ms = since_ms
        self.outboxes = tuple(Mailbox(limits.queue_bytes(channel)) for channel in Channel)
        self.inboxes = tuple(Mailbox(limits.queue_bytes(channel)) for channel in Channel)
        self.last_heard_ms = since_ms  # trio
        self.round_trip_us = 0  # trio
        self.room_wanted = [False, False]  # asyncio: somebody waits for room in that outbox
        self.returned_bytes = [0, 0]  # asyncio: of what was taken out, what credit was given back for
        self._wake = wake

    def offer(self, channel: Channel, frame: bytes) -> bool:
        """asyncio: queue a frame to be sent; False where there is no room for it now."""
        outbox = self.outboxes[channel]
        if not outbox.has_room(frame):
            return False
        outbox.put(frame)
        self._wake(self, channel)
        return True

    def take(self, channel: Channel) -> bytes | None:
        """asyncio: the oldest frame that was received. Gives credit back in quarters of the queue."""
        inbox = self.inboxes[channel]
        frame = inbox.take()
        if frame is not None and inbox.taken_bytes - self.returned_bytes[channel] >= inbox.limit_bytes // 4:
            self.returned_bytes[channel] = inbox.taken_bytes
            self._wake(self, Channel.VOTES)
        return frame
