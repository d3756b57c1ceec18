import pytest

from chainnode.intake.classes import SAFE_HARBOR_CLASSES, classify
from chainnode.intake.report import combined
from tests.intake.bundles import bundle, condition, intake, observation, patient


def numbered(kind: str, value: str) -> dict:
    return {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": kind}]},
        "value": value,
    }


def test_the_eighteen_classes_of_safe_harbor_are_named() -> None:
    assert len(SAFE_HARBOR_CLASSES) == 18
    assert [meaning[1] for meaning in SAFE_HARBOR_CLASSES.values()] == [chr(ord("A") + n) for n in range(18)]


def test_what_is_removed_is_counted_by_its_class() -> None:
    who = patient(
        name=[{"family": "X"}, {"family": "Y"}],
        telecom=[
            {"system": "phone", "value": "1"},
            {"system": "fax", "value": "2"},
            {"system": "email", "value": "3"},
        ],
        identifier=[
            numbered("MR", "m1"),
            numbered("SS", "s1"),
            numbered("DL", "d1"),
            numbered("MB", "b1"),
            numbered("AN", "a1"),
        ],
        address=[{"line": ["1 Way"], "city": "Town", "postalCode": "02714", "state": "MA"}],
        photo=[{"data": "aGk="}],
        contact=[{"name": {"family": "Z"}, "telecom": [{"system": "phone", "value": "4"}]}],
        text={"div": "x"},
        extension=[{"url": "a"}, {"url": "b"}],
        generalPractitioner=[{"reference": "Practitioner/1"}],
        _birthDate={"extension": []},
    )
    report = intake(bundle(who)).report
    assert report.by_class("removed") == {
        "account": 1,
        "dates": 1,
        "email": 1,
        "extension": 3,
        "fax": 1,
        "geographic": 2,
        "health-plan": 1,
        "licence": 1,
        "medical-record": 1,
        "names": 3,
        "narrative": 1,
        "photograph": 1,
        "provider": 1,
        "ssn": 1,
        "telephone": 2,
    }
    assert report.by_class("generalised") == {"geographic": 1}
    assert report.by_class("replaced") == {"other-unique": 1}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("identifier", [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "1"}], ["ssn"]),
        ("identifier", [5, {"type": {"coding": [3, {"code": []}]}}], ["other-unique", "other-unique"]),
        ("telecom", [5, {"system": 5}, {"system": "other"}], ["telephone", "telephone", "other-unique"]),
        ("participant", [{"individual": {}}], ["provider"]),
        ("somethingElse", {"note": [{"text": "x"}], "extra": 1}, ["free-text", "element"]),
        ("text", "words", ["free-text"]),
        ("presentedForm", [{}, {}], ["attachment", "attachment"]),
    ],
)
def test_a_dropped_element_is_classified_whatever_its_shape(
    name: str, value: object, expected: list[str]
) -> None:
    assert list(classify(name, value)) == expected


def test_counts_are_also_by_resource_type() -> None:
    report = intake(
        bundle(patient(), condition(note=[{"text": "x"}]), observation(note=[{"text": "x"}]))
    ).report
    assert report.by_type("removed")["Condition"] == 1 and report.by_type("removed")["Observation"] == 1
    assert report.to_dict()["by_type"]["Condition"]["removed"] == {"free-text": 1}


def test_reports_of_several_bundles_add_up() -> None:
    one = intake(bundle(patient(), condition())).report
    two = intake(bundle(patient(), condition(code=3), {"resourceType": "Claim"})).report
    total = combined([one, two])
    assert total.bundles == 2 and total.subjects == 2
    assert total.taken == {"Patient": 2, "Condition": 1}
    assert total.dropped == {"Claim": 1} and total.rejected == {"Condition": 1}
    assert total.by_class("removed") == {"dates": 2}


def test_reports_of_different_profiles_do_not_add_up() -> None:
    data = bundle(patient())
    with pytest.raises(ValueError, match="one profile"):
        combined([intake(data).report, intake(data, "shifted-dates").report])
    with pytest.raises(ValueError, match="at least one"):
        combined([])


def test_the_digest_is_the_same_for_the_same_report_and_another_for_another() -> None:
    data = bundle(patient(), condition())
    assert len(intake(data).report.digest()) == 32
    assert intake(data).report.digest() == intake(data).report.digest()
    assert intake(data).report.digest() != intake(bundle(patient())).report.digest()
    assert intake(data).report.digest() != intake(data, "shifted-dates").report.digest()


def test_the_table_shows_all_eighteen_classes_and_others_where_they_occur() -> None:
    report = intake(bundle(patient(name=[{"family": "X"}]), condition(note=[{"text": "x"}]))).report
    table = report.table()
    assert table.columns == ("class", "removed", "generalised", "replaced")
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert sum(row[0].startswith("(") for row in table.rows) == 18
    assert ("(A) names", "1", "-", "-") in table.rows
    assert any(row[0].startswith("displays") for row in table.rows)
    assert not any(row[0] == "attachments" for row in table.rows)
    assert report.resource_table().rows == (("Condition", "1", "-", "-"), ("Patient", "1", "-", "-"))
