"""What a suite is: a name, and groups of cases that are built one after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.timing import Case


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much work the cases do. Counts, unless the name ends in a unit."""

    signatures: int = 1_000
    blocks: tuple[int, ...] = (100, 1_000)
    patients: int = 10_000
    state_keys: tuple[int, ...] = (10_000, 100_000)
    state_changes: int = 1_000
    leaves: int = 1_000
    write_bytes: int = 350_000
    object_mb: int = 4
    link_mb: int = 8


LONG_STATE_KEYS = (10_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that are interleaved with each other. `name` is short and stays, `title` says what is done."""

    name: str
    title: str
    cases: Sequence[Case]


@dataclass(frozen=True, slots=True)
class Suite:
    """`build` yields the groups; each is measured before it goes on to the next, and it cleans up behind
    itself. It may write into the folder, which is on the disk that the figures are meant for."""

    name: str
    title: str
    build: Callable[[Sizes, Path], Iterator[Group]]
