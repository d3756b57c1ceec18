"""The chain's normal form as a FHIR R4 Consent: read again, it is the same consent (fhir_consent.py)."""

from datetime import timedelta
from typing import Any

from chainnode.cli.actions import fhir_words as words
from chainnode.cli.actions.base import member_slug
from chainnode.cli.actions.fhir_consent import EPOCH, UnfitError
from chainnode.ledger.documents import AnyConsent, AnyProvision, Provision2
from chainnode.ledger.rows import ONE_DISEASE
from chainnode.node.api import ChainInfo

_DUO_CODES = {name: code for code, name in words.DUO_IDS.items()}


def to_fhir(document: AnyConsent, info: ChainInfo, *, consent_id: bytes, handle: bytes) -> dict[str, Any]:
    """A FHIR R4 Consent, to be written as JSON; the patient is named by the handle.

    Raises UnfitError("cannot-be-told"): a time after the year 9999, a code without its system.
    """
    return {
        "resourceType": "Consent",
        "id": consent_id.hex(),
        "status": document.status,
        "scope": {"coding": [{"system": words.SCOPE_SYSTEM, "code": document.scope}]},
        "category": [{"coding": [{"system": words.CATEGORY_SYSTEM, "code": "research"}]}],
        "patient": {"reference": f"Patient/{handle.hex()}"},
        "dateTime": _time(document.date_time_ms),
        "policyRule": {"text": f"chainnode, chain {info.chain_id.hex()[:16]}"},
        "provision": _provision(document.provision, info),
    }


def _provision(one: AnyProvision, info: ChainInfo) -> dict[str, Any]:
    found: dict[str, Any] = {"type": one.type}
    _put(found, "period", _period(one.start_ms, one.end_ms))
    _put(found, "actor", [_actor(member_slug(info, number)) for number in one.actors])
    if isinstance(one, Provision2):
        labels = [{"system": words.CONFIDENTIALITY, "code": "ULNRV"[level - 1]} for level in one.levels]
        _put(found, "securityLabel", labels)
    _put(found, "purpose", [_purpose(word) for word in one.purposes])
    _put(found, "class", [{"system": words.OUR_CLASSES, "code": name} for name in one.classes])
    if isinstance(one, Provision2):
        _put(found, "code", [{"coding": [_code(code)]} for code in one.codes])
        _put(found, "dataPeriod", _period(one.data_start_ms, one.data_end_ms))
    _put(found, "provision", [_provision(child, info) for child in one.provisions])
    return found


def _put(found: dict[str, Any], name: str, value: dict[str, Any] | list[Any]) -> None:
    if value:
        found[name] = value


def _actor(slug: str) -> dict[str, Any]:
    role = {"coding": [{"system": words.PARTICIPATION, "code": "IRCP"}]}
    return {"role": role, "reference": {"reference": f"Organization/{slug}"}}


def _purpose(word: str) -> dict[str, str]:
    if word.startswith(ONE_DISEASE):
        code = word.removeprefix(ONE_DISEASE)
        if not code.startswith("MONDO:"):
            raise UnfitError("cannot-be-told", f"the disease {code[:40]!r} is not one of Mondo")
        return {"system": words.MONDO_SYSTEM, "code": code}
    return {"system": words.DUO_SYSTEM, "code": _DUO_CODES[word], "display": word}


def _code(text: str) -> dict[str, str]:
    system, bar, code = text.partition("|")
    if not bar or system not in words.CODE_SYSTEMS:
        raise UnfitError("cannot-be-told", f"the code {text[:40]!r} is of no system that is known here")
    return {"system": system, "code": code}


def _period(start_ms: int, end_ms: int) -> dict[str, str]:
    found = {}
    if start_ms:
        found["start"] = _time(start_ms)
    if end_ms:
        found["end"] = _time(end_ms)
    return found


def _time(moment_ms: int) -> str:
    try:
        moment = EPOCH + timedelta(milliseconds=moment_ms)
    except OverflowError:
        raise UnfitError("cannot-be-told", "a time lies after the year 9999") from None
    return moment.isoformat(timespec="milliseconds")
