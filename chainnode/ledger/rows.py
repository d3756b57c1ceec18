"""The personal rows that travel beside a transaction: which it names, and what they must look like."""

from collections.abc import Callable, Sequence

from chainnode.ledger.documents import (
    AnyConsent,
    AnyProvision,
    ConsentDocument,
    ConsentDocument2,
    Provision2,
    RequestText,
)
from chainnode.ledger.fields import (
    LEVELS,
    MAX_DISEASE_CHARACTERS,
    MAX_MEMBERS,
    MAX_NUMBER,
    require,
    require_distinct,
    require_number,
)
from chainnode.ledger.payloads import (
    DATA_CLASSES,
    DENY,
    PERMISSIONS,
    PERMIT,
    Apply,
    Consent,
    EnrolPatient,
    Payload,
)
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transaction import MAX_ROW_BYTES, Row
from consensus.codec import DecodeError, decode
from consensus.types import Digest

RowLookup = Callable[[bytes], Row | None]
"""Digest to row; None only where the chain has erased it, or where it was never seen."""

SALT_BYTES = 32
MAX_PROVISION_DEPTH = 4
MAX_PROVISIONS = 32
MAX_ACTORS = 64
MAX_PURPOSES = 64
MAX_CODES = 64
MAX_CODE_CHARACTERS = 128
MAX_TITLE_CHARACTERS = 200
MAX_PLAN_CHARACTERS = 8_000

STATUS_ACTIVE = "active"
STATUSES = ("draft", "proposed", STATUS_ACTIVE, "rejected", "inactive", "entered-in-error")
"""FHIR R4, ConsentState."""
SCOPE_RESEARCH = "research"
SCOPES = ("adr", SCOPE_RESEARCH, "patient-privacy", "treatment")
"""FHIR R4, Consent Scope Codes."""


def row_digests(payload: Payload) -> tuple[Digest, ...]:
    """Digests of the rows that a payload names, in their order."""
    match payload:
        case EnrolPatient():
            return (payload.link_row,)
        case Apply():
            return (payload.text_row,)
        case Consent():
            return (payload.provision_row,)
    return ()


def row_lookup(rows: Sequence[Row]) -> RowLookup:
    """A lookup over rows at hand."""
    found = {row.digest(): row for row in rows}
    return found.get


def no_rows(_: bytes) -> Row | None:
    """A lookup where no row is at hand."""
    return None


ONE_DISEASE = "DS:"
"""Begins a purpose of the wider form: research on the disease that follows, or on one below it."""
_SECOND_FORM = b"\x95"
"""MessagePack's head of an array of five: the tag and the four fields. The first form has four."""


def _purpose(word: str, wider: bool) -> bool:
    disease = word.removeprefix(ONE_DISEASE)
    if not wider or disease == word:
        return word in PERMISSIONS
    return 0 < len(disease) <= MAX_DISEASE_CHARACTERS


def _period(start_ms: int, end_ms: int, what: str) -> None:
    require_number(start_ms, 0, MAX_NUMBER, f"{what}start_ms")
    require_number(end_ms, 0, MAX_NUMBER, f"{what}end_ms")
    require(end_ms == 0 or end_ms >= start_ms, "bad-row", f"a {what}period ends before it starts")


def _wider(provision: Provision2) -> None:
    require_distinct(provision.levels, 0, LEVELS[1], "levels")
    for level in provision.levels:
        require_number(level, *LEVELS, "level")
    require_distinct(provision.codes, 0, MAX_CODES, "codes")
    for code in provision.codes:
        require(0 < len(code) <= MAX_CODE_CHARACTERS, "bad-row", "a code is empty or too long")
    _period(provision.data_start_ms, provision.data_end_ms, "data_")


def _provision(provision: AnyProvision, depth: int, budget: list[int]) -> None:
    wider = isinstance(provision, Provision2)
    budget[0] -= 1
    require(depth <= MAX_PROVISION_DEPTH, "bad-row", f"provisions nest deeper than {MAX_PROVISION_DEPTH}")
    require(budget[0] >= 0, "bad-row", f"more than {MAX_PROVISIONS} provisions")
    require(provision.type in (PERMIT, DENY), "bad-row", "a provision permits or denies")
    require_distinct(provision.actors, 0, MAX_ACTORS, "actors")
    for actor in provision.actors:
        require_number(actor, 0, MAX_MEMBERS, "actor")
    require_distinct(provision.purposes, 0, MAX_PURPOSES, "purposes")
    known = all(_purpose(word, wider) for word in provision.purposes)
    require(known, "bad-row", "not a permission of DUO")
    require_distinct(provision.classes, 0, len(DATA_CLASSES), "classes")
    require(all(c in DATA_CLASSES for c in provision.classes), "bad-row", "not a data class")
    _period(provision.start_ms, provision.end_ms, "")
    if isinstance(provision, Provision2):
        _wider(provision)
    for child in provision.provisions:
        require(child.type != provision.type, "bad-row", "an exception says the opposite of its parent")
        _provision(child, depth + 1, budget)


def in_second_form(row: Row) -> bool:
    """Whether a consent's row is to be read in the wider form, which needs the feature `consent-2`."""
    return row.data.startswith(_SECOND_FORM)


def decode_consent(row: Row) -> AnyConsent:
    """The document in a consent's row.

    Raises RefusedError("bad-row"): not decodable, too deep, too many provisions, unknown words.
    """
    try:
        kind: type[AnyConsent] = ConsentDocument2 if in_second_form(row) else ConsentDocument
        document = decode(row.data, kind, limit_bytes=MAX_ROW_BYTES)
        require(document.status in STATUSES, "bad-row", "not a status of FHIR's Consent")
        require(document.scope in SCOPES, "bad-row", "not a scope of FHIR's Consent")
        require_number(document.date_time_ms, 0, MAX_NUMBER, "date_time_ms")
        _provision(document.provision, 1, [MAX_PROVISIONS])
    except DecodeError as error:
        raise RefusedError("bad-row", str(error)) from None
    except RefusedError as error:
        raise RefusedError("bad-row", error.refusal.detail) from None
    return document


def _check_text(row: Row) -> None:
    try:
        text = decode(row.data, RequestText, limit_bytes=MAX_ROW_BYTES)
    except DecodeError as error:
        raise RefusedError("bad-row", str(error)) from None
    require(0 < len(text.title) <= MAX_TITLE_CHARACTERS, "bad-row", "the title is empty or too long")
    require(len(text.plan) <= MAX_PLAN_CHARACTERS, "bad-row", "the plan is too long")


def check_rows(payload: Payload, rows: Sequence[Row]) -> None:
    """The rows are exactly those that the payload names, in its order, and of the right form.

    Raises RefusedError: row-mismatch, bad-row, too-large.
    """
    digests = row_digests(payload)
    require(len(rows) == len(digests), "row-mismatch", f"{len(rows)} rows for {len(digests)} digests")
    for row, expected in zip(rows, digests, strict=True):
        require(len(row.data) <= MAX_ROW_BYTES, "too-large", f"a row of more than {MAX_ROW_BYTES} bytes")
        require(len(row.salt) == SALT_BYTES, "bad-row", f"a salt is not {SALT_BYTES} bytes long")
        require(row.digest() == expected, "row-mismatch", "a row does not match its digest")
        if isinstance(payload, Consent):
            decode_consent(row)
        elif isinstance(payload, Apply):
            _check_text(row)
