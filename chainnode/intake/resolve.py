"""Who and what a reference in a bundle means.

Source: HL7 FHIR R4, Bundle (resolving references) and RESTful API (conditional references). A reference
is resolved inside its bundle only, and only if it has exactly one meaning: a wrong guess would put one
patient's data under another's name.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from chainnode.intake.identity import Identifier

_RELATIVE = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.-]{1,64})")
_HISTORY = "/_history/"
MAX_REFERENCE_CHARS = 2_048


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry that could be read so far: where it stands, what it says it is, its JSON bytes."""

    index: int
    resource_type: str
    resource_id: str
    full_url: str
    raw: bytes


class References:
    """The targets in one bundle: by fullUrl, by type and id, and patients by identifier."""

    def __init__(self) -> None:
        self._by_key: dict[str, int | None] = {}
        self._patients: dict[Identifier, int | None] = {}

    def has(self, entry: Entry) -> bool:
        """Whether another entry with the same fullUrl, or the same type and id, came before."""
        return any(key in self._by_key for key in _keys(entry))

    def add(self, entry: Entry) -> None:
        """Make an entry known under all its keys."""
        for key in _keys(entry):
            self._by_key[key] = entry.index

    def add_patient(self, index: int, identifiers: list[Identifier]) -> None:
        """Make a patient known by identifiers, for conditional and logical references."""
        for system, value in identifiers:
            for key in ((system, value), ("", value)):
                known = self._patients.get(key, index)
                self._patients[key] = index if known == index else None

    def resolve(self, reference: Any) -> int | None:
        """The index of the entry that a Reference names; None if there is none, or more than one."""
        if not isinstance(reference, dict):
            return None
        text = reference.get("reference")
        if isinstance(text, str) and 0 < len(text) <= MAX_REFERENCE_CHARS:
            return self._resolve_text(text)
        logical = reference.get("identifier")
        if not isinstance(logical, dict):
            return None
        system, value = logical.get("system", ""), logical.get("value")
        if isinstance(system, str) and isinstance(value, str):
            return self._patients.get((system, value))
        return None

    def _resolve_text(self, text: str) -> int | None:
        if text.startswith("Patient?"):
            return self._resolve_conditional(text.removeprefix("Patient?"))
        return self._by_key.get(text.split(_HISTORY, 1)[0])

    def _resolve_conditional(self, query: str) -> int | None:
        """`identifier=system|value` alone: other search parameters could mean anybody."""
        try:
            terms = parse_qsl(query, max_num_fields=4)
        except ValueError:
            return None
        if len(terms) != 1 or terms[0][0] != "identifier":
            return None
        system, _, value = terms[0][1].rpartition("|")
        return self._patients.get((system, value))


def _keys(entry: Entry) -> list[str]:
    relative = f"{entry.resource_type}/{entry.resource_id}"
    keys = [relative] if _RELATIVE.fullmatch(relative) else []
    return [*keys, entry.full_url] if entry.full_url else keys
