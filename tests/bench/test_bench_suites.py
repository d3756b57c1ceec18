"""Every suite with sizes so small that nothing is learnt but that it runs and has floors."""

from pathlib import Path

import pytest

from bench.__main__ import main
from bench.registry import SUITES
from bench.results import load_results
from bench.run import run
from bench.suite import Sizes, Suite
from bench.timing import Effort

TINY = Sizes(
    signatures=30,
    blocks=(3, 20),
    patients=60,
    state_keys=(40, 300),
    state_changes=20,
    leaves=5,
    write_bytes=2_000,
    object_mb=1,
    link_mb=1,
)
NO_PLOTS = Path("/nowhere/python")
BRIEF = Effort(case_ns=0, sample_ns=1, min_rounds=2, max_rounds=2)


@pytest.mark.parametrize("suite", SUITES, ids=lambda one: one.name)
def test_a_suite_runs_and_measures_every_figure_against_a_floor(suite: Suite, tmp_path: Path) -> None:
    figures = run([suite], TINY, BRIEF, folder=tmp_path).figures
    assert figures
    for one in figures:
        assert len(one.wall_ns) == len(one.cpu_ns) == 2
        assert min(one.wall_ns) > 0
        beside = {other.name: other for other in figures if other.group == one.group}
        if one.floor is None:
            assert any(other.floor == one.name for other in beside.values()), f"{one.name} is nobody's floor"
        else:
            assert one.ratio is not None and one.ratio.median > 0
            assert beside[one.floor].unit == one.unit
    assert list(tmp_path.iterdir()) == [], "a suite leaves nothing behind"


def test_suites_have_names_of_their_own() -> None:
    names = [suite.name for suite in SUITES]
    assert len(set(names)) == len(names)


def test_only_the_suites_that_are_named_run_and_their_file_can_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--only", "encoding"], sizes=TINY, effort=BRIEF, folder=tmp_path, plots=NO_PLOTS) == 0
    shown = capsys.readouterr()
    (path,) = tmp_path.glob("*.json")
    assert {one.suite for one in load_results(path).figures} == {"encoding"}
    assert "CONFIG" in shown.out and "RESULTS" in shown.out and str(path) in shown.out
    assert "1/1 encoding" in shown.err
    assert main(["compare", str(path), str(path)]) == 0
    assert "0 moved" in capsys.readouterr().out


def test_json_is_all_that_stands_on_standard_output_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["--only", "sealing", "--json"], sizes=TINY, effort=BRIEF, folder=tmp_path, plots=NO_PLOTS) == 0
    )
    printed = tmp_path / "printed"
    printed.write_text(capsys.readouterr().out)
    assert load_results(printed) == load_results(next(tmp_path.glob("*.json")))


def test_a_suite_that_is_not_there_is_refused_with_the_names_of_those_that_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--only", "poetry"])
    assert stopped.value.code == 2
    assert "signatures" in capsys.readouterr().err


def test_comparing_with_something_else_ends_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 2
    assert "a.json" in capsys.readouterr().err
