"""`python -m tests.twins --scenarios N [--members n]`: what `make twins` runs."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from tests.sim.breaks import BREAKS
from tests.sim.parallel import in_order, jobs_here
from tests.twins.runner import outcome_of
from tests.twins.scenario import PARTITIONS, VIEWS, scenario

SECONDS_BETWEEN_LINES = 5
SCENARIOS_WORTH_A_PROCESS = 100
EXIT_FAILED = 1


def _from(least: int, what: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r}: {what} from {least} up are needed")
        return int(text)

    return read


def main(arguments: list[str] | None = None) -> int:
    """0 where honest members agreed in every scenario, or where the planted bug was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.twins", description="Twins over the real Replica.")
    parser.add_argument("--scenarios", type=_from(1, "scenarios"), default=2_000, help="so many of them")
    parser.add_argument("--first", type=_from(0, "numbers"), default=0, help="begin with this one")
    parser.add_argument("--scenario", type=_from(0, "numbers"), help="run this one alone")
    parser.add_argument("--members", type=_from(4, "members"), default=4, help="4 with 1 twin, 7 with 2")
    parser.add_argument("--views", type=_from(1, "views"), default=VIEWS, help="views with a partition")
    parser.add_argument("--break", dest="bug", default="", choices=["", *BREAKS], help="plant a bug")
    parser.add_argument("--jobs", type=_from(1, "processes"), default=jobs_here(), help="one a core")
    chosen = parser.parse_args(arguments)
    first, count = chosen.first, chosen.scenarios
    if chosen.scenario is not None:
        first, count = chosen.scenario, 1
    jobs = min(chosen.jobs, -(-count // SCENARIOS_WORTH_A_PROCESS))
    failed = _run(range(first, first + count), chosen.members, chosen.views, chosen.bug, jobs)
    if chosen.bug:
        print("caught" if failed else f"NOT caught by {count} scenarios")
        return 0 if failed else EXIT_FAILED
    return EXIT_FAILED if failed else 0


def _run(numbers: range, members: int, views: int, bug: str, jobs: int) -> bool:
    """Whether one failed; the first that does is the last."""
    twins = (members - 1) // 3
    print(f"{members} members, {twins} of them with a twin, {PARTITIONS} partitions, {views} views")
    started = shown = time.monotonic()
    reached: Counter[int] = Counter()
    blocks = messages = accusing = 0
    outcomes = in_order(partial(outcome_of, members, views), numbers, jobs, bug)
    for done, (number, result) in enumerate(zip(numbers, outcomes, strict=True)):
        if isinstance(result, str):
            print(f"\nscenario {number}: VIOLATION: {result}")
            print("\n".join(f"  {line}" for line in scenario(number, members, twins, views).told()))
            more = f" MEMBERS={members}" * (members != 4) + f" VIEWS={views}" * (views != VIEWS)
            print(f"replay: make twins SCENARIO={number}{more}{f' BREAK={bug}' * bool(bug)}")
            print(f"{done} passed, 1 failed")
            return True
        reached[result.views] += 1
        blocks, messages = blocks + result.height, messages + result.messages
        accusing += result.evidence > 0
        if time.monotonic() - shown >= SECONDS_BETWEEN_LINES:
            shown = time.monotonic()
            print(f"  {done + 1:>6}/{len(numbers)} scenarios, {blocks} blocks, 0 failed", flush=True)
    seconds = time.monotonic() - started
    print(
        f"{blocks} blocks, {messages} messages, views up to {max(reached)}, the twins convicted in "
        f"{accusing} scenarios, {seconds:.0f} s"
    )
    print(f"{len(numbers)} passed, 0 failed")
    return False


if __name__ == "__main__":
    sys.exit(main())
