"""Strong reads of simulated nodes are linearizable whatever goes wrong, and the checker would see if not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chainnode.ledger.payloads import Barrier
from chainnode.node.api import Outcome, ReadResult, ReadTimeout
from chainnode.node.reads import Reads
from chainnode.node.strong import BARRIER_TIMEOUT_MS, StrongReads
from consensus.parameters import Parameters
from tests.histories import __main__ as command
from tests.histories.__main__ import main
from tests.histories.history import GRANT, OK, READ, REVOKE, TAKEN, UNKNOWN
from tests.histories.simulated import HistoryWorld, history_plan
from tests.sim.scenario import Fault, Plan
from tests.sim.trace import Violation

SEEDS = (1, 2)
CAUGHT_WITHIN = 24
"""Seeds. Each bug is caught by every second at least."""


def trouble() -> Plan:
    """Two of four are cut off for longer than clients wait, the primary is killed, a disk loses power."""
    faults = (
        Fault(2_500, "isolate", 1, 6_000),
        Fault(2_500, "isolate", 2, 6_000),
        Fault(9_500, "kill", 0, 1_500),
        Fault(11_000, "power", 3, 300),
    )
    return replace(
        history_plan(0),
        seed=4,
        members=4,
        parameters=Parameters(window=4, base_timeout_ms=500, max_timeout_ms=2_000),
        faulty=(),
        faults=faults,
        trouble_ms=11_500,
    )


def lagging(seed: int) -> Plan:
    """One of four has a slow disk, and so hears of everything late."""
    return replace(
        trouble(),
        seed=seed,
        parameters=Parameters(window=4, base_timeout_ms=2_000, max_timeout_ms=4_000),
        delay_ms=(1, 3),
        faults=(Fault(1_000, "slow-disk", 3, 10_000, amount=15),),
        trouble_ms=4_000,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_strong_reads_are_linearizable_and_plain_reads_monotonic_under_faults(seed: int) -> None:
    world = HistoryWorld(history_plan(seed))
    world.run()
    assert any(one.kind == READ and one.outcome == OK for one in world.record.history)


def test_a_history_with_races_lost_answers_restarts_and_a_view_change_is_linearizable() -> None:
    world = HistoryWorld(trouble())
    world.run()
    history = world.record.history
    assert {(one.kind, one.outcome) for one in history} >= {(GRANT, OK), (GRANT, TAKEN), (REVOKE, OK)}
    assert any(one.kind != READ and one.outcome == UNKNOWN for one in history)
    assert len(world.readings) > 5
    assert [node.life > 1 for node in world.nodes] == [True, False, False, True]
    assert all(node.engine.replica.status().view for node in world.nodes)


def test_a_history_replays_exactly() -> None:
    worlds = [HistoryWorld(lagging(0)) for _ in range(2)]
    for world in worlds:
        world.run()
    assert worlds[0].record.history == worlds[1].record.history
    assert worlds[0].trace.hex() == worlds[1].trace.hex()


# --- planted bugs ---------------------------------------------------------------------------------


async def _without_barrier(reads: StrongReads, timeout_ms: int) -> int:
    return 0


async def _late_comers_share(reads: StrongReads) -> None:
    """Who came while the barrier was under way is served by it too."""
    while reads._waiting:
        reads.barriers += 1
        result = await reads._submit(Barrier(reads._member), BARRIER_TIMEOUT_MS)
        served, reads._waiting = reads._waiting, []
        for future in served:
            if not future.done() and result.outcome is Outcome.COMMITTED:
                future.set_result(result.height)
            elif not future.done():
                future.set_exception(ReadTimeout("no-barrier", ""))


async def _whatever_is_here(reads: Reads, key: bytes, *, min_height: int, **asked: Any) -> ReadResult:
    return await _state(reads, key, min_height=0, **asked)


_state = Reads.state

BUGS: dict[str, tuple[type, str, Callable[..., Any], str]] = {
    "a strong read without a barrier": (StrongReads, "height", _without_barrier, "no order of these calls"),
    "a barrier from before the read": (StrongReads, "_make", _late_comers_share, "no order of these calls"),
    "a read below its min_height": (Reads, "state", _whatever_is_here, "too old"),
}
"""What is replaced by what, and what the checker says."""


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, wrong, says = BUGS[bug]
    monkeypatch.setattr(owner, name, wrong)
    for seed in range(CAUGHT_WITHIN):
        try:
            HistoryWorld(lagging(seed)).run()
        except Violation as found:
            assert says in str(found)
            return
    pytest.fail(f"not caught by {CAUGHT_WITHIN} seeds")


def test_the_command_says_how_many_passed_and_shows_what_did_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--seed", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed"
    monkeypatch.setattr(StrongReads, "height", _without_barrier)
    monkeypatch.setattr(command, "history_plan", lagging)
    assert main(["--seeds", "2"]) == 1
    shown = capsys.readouterr().out
    assert "<- not explained" in shown and "replay: python -m tests.histories --seed " in shown
