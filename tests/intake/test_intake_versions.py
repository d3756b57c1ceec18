"""Bundles of other versions: what fits goes in, what does not is listed, nothing crashes."""

import base64

from tests.intake.bundles import (
    ASTHMA,
    bundle,
    condition,
    encounter,
    intake,
    observation,
    patient,
    reasons,
    released,
)

NPI = "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|9999912345"
LOCATION = "Location?identifier=https://github.com/synthetichealth/synthea|0c3151bd"
RXNORM = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "314076"}]}
SUBJECT = {"reference": "Patient/p1"}


def test_stu3_resources_are_listed_one_by_one_and_r4_ones_go_in() -> None:
    result = intake(
        bundle(
            patient(animal={"species": {}}, deceasedBoolean=False),
            condition(clinicalStatus="active", verificationStatus="confirmed", context=SUBJECT),
            encounter(id="e2", reason=[ASTHMA], indication=[SUBJECT]),
            observation(id="o2", context=SUBJECT, comment="words", related=[{"type": "has-member"}]),
            {
                "resourceType": "Immunization",
                "patient": SUBJECT,
                "vaccineCode": "140",
                "notGiven": False,
                "date": "2010",
            },
            {
                "resourceType": "AllergyIntolerance",
                "patient": SUBJECT,
                "clinicalStatus": "active",
                "code": ASTHMA,
            },
            {"resourceType": "ReferralRequest", "subject": SUBJECT},
            {"resourceType": "ProcedureRequest", "subject": SUBJECT},
        )
    )
    assert reasons(result) == [
        "1 Condition: clinicalStatus is not an object",
        "4 Immunization: vaccineCode is not an object",
        "5 AllergyIntolerance: clinicalStatus is not an object",
    ]
    assert result.report.dropped == {"unknown": 2}
    assert result.report.taken == {"Patient": 1, "Encounter": 1, "Observation": 1}


def test_a_later_synthea_with_conditional_references_goes_in_whole() -> None:
    survey = {"coding": [{"system": "http://loinc.org", "code": "LA33-6", "display": "Yes"}], "text": "Yes"}
    person = {"individual": {"reference": NPI, "display": "Dr. Mervabel Quorlindra"}, "type": [ASTHMA]}
    place = [{"location": {"reference": LOCATION, "display": "QUORLINDRA HOSPITAL"}}]
    stay = encounter(participant=[person], location=place, meta={"profile": ["http://hl7.org/fhir/us/core"]})
    given = {
        "resourceType": "MedicationAdministration",
        "subject": SUBJECT,
        "context": {"reference": "Encounter/e1"},
    }
    given |= {
        "medicationCodeableConcept": RXNORM,
        "effectiveDateTime": "2020-01-01",
        "dosage": {"dose": {"value": 1}},
    }
    notes = {"resourceType": "DocumentReference", "subject": SUBJECT, "author": [{"reference": NPI}]}
    notes["content"] = [{"attachment": {"data": base64.b64encode(b"Quorlindra" * 200_000).decode()}}]
    trace = {"resourceType": "Provenance", "target": [SUBJECT], "agent": [{"who": {"reference": NPI}}]}
    answered = observation(
        id="o2",
        component=[{"code": survey, "valueCodeableConcept": survey}, {"code": survey, "valueString": "x"}],
    )
    result = intake(bundle(patient(), stay, answered, given, notes, trace))
    assert reasons(result) == []
    assert result.report.dropped == {"DocumentReference": 1, "Provenance": 1}
    visit = released(result, "encounters")[0]
    assert set(visit) == {"resourceType", "id", "status", "class", "subject"}
    assert released(result, "medications")[0]["context"] == {"reference": f"Encounter/{visit['id']}"}
    code = {"coding": [{"system": "http://loinc.org", "code": "LA33-6"}]}
    assert released(result, "observations")[0]["component"] == [
        {"code": code, "valueCodeableConcept": code},
        {"code": code},
    ]
    assert b"uorlindra" not in b"".join(result.subjects[0].classes.values()).lower()


def test_coded_answers_doses_ranges_and_reactions_survive() -> None:
    mg = {"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    order = {
        "resourceType": "MedicationRequest",
        "subject": SUBJECT,
        "medicationCodeableConcept": RXNORM,
        "dosageInstruction": [
            {
                "text": "words",
                "timing": {
                    "repeat": {
                        "frequency": 2,
                        "period": 1,
                        "periodUnit": "d",
                        "boundsPeriod": {"start": "2010"},
                    }
                },
                "doseAndRate": [{"doseRange": {"low": {"value": 5, **mg}, "high": {"value": 10, **mg}}}],
            }
        ],
        "dispenseRequest": {"numberOfRepeatsAllowed": 3, "performer": {"display": "x"}},
    }
    reaction = {"manifestation": [ASTHMA], "onset": "2011-05-05", "severity": "mild", "description": "words"}
    allergy = {"resourceType": "AllergyIntolerance", "patient": SUBJECT, "code": ASTHMA, "category": ["food"]}
    measured = observation(
        referenceRange=[{"low": {"value": 4, **mg}, "text": "words"}],
        valueQuantity={"value": 5, "comparator": "<", **mg},
    )
    result = intake(bundle(patient(), order, allergy | {"reaction": [reaction]}, measured))
    assert reasons(result) == []
    dosage = released(result, "medications")[0]["dosageInstruction"][0]
    assert dosage["timing"] == {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
    assert dosage["doseAndRate"][0]["doseRange"]["high"] == {"value": 10, **mg}
    assert released(result, "medications")[0]["dispenseRequest"] == {"numberOfRepeatsAllowed": 3}
    kept = released(result, "allergies")[0]["reaction"][0]
    assert kept["onset"] == "2011" and kept["severity"] == "mild" and "description" not in kept
    value = released(result, "observations")[0]
    assert value["valueQuantity"] == {"value": 5, "comparator": "<", **mg}
    assert value["referenceRange"] == [{"low": {"value": 4, **mg}}]
