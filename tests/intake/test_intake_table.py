import json

import msgspec
import pytest

from chainnode.intake.profiles import AGE_BAND_SYSTEM
from chainnode.intake.table import cohort_table


def released(person: str, *conditions: tuple[str, str]) -> tuple[str, str, bytes]:
    lines = [
        {
            "resourceType": "Condition",
            "meta": {"tag": [{"system": AGE_BAND_SYSTEM, "code": band}]} if band else {},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": f"D{code}"}]},
        }
        for code, band in conditions
    ]
    return person, "conditions", b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_patients_are_counted_by_condition_and_age_band() -> None:
    data = [released(f"p{n}", ("1", "40-44"), ("2", "65-69")) for n in range(6)]
    data += [released(f"q{n}", ("1", "50-54")) for n in range(5)] + [released("r", ("1", "90+"))] * 2
    table = cohort_table(data, smallest_cell=1)
    assert table.bands == ("40-59", "60-79", "90+")
    assert [(row.code, row.name, row.cells, row.total) for row in table.rows] == [
        ("1", "D1", ("11", "0", "1"), "12"),
        ("2", "D2", ("0", "6", "0"), "6"),
    ]
    assert table.patients == "12" and table.hidden_cells == 0
    assert table.table().columns == ("condition", "40-59", "60-79", "90+", "patients")
    assert table.table().rows[1] == ("D2", "0", "6", "0", "6")


def test_a_small_cell_is_hidden_and_the_total_does_not_give_it_away() -> None:
    data = [released(f"p{n}", ("1", "40-44")) for n in range(6)] + [released("q", ("1", "20-24"))]
    row = cohort_table(data).rows[0]
    assert row.cells == ("<5", "6") and row.total == "6+"
    assert cohort_table(data).hidden_cells == 1


def test_the_order_of_rows_tells_nothing_about_hidden_cells() -> None:
    data = [released(f"p{n}", ("2", "40-44")) for n in range(4)] + [released("q", ("1", "40-44"))]
    assert [row.code for row in cohort_table(data).rows] == ["1", "2"]


def test_a_patient_counts_once_in_a_row_at_the_first_onset() -> None:
    data = [released("p", ("1", "60-64"), ("1", "5-9")), released("p", ("1", "90+"))]
    table = cohort_table(data, smallest_cell=1)
    assert table.bands == ("0-19",) and table.rows[0].cells == ("1",)


def test_an_unknown_age_has_a_column_of_its_own_at_the_end() -> None:
    table = cohort_table([released("p", ("1", "")), released("q", ("1", "85-89"))], smallest_cell=1)
    assert table.bands == ("80-89", "unknown")


def test_other_classes_count_patients_only() -> None:
    table = cohort_table([(f"p{n}", "observations", b"{}") for n in range(7)])
    assert table.patients == "7" and table.rows == ()


def test_the_width_of_bands_can_be_chosen() -> None:
    data = [released("p", ("1", "40-44")), released("q", ("1", "45-49"))]
    assert cohort_table(data, band_width_years=5).bands == ("40-44", "45-49")


def test_what_is_not_ndjson_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        cohort_table([("p", "conditions", b"{")])
