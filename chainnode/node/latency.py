"""Latency of this node's own transactions, from admission to the certificate."""

from bisect import bisect_left
from collections import deque
from itertools import accumulate

KEPT = 4_096
BUCKETS_MS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
"""Upper bounds, inclusive; what took longer is counted beyond the last."""


def percentile(ordered: list[float], share: int) -> float:
    """Nearest rank: the smallest value with at least `share` percent at or below it; 0 for none."""
    if not ordered:
        return 0.0
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


class Latencies:
    """The last 4,096 of them, in milliseconds, and all of them in buckets."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=KEPT)
        self._counts = [0] * (len(BUCKETS_MS) + 1)
        self.sum_ms = 0.0

    def add(self, milliseconds: float) -> None:
        self._values.append(milliseconds)
        self._counts[bisect_left(BUCKETS_MS, milliseconds)] += 1
        self.sum_ms += milliseconds

    def summary(self) -> tuple[float, float, float]:
        """p50, p95, p99 in milliseconds."""
        ordered = sorted(self._values)
        return percentile(ordered, 50), percentile(ordered, 95), percentile(ordered, 99)

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound in seconds and how many took at most so long: a histogram as Prometheus has it."""
        bounds = [str(bound / 1_000) for bound in BUCKETS_MS]
        return list(zip([*bounds, "+Inf"], map(float, accumulate(self._counts)), strict=True))
