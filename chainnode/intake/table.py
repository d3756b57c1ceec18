"""Patients by condition and age band, from released data: counts of people, small cells hidden."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from chainnode.intake.profiles import AGE_BAND_SYSTEM, OLDEST, OLDEST_FROM_YEARS
from chainnode.intake.report import Table

SMALLEST_CELL = 5
BAND_WIDTH_YEARS = 20
UNKNOWN_BAND = "unknown"

_BAND = re.compile(r"([0-9]{1,2})-[0-9]{1,2}")

Released = tuple[str | bytes, str, bytes]
"""(pseudonym of the subject, data class, NDJSON)."""


class _Coding(msgspec.Struct, frozen=True):
    system: str = ""
    code: str = ""
    display: str = ""


class _Concept(msgspec.Struct, frozen=True):
    coding: tuple[_Coding, ...] = ()


class _Meta(msgspec.Struct, frozen=True):
    tag: tuple[_Coding, ...] = ()


class _Condition(msgspec.Struct):
    resourceType: str
    code: _Concept = _Concept()
    meta: _Meta = _Meta()


@dataclass(frozen=True, slots=True)
class CohortRow:
    """One condition: `cells` in the order of the table's bands, as text to show ("12", "<5", "0")."""

    code: str
    name: str
    cells: tuple[str, ...]
    total: str


@dataclass(frozen=True, slots=True)
class CohortTable:
    """Distinct patients by condition and age band at its first onset. A patient counts once in a row."""

    bands: tuple[str, ...]
    rows: tuple[CohortRow, ...]
    patients: str
    hidden_cells: int
    smallest_cell: int

    def table(self) -> Table:
        """The same, ready to print."""
        rows = tuple((row.name, *row.cells, row.total) for row in self.rows)
        return Table("Patients by condition and age", ("condition", *self.bands, "patients"), rows)


def cohort_table(
    released: Iterable[Released],
    *,
    smallest_cell: int = SMALLEST_CELL,
    band_width_years: int = BAND_WIDTH_YEARS,
) -> CohortTable:
    """Count the released conditions. Other data classes only count their patients.

    A cell of 1 to `smallest_cell` - 1 people is shown as "<5" (for 5); the total of a row with such a
    cell is the sum of the others and "+", so that subtraction does not give it away. Rows come by
    what is visible of their total, then by name. Raises msgspec.DecodeError when the data is not NDJSON.
    """
    seen: dict[tuple[str, str], dict[str | bytes, str]] = {}
    names: dict[tuple[str, str], str] = {}
    patients = set()
    for pseudonym, data_class, ndjson in released:
        patients.add(pseudonym)
        if data_class != "conditions":
            continue
        for line in ndjson.splitlines():
            condition = msgspec.json.decode(line, type=_Condition)
            band = _wide_band(condition.meta, band_width_years)
            for coding in condition.code.coding[:1]:
                key = (coding.system, coding.code)
                names[key] = coding.display or coding.code
                people = seen.setdefault(key, {})
                people[pseudonym] = min(people.get(pseudonym, band), band, key=_band_order)
    bands = tuple(sorted({band for people in seen.values() for band in people.values()}, key=_band_order))
    counted = {key: [list(people.values()).count(band) for band in bands] for key, people in seen.items()}
    rows = [_row(key[1], names[key], counts, smallest_cell) for key, counts in counted.items()]
    rows.sort(key=lambda row: (-int(row.total.rstrip("+")), row.name, row.code))
    hidden = sum(cell.startswith("<") for row in rows for cell in row.cells)
    return CohortTable(bands, tuple(rows), _shown(len(patients), smallest_cell), hidden, smallest_cell)


def _row(code: str, name: str, counts: list[int], smallest_cell: int) -> CohortRow:
    visible = sum(count for count in counts if count >= smallest_cell)
    total = str(visible) if visible == sum(counts) else f"{visible}+"
    return CohortRow(code, name, tuple(_shown(count, smallest_cell) for count in counts), total)


def _shown(count: int, smallest_cell: int) -> str:
    return f"<{smallest_cell}" if 0 < count < smallest_cell else str(count)


def _wide_band(meta: _Meta, width: int) -> str:
    code = next((tag.code for tag in meta.tag if tag.system == AGE_BAND_SYSTEM), "")
    if code == OLDEST:
        return OLDEST
    match = _BAND.fullmatch(code)
    if match is None:
        return UNKNOWN_BAND
    low = int(match[1]) - int(match[1]) % width
    return f"{low}-{min(low + width, OLDEST_FROM_YEARS) - 1}"


def _band_order(band: str) -> int:
    """Ages ascending, the unknown ones last."""
    match = re.match(r"[0-9]+", band)
    return int(match[0]) if match else 1_000
