"""Result files, and how they are shown."""

from pathlib import Path

import pytest
from msgspec import structs
from rich.console import Console

from bench import results as module
from bench.report import console, print_results, time_text
from bench.results import ResultsError, encode_results, load_results
from tests.bench.figures import around, figure, results

FLOOR = figure("floor", around(52_000.0))
OWN = figure("own", around(57_200.0), "floor", around(52_000.0))


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "results.json"
    path.write_bytes(data)
    return path


def test_results_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    before = results(FLOOR, OWN)
    assert load_results(written(tmp_path, encode_results(before))) == before


@pytest.mark.parametrize("data", [b"", b"[]", b'{"version": 1}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_results_file_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ResultsError, match=r"results\.json: not a file of results"):
        load_results(written(tmp_path, data))


def test_another_version_is_refused(tmp_path: Path) -> None:
    other = structs.replace(results(FLOOR), version=2)
    with pytest.raises(ResultsError, match="version 2"):
        load_results(written(tmp_path, encode_results(other)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="absent"):
        load_results(tmp_path / "absent.json")


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, encode_results(results(FLOOR)))
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 100)
    with pytest.raises(ResultsError, match="at most 100"):
        load_results(path)


@pytest.mark.parametrize(
    "broken",
    [
        structs.replace(FLOOR, wall_ns=(), cpu_ns=()),
        structs.replace(OWN, ratios=()),
        structs.replace(OWN, ratio=None),
        structs.replace(OWN, floor=None),
        structs.replace(OWN, cpu_ns=(1.0,)),
    ],
    ids=["no rounds", "no ratios", "no ratio", "no floor", "rounds missing"],
)
def test_a_figure_that_cannot_be_compared_is_refused(tmp_path: Path, broken: module.Figure) -> None:
    with pytest.raises(ResultsError, match="lacks rounds"):
        load_results(written(tmp_path, encode_results(results(FLOOR, broken))))


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(87.46, "87.5 ns"), (1_234.0, "1.23 us"), (52_700.0, "52.7 us"), (3.5e6, "3.50 ms"), (2.5e11, "250 s")],
)
def test_times_have_three_figures_and_a_unit(nanoseconds: float, text: str) -> None:
    assert time_text(nanoseconds) == text


def test_the_tables_show_conditions_units_floors_and_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    print_results(console(), results(FLOOR, OWN))
    text = capsys.readouterr().out
    assert text.index("CONFIG") < text.index("CPython 3.11.7") < text.index("RESULTS")
    assert "suite: a group; per thing, 15 rounds" in text
    own = next(line for line in text.splitlines() if line.strip().startswith("own"))
    assert "57.2 us" in own and "1.10 (1.10 to 1.10)" in own and own.rstrip().endswith("floor")


def test_eighty_columns_show_the_ratio_whole_and_say_what_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_results(Console(width=80), results(FLOOR, OWN))
    text = capsys.readouterr().out
    assert "x floor (min to p90)" in text and "80 columns: the rest" in text
    own = next(line for line in text.splitlines() if line.strip().startswith("own"))
    assert "57.2 us" in own and "1.10 (1.10 to 1.10)" in own
