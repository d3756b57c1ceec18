"""What becomes of dates and places, by profile.

`safe-harbor` (45 CFR 164.514(b)(2)): the year of a date and nothing finer; no date at all, year
included, of anything at an age of 90 or more; the first three digits of a ZIP code unless fewer than
20,000 people live there; the state.

`shifted-dates`: every date of a subject is moved back by the same secret number of days (1 to 365),
so that intervals in days stay; times of day are dropped. It is weaker: dates stay dates. Not Safe Harbor.

Both: no birth date and no birth year (a stored one tells an age over 89 some day); instead the age at
the event in bands of five years, "90+" from 90 on.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from chainnode.intake.lists import words

SAFE_HARBOR, SHIFTED_DATES = "safe-harbor", "shifted-dates"
PROFILES = (SAFE_HARBOR, SHIFTED_DATES)

AGE_BAND_SYSTEM = "urn:chainnode:age-band-at-event"
"""System of the coding in `meta.tag` whose code is the subject's age band at the resource's event."""

OLDEST = "90+"
OLDEST_FROM_YEARS = 90
BAND_YEARS = 5
MAX_SHIFT_DAYS = 365

RESTRICTED_ZIP3 = frozenset(words("036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893"))
"""ZIP3 areas of fewer than 20,000 people (HHS de-identification guidance, Census 2000 ZCTA data)."""

NO_ZIP3 = "000"

_FHIR_DATE = re.compile(
    r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01])"
    r"(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
_ZIP = re.compile(r"([0-9]{3})[0-9]{2}(?:-?[0-9]{4})?")

FULL, MONTH, YEAR = 10, 7, 4
_LONGEST_DATE = 48


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date as written, without its time: `first` and `last` possible day, `precision` in characters."""

    first: date
    last: date
    precision: int


def parse_date(text: str) -> PartialDate | None:
    """A FHIR date, dateTime or instant; None if it is none or is no day of the calendar."""
    match = _FHIR_DATE.fullmatch(text) if len(text) <= _LONGEST_DATE else None
    if match is None:
        return None
    year, month, day = (int(part) if part else 0 for part in match.groups())
    try:
        first = date(year, month or 1, day or 1)
        if day:
            return PartialDate(first, first, FULL)
        last = date(year, month, 28) if month else date(year, 12, 31)
    except ValueError:
        return None
    while month and last < date.max and (last + timedelta(days=1)).month == month:
        last += timedelta(days=1)
    return PartialDate(first, last, MONTH if month else YEAR)


@dataclass(frozen=True, slots=True)
class SubjectDates:
    """The dates of one subject. `birth` is None where it is not known: then there are no ages."""

    birth: PartialDate | None
    profile: str
    offset_days: int

    def age(self, event: PartialDate) -> int | None:
        """Whole years at the event, the oldest possible if a date is partial; None before birth."""
        if self.birth is None:
            return None
        born, then = self.birth.first, event.last
        years = then.year - born.year - ((then.month, then.day) < (born.month, born.day))
        return years if years >= 0 else None

    def band(self, event: PartialDate) -> str | None:
        """The age at the event as a band: "40-44", "90+"; None where the age is not known."""
        years = self.age(event)
        if years is None:
            return None
        if years >= OLDEST_FROM_YEARS:
            return OLDEST
        low = years - years % BAND_YEARS
        return f"{low}-{low + BAND_YEARS - 1}"

    def render(self, event: PartialDate) -> str | None:
        """The date as this profile shows it; None if it must not be shown."""
        if self.profile == SAFE_HARBOR:
            years = self.age(event)
            if years is not None and years >= OLDEST_FROM_YEARS:
                return None
            return f"{event.first.year:04d}"
        try:
            return (event.first - timedelta(days=self.offset_days)).isoformat()[: event.precision]
        except OverflowError:
            return None


def subject_dates(birth: PartialDate | None, profile: str, offset: Callable[[], int]) -> SubjectDates:
    """`offset` gives the days to shift by; it is asked only by the profile that shifts."""
    return SubjectDates(birth, profile, offset() if profile == SHIFTED_DATES else 0)


def zip3(postal_code: str) -> str | None:
    """The first three digits of a US ZIP code, "000" for the sparse areas; None if it is no ZIP code."""
    match = _ZIP.fullmatch(postal_code)
    if match is None:
        return None
    return NO_ZIP3 if match[1] in RESTRICTED_ZIP3 else match[1]
