"""Classes of what is taken out: the 18 of HIPAA's Safe Harbor, and those of FHIR's own hiding places.

Source: 45 CFR 164.514(b)(2)(i)(A) to (R).
"""

from collections.abc import Iterator
from typing import Any

SAFE_HARBOR_CLASSES = {
    "names": "(A) names",
    "geographic": "(B) geographic subdivisions smaller than a state",
    "dates": "(C) elements of dates except the year, and ages over 89",
    "telephone": "(D) telephone numbers",
    "fax": "(E) fax numbers",
    "email": "(F) e-mail addresses",
    "ssn": "(G) social security numbers",
    "medical-record": "(H) medical record numbers",
    "health-plan": "(I) health plan beneficiary numbers",
    "account": "(J) account numbers",
    "licence": "(K) certificate and licence numbers",
    "vehicle": "(L) vehicle identifiers and serial numbers",
    "device": "(M) device identifiers and serial numbers",
    "url": "(N) web addresses",
    "ip-address": "(O) internet protocol addresses",
    "biometric": "(P) biometric identifiers",
    "photograph": "(Q) full-face photographs",
    "other-unique": "(R) any other unique number, characteristic or code",
}
"""Every report shows all of them, also those of which the input had none."""

OTHER_CLASSES = {
    "free-text": "displays, notes and other text that somebody wrote",
    "narrative": "generated narrative (Resource.text)",
    "attachment": "attachments",
    "extension": "extensions",
    "provider": "providers' identities",
    "reference": "references to what is not let through",
    "contained": "contained resources",
    "code": "codes of unknown systems, or not of their system's form",
    "value": "values, units and dates that are not of their form",
    "metadata": "metadata of the source system",
    "element": "other elements that are not on the list",
}

CLASSES = SAFE_HARBOR_CLASSES | OTHER_CLASSES

_BY_ELEMENT = {
    "name": "names",
    "family": "names",
    "given": "names",
    "prefix": "names",
    "suffix": "names",
    "address": "geographic",
    "location": "geographic",
    "line": "geographic",
    "city": "geographic",
    "district": "geographic",
    "country": "geographic",
    "birthDate": "dates",
    "issued": "dates",
    "date": "dates",
    "recorded": "dates",
    "onsetAge": "dates",
    "abatementAge": "dates",
    "performedAge": "dates",
    "valueDateTime": "dates",
    "valueTime": "dates",
    "valuePeriod": "dates",
    "expirationDate": "dates",
    "photo": "photograph",
    "id": "other-unique",
    "lotNumber": "other-unique",
    "device": "device",
    "udiCarrier": "device",
    "serialNumber": "device",
    "focalDevice": "device",
    "usedReference": "device",
    "url": "url",
    "instantiatesUri": "url",
    "instantiatesCanonical": "url",
    "participant": "provider",
    "performer": "provider",
    "actor": "provider",
    "requester": "provider",
    "recorder": "provider",
    "asserter": "provider",
    "author": "provider",
    "informationSource": "provider",
    "serviceProvider": "provider",
    "managingOrganization": "provider",
    "generalPractitioner": "provider",
    "resultsInterpreter": "provider",
    "manufacturer": "provider",
    "reportOrigin": "provider",
    "text": "free-text",
    "display": "free-text",
    "note": "free-text",
    "comment": "free-text",
    "description": "free-text",
    "conclusion": "free-text",
    "patientInstruction": "free-text",
    "valueString": "free-text",
    "occurrenceString": "free-text",
    "onsetString": "free-text",
    "abatementString": "free-text",
    "performedString": "free-text",
    "presentedForm": "attachment",
    "valueAttachment": "attachment",
    "valueSampledData": "value",
    "media": "attachment",
    "data": "attachment",
    "extension": "extension",
    "contained": "contained",
    "meta": "metadata",
    "language": "metadata",
    "version": "metadata",
    "userSelected": "metadata",
    "reference": "reference",
    "account": "account",
}

_BY_TELECOM = {
    "phone": "telephone",
    "pager": "telephone",
    "sms": "telephone",
    "fax": "fax",
    "email": "email",
    "url": "url",
}

_BY_IDENTIFIER_TYPE = {
    "SS": "ssn",
    "SB": "ssn",
    "MR": "medical-record",
    "PI": "medical-record",
    "MB": "health-plan",
    "MC": "health-plan",
    "MA": "health-plan",
    "SN": "health-plan",
    "AN": "account",
    "BA": "account",
    "DL": "licence",
    "PPN": "licence",
    "LN": "licence",
    "VIN": "vehicle",
    "UDI": "device",
    "SNO": "device",
}

_BY_IDENTIFIER_SYSTEM = {
    "http://hl7.org/fhir/sid/us-ssn": "ssn",
    "http://hl7.org/fhir/sid/us-medicare": "health-plan",
    "http://hl7.org/fhir/sid/us-mbi": "health-plan",
    "http://hl7.org/fhir/sid/us-npi": "provider",
}


def classify(name: str, value: Any) -> Iterator[str]:
    """The classes of what is lost when an element of this name is dropped, one for each value lost."""
    if isinstance(value, list):
        for item in value:
            yield from classify(name, item)
    elif name.startswith("_"):
        yield "extension"
    elif name == "text" and isinstance(value, dict):
        yield "narrative"
    elif name == "telecom":
        yield _telecom_class(value)
    elif name == "identifier":
        yield _identifier_class(value)
    elif (found := _BY_ELEMENT.get(name)) is not None:
        yield found
    elif isinstance(value, dict):
        for inner, held in value.items():
            yield from classify(inner, held)
    else:
        yield "element"


def _telecom_class(value: Any) -> str:
    system = value.get("system") if isinstance(value, dict) else None
    return _BY_TELECOM.get(system, "other-unique") if isinstance(system, str) else "telephone"


def _identifier_class(value: Any) -> str:
    if not isinstance(value, dict):
        return "other-unique"
    system = value.get("system")
    if isinstance(system, str) and system in _BY_IDENTIFIER_SYSTEM:
        return _BY_IDENTIFIER_SYSTEM[system]
    concept = value.get("type")
    codings = concept.get("coding") if isinstance(concept, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        code = coding.get("code") if isinstance(coding, dict) else None
        if isinstance(code, str) and code in _BY_IDENTIFIER_TYPE:
            return _BY_IDENTIFIER_TYPE[code]
    return "other-unique"
