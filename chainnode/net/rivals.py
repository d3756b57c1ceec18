"""Two processes with one transport key: how often the second was turned away lately."""

import time
from collections.abc import Callable

from chainnode.net.port import PeerId

RECENT_S = 60.0
RIVALS_TOLD = 3
"""One that is turned away may be the newer link of a process whose older one is just ending; so many within
`RECENT_S` of each other are of another process."""


class Rivals:
    """Has one writer; may be read from another thread, for each entry is a plain value."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[tuple[PeerId, bool], tuple[int, float]] = {}

    def seen(self, peer: PeerId, *, own: bool) -> int:
        """Once more; how often without a pause of `RECENT_S`. `own`: `peer` turned this node away, for it has
        a live link under this node's key; else this node turned away a second one under the peer's."""
        count = self.count(peer, own=own) + 1
        self._seen[peer, own] = (count, self._clock())
        return count

    def count(self, peer: PeerId, *, own: bool) -> int:
        """0 where the last time was more than `RECENT_S` ago."""
        count, at = self._seen.get((peer, own), (0, 0.0))
        return count if count and self._clock() - at <= RECENT_S else 0
