"""FHIR R4 Consent into the chain's normal form. What would change its meaning and is not known is refused.

Source: HL7 FHIR R4 (4.0.1), Consent. Purposes are permissions of GA4GH's Data Use Ontology, classes are
data classes or FHIR resource types, actors are members. Text, policy and verification are for people:
they are not evaluated and not put on chain.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

import msgspec

from chainnode.cli.errors import bad_input
from chainnode.intake.allowlist import ALLOWED
from chainnode.intake.profiles import parse_date
from chainnode.ledger.payloads import DATA_CLASSES, PERMISSIONS, ConsentDocument, Provision
from chainnode.node.api import ChainInfo

MAX_CONSENT_BYTES = 65_536
MAX_DEPTH = 4

DUO_IDS = {
    "DUO:0000004": "NRES",
    "DUO:0000042": "GRU",
    "DUO:0000006": "HMB",
    "DUO:0000007": "DS",
    "DUO:0000011": "POA",
}
_FOR_PEOPLE = frozenset(
    {
        "resourceType", "id", "meta", "language", "text", "identifier", "category", "patient", "performer",
        "organization", "sourceAttachment", "sourceReference", "policy", "policyRule", "verification",
    }
)  # fmt: skip
_ROOT = frozenset({"status", "scope", "dateTime", "provision"})
_PROVISION = frozenset({"id", "type", "period", "actor", "purpose", "class", "provision"})
_CLASSES = {name: name for name in DATA_CLASSES} | {name: rule.data_class for name, rule in ALLOWED.items()}
_WITH_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T.*(Z|[+-][0-9]{2}:[0-9]{2})")


class _Unfit(Exception):
    """What is wrong with the document; the text names the element."""


def parse_consent(data: bytes, info: ChainInfo) -> ConsentDocument:
    """Raises OperatorError CLI-02, naming the element that does not fit."""
    try:
        if len(data) > MAX_CONSENT_BYTES:
            raise _Unfit(f"it is longer than {MAX_CONSENT_BYTES} bytes")
        consent = msgspec.json.decode(data)
        if not isinstance(consent, dict) or consent.get("resourceType") != "Consent":
            raise _Unfit("it is no FHIR resource of type Consent")
        return _document(consent, info)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"it is not JSON: {error}"
    except _Unfit as error:
        reason = str(error)
    raise bad_input(f"the consent cannot be taken: {reason}", "correct it, or give the terms as options")


def _document(consent: Mapping[str, Any], info: ChainInfo) -> ConsentDocument:
    unknown = sorted(consent.keys() - _ROOT - _FOR_PEOPLE)
    if unknown:
        raise _Unfit(f"{unknown[0]} is not known here and might change its meaning")
    return ConsentDocument(
        status=_string(consent, "status"),
        scope=_code(consent.get("scope"), "scope", str),
        date_time_ms=_instant(_string(consent, "dateTime"), "dateTime", end=False),
        provision=_provision(consent.get("provision"), info, "provision", 1),
    )


def _provision(value: object, info: ChainInfo, at: str, depth: int) -> Provision:
    if not isinstance(value, dict):
        raise _Unfit(f"{at} is missing or no object")
    if depth > MAX_DEPTH:
        raise _Unfit(f"{at} is nested deeper than {MAX_DEPTH} levels")
    unknown = sorted(value.keys() - _PROVISION)
    if unknown:
        raise _Unfit(f"{at}.{unknown[0]} is not evaluated by the chain")
    period = value.get("period", {})
    if not isinstance(period, dict) or period.keys() - {"start", "end"}:
        raise _Unfit(f"{at}.period is not start and end")
    start, end = period.get("start"), period.get("end")
    return Provision(
        type=_string(value, "type", at),
        actors=tuple(_actor(actor, info, f"{at}.actor") for actor in _items(value, "actor", at)),
        purposes=tuple(_coding(item, f"{at}.purpose", _purpose) for item in _items(value, "purpose", at)),
        classes=tuple(
            dict.fromkeys(_coding(item, f"{at}.class", _data_class) for item in _items(value, "class", at))
        ),
        start_ms=0 if start is None else _instant(start, f"{at}.period.start", end=False),
        end_ms=0 if end is None else _instant(end, f"{at}.period.end", end=True),
        provisions=tuple(
            _provision(child, info, f"{at}.provision", depth + 1) for child in _items(value, "provision", at)
        ),
    )


def _string(value: Mapping[str, Any], name: str, at: str = "") -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise _Unfit(f"{at}{'.' if at else ''}{name} is missing or no text")
    return found


def _items(value: Mapping[str, Any], name: str, at: str) -> list[Any]:
    found = value.get(name, [])
    if not isinstance(found, list):
        raise _Unfit(f"{at}.{name} is no list")
    return found


def _coding(value: object, at: str, known: Callable[[str], str]) -> str:
    code = value.get("code") if isinstance(value, dict) else None
    if not isinstance(code, str):
        raise _Unfit(f"{at} has no code")
    try:
        return known(code)
    except KeyError:
        raise _Unfit(f"{at} has the code {code[:40]!r}, which is not known here") from None


def _code(value: object, at: str, known: Callable[[str], str]) -> str:
    """The code of a CodeableConcept with exactly one coding."""
    codings = value.get("coding") if isinstance(value, dict) else None
    if not isinstance(codings, list) or len(codings) != 1:
        raise _Unfit(f"{at} has not exactly one coding")
    return _coding(codings[0], at, known)


def _purpose(code: str) -> str:
    return code if code in PERMISSIONS else DUO_IDS[code]


def _data_class(code: str) -> str:
    return _CLASSES[code]


def _actor(value: object, info: ChainInfo, at: str) -> int:
    reference = value.get("reference") if isinstance(value, dict) else None
    text = reference.get("reference") if isinstance(reference, dict) else None
    slug = text.removeprefix("Organization/") if isinstance(text, str) else ""
    for number, known, _ in info.members:
        if known == slug:
            return number
    raise _Unfit(f'{at} is not a reference such as "Organization/{info.members[0][1]}" to a member')


def _instant(text: object, at: str, *, end: bool) -> int:
    """Unix ms of a FHIR dateTime; a date alone begins, or ends, with its (UTC) day, month or year."""
    if isinstance(text, str) and _WITH_TIME.fullmatch(text):
        try:
            return int(datetime.fromisoformat(text).timestamp() * 1_000)
        except ValueError:
            raise _Unfit(f"{at} is no date") from None
    partial = parse_date(text) if isinstance(text, str) else None
    if partial is None:
        raise _Unfit(f"{at} is no date")
    day = partial.last if end else partial.first
    try:
        moment = datetime.combine(day, time(), UTC) + (timedelta(days=1) if end else timedelta())
    except OverflowError:
        raise _Unfit(f"{at} is later than can be told") from None
    return int(moment.timestamp() * 1_000) - (1 if end else 0)
