"""Lines in the log about what peers send, so many a minute: no peer fills this node's disk with them."""

from collections.abc import Callable

from structlog.stdlib import BoundLogger

from chainnode.node.clock import now
from consensus.types import Now, ReplicaId

PER_MINUTE = 60
MINUTE_MS = 60_000


class Complaints:
    def __init__(self, log: BoundLogger, clock: Callable[[], Now] = now) -> None:
        self._log = log
        self._clock = clock
        self._minute: dict[ReplicaId, int] = {}
        self._count: dict[ReplicaId, int] = {}

    def warn(self, peer: ReplicaId, what: str, **fields: object) -> None:
        """Log it, with how many lines about this peer were left out in the minute before."""
        minute, count = self._clock().monotonic_ms // MINUTE_MS, self._count.get(peer, 0)
        if self._minute.get(peer) != minute:
            left_out = max(0, count - PER_MINUTE)
            if left_out:
                fields["left_out"] = left_out
            self._minute[peer], count = minute, 0
        self._count[peer] = count + 1
        if count < PER_MINUTE:
            self._log.warning(what, peer=peer, **fields)
