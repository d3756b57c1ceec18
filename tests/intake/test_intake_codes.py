import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.intake.allowlist import ALLOWED, DATA_CLASSES
from chainnode.intake.codes import DISPLAYS, ICD10CM, RXNORM
from chainnode.intake.r4 import RESOURCE_TYPES, safe_type
from chainnode.intake.systems import is_loinc, is_snomed, known_coding
from chainnode.intake.units import is_ucum
from chainnode.ledger import payloads


def test_the_data_classes_are_those_of_the_chain() -> None:
    assert DATA_CLASSES == payloads.DATA_CLASSES


def test_every_type_let_through_is_one_of_r4() -> None:
    assert set(ALLOWED) <= RESOURCE_TYPES and len(RESOURCE_TYPES) == 146
    assert safe_type("Patient") == "Patient" and safe_type("Mervabel") == "unknown"


def test_every_code_of_our_own_table_is_let_through_with_its_display() -> None:
    assert len(DISPLAYS) > 100
    for (system, code), display in DISPLAYS.items():
        assert known_coding(system, code) == {"system": system, "code": code, "display": display}


@pytest.mark.parametrize("code", ["38341003", "195967001", "428191000124101", "872781000000100"])
def test_snomed_concepts_pass(code: str) -> None:
    assert is_snomed(code)


@pytest.mark.parametrize(
    "code", ["38341004", "83341003", "0195967001", "38341013", "5551393142", "Asthma", "", "1" * 19]
)
def test_other_numbers_do_not_pass_for_snomed_concepts(code: str) -> None:
    assert not is_snomed(code)


@given(st.sampled_from(["38341003", "195967001", "444814009"]), st.integers(0, 5), st.integers(1, 9))
def test_one_wrong_digit_of_a_snomed_concept_is_noticed(code: str, place: int, change: int) -> None:
    wrong = code[:place] + str((int(code[place]) + change) % 10) + code[place + 1 :]
    assert not is_snomed(wrong)


@pytest.mark.parametrize(
    "code", ["8302-2", "29463-7", "789-8", "LA15173-0", "LA33-6", "LA6576-8", "LP7787-7"]
)
def test_loinc_terms_answers_and_parts_pass(code: str) -> None:
    assert is_loinc(code)


@pytest.mark.parametrize(
    "code", ["8302-3", "99999-2", "X9999-0", "8302", "555-139-3142", "21112-8", "45401-7", "LX1-1"]
)
def test_others_do_not_pass_for_loinc(code: str) -> None:
    assert not is_loinc(code)


@pytest.mark.parametrize("code", ["E11.9", "I10", "S72.001A", "C50.A0", "T36.0X1A", "Z3A.10", "M1A.0110"])
def test_icd10_codes_pass(code: str) -> None:
    assert known_coding(ICD10CM, code)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (ICD10CM, "JOHN"),
        (ICD10CM, "A10.JOHN"),
        (RXNORM, "999123456"),
        (RXNORM, "Aspirin"),
        ("http://hl7.org/fhir/sid/icd-10-pcs", "BENNETT"),
        ("http://hl7.org/fhir/sid/icd-10-pcs", "1234567"),
        ("http://hl7.org/fhir/sid/cvx", "1400"),
        ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "MERVABEL"),
        ("http://terminology.hl7.org/CodeSystem/v2-0203", "MR"),
        ("http://snomed.info/sct", "38341003 "),
        ("http://snomed.info/sct", "٣٨٣٤١٠٠٣"),
        ("http://example.org/local", "38341003"),
        ("", ""),
    ],
)
def test_what_could_hide_a_name_or_number_does_not_pass(system: str, code: str) -> None:
    assert known_coding(system, code) is None


@pytest.mark.parametrize(
    "unit",
    [
        "cm",
        "kg/m2",
        "mm[Hg]",
        "10*3/uL",
        "10^9/L",
        "%",
        "fL",
        "mL/min/{1.73_m2}",
        "{score}",
        "/min",
        "u[IU]/mL",
        "mg/(24.h)",
        "ug/mL{FEU}",
        "meq/L",
        "1",
        "Cel",
        "[degF]",
        "/[HPF]",
    ],
)
def test_units_of_ucum_pass(unit: str) -> None:
    assert is_ucum(unit)


@pytest.mark.parametrize(
    "unit",
    [
        "Mervabel",
        "{Mervabel}",
        "(score)",
        "555.139.3142",
        "",
        "/",
        "()",
        ")(",
        "mg{",
        "kg µ",
        "k" * 41,
        "cm\n",
        "}{",
    ],
)
def test_what_is_no_unit_does_not_pass(unit: str) -> None:
    assert not is_ucum(unit)
