"""`python -m bench`: measure and print; `network`: four nodes on the loopback; `peers`: others' beside them;
`compare old.json new.json`: what moved."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import uvloop
from rich.console import Console
from rich.status import Status

from bench.compare import compare, print_comparison
from bench.curvereport import print_curves
from bench.drawing import PLOT_PYTHON, draw
from bench.network.contest import Plan
from bench.network.run import run_network
from bench.peers.run import run_peers
from bench.registry import SUITES
from bench.report import console, print_results
from bench.results import Results, ResultsError, encode_results, load_results
from bench.run import RESULTS, results_path, run
from bench.suite import LONG_STATE_KEYS, Sizes, Suite
from bench.timing import Effort

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def _parser() -> argparse.ArgumentParser:
    names = [suite.name for suite in SUITES]
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=names, help=f"of {', '.join(names)}"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--long", action="store_true", help="a million keys in state as well")
    commands = parser.add_subparsers(dest="command")
    for name, does in (("network", "four nodes on the loopback"), ("peers", "CometBFT and etcd beside them")):
        one = commands.add_parser(name, help=does)
        one.add_argument("--rounds", type=int, default=Plan().rounds, help="interleaved rounds")
        one.add_argument("--seconds", type=float, default=Plan().measured_s, help="measured at each rate")
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


def _measure(
    suites: Sequence[Suite], sizes: Sizes, effort: Effort, folder: Path, plots: Path, *, as_json: bool
) -> None:
    shown = _Shown(console(stderr=True), suites)
    try:
        results = run(suites, sizes, effort, folder=folder, progress=shown)
    finally:
        shown.stop()
    _show(results, folder, plots, as_json=as_json)


def _show(results: Results, folder: Path, plots: Path, *, as_json: bool) -> None:
    """Keep the results and print them."""
    data, path = encode_results(results), results_path(results, folder)
    path.write_bytes(data)
    if as_json:
        sys.stdout.write(data.decode() + "\n")
        return
    out = console()
    print_results(out, results)
    print_curves(out, results)
    out.print(f"{results.seconds:.0f} s, written to {path}", highlight=False, soft_wrap=True)
    for drawn in draw(results, path.with_suffix(""), python=plots):
        out.print(drawn, highlight=False, soft_wrap=True)


def _measure_network(name: str, plan: Plan, folder: Path, plots: Path, *, as_json: bool) -> int:
    """0, or 1 where a system does not start or is gone."""
    out, began = console(stderr=True), time.monotonic()

    def say(text: str) -> None:
        out.print(f"{time.monotonic() - began:6.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)

    folder.mkdir(parents=True, exist_ok=True)
    run_it = run_network if name == "network" else run_peers
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(run_it(folder, plan, say))
    except (RuntimeError, OSError) as error:
        sys.stderr.write(f"bench: {error}\n")
        return EXIT_FAILED
    except KeyboardInterrupt:
        sys.stderr.write("bench: ended before it was through, nothing is kept of it\n")
        return EXIT_INTERRUPTED
    _show(results, folder, plots, as_json=as_json)
    return 0


def main(
    arguments: Sequence[str] | None = None,
    *,
    sizes: Sizes = Sizes(),
    effort: Effort = Effort(),
    folder: Path = RESULTS,
    plots: Path = PLOT_PYTHON,
) -> int:
    """0; 1 where a system does not start; 2 where a file holds no results. `plots`: the Python that draws."""
    options = _parser().parse_args(arguments)
    if options.command is None:
        suites = [suite for suite in SUITES if options.only is None or suite.name in options.only]
        if options.long:
            sizes = replace(sizes, state_keys=LONG_STATE_KEYS)
        _measure(suites, sizes, effort, folder, plots, as_json=options.json)
        return 0
    if options.command in ("network", "peers"):
        plan = Plan(rounds=options.rounds, measured_s=options.seconds)
        return _measure_network(options.command, plan, folder, plots, as_json=options.json)
    try:
        print_comparison(console(), compare(load_results(options.old), load_results(options.new)))
    except ResultsError as error:
        sys.stderr.write(f"bench: {error}\n")
        return EXIT_USAGE
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
