"""What identifies people in a Synthea bundle, by class: written from Synthea's output and the list of 45 CFR
164.514(b)(2), apart from the product's own idea of it."""

import json
from collections.abc import Iterator
from typing import Any

Resource = dict[str, Any]
CLASSES = ("name", "address", "phone", "number", "device", "birth date", "resource id")


def by_class(bundle: bytes) -> dict[str, list[str]]:
    """Class to the distinct strings of it. ZIP codes and states are left out: the first three digits, and the
    state, may stand."""
    found: dict[str, dict[str, None]] = {name: {} for name in CLASSES}
    for entry in json.loads(bundle)["entry"]:
        for name, text in _entry(entry):
            if text:
                found[name][text] = None
    return {name: list(texts) for name, texts in found.items()}


def _entry(entry: Resource) -> Iterator[tuple[str, str]]:
    resource: Resource = entry["resource"]
    yield "resource id", entry.get("fullUrl", "").rpartition(":")[2]
    yield "resource id", resource.get("id", "")
    kind = resource["resourceType"]
    if kind in ("Patient", "Practitioner"):
        yield from _person(resource)
    if kind in ("Organization", "Location"):
        yield "name", resource.get("name", "")
        yield from _addresses(resource.get("address", []))
    if kind in ("Patient", "Practitioner", "Organization", "Location"):
        yield from (("phone", one.get("value", "")) for one in resource.get("telecom", []))
    if kind == "Device":
        for key in ("deviceIdentifier", "distinctIdentifier", "serialNumber", "lotNumber"):
            yield "device", resource.get(key, "")
        for carrier in resource.get("udiCarrier", []):
            yield "device", carrier.get("deviceIdentifier", "")
            yield "device", carrier.get("carrierHRF", "")


def _person(resource: Resource) -> Iterator[tuple[str, str]]:
    for name in resource.get("name", []):
        yield "name", name.get("family", "")
        yield from (("name", given) for given in name.get("given", []))
    yield from _addresses(resource.get("address", []))
    yield "birth date", resource.get("birthDate", "")
    for one in resource.get("identifier", []):
        yield "number", one.get("value", "")
    for extension in resource.get("extension", []):
        if extension["url"].endswith("mothersMaidenName"):
            yield "name", extension["valueString"]
        if extension["url"].endswith("birthPlace"):
            yield from _addresses(extension["valueAddress"])


def _addresses(held: Any) -> Iterator[tuple[str, str]]:
    for address in held if isinstance(held, list) else [held]:
        yield from (("address", line) for line in address.get("line", []))
        yield "address", address.get("city", "")
