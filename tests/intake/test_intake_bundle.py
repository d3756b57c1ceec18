import json
from pathlib import Path

import pytest

from chainnode.intake.bundle import Limits, parse_bundle, read_bundle
from chainnode.intake.errors import BundleError
from chainnode.intake.process import process_bundle
from genesis.errors import EXIT_INPUT, EXIT_USAGE, OperatorError
from tests.intake.bundles import KEY, bundle, condition, intake, patient


def refusal(data: bytes, limits: Limits = Limits()) -> BundleError:
    with pytest.raises(BundleError) as caught:
        parse_bundle(data, limits)
    error = caught.value
    assert error.unchanged == "nothing of this bundle was taken in" and error.next_step
    return error


def test_a_truncated_bundle_is_refused_as_truncated_wherever_it_was_cut() -> None:
    data = bundle(patient(), condition())
    for end in range(1, len(data) - 1, 7):
        assert refusal(data[:end]).code.code == "INT-02"
    assert refusal(b"").code.code == "INT-02"


def test_a_bundle_over_the_size_limit_is_refused_before_it_is_decoded() -> None:
    assert refusal(b"x" * 101, Limits(file_bytes=100)).code.code == "INT-01"


@pytest.mark.parametrize(
    "data",
    [
        b"<Bundle/>",
        b'{"resourceType":"Patient"}\n{"resourceType":"Patient"}',
        b"\xff\xfe{\x00}\x00",
        b"not json",
        b"{not json}",
        b"{'a':1}",
    ],
)
def test_what_is_not_one_json_document_is_refused(data: bytes) -> None:
    error = refusal(data)
    assert error.code.code == "INT-03" and error.code.exit_code == EXIT_INPUT


def test_a_deeply_nested_bundle_is_refused_however_deep() -> None:
    for depth in (70, 2_000, 200_000):
        nested = b'{"resourceType":"Bundle","type":"batch","x":' + b"[" * depth + b"]" * depth + b"}"
        assert refusal(nested).code.code == "INT-04"


def test_depth_counts_structure_and_not_brackets_in_strings() -> None:
    text = '"' + "\\" + "[{" * 500
    data = bundle(patient(name=[{"text": text}], note=[{"text": '\\\\"' + "[" * 99}]))
    assert len(parse_bundle(data, Limits())) == 1


def test_a_bundle_exactly_as_deep_as_the_limit_goes_in() -> None:
    value: object = 1
    for _ in range(60):
        value = [value]
    data = bundle({"resourceType": "Basic", "x": value})  # 4 levels around it
    assert len(parse_bundle(data, Limits(depth=64))) == 1
    assert refusal(data, Limits(depth=63)).code.code == "INT-04"


@pytest.mark.parametrize(
    "document",
    [[], 3, {"resourceType": "Patient"}, {"type": "batch"}, {"resourceType": "Bundle", "entry": 5}],
)
def test_json_that_is_no_fhir_bundle_is_refused(document: object) -> None:
    assert refusal(json.dumps(document).encode()).code.code == "INT-05"


@pytest.mark.parametrize("kind", ["searchset", "message", "document", ""])
def test_a_bundle_of_another_type_is_refused(kind: str) -> None:
    assert refusal(bundle(patient(), kind=kind)).code.code == "INT-06"


@pytest.mark.parametrize("kind", ["transaction", "batch", "collection"])
def test_transaction_batch_and_collection_go_in(kind: str) -> None:
    assert len(intake(bundle(patient(), kind=kind)).subjects) == 1


def test_too_many_entries_are_refused() -> None:
    assert refusal(bundle(patient(), condition()), Limits(entries=1)).code.code == "INT-07"


@pytest.mark.parametrize("padding", [0, 1, 7, 49, 50, 51, 98])
def test_a_string_over_the_limit_is_refused_wherever_it_stands(padding: int) -> None:
    data = b'{"resourceType":"Bundle","type":"batch",' + b" " * padding + b'"x":"%s"}'
    assert refusal(data % (b"y" * 101), Limits(string_bytes=100)).code.code == "INT-07"
    assert parse_bundle(data % (b"y" * 100), Limits(string_bytes=100)) == []


def test_a_byte_order_mark_in_front_is_tolerated() -> None:
    assert len(intake(b"\xef\xbb\xbf" + bundle(patient())).subjects) == 1


def test_reading_a_file_stops_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "Surname_Given.json"
    path.write_bytes(b"x" * 11)
    assert read_bundle(path, Limits(file_bytes=11)) == b"x" * 11
    with pytest.raises(BundleError) as caught:
        read_bundle(path, Limits(file_bytes=10))
    assert caught.value.code.code == "INT-01"


def test_an_unreadable_file_is_reported_without_its_name(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        read_bundle(tmp_path / "Surname_Given.json")
    assert caught.value.code.code == "INT-08"
    assert "Surname" not in str(caught.value) + caught.value.next_step


def test_an_unknown_profile_is_a_usage_error() -> None:
    with pytest.raises(OperatorError) as caught:
        process_bundle(bundle(patient()), profile="safe", key=KEY)
    assert caught.value.code.code == "INT-09" and caught.value.code.exit_code == EXIT_USAGE


def test_an_empty_bundle_yields_no_subject() -> None:
    result = intake(bundle())
    assert result.subjects == [] and result.rejected == [] and result.report.subjects == 0
