"""What is let through, resource type by resource type. Whatever is not here is dropped and counted.

Element names and value sets: HL7 FHIR R4 (4.0.1). Elements are written in the order they come out.
"""

from dataclasses import dataclass, field

from chainnode.intake.values import (
    Cleaner,
    address,
    boolean,
    coding,
    concept,
    decimal,
    element,
    integer,
    link,
    many,
    moment,
    one_of,
    period,
    quantity,
    ratio,
    value_range,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """How one resource type is let through.

    `subject`: the element that names the patient. `events`: paths to the date of the event, the best
    first. `needs`: of each group, one element must be left, or the resource is refused. `links`:
    references within the subject, name -> (types, whether it is a list).
    """

    data_class: str
    clean: Cleaner
    subject: str = "subject"
    events: tuple[str, ...] = ()
    needs: tuple[tuple[str, ...], ...] = ()
    links: dict[str, tuple[frozenset[str], bool]] = field(default_factory=dict)


_ENCOUNTER = {"encounter": (frozenset({"Encounter"}), False)}
_CONTEXT = {"context": (frozenset({"Encounter"}), False)}
_REASON = {"reasonReference": (frozenset({"Condition", "Observation", "Procedure"}), True)}
_EVENT_STATUS = "preparation in-progress not-done on-hold stopped completed unknown"

_TIMING = element(
    {
        "repeat": element(
            {
                "count": integer,
                "countMax": integer,
                "duration": decimal,
                "durationUnit": one_of("s min h d wk mo a"),
                "frequency": integer,
                "frequencyMax": integer,
                "period": decimal,
                "periodMax": decimal,
                "periodUnit": one_of("s min h d wk mo a"),
            }
        )
    }
)

_DOSAGE = element(
    {
        "sequence": integer,
        "additionalInstruction": many(concept),
        "timing": _TIMING,
        "asNeededBoolean": boolean,
        "asNeededCodeableConcept": concept,
        "site": concept,
        "route": concept,
        "method": concept,
        "doseAndRate": many(
            element(
                {
                    "type": concept,
                    "doseRange": value_range,
                    "doseQuantity": quantity,
                    "rateRatio": ratio,
                    "rateRange": value_range,
                    "rateQuantity": quantity,
                }
            )
        ),
    }
)

_VALUES: dict[str, Cleaner] = {
    "valueQuantity": quantity,
    "valueCodeableConcept": concept,
    "valueBoolean": boolean,
    "valueInteger": integer,
    "valueRange": value_range,
    "valueRatio": ratio,
    "dataAbsentReason": concept,
    "interpretation": many(concept),
    "referenceRange": many(element({"low": quantity, "high": quantity, "type": concept})),
}

_PATIENT = element(
    {
        "gender": one_of("male female other unknown"),
        "deceasedBoolean": boolean,
        "deceasedDateTime": moment,
        "address": many(address),
        "maritalStatus": concept,
    }
)

_ENCOUNTER_RULE = Rule(
    "encounters",
    element(
        {
            "status": one_of("planned arrived triaged in-progress onleave finished cancelled unknown"),
            "class": coding,
            "type": many(concept),
            "serviceType": concept,
            "priority": concept,
            "period": period,
            "length": quantity,
            "reasonCode": many(concept),
            "reasonReference": link("reasonReference"),
            "hospitalization": element({"admitSource": concept, "dischargeDisposition": concept}),
            "partOf": link("partOf"),
        }
    ),
    events=("period.start", "period.end"),
    needs=(("class", "type"),),
    links=_REASON | {"partOf": (frozenset({"Encounter"}), False)},
)

_CONDITION = Rule(
    "conditions",
    element(
        {
            "clinicalStatus": concept,
            "verificationStatus": concept,
            "category": many(concept),
            "severity": concept,
            "code": concept,
            "bodySite": many(concept),
            "encounter": link("encounter"),
            "onsetDateTime": moment,
            "onsetPeriod": period,
            "abatementDateTime": moment,
            "abatementPeriod": period,
            "recordedDate": moment,
            "stage": many(element({"summary": concept, "type": concept})),
        }
    ),
    events=("onsetDateTime", "onsetPeriod.start", "recordedDate"),
    needs=(("code",),),
    links=_ENCOUNTER,
)

_OBSERVATION_STATUS = "registered preliminary final amended corrected cancelled unknown"

_OBSERVATION = Rule(
    "observations",
    element(
        {
            "status": one_of(_OBSERVATION_STATUS),
            "category": many(concept),
            "code": concept,
            "encounter": link("encounter"),
            "effectiveDateTime": moment,
            "effectivePeriod": period,
            **_VALUES,
            "bodySite": concept,
            "method": concept,
            "hasMember": link("hasMember"),
            "component": many(element({"code": concept, **_VALUES})),
        }
    ),
    events=("effectiveDateTime", "effectivePeriod.start", "effectiveInstant", "issued"),
    needs=(("code",),),
    links=_ENCOUNTER | {"hasMember": (frozenset({"Observation"}), True)},
)

_DIAGNOSTIC_REPORT = Rule(
    "observations",
    element(
        {
            "status": one_of(_OBSERVATION_STATUS + " partial appended"),
            "category": many(concept),
            "code": concept,
            "encounter": link("encounter"),
            "effectiveDateTime": moment,
            "effectivePeriod": period,
            "result": link("result"),
            "conclusionCode": many(concept),
        }
    ),
    events=("effectiveDateTime", "effectivePeriod.start", "issued"),
    needs=(("code",),),
    links=_ENCOUNTER | {"result": (frozenset({"Observation"}), True)},
)

_INTENT = "proposal plan order original-order reflex-order filler-order instance-order option"
_SERIES = element({"doseNumberPositiveInt": integer, "seriesDosesPositiveInt": integer})

_MEDICATION_REQUEST = Rule(
    "medications",
    element(
        {
            "status": one_of("active on-hold cancelled completed stopped draft unknown"),
            "intent": one_of(_INTENT),
            "category": many(concept),
            "priority": one_of("routine urgent asap stat"),
            "doNotPerform": boolean,
            "medicationCodeableConcept": concept,
            "encounter": link("encounter"),
            "authoredOn": moment,
            "reasonCode": many(concept),
            "reasonReference": link("reasonReference"),
            "dosageInstruction": many(_DOSAGE),
            "dispenseRequest": element(
                {"numberOfRepeatsAllowed": integer, "quantity": quantity, "expectedSupplyDuration": quantity}
            ),
        }
    ),
    events=("authoredOn",),
    needs=(("medicationCodeableConcept",),),
    links=_ENCOUNTER | _REASON,
)

_MEDICATION_STATEMENT = Rule(
    "medications",
    element(
        {
            "status": one_of("active completed intended stopped on-hold unknown not-taken"),
            "category": concept,
            "medicationCodeableConcept": concept,
            "context": link("context"),
            "effectiveDateTime": moment,
            "effectivePeriod": period,
            "reasonCode": many(concept),
            "reasonReference": link("reasonReference"),
            "dosage": many(_DOSAGE),
        }
    ),
    events=("effectiveDateTime", "effectivePeriod.start", "dateAsserted"),
    needs=(("medicationCodeableConcept",),),
    links=_CONTEXT | _REASON,
)

_MEDICATION_ADMINISTRATION = Rule(
    "medications",
    element(
        {
            "status": one_of("in-progress not-done on-hold completed stopped unknown"),
            "category": concept,
            "medicationCodeableConcept": concept,
            "context": link("context"),
            "effectiveDateTime": moment,
            "effectivePeriod": period,
            "reasonCode": many(concept),
            "reasonReference": link("reasonReference"),
            "dosage": element(
                {
                    "site": concept,
                    "route": concept,
                    "method": concept,
                    "dose": quantity,
                    "rateRatio": ratio,
                    "rateQuantity": quantity,
                }
            ),
        }
    ),
    events=("effectiveDateTime", "effectivePeriod.start"),
    needs=(("medicationCodeableConcept",),),
    links=_CONTEXT | _REASON,
)

_PROCEDURE = Rule(
    "procedures",
    element(
        {
            "status": one_of(_EVENT_STATUS),
            "statusReason": concept,
            "category": concept,
            "code": concept,
            "encounter": link("encounter"),
            "performedDateTime": moment,
            "performedPeriod": period,
            "reasonCode": many(concept),
            "reasonReference": link("reasonReference"),
            "bodySite": many(concept),
            "outcome": concept,
            "complication": many(concept),
            "followUp": many(concept),
        }
    ),
    events=("performedDateTime", "performedPeriod.start"),
    needs=(("code",),),
    links=_ENCOUNTER | _REASON,
)

_IMMUNIZATION = Rule(
    "immunizations",
    element(
        {
            "status": one_of("completed not-done"),
            "statusReason": concept,
            "vaccineCode": concept,
            "encounter": link("encounter"),
            "occurrenceDateTime": moment,
            "primarySource": boolean,
            "site": concept,
            "route": concept,
            "doseQuantity": quantity,
            "reasonCode": many(concept),
            "isSubpotent": boolean,
            "protocolApplied": many(_SERIES),
        }
    ),
    subject="patient",
    events=("occurrenceDateTime", "recorded"),
    needs=(("vaccineCode",),),
    links=_ENCOUNTER,
)

_ALLERGY = Rule(
    "allergies",
    element(
        {
            "clinicalStatus": concept,
            "verificationStatus": concept,
            "type": one_of("allergy intolerance"),
            "category": many(one_of("food medication environment biologic")),
            "criticality": one_of("low high unable-to-assess"),
            "code": concept,
            "encounter": link("encounter"),
            "onsetDateTime": moment,
            "onsetPeriod": period,
            "recordedDate": moment,
            "lastOccurrence": moment,
            "reaction": many(
                element(
                    {
                        "substance": concept,
                        "manifestation": many(concept),
                        "onset": moment,
                        "severity": one_of("mild moderate severe"),
                        "exposureRoute": concept,
                    }
                )
            ),
        }
    ),
    subject="patient",
    events=("onsetDateTime", "onsetPeriod.start", "recordedDate"),
    needs=(("code",),),
    links=_ENCOUNTER,
)

ALLOWED: dict[str, Rule] = {
    "Patient": Rule("demographics", _PATIENT, subject="", events=("deceasedDateTime",)),
    "Encounter": _ENCOUNTER_RULE,
    "Condition": _CONDITION,
    "Observation": _OBSERVATION,
    "DiagnosticReport": _DIAGNOSTIC_REPORT,
    "MedicationRequest": _MEDICATION_REQUEST,
    "MedicationStatement": _MEDICATION_STATEMENT,
    "MedicationAdministration": _MEDICATION_ADMINISTRATION,
    "Procedure": _PROCEDURE,
    "Immunization": _IMMUNIZATION,
    "AllergyIntolerance": _ALLERGY,
}

DATA_CLASSES = tuple(dict.fromkeys(rule.data_class for rule in ALLOWED.values()))
"""The classes an intake can yield, in the order in which the chain names them."""
