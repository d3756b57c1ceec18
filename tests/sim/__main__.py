"""`python -m tests.sim --seeds N [--seed n] [--break name]`: what `make sim` runs."""

import argparse
import sys
import time

from tests.sim.breaks import BREAKS, planted
from tests.sim.runner import Outcome, run_seed

SECONDS_BETWEEN_LINES = 5
EXIT_FAILED = 1


def _at_least_one(text: str) -> int:
    """Seeds to run: none would pass with nothing tried."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} seeds try nothing, a number from 1 up is needed")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """0 where every seed passed, or where the planted bug was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="The deterministic simulator.")
    parser.add_argument(
        "--seeds", type=_at_least_one, default=200, help="run the seeds from 0 up to this one"
    )
    parser.add_argument("--first", type=int, default=0, help="begin with this seed")
    parser.add_argument("--seed", type=int, help="run this one alone")
    parser.add_argument("--break", dest="bug", default="", choices=["", *BREAKS], help="plant a bug")
    chosen = parser.parse_args(arguments)
    first, count = (chosen.first, chosen.seeds) if chosen.seed is None else (chosen.seed, 1)
    if chosen.bug:
        return _catch(chosen.bug, range(first, first + count))
    return _pass(range(first, first + count))


def _pass(seeds: range) -> int:
    started = shown = time.monotonic()
    passed = failed = blocks = simulated_ms = 0
    for seed in seeds:
        outcome = run_seed(seed)
        blocks, simulated_ms = blocks + outcome.height, simulated_ms + outcome.simulated_ms
        if outcome.violation:
            failed += 1
            _print_violation(outcome, f"make sim SEED={seed}")
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


def _catch(bug: str, seeds: range) -> int:
    print(f"planted: {bug}: {BREAKS[bug].says}")
    with planted(bug):
        for seed in seeds:
            outcome = run_seed(seed)
            if outcome.violation:
                _print_violation(outcome, f"make sim SEED={seed} BREAK={bug}")
                print("caught")
                return 0
    print(f"NOT caught by {len(seeds)} seeds")
    return EXIT_FAILED


def _print_violation(outcome: Outcome, replay: str) -> None:
    print(f"\nseed {outcome.seed}: VIOLATION: {outcome.violation}")
    print("the last that happened (ms, node, what):")
    print("\n".join(f"  {line}" for line in outcome.tail))
    print(f"replay: {replay}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
