"""The floor's processes, the stages of a commit, and how systems are held against each other."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from bench.charts import charts
from bench.compare import compare
from bench.curvereport import print_curves
from bench.curves import NodeStages, Stage, Sweep
from bench.drawing import draw
from bench.load.feed import Answer
from bench.load.messages import signed_messages
from bench.load.openloop import Answered, Load, Sink, drive
from bench.network.contest import Entry, Plan, contest
from bench.network.floor import decode_batch, encode_batch, serve
from bench.network.spans import STAGES, Moments, Watch
from bench.network.systems import connect_feeds, until_listening
from bench.peers import build
from bench.report import console
from bench.results import Results, load_results
from tests.bench.figures import around, figure, point, results
from tests.localnet.consortium import free_ports

PLAN = Plan(first_per_s=200.0, growth=2.0, most_points=4, warm_s=0.0, measured_s=0.05, rounds=2)


async def test_the_floor_commits_what_a_quorum_of_its_processes_has_checked(tmp_path: Path) -> None:
    assert decode_batch(encode_batch([b"a", b"", b"bcd"])) == [b"a", b"", b"bcd"]
    feeds = [tmp_path / f"{number}.sock" for number in range(4)]
    ports = free_ports(4)
    floors = [asyncio.create_task(serve(number, feed, ports)) for number, feed in enumerate(feeds)]
    try:
        await until_listening(feeds)
        load = Load(rate_per_s=400.0, warm_s=0.0, measured_s=0.1)
        found = await drive(
            lambda answered: connect_feeds(feeds, answered), signed_messages(load.transactions, 120), load
        )
    finally:
        for floor in floors:
            floor.cancel()
        await asyncio.gather(*floors, return_exceptions=True)
    assert found.committed == load.transactions


def test_a_stage_lasts_from_the_end_of_the_one_before() -> None:
    moments = Moments()
    for stage in range(len(STAGES) + 1):
        moments.note([b"a", b"b"], stage, 1_000_000 * stage * stage)
    moments.note([b"half"], 0, 0)
    found = moments.stages()
    assert [one.name for one in found] == [name for name, _ in STAGES]
    assert [one.p50_ms for one in found] == [1, 3, 5, 7, 9, 11, 13]


def test_a_stage_out_of_order_or_of_a_stranger_is_not_noted_and_old_ones_are_forgotten() -> None:
    moments = Moments(kept=2)
    moments.note([b"a"], 1, 5)
    moments.note([b"a"], 0, 5)
    moments.note([b"a"], 2, 9)
    moments.note([b"b", b"c"], 0, 5)
    for stage in range(1, len(STAGES) + 1):
        moments.note([b"a", b"b"], stage, 5 + 1_000_000)
    assert moments.stages()[0].p50_ms == 1.0, "b went all the way, a was forgotten"


def test_the_functions_at_which_a_stage_ends_are_still_there() -> None:
    with ExitStack() as stack:
        patched = [stack.enter_context(one) for one in Watch().patches()]
    assert len(patched) == len(STAGES) - 1, "admission tells of two moments, execution of two"


class Instant:
    """A system that commits whatever comes, up to a count in each load."""

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self.title = f"{name}, which is instant"
        self.running = False
        self._most = most

    async def start(self) -> None:
        assert not self.running
        self.running = True

    async def connect(self, answered: Answered) -> list[Sink]:
        assert self.running
        most = self._most

        class One:
            def send(self, items: Sequence[tuple[int, bytes]]) -> None:
                for number, _ in items:
                    answered(number, Answer.COMMITTED if number < most else Answer.BUSY)

            def close(self) -> None:
                pass

        return [One()]

    async def transactions(self, count: int) -> list[bytes]:
        return [b""] * count

    def pids(self) -> list[int]:
        return []

    def load_pids(self) -> list[int]:
        return []

    def stop(self) -> None:
        self.running = False


async def test_systems_meet_the_same_loads_and_are_measured_against_the_first() -> None:
    floor, own = Instant("floor", 1_000), Instant("own", 15)
    seen: list[Sweep] = []

    async def while_up(found: Sweep) -> None:
        assert own.running
        seen.append(found)

    said: list[str] = []
    sweeps, figures = await contest("s", [Entry(floor), Entry(own, while_up)], PLAN, said.append)
    assert [one.system for one in sweeps] == ["floor", "own"] and seen == sweeps[1:]
    assert [one.offered_per_s for one in sweeps[0].points] == [10, 200, 400, 800]
    assert not floor.running and not own.running and said
    goodput = {one.name: one for one in figures if one.group == "goodput"}
    assert goodput["floor"].ratio is None and goodput["own"].floor == "floor"
    assert {one.floor for one in figures if one.group == "overload own"} == {None, "saturated"}
    assert all(len(one.wall_ns) == PLAN.rounds for one in figures)
    whole = results(*figures)
    assert compare(whole, whole).moved == ()


def with_curves() -> Results:
    stages = tuple(Stage(name, what, 1.0, 2.0, 1.5) for name, what in STAGES)
    base = around(100)
    return msgspec.structs.replace(
        results(figure("floor", base), figure("own", around(200), "floor", base)),
        sweeps=(Sweep("network", "chainnode", "four nodes", (point(10, 10), point(20, 0))),),
        stages=(NodeStages(2.0, stages, {"MainThread": 1.0}),),
    )


def test_every_chart_has_a_title_and_units_and_nothing_that_a_logarithm_lacks() -> None:
    found = charts(with_curves())
    assert len({one.file for one in found}) == len(found) == 6
    for one in found:
        assert one.title and one.x_label
        assert one.kind == "bars" or one.y_label.endswith(")")
        assert not one.log_y or all(y > 0 for series in one.series for y in series.y)


def test_curves_are_kept_printed_and_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = with_curves()
    path = tmp_path / "run.json"
    path.write_bytes(msgspec.json.encode(run))
    assert load_results(path) == run
    print_curves(console(), run)
    text = capsys.readouterr().out
    assert "knee 10/s" in text and "BLOCK-VOTE" in text and "MainThread" in text


def test_without_matplotlib_the_user_is_told_how_to_get_it(tmp_path: Path) -> None:
    assert draw(results(), tmp_path / "run", python=tmp_path / "none") == [
        "no plots: matplotlib is not here, make plots gets it"
    ]
    assert not list(tmp_path.iterdir())


def test_where_go_is_missing_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "GO_PLACES", ())
    with pytest.raises(build.MissingError, match="apt-get install golang-go"):
        build.go()
