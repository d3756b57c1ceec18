"""Latency of this node's own transactions, from admission to the certificate."""

from collections import deque

KEPT = 4_096


def percentile(ordered: list[float], share: int) -> float:
    """Nearest rank: the smallest value with at least `share` percent at or below it; 0 for none."""
    if not ordered:
        return 0.0
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


class Latencies:
    """The last 4,096 of them, in milliseconds."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=KEPT)

    def add(self, milliseconds: float) -> None:
        self._values.append(milliseconds)

    def summary(self) -> tuple[float, float, float]:
        """p50, p95, p99 in milliseconds."""
        ordered = sorted(self._values)
        return percentile(ordered, 50), percentile(ordered, 95), percentile(ordered, 99)
