"""Pruning beside the node's work: as configured, never more than replays allow, over when the node stops."""

import asyncio
from pathlib import Path

import pytest

from chainnode.node import prunework as prune_module
from chainnode.node.prunework import PruneWork
from consensus.parameters import Parameters
from tests.node.grown import Grown, told
from tests.node.stand_ins import Log, stopped, until

PARAMETERS = Parameters(validity_heights=128)
LEAST = 128 + 16


@pytest.fixture
def grown(tmp_path: Path):
    made = told(tmp_path / "store", PARAMETERS)
    made.departments(200)
    yield made
    made.close()


def work(grown: Grown, keep: int, log: Log) -> PruneWork:
    return PruneWork(grown.store, keep, PARAMETERS, lambda: grown.height, log)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune_module, "PRUNE_EVERY_MS", 5)


@pytest.mark.parametrize(("keep", "kept"), [(160, 160), (1, LEAST)])
async def test_so_many_blocks_stay_and_at_least_those_that_replays_need(grown: Grown, keep: int, kept: int):
    running = asyncio.create_task(work(grown, keep, Log()).run())
    await until(lambda: grown.store.whole == grown.height - kept)
    grown.departments(kept // 4 - 1)
    await asyncio.sleep(0.05)
    assert grown.store.whole == grown.height - kept - (kept // 4 - 1), "in steps of a quarter"
    grown.departments(2)
    await until(lambda: grown.store.whole == grown.height - kept)
    await stopped(running)
    executor = grown.reopen()
    recent = {height for height, _ in grown.store.recent_results(0)} - {0}
    assert min(recent) <= executor.tip.height - PARAMETERS.validity_heights


async def test_all_blocks_stay_unless_it_is_configured(grown: Grown):
    log = Log()
    await work(grown, 0, log).run()
    assert grown.store.whole == 0 and log.lines == []


async def test_a_node_that_stops_waits_for_no_long_pruning(grown: Grown):
    running = asyncio.create_task(work(grown, 1, Log()).run())
    await until(lambda: grown.store.whole > 1)
    await stopped(running)
    whole = grown.store.whole
    grown.reopen()
    assert grown.store.whole == whole and grown.store.block(whole) is not None
