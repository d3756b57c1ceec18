"""Cleaners: each takes one element of the input and gives back what of it may stay.

A cleaner returns None when nothing may stay, and has counted what was lost. It raises ShapeError when
the element is not what FHIR R4 says it is: then the whole resource is refused and listed.
Nothing is copied: strings in the output come from closed lists, checked codes, units and our own tables.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from chainnode.intake.classes import classify
from chainnode.intake.codes import UCUM
from chainnode.intake.lists import words
from chainnode.intake.profiles import OLDEST_FROM_YEARS, SubjectDates, parse_date, zip3
from chainnode.intake.report import GENERALISED, REMOVED, REPLACED, Key
from chainnode.intake.states import state_code
from chainnode.intake.systems import known_coding
from chainnode.intake.units import YEARS_PER_UNIT, is_ucum

SIGNIFICANT_DIGITS = 5
"""Of a number in the output: enough for every measurement, too few for a telephone or record number."""
MAX_INTEGER = 99_999
MAX_NUMBER = 10**15


class ShapeError(Exception):
    """An element is not what FHIR R4 says. `where` names elements of our list only, never the input's."""

    def __init__(self, problem: str, where: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where

    def within(self, name: str) -> "ShapeError":
        """The same, seen from the element around it."""
        return ShapeError(self.problem, f"{name}.{self.where}" if self.where else name)

    def reason(self) -> str:
        """What to show: `component.valueQuantity is not an object`."""
        return f"{self.where} {self.problem}" if self.where else f"it {self.problem}"


class Walk:
    """One resource on its way: the subject's dates, the counts so far, its references to others."""

    __slots__ = ("_counts", "dates", "links", "resource_type")

    def __init__(self, resource_type: str, dates: SubjectDates, counts: Counter[Key]) -> None:
        self.resource_type = resource_type
        self.dates = dates
        self.links: dict[str, list[dict[str, Any]]] = {}
        self._counts = counts

    def count(self, action: str, kind: str) -> None:
        """One value of class `kind` was removed, generalised or replaced."""
        self._counts[action, kind, self.resource_type] += 1

    def drop(self, name: str, value: Any) -> None:
        """An element that is not on the list: every value in it is counted by its class."""
        for kind in classify(name, value):
            self._counts[REMOVED, kind, self.resource_type] += 1


Cleaner = Callable[[Walk, Any], Any]


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ShapeError("is not an object")
    return value


def element(fields: Mapping[str, Cleaner]) -> Cleaner:
    """An object of which only these elements stay, in this order."""

    def clean(walk: Walk, value: Any) -> dict[str, Any] | None:
        source = _object(value)
        if source.get("modifierExtension"):
            raise ShapeError("carries a modifier extension, which nobody may ignore")
        kept = {}
        for name, cleaner in fields.items():
            if name in source:
                try:
                    result = cleaner(walk, source[name])
                except ShapeError as error:
                    raise error.within(name) from None
                if result is not None:
                    kept[name] = result
        for name, item in source.items():
            if name not in fields:
                walk.drop(name, item)
        return kept or None

    return clean


def many(cleaner: Cleaner) -> Cleaner:
    """A list of what `cleaner` takes."""

    def clean(walk: Walk, value: Any) -> list[Any] | None:
        if not isinstance(value, list):
            raise ShapeError("is not a list")
        kept = [result for item in value if (result := cleaner(walk, item)) is not None]
        return kept or None

    return clean


def one_of(codes: str) -> Cleaner:
    """A code of a closed list."""
    allowed = {code: code for code in words(codes)}

    def clean(walk: Walk, value: Any) -> str | None:
        if not isinstance(value, str):
            raise ShapeError("is not a code")
        if value not in allowed:
            walk.count(REMOVED, "code")
        return allowed.get(value)

    return clean


def boolean(walk: Walk, value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ShapeError("is not a boolean")
    return value


def integer(walk: Walk, value: Any) -> int | None:
    """A whole number of at most five digits; a longer one could be a record number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ShapeError("is not a whole number")
    if abs(value) > MAX_INTEGER:
        walk.count(REMOVED, "value")
        return None
    return value


def decimal(walk: Walk, value: Any) -> float | int | None:
    """A number rounded to five significant digits; none beyond 10^15."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ShapeError("is not a number")
    if abs(value) > MAX_NUMBER:
        walk.count(REMOVED, "value")
        return None
    rounded = float(f"{value:.{SIGNIFICANT_DIGITS - 1}e}")
    if rounded != value:
        walk.count(GENERALISED, "value")
    return int(rounded) if rounded.is_integer() else rounded


def moment(walk: Walk, value: Any) -> str | None:
    """A date, dateTime or instant, as the profile shows it."""
    if not isinstance(value, str):
        raise ShapeError("is not a date")
    parsed = parse_date(value)
    shown = walk.dates.render(parsed) if parsed is not None else None
    if parsed is None:
        walk.count(REMOVED, "value")
    elif shown is None:
        walk.count(REMOVED, "dates")
    else:
        walk.count(GENERALISED, "dates")
    return shown


period = element({"start": moment, "end": moment})
"""A Period."""


def coding(walk: Walk, value: Any) -> dict[str, str] | None:
    """A Coding of a known system whose code has that system's form; the display is ours or none."""
    source = _object(value)
    system, code = source.get("system"), source.get("code")
    kept = known_coding(system, code) if isinstance(system, str) and isinstance(code, str) else None
    if kept is None:
        walk.count(REMOVED, "code")
    for name, item in source.items():
        if name == "display" and kept is not None and "display" in kept:
            walk.count(REPLACED, "free-text")
        elif name not in ("system", "code"):
            walk.drop(name, item)
    return kept


concept = element({"coding": many(coding)})
"""A CodeableConcept: its codings, never its text."""


def _unit(walk: Walk, source: dict[str, Any]) -> dict[str, str] | None:
    """The unit's part of a Quantity: {} if it has none, None if it has one that is not UCUM."""
    code, unit, system = source.get("code"), source.get("unit"), source.get("system")
    stated = code if isinstance(code, str) and system == UCUM else unit
    if stated is None and code is None:
        return {}
    if not isinstance(stated, str) or not is_ucum(stated):
        return None
    if unit is not None and unit != stated:
        walk.count(REPLACED, "free-text")
    return {"unit": stated, "system": UCUM, "code": stated}


def quantity(walk: Walk, value: Any) -> dict[str, Any] | None:
    """A Quantity with a UCUM unit or none. With another unit the number means nothing and goes too."""
    source = _object(value)
    for name, item in source.items():
        if name not in ("value", "comparator", "unit", "system", "code"):
            walk.drop(name, item)
    if "value" not in source:
        return None
    unit = _unit(walk, source)
    if unit is None:
        walk.count(REMOVED, "value")
        return None
    number = decimal(walk, source["value"])
    if number is None:
        return None
    if number * YEARS_PER_UNIT.get(unit.get("code", ""), 0.0) >= OLDEST_FROM_YEARS:
        walk.count(REMOVED, "dates")
        return None
    kept: dict[str, Any] = {"value": number}
    if "comparator" in source and (comparator := _comparator(walk, source["comparator"])) is not None:
        kept["comparator"] = comparator
    return kept | unit


_comparator = one_of("< <= >= > ad")

value_range = element({"low": quantity, "high": quantity})
"""A Range."""
ratio = element({"numerator": quantity, "denominator": quantity})
"""A Ratio."""


def link(name: str) -> Cleaner:
    """A reference to another resource of the same subject, or a list of them. Resolved at the end."""

    def clean(walk: Walk, value: Any) -> None:
        for item in value if isinstance(value, list) else [value]:
            source = _object(item)
            if "display" in source:
                walk.count(REMOVED, "free-text")
            walk.links.setdefault(name, []).append(source)

    return clean


def _text(source: dict[str, Any], name: str) -> str | None:
    value = source.get(name)
    if value is not None and not isinstance(value, str):
        raise ShapeError("is not text", name)
    return value


def address(walk: Walk, value: Any) -> dict[str, Any] | None:
    """An Address: the state and three digits of a US ZIP code."""
    source = _object(value)
    kept = {}
    state, postal, country = (_text(source, name) for name in ("state", "postalCode", "country"))
    if state is not None:
        if (code := state_code(state)) is not None:
            kept["state"] = code
        else:
            walk.count(REMOVED, "geographic")
    if postal is not None:
        short = zip3(postal) if country in _UNITED_STATES else None
        walk.count(REMOVED if short is None else GENERALISED, "geographic")
        if short is not None:
            kept["postalCode"] = short
    for name, item in source.items():
        if name not in ("state", "postalCode", "use", "type"):
            walk.drop("address" if name == "text" else name, item)
    return kept or None


_UNITED_STATES = (None, "US", "USA")
