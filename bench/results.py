"""Results: what a run measured, and under what, as a JSON file."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.curves import NodeStages, Sweep
from bench.spread import Spread, spread
from bench.suite import Group
from bench.timing import ClockName, Measured

VERSION = 1
MAX_FILE_BYTES = 16 * 1024 * 1024

Config = dict[str, str | int]


class Figure(Struct, frozen=True, forbid_unknown_fields=True):
    """One figure; suite, group and name together name it. Times are nanoseconds per `unit`.

    `per_unit_ns` is by the figure's own `clock`; `ratio` is to the floor named, both None for a floor. The
    tuples hold one value a round, in the order of the rounds.
    """

    suite: str
    group: str
    name: str
    title: str
    unit: str
    clock: ClockName
    floor: str | None
    per_unit_ns: Spread
    ratio: Spread | None
    wall_ns: tuple[float, ...]
    cpu_ns: tuple[float, ...]
    ratios: tuple[float, ...]

    @property
    def samples_ns(self) -> tuple[float, ...]:
        """By the figure's clock."""
        return self.wall_ns if self.clock == "wall" else self.cpu_ns


class Results(Struct, frozen=True, forbid_unknown_fields=True):
    """A run. `started`: UTC, ISO 8601. `sweeps` and `stages`: of runs over a network."""

    version: int
    started: str
    seconds: float
    config: Config
    figures: tuple[Figure, ...]
    sweeps: tuple[Sweep, ...] = ()
    stages: tuple[NodeStages, ...] = ()


class ResultsError(ValueError):
    """A file that holds no results of this version."""


def figures_of(suite: str, group: Group, measured: Sequence[Measured]) -> list[Figure]:
    return [
        Figure(
            suite=suite,
            group=group.name,
            name=one.case.name,
            title=group.title,
            unit=one.case.unit,
            clock=one.case.clock,
            floor=one.case.floor,
            per_unit_ns=spread(one.wall_ns if one.case.clock == "wall" else one.cpu_ns),
            ratio=spread(one.ratios) if one.ratios else None,
            wall_ns=one.wall_ns,
            cpu_ns=one.cpu_ns,
            ratios=one.ratios,
        )
        for one in measured
    ]


def encode_results(results: Results) -> bytes:
    return msgspec.json.format(msgspec.json.encode(results), indent=1)


def load_results(path: Path) -> Results:
    """Raises ResultsError, naming the file: not there, too large, not results, or of another version."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ResultsError(f"{path}: {size} bytes, results have at most {MAX_FILE_BYTES}")
        results = msgspec.json.decode(path.read_bytes(), type=Results)
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResultsError(f"{path}: not a file of results: {error}") from None
    if results.version != VERSION:
        raise ResultsError(f"{path}: version {results.version}, this program reads {VERSION}")
    if not all(_is_whole(one) for one in results.figures):
        raise ResultsError(f"{path}: a figure lacks rounds or its ratio")
    return results


def _is_whole(figure: Figure) -> bool:
    rounds = len(figure.wall_ns)
    if rounds == 0 or len(figure.cpu_ns) != rounds or figure.per_unit_ns.median <= 0:
        return False
    if figure.ratio is None:
        return figure.floor is None
    return figure.floor is not None and len(figure.ratios) == rounds and figure.ratio.median > 0
