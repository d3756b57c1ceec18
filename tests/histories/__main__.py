"""`python -m tests.histories --seeds 200`: simulated histories, one after the other; `--seed n` for one."""

import argparse
import sys
from collections.abc import Sequence

from tests.histories.simulated import HistoryWorld, history_plan
from tests.sim.trace import Violation


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.histories", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="this one alone")
    chosen = parser.parse_args(arguments)
    seeds = range(chosen.first, chosen.first + chosen.seeds) if chosen.seed is None else [chosen.seed]
    failed = operations = 0
    for seed in seeds:
        world = HistoryWorld(history_plan(seed))
        try:
            world.run()
        except Violation as found:
            failed += 1
            print(f"seed {seed}: {found}\nreplay: python -m tests.histories --seed {seed}")
        operations += len(world.record.history)
    print(f"{operations} calls")
    print(f"{len(seeds) - failed} passed, {failed} failed")
    return 1 if failed or not seeds else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
