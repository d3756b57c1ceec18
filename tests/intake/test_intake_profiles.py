import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.intake.identity import shift_days
from chainnode.intake.profiles import (
    AGE_BAND_SYSTEM,
    RESTRICTED_ZIP3,
    SHIFTED_DATES,
    SubjectDates,
    parse_date,
    zip3,
)
from tests.intake.bundles import KEY, bundle, condition, encounter, intake, observation, patient, released


def band(resource: dict) -> str | None:
    tags = resource.get("meta", {}).get("tag", [])
    return tags[0]["code"] if tags and tags[0]["system"] == AGE_BAND_SYSTEM else None


def test_safe_harbor_shows_years_only() -> None:
    times = {
        "onsetDateTime": "2010-03-04T05:06:07.123+02:00",
        "abatementDateTime": "2011-12",
        "recordedDate": "2012",
    }
    out = released(intake(bundle(patient(), condition(**times))), "conditions")[0]
    assert [out[name] for name in times] == ["2010", "2011", "2012"]


def test_no_birth_date_and_no_birth_year_come_out_of_either_profile() -> None:
    for profile in ("safe-harbor", "shifted-dates"):
        out = released(intake(bundle(patient(birthDate="1961-06-15"), condition()), profile), "demographics")[
            0
        ]
        assert "birthDate" not in out and "1961" not in str(out)


@pytest.mark.parametrize(
    ("birth", "event", "expected"),
    [
        ("1960-06-15", "2010-06-14", "45-49"),
        ("1960-06-15", "2010-06-15", "50-54"),
        ("1960-06-15", "1960-06-15", "0-4"),
        ("1960-06-15", "1960-06-14", None),
        ("1920-02-29", "2010-02-28", "85-89"),
        ("1920-02-29", "2010-03-01", "90+"),
        ("1900-01-01", "2020", "90+"),
        ("1960", "2009-06-01", "45-49"),
        ("1960", "2010-01-01", "50-54"),
        ("1960-06", "2010-06", "50-54"),
        (None, "2010-06-15", None),
    ],
)
def test_the_age_band_at_the_event_is_the_oldest_possible(
    birth: str | None, event: str, expected: str | None
) -> None:
    who = patient(birthDate=birth) if birth else {k: v for k, v in patient().items() if k != "birthDate"}
    out = released(intake(bundle(who, condition(onsetDateTime=event))), "conditions")[0]
    assert band(out) == expected


def test_safe_harbor_shows_no_date_at_all_from_the_age_of_ninety_on() -> None:
    late = condition(onsetDateTime="2009-06-15", abatementDateTime="2010-06-15")
    out = released(intake(bundle(patient(birthDate="1920-06-15"), late)), "conditions")[0]
    assert out["onsetDateTime"] == "2009" and "abatementDateTime" not in out and band(out) == "85-89"
    later = condition(onsetDateTime="2012-06-15", recordedDate="2012-06-15")
    out = released(intake(bundle(patient(birthDate="1920-06-15"), later)), "conditions")[0]
    assert band(out) == "90+" and "2012" not in str(out)


def test_a_death_after_ninety_is_only_a_death() -> None:
    out = released(
        intake(bundle(patient(birthDate="1910-01-01", deceasedDateTime="2005-05-05"))), "demographics"
    )
    assert out[0]["deceasedBoolean"] is True and "2005" not in str(out) and band(out[0]) == "90+"
    out = released(
        intake(bundle(patient(birthDate="1930-01-01", deceasedDateTime="2005-05-05"))), "demographics"
    )
    assert out[0]["deceasedDateTime"] == "2005" and "deceasedBoolean" not in out[0]


def test_a_patient_has_the_band_of_the_latest_event() -> None:
    data = bundle(patient(), condition(), condition(id="c2", onsetDateTime="2019-01-01"))
    assert band(released(intake(data), "demographics")[0]) == "55-59"


@pytest.mark.parametrize(("value", "unit"), [(93, "a"), (1_120, "mo"), (34_000, "d")])
def test_a_measured_age_over_eighty_nine_is_dropped(value: int, unit: str) -> None:
    ucum = {"unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    old = observation(valueQuantity={"value": value, **ucum})
    young = observation(id="o2", valueQuantity={"value": 89, **ucum})
    first, second = released(intake(bundle(patient(), old, young)), "observations")
    assert "valueQuantity" not in first and second["valueQuantity"]["value"] == 89


def test_shifted_dates_keep_the_intervals_and_drop_the_times() -> None:
    visit = encounter(period={"start": "2010-01-10T08:00:00Z", "end": "2010-01-20T09:00:00Z"})
    result = intake(bundle(patient(), visit, condition(onsetDateTime="2010-03-01")), SHIFTED_DATES)
    period = released(result, "encounters")[0]["period"]
    onset = released(result, "conditions")[0]["onsetDateTime"]
    start, end, event = map(date.fromisoformat, (period["start"], period["end"], onset))
    offset = shift_days(KEY, result.subjects[0].identifier_macs[0])
    assert 1 <= offset <= 365
    assert (end - start).days == 10 and (event - start).days == 50
    assert (date(2010, 1, 10) - start).days == offset


def test_the_offset_is_the_subjects_own_and_the_same_at_every_intake() -> None:
    def onset(own_id: str, key: bytes) -> str:
        who = patient(id=own_id)
        data = bundle(who, condition(subject={"reference": f"Patient/{own_id}"}))
        return released(intake(data, SHIFTED_DATES, key), "conditions")[0]["onsetDateTime"]

    assert onset("a", KEY) == onset("a", KEY)
    assert len({onset(str(n) + "x", KEY) for n in range(20)}) > 10
    assert len({onset("a", bytes([n]) * 32) for n in range(20)}) > 10


def test_the_weaker_profile_never_calls_itself_safe_harbor() -> None:
    report = intake(bundle(patient(), condition()), SHIFTED_DATES).report
    assert "safe" not in (report.table().title + str(report.to_dict())).lower()


def test_partial_dates_keep_their_precision_when_shifted() -> None:
    dates = SubjectDates(None, SHIFTED_DATES, 40)
    shown = [dates.render(parse_date(text)) for text in ("2010-03-01", "2010-03", "2010", "0001-01-05")]
    assert shown == ["2010-01-20", "2010-01", "2009", None]


@pytest.mark.parametrize(
    "text",
    ["2010-02-30", "2010-13", "10", "2010-1-1", "0000", "2010-01-01T25", "x", "2010-01-01 ", "9999-99", ""],
)
def test_what_is_no_date_is_dropped(text: str) -> None:
    assert parse_date(text) is None
    out = released(intake(bundle(patient(), condition(onsetDateTime=text))), "conditions")[0]
    assert "onsetDateTime" not in out and band(out) is None


@given(st.dates(min_value=date(1, 1, 1)), st.sampled_from([4, 7, 10]))
def test_a_partial_date_spans_all_its_days(day: date, precision: int) -> None:
    parsed = parse_date(day.isoformat()[:precision])
    assert parsed is not None and parsed.first <= day <= parsed.last
    assert parsed.first.isoformat()[:precision] == parsed.last.isoformat()[:precision]


def test_zip_codes_are_cut_to_three_digits_and_sparse_areas_hidden() -> None:
    assert len(RESTRICTED_ZIP3) == 17
    assert zip3("02714") == "027" and zip3("02714-1234") == "027"
    assert {zip3(area + "12") for area in RESTRICTED_ZIP3} == {"000"}
    assert [zip3(text) for text in ("2714", "027", "SW1A 1AA", "02714x", "")] == [None] * 5


def test_an_address_keeps_the_state_and_three_digits() -> None:
    home = {
        "use": "home", "text": "1 Way, Town", "line": ["1 Way"], "city": "Town", "district": "County",
        "state": "Massachusetts", "postalCode": "02714", "country": "US", "period": {"start": "2010-01-01"},
        "extension": [{"url": "x"}],
    }  # fmt: skip
    abroad = {"state": "Bavaria", "postalCode": "80331", "country": "DE"}
    out = released(intake(bundle(patient(address=[home, abroad]))), "demographics")[0]
    assert out["address"] == [{"state": "MA", "postalCode": "027"}]


def test_no_date_finer_than_a_year_comes_out_of_safe_harbor() -> None:
    visit = encounter(period={"start": "2010-01-10T08:00:00Z"}, length={"value": 3, "unit": "d"})
    result = intake(
        bundle(patient(deceasedDateTime="2011-11-11"), visit, condition(), observation(issued="2010-10-10"))
    )
    for data in result.subjects[0].classes.values():
        assert re.search(rb"\d{4}-\d\d", data) is None
