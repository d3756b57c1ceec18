"""`python -m bench`: measure and print; `python -m bench compare old.json new.json`: what moved."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.status import Status

from bench.compare import compare, print_comparison
from bench.registry import SUITES
from bench.report import console, print_results
from bench.results import ResultsError, encode_results, load_results
from bench.run import RESULTS, results_path, run
from bench.suite import LONG_STATE_KEYS, Sizes, Suite
from bench.timing import Effort

EXIT_USAGE = 2


def _parser() -> argparse.ArgumentParser:
    names = [suite.name for suite in SUITES]
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=names, help=f"of {', '.join(names)}"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--long", action="store_true", help="a million keys in state as well")
    commands = parser.add_subparsers(dest="command")
    comparing = commands.add_parser("compare", help="what moved beyond the noise")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    return parser


class _Shown:
    """Progress on stderr: a line that changes on a terminal, else a line for each group."""

    def __init__(self, out: Console, suites: Sequence[Suite]) -> None:
        self._out = out
        self._suites = list(suites)
        self._status = Status("", console=out) if out.is_terminal else None
        self._group = ""
        self._began = time.monotonic()
        if self._status is not None:
            self._status.start()

    def __call__(self, suite: Suite, group: str, round_: int) -> None:
        place = f"{self._suites.index(suite) + 1}/{len(self._suites)}"
        text = f"{place} {suite.name}: {group}"
        if self._status is not None:
            self._status.update(f"{text}, round {round_ + 1}")
        elif text != self._group:
            self._out.print(f"{time.monotonic() - self._began:5.1f} s  {text}", markup=False, highlight=False)
        self._group = text

    def stop(self) -> None:
        if self._status is not None:
            self._status.stop()


def _measure(suites: Sequence[Suite], sizes: Sizes, effort: Effort, folder: Path, *, as_json: bool) -> None:
    shown = _Shown(console(stderr=True), suites)
    try:
        results = run(suites, sizes, effort, folder=folder, progress=shown)
    finally:
        shown.stop()
    data, path = encode_results(results), results_path(results, folder)
    path.write_bytes(data)
    if as_json:
        sys.stdout.write(data.decode() + "\n")
        return
    out = console()
    print_results(out, results)
    out.print(f"{results.seconds:.0f} s, written to {path}", highlight=False, soft_wrap=True)


def main(
    arguments: Sequence[str] | None = None,
    *,
    sizes: Sizes = Sizes(),
    effort: Effort = Effort(),
    folder: Path = RESULTS,
) -> int:
    """0, or 2 where a file holds no results."""
    options = _parser().parse_args(arguments)
    if options.command is None:
        suites = [suite for suite in SUITES if options.only is None or suite.name in options.only]
        if options.long:
            sizes = replace(sizes, state_keys=LONG_STATE_KEYS)
        _measure(suites, sizes, effort, folder, as_json=options.json)
        return 0
    try:
        print_comparison(console(), compare(load_results(options.old), load_results(options.new)))
    except ResultsError as error:
        sys.stderr.write(f"bench: {error}\n")
        return EXIT_USAGE
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
