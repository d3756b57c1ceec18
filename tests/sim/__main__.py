"""`python -m tests.sim`: what `make sim` and `make soak` run.

--seeds N [--first n]  --seed n     run seeds; the first that fails is made short and drawn
--break NAME | all                  plant a bug, or each in turn, and see it caught
--table                             messages and bytes per block against the number of members
--soak HOURS [--first n]            seeds from a running counter, until one fails
--jobs N                            processes; as many as there are cores
"""

import argparse
import sys
import time
from itertools import count

from tests.sim.breaks import BREAKS, planted
from tests.sim.parallel import in_order, jobs_here
from tests.sim.report import print_short, print_violation
from tests.sim.runner import run_seed
from tests.sim.table import print_table

SECONDS_BETWEEN_LINES = 5
SECONDS_BETWEEN_SOAK_LINES = 60
FIRST_OF_A_SOAK = 10_000
SEEDS_WORTH_A_PROCESS = 10
EXIT_FAILED = 1


def _at_least_one(text: str) -> int:
    """Seeds to run, or processes: none would pass with nothing tried."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} would try nothing, a number from 1 up is needed")
    return int(text)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours < 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of hours, such as 8 or 0.5")
    return hours


def main(arguments: list[str] | None = None) -> int:
    """0 where every seed passed, or where every planted bug was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="The deterministic simulator.")
    parser.add_argument("--seeds", type=_at_least_one, help="so many seeds; 200, or 500 with a planted bug")
    parser.add_argument("--first", type=int, help="begin with this seed")
    parser.add_argument("--seed", type=int, help="run this one alone")
    parser.add_argument("--break", dest="bug", default="", choices=["", "all", *BREAKS], help="plant a bug")
    parser.add_argument("--no-shrink", action="store_true", help="show a failure as it is, not a shorter one")
    parser.add_argument("--table", action="store_true", help="messages and bytes per block against n")
    parser.add_argument("--jobs", type=_at_least_one, default=jobs_here(), help="processes; one a core")
    parser.add_argument("--soak", type=_hours, help="go on for so many hours, or until a seed fails")
    chosen = parser.parse_args(arguments)
    short = not chosen.no_shrink
    if chosen.table:
        return print_table()
    if chosen.soak is not None:
        return _soak(chosen.soak, FIRST_OF_A_SOAK if chosen.first is None else chosen.first, chosen.jobs)
    first, number = chosen.first or 0, chosen.seeds or (500 if chosen.bug else 200)
    if chosen.seed is not None:
        first, number = chosen.seed, 1
    seeds = range(first, first + number)
    jobs = min(chosen.jobs, -(-number // SEEDS_WORTH_A_PROCESS))
    if chosen.bug:
        return _catch(list(BREAKS) if chosen.bug == "all" else [chosen.bug], seeds, short, jobs)
    return _pass(seeds, short, jobs)


def _pass(seeds: range, short: bool, jobs: int) -> int:
    started = shown = time.monotonic()
    passed = failed = blocks = simulated_ms = 0
    for outcome in in_order(run_seed, seeds, jobs):
        seed = outcome.seed
        blocks, simulated_ms = blocks + outcome.height, simulated_ms + outcome.simulated_ms
        if outcome.violation:
            failed += 1
            print_violation(outcome, f"make sim SEED={seed}")
            if short and failed == 1:
                print_short(seed)
        else:
            passed += 1
        if len(seeds) == 1:
            print(f"seed {seed}: {outcome.height} blocks, trace {outcome.trace_hash[:16]}")
        elif time.monotonic() - shown >= SECONDS_BETWEEN_LINES:
            shown = time.monotonic()
            print(f"  {passed + failed:>6}/{len(seeds)} seeds, {blocks} blocks, {failed} failed", flush=True)
    seconds = time.monotonic() - started
    print(f"{blocks} blocks in {simulated_ms // 1_000} s of simulated time, {seconds:.0f} s of ours")
    print(f"{passed} passed, {failed} failed")
    return EXIT_FAILED if failed else 0


def _soak(hours: float, first: int, jobs: int) -> int:
    """Seeds from `first` on. Where it ends it says where the next one begins."""
    started = shown = time.monotonic()
    seed, blocks = first, 0
    print(f"seeds from {first} on, for {hours:g} h; Ctrl-C ends it before", flush=True)
    try:
        for outcome in in_order(run_seed, count(first), jobs):
            if outcome.violation:
                print_violation(outcome, f"make sim SEED={seed}")
                print_short(seed)
                print(f"{seed - first} passed, 1 failed")
                return EXIT_FAILED
            seed, blocks = seed + 1, blocks + outcome.height
            if time.monotonic() - shown >= SECONDS_BETWEEN_SOAK_LINES:
                shown = time.monotonic()
                gone_h = (shown - started) / 3_600
                print(f"  {gone_h:6.2f} h: {seed - first} seeds, {blocks} blocks, 0 failed", flush=True)
            if time.monotonic() - started >= hours * 3_600:
                break
    except KeyboardInterrupt:
        print()
    print(f"{seed - first} passed, 0 failed; go on with: make soak HOURS={hours:g} FIRST={seed}")
    return 0


def _catch(bugs: list[str], seeds: range, short: bool, jobs: int) -> int:
    """Every bug is planted alone. One that no seed catches is a fault of the simulator."""
    missed = 0
    for bug in bugs:
        caught = _caught_by(bug, seeds, jobs)
        missed += caught is None
        if len(bugs) > 1:
            by = f"seed {caught}" if caught is not None else f"NOT caught by {len(seeds)} seeds"
            print(f"  {bug:<34} {by:<12}  {BREAKS[bug].says}", flush=True)
            continue
        print(f"planted: {bug}: {BREAKS[bug].says}")
        if caught is None:
            print(f"NOT caught by {len(seeds)} seeds")
            continue
        with planted(bug):
            print_violation(run_seed(caught), f"make sim SEED={caught} BREAK={bug}")
            if short:
                print_short(caught)
        print("caught")
    if len(bugs) > 1:
        print(f"{len(bugs) - missed} caught, {missed} missed")
    return EXIT_FAILED if missed else 0


def _caught_by(bug: str, seeds: range, jobs: int) -> int | None:
    outcomes = in_order(run_seed, seeds, jobs, bug)
    return next((outcome.seed for outcome in outcomes if outcome.violation), None)


if __name__ == "__main__":
    sys.exit(main())
