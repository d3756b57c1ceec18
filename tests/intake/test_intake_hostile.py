"""Whatever is given in, nothing but BundleError comes back, and what comes out is well formed."""

import json
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainnode.intake.allowlist import ALLOWED
from chainnode.intake.errors import BundleError
from chainnode.intake.lists import words
from chainnode.intake.process import IntakeResult
from chainnode.intake.synthetic import synthetic_bundle
from tests.intake.bundles import ASTHMA, bundle, intake, patient

ELEMENTS = sorted(
    set(re.findall(r'"(\w+)":', synthetic_bundle(1).decode()))
    | {
        "modifierExtension",
        "implicitRules",
        "contained",
        "medicationReference",
        "valueRatio",
        "numerator",
        "_gender",
    }
    | {
        "deceasedBoolean",
        "hospitalization",
        "stage",
        "summary",
        "reaction",
        "protocolApplied",
        "dosage",
        "context",
    }
)
TEXTS = st.sampled_from(
    words(
        "2010-01-01 2010 Patient/p1 urn:uuid:1 Patient?identifier=a|b #x final kg 195967001 8302-2 MR "
        "http://snomed.info/sct http://loinc.org http://unitsofmeasure.org entered-in-error"
    )
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | TEXTS
)
NAMES = st.sampled_from(ELEMENTS) | st.text(max_size=5)
VALUES: st.SearchStrategy[Any] = st.deferred(
    lambda: SCALARS | st.lists(VALUES, max_size=3) | st.dictionaries(NAMES, VALUES, max_size=4)
)
SUBJECT = {"subject": {"reference": "Patient/p1"}, "patient": {"reference": "Patient/p1"}, "code": ASTHMA}
RESOURCES = st.builds(
    lambda kind, own: {**SUBJECT, **own, "resourceType": kind},
    st.sampled_from(sorted(ALLOWED)),
    st.dictionaries(st.sampled_from(ELEMENTS), VALUES, max_size=6),
)
PATIENTS = st.dictionaries(st.sampled_from(ELEMENTS), VALUES, max_size=6).map(lambda own: patient(**own))
MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def attempt(data: bytes) -> IntakeResult | None:
    results = []
    for profile in ("safe-harbor", "shifted-dates"):
        try:
            results.append(intake(data, profile))
        except BundleError:
            return None
    for result in results:
        for subject in result.subjects:
            assert subject.identifier_macs
            for ndjson in subject.classes.values():
                assert all(isinstance(json.loads(line), dict) for line in ndjson.splitlines())
        assert len(result.report.digest()) == 32 and result.report.table().rows
    return results[0]


@MANY
@given(PATIENTS, st.lists(RESOURCES | VALUES, max_size=4))
def test_resources_of_any_shape_are_taken_or_listed_and_never_crash(who: Any, resources: list[Any]) -> None:
    result = attempt(bundle(who, *resources))
    assert result is not None
    handled = sum(result.report.taken.values()) + sum(result.report.dropped.values()) + len(result.rejected)
    assert handled == 1 + len(resources)


@MANY
@given(VALUES)
def test_any_json_is_taken_or_refused(document: Any) -> None:
    attempt(json.dumps(document).encode())
    attempt(json.dumps({"resourceType": "Bundle", "type": "batch", "entry": document}).encode())
    attempt(json.dumps({"resourceType": "Bundle", "type": "batch", "entry": [document]}).encode())


@MANY
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    assert attempt(data) is None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_bundle_with_flipped_bytes_is_taken_or_refused(draw: st.DataObject) -> None:
    data = bytearray(synthetic_bundle(4)[:20_000] + b"}}]}")
    for place, byte in draw.draw(
        st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=4)
    ):
        data[place] = byte
    attempt(bytes(data))
    whole = bytearray(bundle(patient(), {**SUBJECT, "resourceType": "Condition", "onsetDateTime": "2010"}))
    for place, byte in draw.draw(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=3)
    ):
        whole[place] = byte
    attempt(bytes(whole))


def test_numbers_of_any_size_do_no_harm() -> None:
    for number in ("1" + "0" * 400, "-1e308", "1e400", "-0", "0.1e-320", "1" * 5_000):
        data = bundle(patient(), {**SUBJECT, "resourceType": "Observation", "valueQuantity": {"value": 77}})
        assert attempt(data.replace(b"77", number.encode())) is not None
