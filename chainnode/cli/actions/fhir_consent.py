"""FHIR R4 and R5 Consent into the chain's normal form. What would change its meaning and is not known is
refused.

Purposes are permissions of GA4GH's Data Use Ontology or single diseases, classes are data classes or FHIR
resource types, actors are members. Text, policy and verification are for people: they are not evaluated and
not put on chain. R5's decision is R4's root type, its provisions are that root's exceptions. The vocabulary
stands in fhir_words.py."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import msgspec

from chainnode.cli.actions import fhir_words as words
from chainnode.cli.errors import bad_input
from chainnode.intake.profiles import parse_date
from chainnode.ledger.documents import AnyConsent, ConsentDocument, ConsentDocument2, Provision, Provision2
from chainnode.ledger.payloads import DENY, PERMIT
from chainnode.ledger.rows import ONE_DISEASE
from chainnode.node.api import ChainInfo

MAX_CONSENT_BYTES = 65_536
MAX_DEPTH = 4
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

_COMMON = frozenset(
    {
        "resourceType", "id", "meta", "language", "text", "identifier", "status", "category", "provision",
        "sourceAttachment", "sourceReference", "verification",
    }
)  # fmt: skip
_R4 = _COMMON | {"scope", "dateTime", "patient", "performer", "organization", "policy", "policyRule"}
_R5 = _COMMON | {
    "date", "period", "decision", "subject", "grantor", "grantee", "manager", "controller",
    "regulatoryBasis", "policyBasis", "policyText",
}  # fmt: skip
_PROVISION = frozenset(
    {"id", "period", "actor", "purpose", "securityLabel", "code", "dataPeriod", "provision"}
)
_R4_PROVISION = _PROVISION | {"type", "class"}
_R5_PROVISION = _PROVISION | {"resourceType"}
_MODIFIERS = ("modifierExtension", "implicitRules")
_CODING = frozenset({"id", "system", "version", "code", "display", "userSelected"})
_WITH_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T.*(Z|[+-][0-9]{2}:[0-9]{2})")


class UnfitError(Exception):
    """What is wrong with a document: a rule of CONSENT_RULES, and the element by name."""

    def __init__(self, rule: str, detail: str) -> None:
        assert rule in words.CONSENT_RULES, rule
        super().__init__(f"{rule}: {detail}")


def parse_consent(data: bytes, info: ChainInfo) -> AnyConsent:
    """R4, or R5 where there is a `decision`. In the first form where that says it all, else in the second.

    Raises OperatorError CLI-02, naming the rule and the element that does not fit.
    """
    try:
        if len(data) > MAX_CONSENT_BYTES:
            raise UnfitError("not-a-consent", f"it is longer than {MAX_CONSENT_BYTES} bytes")
        consent = msgspec.json.decode(data)
        if not isinstance(consent, dict) or consent.get("resourceType") != "Consent":
            raise UnfitError("not-a-consent", "it is no FHIR resource of type Consent")
        reader = _Reader(info, fifth="decision" in consent)
        return narrowest(reader.fifth_release(consent) if reader.fifth else reader.fourth_release(consent))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"not-a-consent: it is not JSON: {error}"
    except UnfitError as error:
        reason = str(error)
    raise bad_input(f"the consent cannot be taken: {reason}", "correct it, or give the terms as options")


def narrowest(document: ConsentDocument2) -> AnyConsent:
    """In the first form, which every chain reads, where that says it all."""
    root = _narrowed(document.provision)
    if root is None:
        return document
    return ConsentDocument(document.status, document.scope, document.date_time_ms, root)


def _narrowed(wide: Provision2) -> Provision | None:
    children = [_narrowed(child) for child in wide.provisions]
    kept = tuple(child for child in children if child is not None)
    more = (wide.levels, wide.codes, wide.data_start_ms, wide.data_end_ms)
    if any(more) or len(kept) < len(children) or any(one.startswith(ONE_DISEASE) for one in wide.purposes):
        return None
    terms = (wide.type, wide.actors, wide.purposes, wide.classes, wide.start_ms, wide.end_ms)
    return Provision(*terms, kept)


class _Reader:
    def __init__(self, info: ChainInfo, *, fifth: bool) -> None:
        self.info = info
        self.fifth = fifth

    def fourth_release(self, consent: Mapping[str, Any]) -> ConsentDocument2:
        only(consent, _R4, "")
        return ConsentDocument2(
            status=_string(consent, "status"),
            scope=self._scope(consent),
            date_time_ms=instant_ms(_string(consent, "dateTime"), "dateTime", end=False),
            provision=self._provision(consent.get("provision"), "", "provision", 1),
        )

    def fifth_release(self, consent: Mapping[str, Any]) -> ConsentDocument2:
        only(consent, _R5, "")
        status, type_ = _string(consent, "status"), _string(consent, "decision")
        if status not in words.R5_STATUS:
            raise UnfitError("unknown-code", f"status {status[:40]!r} says neither yes nor no")
        if type_ not in (PERMIT, DENY):
            raise UnfitError("unknown-code", f"decision {type_[:40]!r} is neither permit nor deny")
        categories = [
            (coding.get("system", ""), coding.get("code", ""))
            for concept in items(consent, "category", "")
            for coding in _codings(concept, "category")
        ]
        if not any(category in words.RESEARCH for category in categories):
            raise UnfitError("unknown-code", "no category says that the consent is about research")
        start_ms, end_ms = self._period(consent, "period", "")
        grantees = [self._reference(one, "grantee") for one in items(consent, "grantee", "")]
        children = items(consent, "provision", "")
        return ConsentDocument2(
            status=words.R5_STATUS[status],
            scope="research",
            date_time_ms=instant_ms(_string(consent, "date"), "date", end=False),
            provision=Provision2(
                type_,
                actors=tuple(dict.fromkeys(grantees)),
                start_ms=start_ms,
                end_ms=end_ms,
                provisions=tuple(self._provision(one, opposite(type_), "provision", 2) for one in children),
            ),
        )

    def _scope(self, consent: Mapping[str, Any]) -> str:
        return _concept(consent.get("scope"), "scope", lambda system, code: words.SCOPES[system, code])

    def _provision(self, value: object, type_: str, at: str, depth: int) -> Provision2:
        if not isinstance(value, dict):
            raise UnfitError("missing-element", f"{at} is missing or no object")
        if depth > MAX_DEPTH:
            raise UnfitError("too-deep", f"{at} is nested deeper than {MAX_DEPTH} levels")
        only(value, _R5_PROVISION if self.fifth else _R4_PROVISION, f"{at}.")
        kind = type_ if self.fifth else _string(value, "type", at)
        start_ms, end_ms = self._period(value, "period", at)
        data_start_ms, data_end_ms = self._period(value, "dataPeriod", at)
        labels = [
            int(_coding(one, f"{at}.securityLabel", lambda system, code: words.LEVELS[system, code]))
            for one in items(value, "securityLabel", at)
        ]
        return Provision2(
            type=kind,
            actors=_distinct([self._actor(one, f"{at}.actor") for one in items(value, "actor", at)]),
            purposes=_distinct(
                [_coding(one, f"{at}.purpose", words.purpose) for one in items(value, "purpose", at)]
            ),
            classes=self._classes(value, kind, at),
            start_ms=start_ms,
            end_ms=end_ms,
            levels=tuple(sorted(_distinct(labels))),
            codes=_distinct(
                [_concept(one, f"{at}.code", words.data_code) for one in items(value, "code", at)]
            ),
            data_start_ms=data_start_ms,
            data_end_ms=data_end_ms,
            provisions=tuple(
                self._provision(child, opposite(kind), f"{at}.provision", depth + 1)
                for child in items(value, "provision", at)
            ),
        )

    def _classes(self, value: Mapping[str, Any], kind: str, at: str) -> tuple[str, ...]:
        """Data classes. A resource type stands for its class: of a no that is more than was said, which is
        safe, and a yes has to name all types of the class."""
        name = "resourceType" if self.fifth else "class"
        found: list[str] = []
        plain: list[str] = []
        types: dict[str, None] = {}
        for one in items(value, name, at):
            said = str(one.get("code")) if isinstance(one, dict) else ""
            if (
                said in words.RESOURCE_CLASSES
                and one.get("system", words.RESOURCE_TYPES) == words.RESOURCE_TYPES
            ):
                only(one, _CODING, f"{at}.{name}.")
                types[said] = None
                found.append(words.RESOURCE_CLASSES[said])
            else:
                plain.append(_coding(one, f"{at}.{name}", lambda system, code: words.CLASSES[system, code]))
                found.append(plain[-1])
        for data_class in dict.fromkeys(words.RESOURCE_CLASSES[one] for one in types):
            missing = [t for t, of in words.RESOURCE_CLASSES.items() if of == data_class and t not in types]
            if kind == PERMIT and missing and data_class not in plain:
                detail = f"{at}.{name} names some of {data_class} and not {', '.join(missing)}"
                raise UnfitError("part-of-a-class", detail)
        return _distinct(found)

    def _actor(self, value: object, at: str) -> int:
        if not isinstance(value, dict):
            raise UnfitError("missing-element", f"{at} is no object")
        only(value, frozenset({"id", "role", "reference"}), f"{at}.")
        for coding in _codings(value.get("role", {}), f"{at}.role"):
            _coding(coding, f"{at}.role", lambda system, code: words.ROLES[system, code])
        return self._reference(value.get("reference"), at)

    def _reference(self, value: object, at: str) -> int:
        text = value.get("reference") if isinstance(value, dict) else None
        slug = text.removeprefix("Organization/") if isinstance(text, str) else ""
        for number, known, _ in self.info.members:
            if known == slug:
                return number
        example = f'"Organization/{self.info.members[0][1]}"'
        raise UnfitError("unknown-actor", f"{at} is not a reference such as {example} to a member")

    def _period(self, value: Mapping[str, Any], name: str, at: str) -> tuple[int, int]:
        """Start and end in Unix ms, both included; 0 where there is none."""
        period = value.get(name, {})
        where = f"{at}{'.' if at else ''}{name}"
        if not isinstance(period, dict):
            raise UnfitError("missing-element", f"{where} is no object")
        only(period, frozenset({"id", "start", "end"}), f"{where}.")
        start, end = period.get("start"), period.get("end")
        return (
            0 if start is None else instant_ms(start, f"{where}.start", end=False),
            0 if end is None else instant_ms(end, f"{where}.end", end=True),
        )


def opposite(type_: str) -> str:
    return DENY if type_ == PERMIT else PERMIT


def only(value: Mapping[str, Any], known: frozenset[str], at: str) -> None:
    """Raises UnfitError for an element that is not read."""
    unknown = sorted(value.keys() - known)
    if unknown:
        name = unknown[0]
        rule = "unknown-modifier" if name.lstrip("_") in _MODIFIERS else "unknown-element"
        raise UnfitError(rule, f"{at}{name} is not known here and might change its meaning")


def _distinct(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _string(value: Mapping[str, Any], name: str, at: str = "") -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise UnfitError("missing-element", f"{at}{'.' if at else ''}{name} is missing or no text")
    return found


def items(value: Mapping[str, Any], name: str, at: str) -> list[Any]:
    found = value.get(name, [])
    if not isinstance(found, list):
        raise UnfitError("missing-element", f"{at}{'.' if at else ''}{name} is no list")
    return found


def _coding(value: object, at: str, known: Callable[[str, str], str]) -> str:
    code = value.get("code") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(code, str):
        raise UnfitError("missing-element", f"{at} has no code")
    only(value, _CODING, f"{at}.")
    system = value.get("system", "")
    try:
        return known(system if isinstance(system, str) else "?", code)
    except KeyError:
        where = f" of {str(system)[:60]!r}" if system else ""
        raise UnfitError(
            "unknown-code", f"{at} has the code {code[:40]!r}{where}, which is not known here"
        ) from None


def _codings(value: object, at: str) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        raise UnfitError("missing-element", f"{at} is no object")
    only(value, frozenset({"id", "coding", "text"}), f"{at}.")
    found = items(value, "coding", at)
    if not all(isinstance(one, dict) for one in found):
        raise UnfitError("missing-element", f"{at} has a coding that is no object")
    return found


def _concept(value: object, at: str, known: Callable[[str, str], str]) -> str:
    """The code of a CodeableConcept with exactly one coding."""
    codings = _codings(value, at) if isinstance(value, dict) else []
    if len(codings) != 1:
        raise UnfitError("missing-element", f"{at} has not exactly one coding")
    return _coding(codings[0], at, known)


def instant_ms(text: object, at: str, *, end: bool) -> int:
    """Unix ms of a FHIR dateTime; a date alone begins, or ends, with its (UTC) day, month or year."""
    if isinstance(text, str) and _WITH_TIME.fullmatch(text):
        try:
            return (datetime.fromisoformat(text) - EPOCH) // MILLISECOND
        except (ValueError, OverflowError):
            raise UnfitError("bad-date", f"{at} is no date") from None
    partial = parse_date(text) if isinstance(text, str) else None
    if partial is None:
        raise UnfitError("bad-date", f"{at} is no date")
    day = partial.last if end else partial.first
    try:
        moment = datetime.combine(day, time(), UTC) + (timedelta(days=1) if end else timedelta())
    except OverflowError:
        raise UnfitError("bad-date", f"{at} is later than can be told") from None
    return (moment - EPOCH) // MILLISECOND - (1 if end else 0)
