"""What de-identification did, in numbers: no value of the input is in a report."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chainnode.intake.classes import CLASSES

REMOVED, GENERALISED, REPLACED = "removed", "generalised", "replaced"
ACTIONS = (REMOVED, GENERALISED, REPLACED)

_DIGEST_TAG = b"chainnode/deid-report/1\x00"

Key = tuple[str, str, str]
"""(action, class, resource type)."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table to show: `columns` and rows of the same length, ready to print."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class DeidReport:
    """Counts of one intake, or of several added up.

    `counts`: (action, class, resource type) -> values. `taken`, `dropped`, `rejected`: resource
    type -> resources let through, of types not let through, and refused one by one.
    """

    profile: str
    bundles: int = 1
    subjects: int = 0
    counts: Counter[Key] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    def by_class(self, action: str) -> dict[str, int]:
        """class -> values, for "removed", "generalised" or "replaced"; only what occurred."""
        return self._sum(action, 1)

    def by_type(self, action: str) -> dict[str, int]:
        """resource type -> values, for "removed", "generalised" or "replaced"."""
        return self._sum(action, 2)

    def _sum(self, action: str, position: int) -> dict[str, int]:
        sums: Counter[str] = Counter()
        for key, count in self.counts.items():
            if key[0] == action:
                sums[key[position]] += count
        return dict(sorted(sums.items()))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: sorted names, integers only."""
        by_type: dict[str, dict[str, dict[str, int]]] = {}
        for (action, kind, resource_type), count in sorted(self.counts.items()):
            by_type.setdefault(resource_type, {}).setdefault(action, {})[kind] = count
        return {
            "profile": self.profile,
            "bundles": self.bundles,
            "subjects": self.subjects,
            "resources": {
                "taken": dict(sorted(self.taken.items())),
                "dropped": dict(sorted(self.dropped.items())),
                "rejected": dict(sorted(self.rejected.items())),
            },
            **{action: self.by_class(action) for action in ACTIONS},
            "by_type": by_type,
        }

    def digest(self) -> bytes:
        """SHA-256 over a tag and the canonical JSON of `to_dict` (sorted keys, no spaces): 32 bytes."""
        return hashlib.sha256(_DIGEST_TAG + msgspec.json.encode(self.to_dict(), order="sorted")).digest()

    def table(self) -> Table:
        """One row for each class, the 18 of Safe Harbor always, the others where they occurred."""
        columns = [self.by_class(action) for action in ACTIONS]
        rows = []
        for kind, meaning in CLASSES.items():
            numbers = [column.get(kind, 0) for column in columns]
            if meaning.startswith("(") or any(numbers):
                rows.append((meaning, *(str(number) if number else "-" for number in numbers)))
        return Table(f"De-identification, profile {self.profile}", ("class", *ACTIONS), tuple(rows))

    def resource_table(self) -> Table:
        """One row for each resource type: taken in, of a type not taken in, refused."""
        types = sorted({*self.taken, *self.dropped, *self.rejected})
        rows = tuple(
            (name, *(str(c[name]) if c[name] else "-" for c in (self.taken, self.dropped, self.rejected)))
            for name in types
        )
        return Table("Resources", ("type", "taken", "dropped", "rejected"), rows)


def combined(reports: Iterable[DeidReport]) -> DeidReport:
    """The sum of at least one report. All must be of one profile; else ValueError."""
    parts = list(reports)
    if len({part.profile for part in parts}) != 1:
        raise ValueError("reports of one profile, and at least one, can be combined")
    total = DeidReport(
        parts[0].profile, bundles=sum(p.bundles for p in parts), subjects=sum(p.subjects for p in parts)
    )
    for part in parts:
        total.counts.update(part.counts)
        total.taken.update(part.taken)
        total.dropped.update(part.dropped)
        total.rejected.update(part.rejected)
    return total
