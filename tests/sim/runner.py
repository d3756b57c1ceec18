"""Run seeds, say how it goes, and print what is needed to look at a violation."""

from dataclasses import dataclass

from tests.sim.scenario import Plan, plan_of
from tests.sim.trace import Event, Violation
from tests.sim.world import World


@dataclass(frozen=True)
class Outcome:
    """`violation` is "" where every promise held; `events`, the last ones, are kept where it is not."""

    seed: int
    violation: str
    trace_hash: str
    tail: tuple[str, ...]
    events: tuple[Event, ...]
    height: int
    simulated_ms: int


def run_plan(plan: Plan) -> Outcome:
    """One run of a plan. The same plan gives the same outcome."""
    world = World(plan)
    violation = ""
    try:
        world.run()
    except Violation as found:
        violation = str(found)
    world.close()
    return Outcome(
        plan.seed,
        violation,
        world.trace.hex(),
        world.trace.tail,
        tuple(world.trace.events) if violation else (),
        world.checks.top,
        world.scheduler.now_ms,
    )


def run_seed(seed: int) -> Outcome:
    return run_plan(plan_of(seed))
