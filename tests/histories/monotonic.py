"""Plain reads: each says of which height it is, and none goes back behind the height that it asked for."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.histories.history import ABSENT, GRANTED, REVOKED, Value

ORDER = (ABSENT, GRANTED, REVOKED)


@dataclass(frozen=True, slots=True)
class Reading:
    """A plain read's answer: the consent's value as of `height`, with `min_height` asked for."""

    client: str
    gateway: str
    consent: str
    min_height: int
    height: int
    value: Value

    def __str__(self) -> str:
        return (
            f"{self.client} at {self.gateway} asked for {self.min_height} and above, "
            f"got {self.consent} {self.value} as of {self.height}"
        )


def goes_back(readings: Iterable[Reading]) -> str:
    """ "" where none is older than what was asked for, every height has one value of a consent, whichever
    gateway told it, and later heights have later ones; else the readings that contradict each other."""
    found = sorted(readings, key=lambda one: one.height)
    latest: dict[str, Reading] = {}
    for one in found:
        if one.height < one.min_height:
            return f"too old: {one}"
        before = latest.setdefault(one.consent, one)
        if before.height == one.height and before.value != one.value:
            return f"two values at one height: {before}; {one}"
        if ORDER.index(one.value.status) < ORDER.index(before.value.status):
            return f"goes back: {before}; {one}"
        latest[one.consent] = one
    return ""
