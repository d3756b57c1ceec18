"""Queues between two threads, bounded in bytes, one for each peer, channel and direction.

One thread puts in, the other takes out. Each counter has one writer and only grows, so no lock is
needed: the difference of the two is what waits. (A read that is late sees more waiting than there
is on the producer's side, and less on the consumer's; both are safe.)
"""

from collections import deque

from chainnode.net.framing import HEADER_BYTES, cost


class Mailbox:
    """At most `limit_bytes`, each frame at its `cost`."""

    __slots__ = ("_frames", "limit_bytes", "put_bytes", "put_frames", "taken_bytes", "taken_frames")

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.put_bytes = 0
        self.put_frames = 0
        self.taken_bytes = 0
        self.taken_frames = 0
        self._frames: deque[bytes] = deque()

    @property
    def waiting_bytes(self) -> int:
        return self.put_bytes - self.taken_bytes

    @property
    def waiting_frames(self) -> int:
        return self.put_frames - self.taken_frames

    @property
    def is_half_empty(self) -> bool:
        return 2 * self.waiting_bytes <= self.limit_bytes

    def has_room(self, frame: bytes) -> bool:
        return self.waiting_bytes + cost(frame) <= self.limit_bytes

    def put(self, frame: bytes) -> None:
        """The producer's side. The caller has asked `has_room` or given credit for it."""
        self.put_bytes += cost(frame)
        self.put_frames += 1
        self._frames.append(frame)

    def take(self) -> bytes | None:
        """The consumer's side: the oldest frame, None where nothing waits."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self.taken_bytes += cost(frame)
        self.taken_frames += 1
        return frame

    def take_batch(self, wire_bytes: int, credit_bytes: int) -> list[bytes]:
        """The consumer's side: the oldest frames that fit into `wire_bytes` with their lengths (but
        one frame in any case) and that do not cost more than `credit_bytes`."""
        batch: list[bytes] = []
        while self._frames:
            head = self._frames[0]
            wire_bytes -= HEADER_BYTES + len(head)
            credit_bytes -= cost(head)
            if credit_bytes < 0 or (batch and wire_bytes < 0):
                break
            self._frames.popleft()
            self.taken_bytes += cost(head)
            self.taken_frames += 1
            batch.append(head)
        return batch
