"""`make model TLC=path/to/tla2tools.jar`: check docs/model.

With BREAK=name the bug is planted, and the exit code says whether TLC found it."""

import argparse
import os
import shutil
from pathlib import Path

from tests.model.tlc import SAFETY, breaks, check, configurations

MISSING = "nothing was checked: install Java, get the TLA+ tools, then: make model TLC=path/to/tla2tools.jar"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--tlc", default=os.environ.get("TLC", ""))
    parser.add_argument("--config", default="small", choices=configurations())
    parser.add_argument("--break", dest="bug", default="", choices=("", *breaks()))
    parser.add_argument("--simulate", type=int, default=0, help="so many random behaviours, not all")
    asked = parser.parse_args()
    jar = Path(asked.tlc)
    if not jar.is_file() or shutil.which("java") is None:
        print(MISSING)
        return 7
    outcome = check(jar, asked.config, asked.bug, simulate=asked.simulate, echo=True)
    if asked.bug:
        print(f"{asked.bug}: {f'found, {outcome.violated} is violated' if outcome.violated else 'NOT found'}")
        return 0 if outcome.code == SAFETY else 1
    return 0 if outcome.code == 0 else 1


if __name__ == "__main__":
    raise SystemExit(main())
