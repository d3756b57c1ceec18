"""Every identifier that a bundle holds, as strings to search for: for tests that nothing leaks.

Works on any FHIR R4 bundle. ZIP codes and states are left out: five digits occur by chance, and three
of them, and the state, are let through.
"""

import json
from collections.abc import Iterator
from typing import Any

MIN_CHARS = 3

_ALWAYS = frozenset(
    {
        "family",
        "given",
        "line",
        "city",
        "district",
        "birthDate",
        "deviceIdentifier",
        "carrierHRF",
        "carrierAIDC",
        "serialNumber",
        "distinctIdentifier",
        "lotNumber",
    }
)
"""Elements whose every string identifies."""

_PROVIDER_REFERENCES = frozenset(
    {
        "individual",
        "performer",
        "actor",
        "requester",
        "recorder",
        "asserter",
        "author",
        "provider",
        "serviceProvider",
        "managingOrganization",
        "generalPractitioner",
        "informationSource",
        "custodian",
        "location",
        "device",
        "subject",
        "patient",
        "beneficiary",
    }
)
"""References whose display is a name."""

_NAMED_TYPES = frozenset({"Organization", "Location", "HealthcareService", "CareTeam", "Endpoint"})
_COMMON = frozenset({"unknown", "none", "test", "n/a"})


def identifiers(bundle: bytes) -> list[str]:
    """The distinct identifying strings of a bundle, in order of appearance; none under 3 characters."""
    found: dict[str, None] = {}
    for entry in json.loads(bundle)["entry"]:
        for text in _of_entry(entry):
            plain = text.strip()
            if len(plain) >= MIN_CHARS and plain.casefold() not in _COMMON:
                found[plain] = None
    return list(found)


def _of_entry(entry: dict[str, Any]) -> Iterator[str]:
    full_url = entry.get("fullUrl", "")
    yield full_url.rsplit(":", 1)[-1] if full_url.startswith("urn:") else full_url
    resource = entry.get("resource", {})
    yield resource.get("id", "")
    if resource.get("resourceType") in _NAMED_TYPES:
        yield from _strings(resource.get("name", ""))
    yield from _walk(resource)


def _walk(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, name)
    if not isinstance(value, dict):
        return
    for key, held in value.items():
        if key in _ALWAYS:
            yield from _strings(held)
        elif key == "identifier":
            yield from _identifier_values(held)
        elif key == "telecom":
            yield from (item["value"] for item in held if isinstance(item.get("value"), str))
        elif key == "name" and isinstance(held, list):
            yield from (item["text"] for item in held if isinstance(item, dict) and "text" in item)
        if name in _PROVIDER_REFERENCES and key == "display":
            yield from _strings(held)
        yield from _walk(held, key)
    yield from _extension(value)


def _identifier_values(held: Any) -> Iterator[str]:
    for item in held if isinstance(held, list) else [held]:
        if isinstance(item, dict) and isinstance(item.get("value"), str):
            yield item["value"]


def _extension(value: dict[str, Any]) -> Iterator[str]:
    url = value.get("url")
    if not isinstance(url, str):
        return
    if url.endswith("mothersMaidenName") and isinstance(value.get("valueString"), str):
        yield value["valueString"]
        yield from value["valueString"].split()
    if url in ("latitude", "longitude") and "valueDecimal" in value:
        yield str(value["valueDecimal"])


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
