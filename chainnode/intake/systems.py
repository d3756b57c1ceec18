"""The code systems that are let through, and what a code of each looks like.

A name or a record number must not be able to hide in a code: numbers with a check digit are
checked, short closed vocabularies are listed in full, the rest must match the system's own form.
Sources: SNOMED CT release file specifications (identifiers, Verhoeff), LOINC users' guide (check
digit), RxNorm technical documentation, ICD-10-CM and ICD-10-PCS tabular lists, CDC CVX, WHO ATC,
HL7 terminology (THO).
"""

import re
from collections.abc import Callable
from functools import lru_cache

from chainnode.intake.codes import CVX, DISPLAYS, ICD10, ICD10CM, LOINC, RXNORM, SNOMED, THO
from chainnode.intake.lists import words

MAX_CODE_CHARS = 32

_MULTIPLY = words(
    "0123456789 1234067895 2340178956 3401289567 4012395678 "
    "5987604321 6598710432 7659821043 8765932104 9876543210"
)
_PERMUTE = words("0123456789 1576283094 5803796142 8916043527 9453126870 4286573901 2793806415 7046913258")

_SNOMED_FORM = re.compile(r"[1-9][0-9]{5,17}")
_LOINC_FORM = re.compile(r"(?:LA|LP)?[1-9][0-9]{0,6}-[0-9]")

_LOINC_OF_IDENTITY = frozenset({"21112-8", "45401-7"})
"""Birth date and postal code: codes whose values identify whatever their type."""


def is_snomed(code: str) -> bool:
    """A concept identifier: 6 to 18 digits, partition 00 or 10, Verhoeff check digit."""
    if not _SNOMED_FORM.fullmatch(code) or code[-3:-1] not in ("00", "10"):
        return False
    check = 0
    for position, digit in enumerate(reversed(code)):
        check = int(_MULTIPLY[check][int(_PERMUTE[position % 8][int(digit)])])
    return check == 0


def is_loinc(code: str) -> bool:
    """A term, answer (LA) or part (LP): digits, a hyphen and the mod-10 check digit.

    A letter counts as its distance from "0" in ASCII, as in the codes that Regenstrief gave out.
    """
    if not _LOINC_FORM.fullmatch(code) or code in _LOINC_OF_IDENTITY:
        return False
    body, check = code.split("-")
    total = 0
    for position, character in enumerate(reversed(body)):
        value = ord(character) - ord("0")
        total += value if position % 2 else sum(divmod(2 * value, 10))
    return -total % 10 == int(check)


def _form(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda code: compiled.fullmatch(code) is not None


def _listed(codes: str) -> Callable[[str], bool]:
    return frozenset(words(codes)).__contains__


_ICD10_FORM = r"[A-Z][0-9][0-9A-Z](?:\.[0-9A-Z][0-9X]{0,2}[0-9A-Z]?)?"
_CONDITION_CATEGORY = "problem-list-item encounter-diagnosis health-concern"

_KNOWN: dict[str, Callable[[str], bool]] = {
    SNOMED: is_snomed,
    LOINC: is_loinc,
    RXNORM: _form(r"[1-9][0-9]{0,6}"),
    CVX: _form(r"[0-9]{1,3}"),
    ICD10CM: _form(_ICD10_FORM),
    ICD10: _form(_ICD10_FORM),
    "http://hl7.org/fhir/sid/icd-9-cm": _form(r"(?:[0-9]{3}|V[0-9]{2}|E[0-9]{3})(?:\.[0-9]{1,2})?"),
    "http://hl7.org/fhir/sid/icd-10-pcs": _form(r"(?=.*[A-Z])(?=.*[0-9].*[0-9])[0-9A-HJ-NP-Z]{7}"),
    "http://www.whocc.no/atc": _form(r"[A-V][0-9]{2}(?:[A-Z](?:[A-Z](?:[0-9]{2})?)?)?"),
    "http://www.nubc.org/patient-discharge": _form(r"[0-9]{2}"),
    THO + "condition-clinical": _listed("active recurrence relapse inactive remission resolved"),
    THO + "condition-ver-status": _listed(
        "unconfirmed provisional differential confirmed refuted entered-in-error"
    ),
    THO + "condition-category": _listed(_CONDITION_CATEGORY),
    "http://hl7.org/fhir/us/core/CodeSystem/condition-category": _listed(_CONDITION_CATEGORY),
    THO + "allergyintolerance-clinical": _listed("active inactive resolved"),
    THO + "allergyintolerance-verification": _listed("unconfirmed confirmed refuted entered-in-error"),
    THO + "observation-category": _listed(
        "social-history vital-signs imaging laboratory procedure survey exam therapy activity"
    ),
    THO + "v3-ActCode": _listed("AMB EMER FLD HH IMP ACUTE NONAC OBSENC PRENC SS VR"),
    THO + "v3-ActPriority": _listed("A CR EL EM P PRN R RR S T UD UR"),
    THO + "v3-MaritalStatus": _listed("A D I L M P S T U W C"),
    THO + "v3-NullFlavor": _listed("NI INV OTH UNC NASK NAV UNK MSK NA"),
    THO + "v3-ObservationInterpretation": _listed(
        "< > A AA B D DET E EX H HH HU HX I IE IND L LL LU LX N ND NEG NR NS POS R RR "
        "S SDD SYN-R SYN-S U W WR"
    ),
    THO + "v2-0074": _listed(
        "AU BG BLB CG CH CP CT CTH CUS EC EN GE HM ICU IMG IMM LAB MB MCB MYC NMR NMS NRS OSL OT OTH OUS PAR "
        "PAT PF PHR PHY PT RAD RC RT RUS RX SP SR TX URN VR VUS XRC"
    ),
    THO + "dose-rate-type": _listed("calculated ordered"),
    THO + "discharge-disposition": _listed("home alt-home other-hcf hosp long aadvice exp psy rehab snf oth"),
    THO + "admit-source": _listed("hosp-trans emd outp born gp mp nursing psych rehab other"),
    THO + "medicationrequest-category": _listed("inpatient outpatient community discharge"),
    THO + "data-absent-reason": _listed(
        "unknown asked-unknown temp-unknown not-asked asked-declined masked not-applicable unsupported "
        "as-text error not-a-number negative-infinity positive-infinity not-performed not-permitted"
    ),
    THO + "referencerange-meaning": _listed("type normal recommended treatment therapeutic pre post"),
}


@lru_cache(maxsize=16_384)
def known_coding(system: str, code: str) -> dict[str, str] | None:
    """A coding of ours for one of the input's, or None if it is not let through.

    The result is shared: never change it. `display` comes from our own table or is not there.
    """
    matches = _KNOWN.get(system)
    if matches is None or len(code) > MAX_CODE_CHARS or not code.isascii() or not matches(code):
        return None
    display = DISPLAYS.get((system, code))
    coding = {"system": system, "code": code}
    return coding if display is None else coding | {"display": display}
