import json

import pytest

from chainnode.intake.process import process_bundle
from tests.intake.bundles import (
    ASTHMA,
    KEY,
    bundle,
    condition,
    counting,
    encounter,
    intake,
    observation,
    patient,
    reasons,
    released,
)

NAME = [{"family": "Quorlindra", "given": ["Mervabel"]}]


def test_good_resources_go_in_and_the_bad_one_is_listed() -> None:
    bad = condition(id="c2", clinicalStatus="active")
    result = intake(bundle(patient(), condition(), bad, observation()))
    assert len(released(result, "conditions")) == 1 and len(released(result, "observations")) == 1
    assert reasons(result) == ["2 Condition: clinicalStatus is not an object"]
    assert result.report.rejected == {"Condition": 1} and result.report.taken["Condition"] == 1


def test_a_refused_resource_leaves_no_counts_behind() -> None:
    bad = condition(note=[{"text": "x"}], onsetDateTime=5)
    assert intake(bundle(patient(), bad)).report.counts == intake(bundle(patient())).report.counts


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (5, "is not an entry with a FHIR resource"),
        ({"id": "x"}, "is not an entry with a FHIR resource"),
        ({"resourceType": 3}, "is not an entry with a FHIR resource"),
        (condition(id="p1x", subject={"reference": "Patient/nobody"}), "names no patient of this bundle"),
        (condition(subject={"reference": "Group/g"}), "names no patient of this bundle"),
        (condition(subject="Patient/p1"), "names no patient of this bundle"),
        (condition(code={"text": "asthma"}), "has no code of a known system"),
        (
            condition(modifierExtension=[{"url": "x"}]),
            "it carries a modifier extension, which nobody may ignore",
        ),
        (condition(implicitRules="http://x"), "follows implicit rules that are not known here"),
        (observation(status="entered-in-error"), "was entered in error"),
        (observation(component=[{"code": 7}]), "component.code is not an object"),
        (observation(valueQuantity={"value": "4"}), "valueQuantity is not a number"),
        (observation(category={}), "category is not a list"),
        (patient(id="p2", birthDate="15.6.1960"), "birthDate is not a date"),
        ({"resourceType": "Patient"}, "has no identifier, id or fullUrl to know the patient by"),
        (patient(gender="male"), "has the id or fullUrl of an earlier entry"),
    ],
)
def test_each_bad_resource_is_refused_with_its_reason(entry: object, reason: str) -> None:
    result = intake(bundle(patient(), entry))
    assert [item.reason for item in result.rejected] == [reason]
    assert [item.index for item in result.rejected] == [1]
    assert len(result.subjects) == 1


def test_a_condition_entered_in_error_is_refused() -> None:
    system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    status = {"coding": [{"system": system, "code": "entered-in-error"}]}
    result = intake(bundle(patient(), condition(verificationStatus=status)))
    assert reasons(result) == ["1 Condition: was entered in error"]


def test_a_rejection_repeats_nothing_of_the_input() -> None:
    entry = {"resourceType": "Mervabel", "id": "Quorlindra", "Surname": 1}
    bad = condition(component={"Quorlindra": 1}, onsetDateTime={"Quorlindra": 1})
    result = intake(bundle(patient(), entry, bad))
    assert reasons(result) == ["2 Condition: onsetDateTime is not a date"]
    assert result.report.dropped == {"unknown": 1}


def test_entries_that_are_not_utf8_are_refused_alone() -> None:
    data = bundle(patient(), condition(note="@@"), observation()).replace(b"@@", b"\xff\xfe")
    result = intake(data)
    assert reasons(result) == ["1 Condition: is not readable JSON"]
    assert len(released(result, "observations")) == 1


def test_a_bundle_of_two_patients_is_split_by_subject() -> None:
    second = condition(id="c2", subject={"reference": "Patient/p2"}, onsetDateTime="1990")
    result = intake(bundle(patient(), patient(id="p2"), condition(), second))
    assert [released(result, "conditions", n)[0]["onsetDateTime"] for n in (0, 1)] == ["2010", "1990"]
    assert set(result.subjects[0].identifier_macs).isdisjoint(result.subjects[1].identifier_macs)


@pytest.mark.parametrize(
    "reference",
    [
        {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
        {"reference": "Patient/p1"},
        {"reference": "Patient/p1/_history/3"},
        {"reference": "Patient?identifier=http://mrn|M%201"},
        {"reference": "Patient?identifier=http%3A%2F%2Fmrn%7CM+1"},
        {"reference": "Patient?identifier=M%201"},
        {"identifier": {"system": "http://mrn", "value": "M 1"}},
    ],
)
def test_every_way_to_name_the_subject_is_understood(reference: object) -> None:
    who = patient(identifier=[{"system": "http://mrn", "value": "M 1"}])
    urls = {"p1": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}
    result = intake(bundle(who, condition(subject=reference), urls=urls))
    assert reasons(result) == [] and len(released(result, "conditions")) == 1


@pytest.mark.parametrize(
    "reference",
    [
        "http://elsewhere/Patient/p1",
        "Patient?identifier=http://mrn|M%202",
        "Patient?identifier=http://mrn|M%201&name=x",
        "Patient?name=x",
        "Patient?" + "&".join(["identifier=a"] * 9),
        "#p1",
        "",
    ],
)
def test_a_subject_that_is_not_certain_is_refused(reference: str) -> None:
    who = patient(identifier=[{"system": "http://mrn", "value": "M 1"}])
    result = intake(bundle(who, condition(subject={"reference": reference})))
    assert reasons(result) == ["1 Condition: names no patient of this bundle"]


def test_an_identifier_of_two_patients_names_neither() -> None:
    shared = [{"system": "http://family", "value": "F1"}]
    query = condition(subject={"reference": "Patient?identifier=http://family|F1"})
    result = intake(bundle(patient(identifier=shared), patient(id="p2", identifier=shared), query))
    assert reasons(result) == ["2 Condition: names no patient of this bundle"]


def test_references_within_the_subject_become_local_and_the_rest_is_dropped() -> None:
    urls = {"e1": "urn:uuid:3e3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}
    own = condition(encounter={"reference": urls["e1"], "display": "Mervabel"})
    other = condition(id="c2", encounter={"reference": "Encounter/e2"})
    foreign = encounter(id="e2", subject={"reference": "Patient/p2"})
    result = intake(bundle(patient(), encounter(), own, other, patient(id="p2"), foreign, urls=urls))
    visit = released(result, "encounters")[0]
    first, second = released(result, "conditions")
    assert first["encounter"] == {"reference": f"Encounter/{visit['id']}"}
    assert "encounter" not in second
    assert first["subject"] == {"reference": "Patient/" + released(result, "demographics")[0]["id"]}
    assert result.report.by_class("removed")["reference"] == 1


def test_a_reference_to_a_refused_resource_is_dropped() -> None:
    bad = encounter(**{"class": "AMB"})
    result = intake(bundle(patient(), bad, condition(encounter={"reference": "Encounter/e1"})))
    assert "encounter" not in released(result, "conditions")[0]


def test_a_reference_to_the_wrong_type_is_dropped() -> None:
    result = intake(bundle(patient(), observation(), condition(encounter={"reference": "Observation/o1"})))
    assert "encounter" not in released(result, "conditions")[0]


def test_local_ids_are_random_and_differ_at_every_intake() -> None:
    data = bundle(patient(), condition())
    first, second = (released(intake(data), "conditions")[0]["id"] for _ in range(2))
    assert first != second and "c1" not in (first, second)
    drawn = process_bundle(data, profile="safe-harbor", key=KEY, random=counting())
    assert released(drawn, "demographics")[0]["id"] == "0001020304050607"
    assert released(drawn, "conditions")[0]["id"] == "08090a0b0c0d0e0f"


@pytest.mark.parametrize("contained", [True, False])
def test_a_referenced_medication_gives_its_code(contained: bool) -> None:
    rxnorm = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "314076"}]}
    drug = {"resourceType": "Medication", "id": "m1", "code": {**rxnorm, "text": "for Mervabel"}}
    order = {"resourceType": "MedicationRequest", "id": "r1", "subject": {"reference": "Patient/p1"}}
    if contained:
        order |= {"contained": [drug], "medicationReference": {"reference": "#m1"}}
        result = intake(bundle(patient(), order))
    else:
        result = intake(
            bundle(patient(), order | {"medicationReference": {"reference": "Medication/m1"}}, drug)
        )
    coding = released(result, "medications")[0]["medicationCodeableConcept"]["coding"][0]
    assert coding["code"] == "314076" and coding["display"] == "Lisinopril 10 mg oral tablet"


def test_resources_without_a_patient_are_dropped_and_counted() -> None:
    others = [
        {"resourceType": name, "name": "x"} for name in ("Organization", "Practitioner", "Location", "Claim")
    ]
    result = intake(bundle(patient(), *others))
    assert result.report.dropped == {"Organization": 1, "Practitioner": 1, "Location": 1, "Claim": 1}
    assert result.rejected == []


def test_nothing_but_listed_elements_comes_out() -> None:
    result = intake(
        bundle(patient(name=NAME, photo=[{"url": "x"}], extension=[{}]), condition(note=[{"text": "x"}]))
    )
    assert set(released(result, "demographics")[0]) == {"resourceType", "id", "meta", "gender"}
    assert set(released(result, "conditions")[0]) == {
        "resourceType", "id", "meta", "code", "onsetDateTime", "subject",
    }  # fmt: skip


def test_displays_are_ours_and_texts_are_gone() -> None:
    coding = {**ASTHMA["coding"][0], "display": "Asthma of Mervabel", "version": "1", "userSelected": True}
    result = intake(bundle(patient(), condition(code={"coding": [coding], "text": "Mervabel's"})))
    assert released(result, "conditions")[0]["code"] == {
        "coding": [{"system": "http://snomed.info/sct", "code": "195967001", "display": "Asthma"}]
    }


def test_a_name_cannot_hide_in_a_code_or_unit_or_status() -> None:
    hidden = [
        {"system": "http://snomed.info/sct", "code": "Quorlindra"},
        {"system": "http://quorlindra.example", "code": "195967001"},
        {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "Quorlindra"},
    ]
    result = intake(
        bundle(
            patient(gender="Quorlindra"),
            observation(
                status="Quorlindra",
                category=[{"coding": hidden}],
                valueQuantity={"value": 3, "unit": "Quorlindra"},
            ),
        )
    )
    assert b"uorlindra" not in b"".join(result.subjects[0].classes.values())
    assert result.report.by_class("removed")["code"] == 5


def test_long_numbers_are_rounded_so_that_no_number_of_a_person_fits_in() -> None:
    values = [
        observation(id="o1", valueQuantity={"value": 999123456, "unit": "kg"}),
        observation(id="o2", valueInteger=9991234),
        observation(id="o3", valueQuantity={"value": 72.123456, "unit": "kg"}),
        observation(id="o4", valueQuantity={"value": 10**20, "unit": "kg"}),
    ]
    first, second, third, fourth = released(intake(bundle(patient(), *values)), "observations")
    assert first["valueQuantity"]["value"] == 999120000
    assert "valueInteger" not in second and "valueQuantity" not in fourth
    assert third["valueQuantity"] == {
        "value": 72.123, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg",
    }  # fmt: skip


def test_free_text_values_are_dropped() -> None:
    result = intake(bundle(patient(), observation(valueString="Mervabel", valueDateTime="2010-01-01")))
    assert not any(name.startswith("value") for name in released(result, "observations")[0])
    removed = result.report.by_class("removed")
    assert removed["free-text"] == 1 and removed["dates"] == 2  # the birth date is one


def test_lines_are_one_resource_each() -> None:
    result = intake(bundle(patient(), condition(), condition(id="c2")))
    data = result.subjects[0].classes["conditions"]
    assert (
        data.endswith(b"\n")
        and [json.loads(line)["resourceType"] for line in data.splitlines()] == ["Condition"] * 2
    )
