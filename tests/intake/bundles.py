"""Small bundles for the tests of intake."""

import json
from pathlib import Path
from typing import Any

from chainnode.intake.process import IntakeResult, process_bundle

KEY = bytes(range(32))
SYNTHEA = Path(__file__).resolve().parents[3] / "shared" / "data" / "fhir"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ASTHMA = {"coding": [{"system": SNOMED, "code": "195967001"}]}

Resource = dict[str, Any]


def synthea_files() -> list[Path]:
    return sorted(SYNTHEA.glob("*.json")) if SYNTHEA.is_dir() else []


def patient(**elements: Any) -> Resource:
    return {"resourceType": "Patient", "id": "p1", "birthDate": "1960-06-15", "gender": "female", **elements}


def condition(**elements: Any) -> Resource:
    own = {"id": "c1", "subject": {"reference": "Patient/p1"}, "code": ASTHMA, "onsetDateTime": "2010-03-04"}
    return {"resourceType": "Condition", **own, **elements}


def observation(**elements: Any) -> Resource:
    code = {"coding": [{"system": LOINC, "code": "29463-7"}]}
    own = {"id": "o1", "status": "final", "subject": {"reference": "Patient/p1"}, "code": code}
    return {"resourceType": "Observation", **own, **elements}


def encounter(**elements: Any) -> Resource:
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    own = {"id": "e1", "status": "finished", "subject": {"reference": "Patient/p1"}, "class": kind}
    return {"resourceType": "Encounter", **own, **elements}


def bundle(*resources: Any, kind: str = "transaction", urls: dict[str, str] | None = None) -> bytes:
    """A Bundle; `urls`: resource id -> fullUrl."""
    entries = []
    for resource in resources:
        entry = {"resource": resource}
        own_id = resource.get("id") if isinstance(resource, dict) else None
        if urls and own_id in urls:
            entry["fullUrl"] = urls[own_id]
        entries.append(entry)
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}).encode()


def counting() -> Any:
    """Random bytes that are not: 0, 1, 2, ... so that ids can be foretold."""
    state = [0]

    def draw(count: int) -> bytes:
        state[0] += count
        return bytes((state[0] - count + i) % 256 for i in range(count))

    return draw


def intake(data: bytes, profile: str = "safe-harbor", key: bytes = KEY) -> IntakeResult:
    return process_bundle(data, profile=profile, key=key)


def released(result: IntakeResult, data_class: str, subject: int = 0) -> list[Resource]:
    """The resources that came out, decoded."""
    lines = result.subjects[subject].classes.get(data_class, b"").splitlines()
    return [json.loads(line) for line in lines]


def reasons(result: IntakeResult) -> list[str]:
    return [f"{item.index} {item.resource_type}: {item.reason}" for item in result.rejected]
