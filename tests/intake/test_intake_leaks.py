"""Nothing that identifies anybody in a bundle is in anything that comes out of it."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
import pytest

from chainnode.intake.errors import BundleError
from chainnode.intake.process import IntakeResult
from chainnode.intake.synthetic import identifiers, synthetic_bundle
from chainnode.intake.table import cohort_table
from tests.intake.bundles import intake, synthea_files
from tests.leaks import MARKER, LeakSearch

PROFILES = ("safe-harbor", "shifted-dates")
SEEDS = range(6)
NO_SYNTHEA = pytest.mark.skipif(not synthea_files(), reason="no Synthea bundles in ../shared/data/fhir")


def everything_that_comes_out(result: IntakeResult) -> Iterator[tuple[str, bytes]]:
    for subject in result.subjects:
        yield from subject.classes.items()
        table = cohort_table([("p", name, data) for name, data in subject.classes.items()], smallest_cell=1)
        yield "table", repr(table).encode()
    yield "report", msgspec.json.encode(result.report.to_dict())
    yield "tables", repr((result.report.table(), result.report.resource_table())).encode()
    yield "rejected", repr(result.rejected).encode()


def assert_clean(data: bytes) -> None:
    found = identifiers(data)
    assert len(found) > 50
    search = LeakSearch(found)
    assert len(search.skipped) <= 20
    for profile in PROFILES:
        result = intake(data, profile)
        assert len(result.subjects) == 1
        assert search.find_in(everything_that_comes_out(result)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_no_identifier_of_a_synthetic_bundle_comes_out(seed: int) -> None:
    assert_clean(synthetic_bundle(seed))


@NO_SYNTHEA
@pytest.mark.parametrize("path", synthea_files(), ids=range(len(synthea_files())))
def test_no_identifier_of_a_synthea_bundle_comes_out(path: Path) -> None:
    assert_clean(path.read_bytes())


@cache
def synthea_search() -> tuple[LeakSearch, list[bytes]]:
    bundles = [path.read_bytes() for path in synthea_files()]
    return LeakSearch([text for data in bundles for text in identifiers(data)]), bundles


@NO_SYNTHEA
def test_no_identifier_of_any_synthea_bundle_is_in_the_output_of_another() -> None:
    search, bundles = synthea_search()
    for data in bundles:
        assert search.find_in(everything_that_comes_out(intake(data))) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_the_search_finds_every_identifier_in_the_input_itself(seed: int) -> None:
    data = synthetic_bundle(seed)
    search = LeakSearch(identifiers(data))
    assert {hit.identifier for hit in search.find(data)} == set(search.identifiers) - {MARKER}


def test_a_planted_identifier_is_found_in_every_output_and_form() -> None:
    data = synthetic_bundle(1)
    name = identifiers(data)[2]
    search = LeakSearch(identifiers(data))
    for part, output in everything_that_comes_out(intake(data)):
        middle = len(output) // 2
        for form in search.forms(name).values():
            planted = output[:middle] + b" " + form + b" " + output[middle:]
            assert any(hit.identifier == name for hit in search.find(planted)), part


def test_identifiers_in_places_where_none_belong_do_not_come_out() -> None:
    """The name of the patient replaces every string of the bundle that is not needed to read it."""
    data = synthetic_bundle(2)
    name = "Quorlindra-Mervabel"
    document = msgspec.json.decode(data)
    kept = {"resourceType", "reference", "fullUrl", "system", "code", "birthDate", "type"}

    def spoil(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {inner: spoil(held, inner) for inner, held in value.items()}
        if isinstance(value, list):
            return [spoil(item, key) for item in value]
        return name if isinstance(value, str) and key not in kept else value

    document["entry"] = [spoil(entry) for entry in document["entry"]]
    for entry in document["entry"]:
        del entry["resource"]["id"]
    result = intake(msgspec.json.encode(document))
    assert result.report.taken["Patient"] == 1 and result.report.taken["Encounter"] > 5
    assert LeakSearch([name, "Quorlindra"]).find_in(everything_that_comes_out(result)) == []


@pytest.mark.parametrize("end", [1_000, 50_000])
def test_an_error_repeats_nothing_of_the_bundle(end: int) -> None:
    data = synthetic_bundle(3)
    with pytest.raises(BundleError) as caught:
        intake(data[:end])
    said = f"{caught.value} {caught.value.unchanged} {caught.value.next_step}"
    assert LeakSearch(identifiers(data)).find(said.encode()) == []
