"""Who a subject is, to the hospital itself: keyed digests that mean nothing without the local key.

They let a node recognise a patient it has enrolled and a bundle it has taken in already. They stay
on the node; nothing released is derived from them.
"""

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from chainnode.intake.profiles import MAX_SHIFT_DAYS

KEY_BYTES = 32
MAC_BYTES = 16

ID_SYSTEM = "urn:chainnode:patient-id"
"""System under which a Patient's own id counts as an identifier."""
FULL_URL_SYSTEM = "urn:chainnode:full-url"
"""System under which the entry's fullUrl counts as an identifier."""

_PLACEHOLDERS = frozenset({"unknown", "none", "null", "na", "n/a", "nil", "test", "tbd", "xxx", "-", "."})

Identifier = tuple[str, str]
"""(system, value)."""


def _mac(key: bytes, purpose: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA256 over length-prefixed parts: no two lists of parts give the same bytes."""
    assert len(key) == KEY_BYTES
    message = b"".join(len(part).to_bytes(8, "big") + part for part in (purpose, *parts))
    return hmac.new(key, message, hashlib.sha256).digest()


def canonical(identifier: Identifier) -> tuple[bytes, bytes]:
    """System and value without outer space, in Unicode normal form C."""
    system, value = (unicodedata.normalize("NFC", part.strip()) for part in identifier)
    return system.encode("utf-8", "surrogatepass"), value.encode("utf-8", "surrogatepass")


def identifier_mac(key: bytes, system: str, value: str) -> bytes:
    """What an identifier of a patient is known by on this node: 16 bytes. `key`: 32 bytes, local."""
    return _mac(key, b"identifier", *canonical((system, value)))[:MAC_BYTES]


def patient_identifiers(resource: dict[str, Any], full_url: str) -> list[Identifier]:
    """The Patient's identifiers, the most lasting first: record number, others, id, fullUrl.

    Placeholders ("unknown", "000-00-0000") are left out: they would make one of two patients.
    """
    listed = resource.get("identifier")
    ranked: list[tuple[int, str, str]] = []
    for entry in listed if isinstance(listed, list) else ():
        system, value = (entry.get("system"), entry.get("value")) if isinstance(entry, dict) else (None, None)
        if isinstance(value, str) and not _is_placeholder(value):
            ranked.append((_rank(entry), system if isinstance(system, str) else "", value))
    found = [(system, value) for _, system, value in sorted(ranked)]
    own_id = resource.get("id")
    if isinstance(own_id, str) and own_id:
        found.append((ID_SYSTEM, own_id))
    if full_url:
        found.append((FULL_URL_SYSTEM, full_url))
    return found


def _is_placeholder(value: str) -> bool:
    plain = value.strip().casefold()
    letters = {character for character in plain if character.isalnum()}
    return plain in _PLACEHOLDERS or len(letters) < 2


def _rank(identifier: dict[str, Any]) -> int:
    """Record numbers first: they stay when a passport is renewed."""
    concept = identifier.get("type")
    codings = concept.get("coding") if isinstance(concept, dict) else None
    codes = [c.get("code") for c in codings if isinstance(c, dict)] if isinstance(codings, list) else []
    return 0 if "MR" in codes else 1


def identifier_macs(key: bytes, identifiers: Sequence[Identifier]) -> tuple[bytes, ...]:
    """One for each identifier, the most lasting first, none twice."""
    return tuple(dict.fromkeys(identifier_mac(key, system, value) for system, value in identifiers))


def idempotency_mac(
    key: bytes, subject: bytes, data_class: str, profile: str, contents: Iterable[bytes]
) -> bytes:
    """What one subject's data of one class is recognised by when it is taken in again: 16 bytes.

    `subject`: the first of its identifier macs. `contents`: each resource in canonical form, without
    ids and references, in any order.
    """
    frame = (subject, data_class.encode(), profile.encode())
    return _mac(key, b"content", *frame, *sorted(contents))[:MAC_BYTES]


def shift_days(key: bytes, subject: bytes) -> int:
    """The subject's secret offset, 1 to 365 days, the same at every intake."""
    return 1 + int.from_bytes(_mac(key, b"shift", subject)[:8], "big") % MAX_SHIFT_DAYS
