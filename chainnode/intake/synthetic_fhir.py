"""Writing an invented patient down as FHIR R4 resources, identifiers in all the wrong places included."""

import base64
import uuid
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from chainnode.intake.codes import CVX, DISPLAYS, LOINC, RXNORM, SNOMED, THO, UCUM
from chainnode.intake.synthetic_course import YEAR_DAYS, Course, Episode
from chainnode.intake.synthetic_people import Address, Clinic, Person, digits

TODAY = date(2024, 12, 31)
"""Of the synthetic world."""

_ID_TYPES = THO + "v2-0203"
_HL7_EXTENSION = "http://hl7.org/fhir/StructureDefinition/"
_SCAN_BYTES = 6_000

Resource = dict[str, Any]


def _concept(system: str, code: str, note: str = "") -> Resource:
    display = DISPLAYS.get((system, code), code)
    coding = {"system": system, "code": code, "display": display + note}
    return {"coding": [coding], "text": display + note}


def _plain(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _address(place: Address) -> Resource:
    return {
        "line": [place.line],
        "city": place.city,
        "state": place.state,
        "postalCode": place.postal_code,
        "country": "US",
    }


class Chart:
    """Collects the entries of one patient's bundle."""

    def __init__(self, random: Random, person: Person, clinic: Clinic) -> None:
        self.entries: list[Resource] = []
        self._random = random
        self._person = person
        self._clinic = clinic
        self._note = f" ({person.full_name}, {person.mrn})"
        self._patient = self._add("Patient", self._patient_resource())
        self._house = self._add("Organization", self._organisation())
        self._doctor = self._add("Practitioner", self._practitioner())
        self._device = self._add("Device", self._device_resource())

    def _add(self, resource_type: str, body: Resource) -> Resource:
        """Add an entry; returns a Reference to it."""
        own_id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        text = f"<div xmlns='http://www.w3.org/1999/xhtml'>{resource_type} of {self._person.full_name}</div>"
        resource = {
            "resourceType": resource_type,
            "id": own_id,
            "text": {"status": "generated", "div": text},
            **body,
        }
        request = {"method": "POST", "url": resource_type}
        self.entries.append({"fullUrl": f"urn:uuid:{own_id}", "resource": resource, "request": request})
        return {"reference": f"urn:uuid:{own_id}"}

    def _time(self, day: date, hours: int = 0) -> str:
        seconds = self._random.randrange(8 * 3600, 16 * 3600) + 3600 * hours
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)
        return moment.isoformat()

    def _patient_resource(self) -> Resource:
        person = self._person
        numbers = (
            ("MR", "http://hospital.example/mrn", person.mrn),
            ("SS", "http://hl7.org/fhir/sid/us-ssn", person.ssn),
            ("DL", "urn:oid:2.16.840.1.113883.4.3.25", person.licence),
            ("PPN", "http://passport.example", person.passport),
            ("MB", "http://plan.example/member", person.plan_number),
            ("AN", "http://hospital.example/account", person.account),
        )
        birth_place = {"city": person.birth_city, "state": "Massachusetts", "country": "US"}
        return {
            "extension": [
                {"url": _HL7_EXTENSION + "patient-mothersMaidenName", "valueString": person.mother},
                {"url": _HL7_EXTENSION + "patient-birthPlace", "valueAddress": birth_place},
            ],
            "identifier": [
                {"type": _concept(_ID_TYPES, kind), "system": system, "value": value}
                for kind, system, value in numbers
            ],
            "name": [
                {"use": "official", "family": person.family, "given": list(person.given), "prefix": ["Mx."]}
            ],
            "telecom": [
                {"system": "phone", "value": person.phone, "use": "home"},
                {"system": "phone", "value": person.mobile, "use": "mobile"},
                {"system": "fax", "value": person.fax},
                {"system": "email", "value": person.email},
            ],
            "gender": person.gender,
            "birthDate": person.birth.isoformat(),
            "address": [_address(person.address)],
            "maritalStatus": _plain(THO + "v3-MaritalStatus", self._random.choice("MSWD")),
            "contact": [
                {
                    "name": {"family": person.contact[1], "given": [person.contact[0]]},
                    "telecom": [{"system": "phone", "value": person.contact_phone}],
                }
            ],
            "communication": [{"language": {"text": "English"}}],
        }

    def _organisation(self) -> Resource:
        clinic = self._clinic
        return {
            "identifier": [{"system": "http://house.example", "value": f"ORG-{digits(self._random, 8)}"}],
            "name": clinic.name,
            "telecom": [{"system": "phone", "value": clinic.phone}],
            "address": [_address(clinic.address)],
        }

    def _practitioner(self) -> Resource:
        clinic = self._clinic
        return {
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": clinic.npi}],
            "name": [{"family": clinic.doctor_family, "given": [clinic.doctor_given], "prefix": ["Dr."]}],
            "address": [_address(clinic.address)],
        }

    def _device_resource(self) -> Resource:
        number, serial = digits(self._random, 14), f"SER{digits(self._random, 9)}"
        return {
            "udiCarrier": [{"deviceIdentifier": number, "carrierHRF": f"(01){number}(21){serial}"}],
            "serialNumber": serial,
            "lotNumber": f"LOT{digits(self._random, 8)}",
            "patient": self._patient,
        }

    def _signed(self) -> Resource:
        name = f"Dr. {self._clinic.doctor_given} {self._clinic.doctor_family}"
        return {**self._doctor, "display": name}

    def write(self, course: Course) -> None:
        """Everything that happened to the patient."""
        if course.death is not None:
            self.entries[0]["resource"]["deceasedDateTime"] = self._time(course.death)
        for day in course.checkups:
            self._checkup(course, day)
        for episode in course.episodes:
            self._episode(episode)
        for code, category in course.allergies:
            self._allergy(code, category)
        self._letter()

    def _encounter(self, day: date, kind: str, emergency: bool = False) -> Resource:
        visit = {
            "identifier": [{"system": "http://visit.example", "value": f"VIS{digits(self._random, 9)}"}],
            "status": "finished",
            "class": {"system": THO + "v3-ActCode", "code": "EMER" if emergency else "AMB"},
            "type": [_concept(SNOMED, kind, self._note)],
            "subject": {**self._patient, "display": self._person.full_name},
            "participant": [{"individual": self._signed()}],
            "period": {"start": self._time(day), "end": self._time(day, 8)},
            "serviceProvider": {**self._house, "display": self._clinic.name},
        }
        return self._add("Encounter", visit)

    def _checkup(self, course: Course, day: date) -> None:
        encounter = self._encounter(day, "162673000")
        years = (day - self._person.birth).days / YEAR_DAYS
        grown = min(1.0, 0.4 + years / 30)
        height = round(course.height_cm * grown, 3)
        mass_index = (
            (31.5 if course.has("162864005", day) else 25)
            * course.measures["weight_factor"]
            * (0.7 + grown * 0.3)
        )
        self._measure(encounter, day, "8302-2", height, "cm")
        self._measure(encounter, day, "29463-7", mass_index * (height / 100) ** 2, "kg")
        self._measure(encounter, day, "39156-5", mass_index, "kg/m2")
        self._pressure(encounter, day, course.has("59621000", day))
        self._measure(encounter, day, "72514-3", float(self._random.randrange(0, 5)), "{score}")
        self._smoking(encounter, day, course.smoker)
        panel = [
            self._measure(
                encounter,
                day,
                "2093-3",
                self._random.gauss(210 if course.has("55822004", day) else 180, 18),
                "mg/dL",
            ),
            self._measure(
                encounter,
                day,
                "38483-4",
                self._random.gauss(1.9 if course.has("433144002", day) else 0.9, 0.1),
                "mg/dL",
            ),
        ]
        if course.has("44054006", day) or course.has("714628002", day):
            level = 7.4 if course.has("44054006", day) else 6.1
            panel.append(self._measure(encounter, day, "4548-4", self._random.gauss(level, 0.4), "%"))
        self._laboratory_report(encounter, day, panel)
        self._vaccinate(encounter, day, years)
        self._procedure(
            encounter, [], "73761001" if years > 50 and not day.year % 10 else "428191000124101", day
        )

    def _observation(self, encounter: Resource, day: date, code: str, category: str) -> Resource:
        return {
            "identifier": [{"system": "http://lab.example", "value": f"OBS{digits(self._random, 10)}"}],
            "status": "final",
            "category": [_plain(THO + "observation-category", category)],
            "code": _concept(LOINC, code),
            "subject": self._patient,
            "encounter": encounter,
            "effectiveDateTime": self._time(day),
            "issued": self._time(day, 1),
            "performer": [self._signed()],
            "device": self._device,
            "note": [{"text": f"seen with {self._person.full_name}, tel. {self._person.phone}"}],
        }

    def _measure(self, encounter: Resource, day: date, code: str, value: float, unit: str) -> Resource:
        category = "laboratory" if unit in ("mg/dL", "%") else "vital-signs"
        body = self._observation(encounter, day, code, category)
        body["valueQuantity"] = {"value": value, "unit": unit, "system": UCUM, "code": unit}
        return self._add("Observation", body)

    def _pressure(self, encounter: Resource, day: date, high: bool) -> None:
        body = self._observation(encounter, day, "85354-9", "vital-signs")
        body["component"] = [
            {
                "code": _concept(LOINC, code),
                "valueQuantity": {"value": value, "unit": "mm[Hg]", "system": UCUM, "code": "mm[Hg]"},
            }
            for code, value in (
                ("8480-6", self._random.gauss(146 if high else 120, 8)),
                ("8462-4", self._random.gauss(91 if high else 77, 6)),
            )
        ]
        self._add("Observation", body)

    def _smoking(self, encounter: Resource, day: date, status: str) -> None:
        body = self._observation(encounter, day, "72166-2", "survey")
        body["valueCodeableConcept"] = _concept(SNOMED, status, self._note)
        self._add("Observation", body)

    def _laboratory_report(self, encounter: Resource, day: date, results: list[Resource]) -> None:
        text = f"Report for {self._person.full_name}, born {self._person.birth.isoformat()}"
        body = self._observation(encounter, day, "24323-8", "laboratory")
        del body["device"], body["note"]
        body["category"] = [_plain(THO + "v2-0074", "LAB")]
        body["result"] = [{**result, "display": self._person.full_name} for result in results]
        body["conclusion"] = text
        body["presentedForm"] = [
            {"contentType": "text/plain", "data": base64.b64encode(text.encode()).decode()}
        ]
        self._add("DiagnosticReport", body)

    def _vaccinate(self, encounter: Resource, day: date, years: float) -> None:
        due = [
            ("140", 0.6),
            ("121", 0.1 if years > 60 else 0),
            ("33", 0.15 if years > 65 else 0),
            ("113", 0.1),
        ]
        for code, chance in due:
            if self._random.random() < chance:
                self._add(
                    "Immunization",
                    {
                        "status": "completed",
                        "vaccineCode": _concept(CVX, code),
                        "patient": self._patient,
                        "encounter": encounter,
                        "occurrenceDateTime": self._time(day),
                        "primarySource": True,
                        "lotNumber": f"VAX{digits(self._random, 8)}",
                        "performer": [{"actor": self._signed()}],
                    },
                )

    def _episode(self, episode: Episode) -> None:
        encounter = self._encounter(episode.start, "185345009", self._random.random() < 0.05)
        body = {
            "clinicalStatus": _plain(THO + "condition-clinical", "resolved" if episode.end else "active"),
            "verificationStatus": _plain(THO + "condition-ver-status", "confirmed"),
            "category": [_plain(THO + "condition-category", "encounter-diagnosis")],
            "code": _concept(SNOMED, episode.illness.code, self._note),
            "subject": self._patient,
            "encounter": encounter,
            "onsetDateTime": self._time(episode.start),
            "recordedDate": self._time(episode.start),
            "recorder": self._signed(),
            "note": [{"text": f"{self._person.full_name} of {self._person.address.city} reports it"}],
        }
        if episode.end is not None:
            body["abatementDateTime"] = self._time(episode.end)
        condition = self._add("Condition", body)
        if episode.illness.medication:
            self._prescribe(encounter, condition, episode)
        if episode.illness.code == "254837009":
            self._procedure(encounter, [condition], "71651007", episode.start)

    def _prescribe(self, encounter: Resource, condition: Resource, episode: Episode) -> None:
        self._add(
            "MedicationRequest",
            {
                "status": "stopped" if episode.end else "active",
                "intent": "order",
                "medicationCodeableConcept": _concept(RXNORM, episode.illness.medication),
                "subject": self._patient,
                "encounter": encounter,
                "authoredOn": self._time(episode.start),
                "requester": self._signed(),
                "reasonReference": [{**condition, "display": self._person.full_name}],
                "dosageInstruction": [
                    {
                        "sequence": 1,
                        "text": f"for {self._person.full_name}",
                        "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                        "asNeededBoolean": False,
                    }
                ],
            },
        )

    def _procedure(self, encounter: Resource, reasons: list[Resource], code: str, day: date) -> None:
        self._add(
            "Procedure",
            {
                "status": "completed",
                "code": _concept(SNOMED, code),
                "subject": self._patient,
                "encounter": encounter,
                "performedPeriod": {"start": self._time(day), "end": self._time(day, 8)},
                "performer": [{"actor": self._signed()}],
                "reasonReference": reasons,
            },
        )

    def _allergy(self, code: str, category: str) -> None:
        self._add(
            "AllergyIntolerance",
            {
                "clinicalStatus": _plain(THO + "allergyintolerance-clinical", "active"),
                "verificationStatus": _plain(THO + "allergyintolerance-verification", "confirmed"),
                "type": "allergy",
                "category": [category],
                "criticality": "low",
                "code": _concept(SNOMED, code),
                "patient": self._patient,
                "recordedDate": self._time(min(TODAY, self._person.birth + timedelta(days=2_000))),
                "recorder": self._signed(),
            },
        )

    def _letter(self) -> None:
        person = self._person
        text = f"{person.full_name}, {person.address.line}, {person.address.city}, {person.ssn}. ".encode()
        scan = (text + self._random.randbytes(_SCAN_BYTES))[:_SCAN_BYTES]
        self._add(
            "DocumentReference",
            {
                "status": "current",
                "subject": self._patient,
                "author": [self._signed()],
                "description": f"Letter about {person.full_name}",
                "content": [
                    {
                        "attachment": {
                            "contentType": "application/pdf",
                            "data": base64.b64encode(scan).decode(),
                        }
                    }
                ],
            },
        )
