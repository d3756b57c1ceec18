"""Who needs to be told again: peers that still speak of what is over."""

from consensus.parameters import Parameters
from consensus.types import Now, ReplicaId, SequenceNumber


class Laggards:
    """Late votes are normal; votes that come half a base timeout late are repeated ones, of a peer that
    missed something. Each is helped once in a base timeout."""

    def __init__(self, parameters: Parameters) -> None:
        self._period_ms = parameters.base_timeout_ms
        self._noted_ms = 0
        self._recent_low: SequenceNumber = 0
        self._old_low: SequenceNumber = 0
        self._entered_ms: int | None = None
        self._helped_ms: dict[ReplicaId, int] = {}

    def observe(self, low: SequenceNumber, now: Now) -> None:
        if now.monotonic_ms - self._noted_ms >= self._period_ms // 2:
            self._old_low, self._recent_low, self._noted_ms = self._recent_low, low, now.monotonic_ms

    def view_entered(self, now: Now) -> None:
        self._entered_ms = now.monotonic_ms

    def is_long_certified(self, sequence: SequenceNumber) -> bool:
        return sequence <= self._old_low

    def view_is_settled(self, now: Now) -> bool:
        return self._entered_ms is None or now.monotonic_ms - self._entered_ms >= self._period_ms // 2

    def may_help(self, replica: ReplicaId, now: Now) -> bool:
        helped = self._helped_ms.get(replica)
        if helped is not None and now.monotonic_ms - helped < self._period_ms:
            return False
        self._helped_ms[replica] = now.monotonic_ms
        return True
