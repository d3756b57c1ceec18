"""Median, spread, and how far a median can be trusted."""

import math
from collections.abc import Sequence
from statistics import median

from msgspec import Struct

CONFIDENCE = 0.95


class Spread(Struct, frozen=True, forbid_unknown_fields=True):
    """Median, least value and 90th percentile (nearest rank) of the rounds."""

    median: float
    min: float
    p90: float


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    ranked = sorted(values)
    return Spread(median(ranked), ranked[0], ranked[math.ceil(0.9 * len(ranked)) - 1])


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Between which values the true median lies with at least 95 % confidence, whatever the distribution
    (order statistics by the sign test); least and greatest value where there are fewer than six."""
    ranked = sorted(values)
    count, tail, cut = len(ranked), 0.0, 0
    while cut < count // 2:
        tail += math.comb(count, cut) / 2**count
        if tail > (1 - CONFIDENCE) / 2:
            break
        cut += 1
    cut = max(cut - 1, 0)
    return ranked[cut], ranked[-1 - cut]


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank: the least value with at least `share` percent at or below it; 0 of none."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share / 100 * len(ranked)) - 1)] if ranked else 0.0
