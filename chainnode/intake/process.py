"""One bundle in, de-identified data by subject and class out. Pure but for the random ids."""

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chainnode.intake import errors
from chainnode.intake.allowlist import ALLOWED, DATA_CLASSES, Rule
from chainnode.intake.bundle import Limits, parse_bundle
from chainnode.intake.identity import (
    KEY_BYTES,
    idempotency_mac,
    identifier_macs,
    patient_identifiers,
    shift_days,
)
from chainnode.intake.profiles import (
    AGE_BAND_SYSTEM,
    PROFILES,
    PartialDate,
    SubjectDates,
    parse_date,
    subject_dates,
)
from chainnode.intake.r4 import safe_type
from chainnode.intake.report import GENERALISED, REMOVED, REPLACED, DeidReport, Key
from chainnode.intake.resolve import Entry, References
from chainnode.intake.values import ShapeError, Walk

LOCAL_ID_BYTES = 8

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A resource that was refused while others of its bundle went in. `reason` holds no input."""

    index: int
    resource_type: str
    reason: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One patient's data.

    `identifier_macs`: 16 bytes each, the most lasting identifier first. `classes`: data class ->
    NDJSON of FHIR resources, one a line. `idempotency`: data class -> 16 bytes, the same whenever the
    same content is taken in again under the same key and profile. Both kinds of mac stay on the node.
    """

    identifier_macs: tuple[bytes, ...]
    classes: dict[str, bytes]
    idempotency: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """What one bundle gave."""

    subjects: list[Subject]
    report: DeidReport
    rejected: list[Rejected]


@dataclass(slots=True)
class _Document:
    index: int
    resource_type: str
    rule: Rule
    body: dict[str, Any]
    links: dict[str, list[dict[str, Any]]]
    event: PartialDate | None


@dataclass(slots=True)
class _Subject:
    index: int
    macs: tuple[bytes, ...]
    dates: SubjectDates
    documents: list[_Document] = field(default_factory=list)


class _Refused(Exception):
    """This resource does not go in. The text is ours."""


class _EntryFrame(msgspec.Struct):
    resource: msgspec.Raw
    fullUrl: str = ""


class _Head(msgspec.Struct):
    resourceType: str
    id: str = ""


_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def process_bundle(
    data: bytes,
    *,
    profile: str,
    key: bytes,
    limits: Limits = Limits(),
    random: Random = secrets.token_bytes,
) -> IntakeResult:
    """De-identify one FHIR R4 bundle.

    `profile`: "safe-harbor" or "shifted-dates". `key`: 32 bytes, secret and local to the node, always
    the same. `random(n)`: n random bytes, for local ids. Raises BundleError (INT-01 to INT-07, INT-09)
    when the bundle goes in not at all; single bad resources are in `rejected`.
    """
    assert len(key) == KEY_BYTES
    if profile not in PROFILES:
        raise errors.BundleError(
            errors.UNKNOWN_PROFILE,
            "there is no such de-identification profile",
            "use one of " + ", ".join(PROFILES),
        )
    run = _Run(profile, key)
    for index, raw in enumerate(parse_bundle(data, limits)):
        run.read(index, raw)
    for entry in run.entries:
        if entry.resource_type != "Patient" and entry.resource_type in ALLOWED:
            run.attempt(entry, run.take)
    subjects = [run.finish(subject, random) for subject in run.subjects.values()]
    run.report.rejected.update(item.resource_type for item in run.rejected)
    report = DeidReport(
        profile,
        1,
        len(subjects),
        run.report.counts,
        run.report.taken,
        run.report.dropped,
        run.report.rejected,
    )
    return IntakeResult(subjects, report, sorted(run.rejected, key=lambda item: item.index))


class _Run:
    """The state of one call."""

    def __init__(self, profile: str, key: bytes) -> None:
        self.profile = profile
        self.key = key
        self.entries: list[Entry] = []
        self.subjects: dict[int, _Subject] = {}
        self.rejected: list[Rejected] = []
        self.report = DeidReport(profile)
        self._references = References()
        self._by_index: dict[int, Entry] = {}

    def read(self, index: int, raw: bytes) -> None:
        """First pass: what the entry is. Patients are taken at once: the others refer to them."""
        try:
            frame = msgspec.json.decode(raw, type=_EntryFrame)
            head = msgspec.json.decode(frame.resource, type=_Head)
        except msgspec.ValidationError:
            self._reject(index, "", "is not an entry with a FHIR resource")
            return
        except _NOT_JSON:
            self._reject(index, "", "is not readable JSON")
            return
        entry = Entry(index, head.resourceType, head.id, frame.fullUrl, bytes(frame.resource))
        if self._references.has(entry):
            self._reject(index, head.resourceType, "has the id or fullUrl of an earlier entry")
            return
        self.entries.append(entry)
        self._by_index[index] = entry
        if entry.resource_type == "Patient":
            self.attempt(entry, self._take_patient)
        if entry.resource_type != "Patient" or index in self.subjects:
            self._references.add(entry)
        if entry.resource_type not in ALLOWED:
            self.report.dropped[safe_type(entry.resource_type)] += 1

    def _reject(self, index: int, resource_type: str, reason: str) -> None:
        self.rejected.append(Rejected(index, safe_type(resource_type), reason))

    def attempt(self, entry: Entry, take: Callable[[Entry, dict[str, Any]], None]) -> None:
        """Decode the resource and take it, or list why not."""
        try:
            source = msgspec.json.decode(entry.raw)
            take(entry, source)
        except _NOT_JSON:
            self._reject(entry.index, entry.resource_type, "is not readable JSON")
        except ShapeError as error:
            self._reject(entry.index, entry.resource_type, error.reason())
        except _Refused as error:
            self._reject(entry.index, entry.resource_type, str(error))

    def _take_patient(self, entry: Entry, source: dict[str, Any]) -> None:
        identifiers = patient_identifiers(source, entry.full_url)
        if not identifiers:
            raise _Refused("has no identifier, id or fullUrl to know the patient by")
        birth_text = source.get("birthDate")
        birth = parse_date(birth_text) if isinstance(birth_text, str) else None
        if birth_text is not None and birth is None:
            raise ShapeError("is not a date", "birthDate")
        macs = identifier_macs(self.key, identifiers)
        dates = subject_dates(birth, self.profile, lambda: shift_days(self.key, macs[0]))
        subject = _Subject(entry.index, macs, dates)
        self._clean(entry, source, subject)
        self.subjects[entry.index] = subject
        self._references.add_patient(entry.index, identifiers)

    def take(self, entry: Entry, source: dict[str, Any]) -> None:
        """Second pass: a resource that belongs to a patient of this bundle."""
        reference = source.pop(ALLOWED[entry.resource_type].subject, None)
        index = self._references.resolve(reference)
        subject = self.subjects.get(index) if index is not None else None
        if subject is None:
            raise _Refused("names no patient of this bundle")
        self._inline_medication(source)
        self._clean(entry, source, subject)

    def _inline_medication(self, source: dict[str, Any]) -> None:
        """Put the code of a referenced Medication where a coded one would stand."""
        reference = source.get("medicationReference")
        if not isinstance(reference, dict) or "medicationCodeableConcept" in source:
            return
        text = reference.get("reference")
        medication = None
        if isinstance(text, str) and text.startswith("#"):
            contained = source.get("contained")
            found = [c for c in contained if isinstance(c, dict)] if isinstance(contained, list) else []
            medication = next((c for c in found if c.get("id") == text[1:]), None)
        elif (index := self._references.resolve(reference)) is not None:
            medication = msgspec.json.decode(self._by_index[index].raw)
        if (
            isinstance(medication, dict)
            and medication.get("resourceType") == "Medication"
            and "code" in medication
        ):
            del source["medicationReference"]
            source["medicationCodeableConcept"] = medication["code"]

    def _clean(self, entry: Entry, source: dict[str, Any], subject: _Subject) -> None:
        rule = ALLOWED[entry.resource_type]
        if source.get("implicitRules"):
            raise _Refused("follows implicit rules that are not known here")
        if source.get("status") == "entered-in-error":
            raise _Refused("was entered in error")
        counts: Counter[Key] = Counter()
        walk = Walk(entry.resource_type, subject.dates, counts)
        event = _event(rule, source)
        source.pop("resourceType")
        source.pop("id", None)
        body = rule.clean(walk, source) or {}
        if any(not any(name in body for name in group) for group in rule.needs):
            raise _Refused("has no code of a known system")
        if _is_void(body):
            raise _Refused("was entered in error")
        if "deceasedDateTime" in source and "deceasedDateTime" not in body:
            body["deceasedBoolean"] = True
        walk.count(REPLACED, "other-unique")
        self.report.counts.update(counts)
        self.report.taken[entry.resource_type] += 1
        subject.documents.append(_Document(entry.index, entry.resource_type, rule, body, walk.links, event))

    def finish(self, subject: _Subject, random: Random) -> Subject:
        """Give out local ids, tie the references, add age bands, write one NDJSON for each class."""
        documents = subject.documents
        drawn = random(LOCAL_ID_BYTES * len(documents)).hex()
        width = 2 * LOCAL_ID_BYTES
        names = {
            document.index: f"{document.resource_type}/{drawn[n * width : (n + 1) * width]}"
            for n, document in enumerate(documents)
        }
        latest = max((d.event for d in documents if d.event is not None), key=lambda e: e.last, default=None)
        lines: dict[str, list[bytes]] = {}
        contents: dict[str, list[bytes]] = {}
        for document in documents:
            content = msgspec.json.encode([document.resource_type, document.body])
            contents.setdefault(document.rule.data_class, []).append(content)
            complete = self._complete(document, subject, names, latest)
            lines.setdefault(document.rule.data_class, []).append(msgspec.json.encode(complete))
        return Subject(
            subject.macs,
            {c: b"\n".join(lines[c]) + b"\n" for c in DATA_CLASSES if c in lines},
            {
                c: idempotency_mac(self.key, subject.macs[0], c, self.profile, contents[c])
                for c in DATA_CLASSES
                if c in contents
            },
        )

    def _complete(
        self, document: _Document, subject: _Subject, names: dict[int, str], latest: PartialDate | None
    ) -> dict[str, Any]:
        resource_type, rule = document.resource_type, document.rule
        complete: dict[str, Any] = {"resourceType": resource_type, "id": names[document.index].split("/")[1]}
        event = document.event if rule.subject else document.event or latest
        band = subject.dates.band(event) if event is not None else None
        if band is not None:
            complete["meta"] = {"tag": [{"system": AGE_BAND_SYSTEM, "code": band}]}
            self.report.counts[GENERALISED, "dates", resource_type] += 1
        complete |= document.body
        if rule.subject:
            complete[rule.subject] = {"reference": names[subject.index]}
            self.report.counts[REPLACED, "reference", resource_type] += 1
        for name, references in document.links.items():
            types, is_list = rule.links[name]
            targets = [
                names.get(index) for index in map(self._references.resolve, references) if index is not None
            ]
            kept = [{"reference": target} for target in targets if target and target.split("/")[0] in types]
            self.report.counts[REPLACED, "reference", resource_type] += len(kept)
            self.report.counts[REMOVED, "reference", resource_type] += len(references) - len(kept)
            if kept:
                complete[name] = kept if is_list else kept[0]
        return complete


def _event(rule: Rule, source: dict[str, Any]) -> PartialDate | None:
    """The date of what the resource is about."""
    for path in rule.events:
        value: Any = source
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, str) and (parsed := parse_date(value)) is not None:
            return parsed
    return None


def _is_void(body: dict[str, Any]) -> bool:
    codings = body.get("verificationStatus", {}).get("coding", ())
    return any(coding["code"] == "entered-in-error" for coding in codings)
