"""The closed vocabulary of FHIR consents: what is read, in which code systems, and as which words of the
chain's normal form. What stands in none of these tables is refused by rule, for it might change the meaning.

Sources: HL7 FHIR R4 (4.0.1) and R5 (5.0.0), Consent; HL7 v3 ActReason, Confidentiality, ParticipationType;
GA4GH Data Use Ontology; Mondo.
"""

from collections.abc import Mapping

from chainnode.cli.actions import duo
from chainnode.intake.allowlist import ALLOWED
from chainnode.ledger.payloads import DATA_CLASSES, PERMISSIONS
from chainnode.ledger.rows import ONE_DISEASE

CONSENT_RULES = {
    "not-a-consent": "It is no Consent of FHIR R4 or R5 in JSON.",
    "missing-element": "An element that is needed is not there, or is not of its type.",
    "unknown-element": "An element is not read here, and might change the meaning.",
    "unknown-modifier": "A modifier changes the meaning in a way that is not known here.",
    "unknown-code": "A code, or the system that it is from, is not of the closed vocabulary.",
    "unknown-actor": "An actor is no member of this network.",
    "part-of-a-class": "A yes to some resource types would be one to a whole data class.",
    "bad-date": "A date or time is none, or lies beyond what can be told.",
    "too-deep": "Provisions nest too deeply.",
    "cannot-be-told": "The chain's consent says something that FHIR's has no element for.",
}
"""Why a document is not taken, each a code and a sentence."""

DUO_IDS = duo.PERMISSION_CODES
DUO_SYSTEM = "http://purl.obolibrary.org/obo/duo.owl"
MONDO_SYSTEM = "http://purl.obolibrary.org/obo/mondo.owl"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
SCOPE_SYSTEM = "http://terminology.hl7.org/CodeSystem/consentscope"
CATEGORY_SYSTEM = "http://terminology.hl7.org/CodeSystem/consentcategorycodes"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
OUR_CLASSES = "urn:chainnode:data-class"
OUR_LEVELS = "urn:chainnode:level"

Words = Mapping[tuple[str, str], str]
"""(system, code) -> word; the system is empty where a document leaves it out."""

_PERMISSIONS = {name: name for name in PERMISSIONS} | DUO_IDS
PURPOSES: Words = {
    **{(system, code): word for system in ("", DUO_SYSTEM) for code, word in _PERMISSIONS.items()},
    (ACT_REASON, "HRESCH"): "HMB",
}
RESOURCE_CLASSES: Mapping[str, str] = {name: rule.data_class for name, rule in ALLOWED.items()}
CLASSES: Words = {(system, name): name for system in ("", OUR_CLASSES) for name in DATA_CLASSES}
LEVELS: Words = {
    **{(CONFIDENTIALITY, code): str(level) for level, code in enumerate("ULNRV", 1)},
    **{(OUR_LEVELS, str(level)): str(level) for level in range(1, 6)},
}
"""HL7's "moderate" has no level of its own between low and normal."""
ROLES: Words = {(system, code): code for system in ("", PARTICIPATION) for code in ("IRCP", "PRCP")}
"""Whom a provision is about: who receives. An actor in another role would be another rule."""
SCOPES: Words = {
    (system, code): code
    for system in ("", SCOPE_SYSTEM)
    for code in ("research", "adr", "patient-privacy", "treatment")
}
RESEARCH = ((SCOPE_SYSTEM, "research"), (CATEGORY_SYSTEM, "research"), (CATEGORY_SYSTEM, "rsdid"))
"""R5 has no scope: one of its categories has to say that the consent is about research."""
R5_STATUS = {
    "draft": "draft",
    "active": "active",
    "inactive": "inactive",
    "not-done": "rejected",
    "entered-in-error": "entered-in-error",
}

CODE_SYSTEMS = (
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://hl7.org/fhir/sid/icd-10",
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "http://fhir.de/CodeSystem/bfarm/ops",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://www.whocc.no/atc",
    "http://hl7.org/fhir/sid/cvx",
)
"""Systems of codes that data carry. What a code of a policy or a form means nobody here could look up."""


def purpose(system: str, code: str) -> str:
    """A DUO permission, or research on one disease. Raises KeyError."""
    if system == MONDO_SYSTEM and code.startswith("MONDO:"):
        return ONE_DISEASE + code
    return PURPOSES[system, code]


def data_code(system: str, code: str) -> str:
    """ "system|code" of what data say. Raises KeyError."""
    if system not in CODE_SYSTEMS:
        raise KeyError(system)
    return f"{system}|{code}"
