"""What `status` shows, without walking through the pool while somebody waits."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from chainnode.ledger.machine import Execution
from chainnode.ledger.records import Result
from chainnode.node import reporting as reporting_module
from chainnode.node.latency import Latencies
from chainnode.node.reporting import Reporting, folder_bytes, resident_bytes
from tests.ledger.world import Chain, digest32
from tests.node.stand_ins import SceneExecutor, stopped, until
from tests.node.wires import Wires


def report_on(home: Path) -> Reporting:
    names = {number: f"hospital-{number}" for number in range(4)}
    status = SimpleNamespace(view=3, primary=3, voting=False, silent_because="asks its peers")
    return Reporting(
        network="test",
        names=lambda: names,
        member=0,
        home=home,
        started_ms=0,
        replica=SimpleNamespace(status=lambda: status),  # type: ignore[arg-type]
        executor=SceneExecutor(Chain()),  # type: ignore[arg-type]
        transport=Wires(3),  # type: ignore[arg-type]
        sync=SimpleNamespace(height=7, claimed=lambda peer: peer),  # type: ignore[arg-type]
        admissions=SimpleNamespace(latencies=Latencies()),  # type: ignore[arg-type]
        reserve=SimpleNamespace(free_bytes=5),  # type: ignore[arg-type]
        alarms=lambda: ("the disk",),
        quorum_lost=lambda: "quorum lost",
    )


def test_a_report_tells_the_node_and_each_of_its_links(tmp_path: Path):
    reporting = report_on(tmp_path)
    results = (Result(digest32("a"), ""), Result(digest32("b"), "replayed"))
    reporting.executed(Execution(results, (), {}, b"", b"", b""))
    reporting.certified()
    first = reporting.first_commit_ms
    reporting.certified()
    report = reporting.report()
    assert (report.slug, report.height, report.view, report.voting, report.why) == (
        "hospital-0", 7, 3, False, "asks its peers",
    )  # fmt: skip
    assert (report.free_bytes, report.alarms, report.quorum_lost) == (5, ("the disk",), "quorum lost")
    assert report.transactions == 2 and report.first_commit_ms == first > 0
    assert [(link.member, link.slug, link.height) for link in report.links] == [
        (1, "hospital-1", 1), (2, "hospital-2", 2), (3, "hospital-3", 3),
    ]  # fmt: skip
    assert report.rss_bytes > 1_000_000 and resident_bytes() > 1_000_000


async def test_the_disk_is_measured_beside_the_loop_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reporting_module, "MEASURE_EVERY_MS", 1)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(bytes(1_000))
    reporting = report_on(tmp_path)
    running = asyncio.create_task(reporting.run())
    await until(lambda: reporting.report().disk_bytes == 1_000)
    (tmp_path / "another").write_bytes(bytes(500))
    await until(lambda: reporting.report().disk_bytes == 1_500)
    await stopped(running)
    assert folder_bytes(tmp_path / "missing") == 0
