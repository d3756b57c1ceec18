"""A violation, printed: what happened last, how to see it again, and the same in short."""

from tests.sim.chart import chart
from tests.sim.runner import Outcome
from tests.sim.scenario import plan_of
from tests.sim.shrink import MAX_RUNS, shrink, size_of, told


def print_violation(outcome: Outcome, replay: str) -> None:
    print(f"\nseed {outcome.seed}: VIOLATION: {outcome.violation}")
    print("the last that happened (ms, node, what):")
    print("\n".join(f"  {line}" for line in outcome.tail))
    print(f"replay: {replay}", flush=True)


def print_short(seed: int, max_runs: int = MAX_RUNS) -> None:
    """Shrink the seed's scenario, which fails, and draw the end of it."""
    plan = plan_of(seed)
    short = shrink(plan, max_runs)
    print(f"\nthe same in short: {size_of(short.plan)} events of {size_of(plan)}, found in {short.runs} runs")
    print("\n".join(f"  {line}" for line in told(short.plan)))
    print(f"VIOLATION: {short.outcome.violation}")
    print("\n".join(chart(short.outcome.events, short.plan.members)), flush=True)
