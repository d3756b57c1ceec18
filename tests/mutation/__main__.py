"""`make mutate MODULE=consensus/normal.py`: plant faults in a file of the core, list those that no test
noticed.

Survivors that docs/mutation.md argues for are not listed; with any other one the exit code is 1."""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.mutation.measure import baseline
from tests.mutation.mutants import mutants_of
from tests.mutation.runner import survivors

ROOT = Path(__file__).resolve().parent.parent.parent
ARGUED = ROOT / "docs" / "mutation.md"
TESTS = ("tests/consensus",)


def argued() -> set[str]:
    """Keys of the survivors that docs/mutation.md explains."""
    text = ARGUED.read_text(encoding="utf-8")
    return {line.removeprefix("- ") for line in text.splitlines() if line.startswith("- consensus/")}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="files of consensus/; all of them if none is named")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    os.chdir(ROOT)
    files = asked.modules or sorted(str(path) for path in Path("consensus").glob("*.py"))
    started = time.monotonic()
    base = baseline(TESTS, "consensus")
    print(f"{len(base.seconds)} tests, {time.monotonic() - started:.0f} s without a fault", flush=True)
    explained, total, unargued, present = argued(), 0, [], set()
    for file in files:
        mutants = mutants_of(Path(file).read_text(encoding="utf-8"), file)
        total += len(mutants)
        present |= {mutant.key for mutant in mutants}
        alive = survivors(file, mutants, base, asked.jobs, lambda line: print(line, flush=True))
        unargued += [key for key in alive if key not in explained]
    print(f"{total} faults in {time.monotonic() - started:.0f} s; unnoticed and unargued: {len(unargued)}")
    for key in unargued:
        print(f"- {key}")
    for key in sorted(explained - present):
        if key.split()[0] in files:
            print(f"argued in {ARGUED.name} and gone: {key}")
    return 1 if unargued else 0


if __name__ == "__main__":
    sys.exit(main())
