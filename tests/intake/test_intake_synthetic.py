import json
from collections import Counter

import pytest

from chainnode.intake.report import combined
from chainnode.intake.synthetic import identifiers, synthetic_bundle, synthetic_bundles
from chainnode.intake.table import cohort_table
from tests.intake.bundles import SYNTHEA, intake, synthea_files


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert synthetic_bundle(7, 3) == synthetic_bundle(7, 3)
    assert len(set(synthetic_bundles(7, 4)) | set(synthetic_bundles(8, 4))) == 8
    assert list(synthetic_bundles(7, 4))[3] == synthetic_bundle(7, 3)


def test_a_bundle_has_one_patient_every_resource_type_and_a_fair_size() -> None:
    types: Counter[str] = Counter()
    for data in synthetic_bundles(7, 12):
        assert 40_000 < len(data) < 250_000
        document = json.loads(data)
        assert document["resourceType"] == "Bundle" and document["type"] == "transaction"
        here = Counter(entry["resource"]["resourceType"] for entry in document["entry"])
        assert here["Patient"] == 1
        types += here
    assert types.keys() >= {
        "Encounter",
        "Condition",
        "Observation",
        "DiagnosticReport",
        "MedicationRequest",
        "Procedure",
        "Immunization",
        "AllergyIntolerance",
        "Practitioner",
        "Organization",
        "Device",
        "DocumentReference",
    }


def test_every_synthetic_resource_of_a_released_type_is_taken() -> None:
    results = [intake(data) for data in synthetic_bundles(9, 10)]
    assert all(result.rejected == [] for result in results)
    report = combined(result.report for result in results)
    assert "code" not in report.by_class("removed")
    assert set(report.dropped) == {"Organization", "Practitioner", "Device", "DocumentReference"}


def test_the_bundles_plant_identifiers_of_most_classes() -> None:
    removed = intake(synthetic_bundle(9)).report.by_class("removed")
    assert removed.keys() >= {
        "names",
        "geographic",
        "dates",
        "telephone",
        "fax",
        "email",
        "ssn",
        "medical-record",
        "health-plan",
        "account",
        "licence",
        "device",
        "free-text",
        "narrative",
        "attachment",
        "extension",
        "provider",
    }


def test_the_identifiers_of_a_bundle_are_listed() -> None:
    data = synthetic_bundle(9)
    found = identifiers(data)
    resource = json.loads(data)["entry"][0]["resource"]
    person = resource["name"][0]
    assert {person["family"], *person["given"], resource["birthDate"], resource["id"]} <= set(found)
    assert {item["value"] for item in resource["identifier"] + resource["telecom"]} <= set(found)
    assert {resource["address"][0]["city"], resource["address"][0]["line"][0]} <= set(found)
    assert {part for part in resource["extension"][0]["valueString"].split()} <= set(found)
    assert any(text.endswith("Memorial Hospital") for text in found)
    assert all(text in data.decode() for text in found)


def test_a_table_of_synthetic_patients_makes_sense() -> None:
    released = [
        (str(number), name, ndjson)
        for number, data in enumerate(synthetic_bundles(1, 120))
        for name, ndjson in intake(data).subjects[0].classes.items()
    ]
    table = cohort_table(released, smallest_cell=1)
    rows = {row.name: dict(zip(table.bands, map(int, row.cells), strict=True)) for row in table.rows}
    pressure, asthma = rows["Essential hypertension"], rows["Asthma"]
    assert table.patients == "120" and len(rows) >= 12
    assert pressure["40-59"] + pressure["60-79"] > pressure.get("20-39", 0) > pressure.get("0-19", 0) - 1
    assert asthma["0-19"] >= 3 and sum(asthma.values()) == asthma["0-19"]


@pytest.mark.skipif(not SYNTHEA.is_dir(), reason="no Synthea bundles in ../shared/data/fhir")
def test_every_released_resource_of_the_synthea_bundles_is_taken() -> None:
    results = [intake(path.read_bytes()) for path in synthea_files()]
    assert [result.rejected for result in results] == [[]] * 20
    taken = combined(result.report for result in results).taken
    assert taken == {
        "Patient": 20,
        "Encounter": 272,
        "Condition": 87,
        "Observation": 1486,
        "DiagnosticReport": 67,
        "Procedure": 97,
        "MedicationRequest": 44,
        "Immunization": 253,
        "AllergyIntolerance": 8,
    }
