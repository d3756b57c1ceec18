"""What a run was made under: without it a figure says nothing."""

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from bench import world
from bench.results import Config
from bench.suite import Sizes
from bench.timing import Effort

LIBRARIES = ("pynacl", "cryptography", "msgspec", "plyvel", "cbor2", "rich")
ROOT = Path(__file__).resolve().parent.parent
GIT_SECONDS = 10


def _processor() -> str:
    """The model's name as Linux tells it, else what the platform says."""
    table = Path("/proc/cpuinfo")
    if table.is_file():
        for line in table.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    """Type of the file system that holds `folder`, by the longest mount point above it."""
    table = Path("/proc/mounts")
    if not table.is_file():
        return "unknown"
    resolved, best = folder.resolve(), ("", "unknown")
    for line in table.read_text(encoding="utf-8").splitlines():
        point, kind = line.split()[1:3]
        if resolved.is_relative_to(point) and len(point) >= len(best[0]):
            best = point, kind
    return best[1]


def _revision() -> str:
    """The commit, marked where files differ from it; "unknown" without git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def _numbers(values: Iterable[int]) -> str:
    return ", ".join(f"{value:,}" for value in values)


def describe_machine(folder: Path) -> Config:
    """What every run is made under; `folder` is where the synced writes go."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: version(name) for name in LIBRARIES},
        "revision": _revision(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load when started": f"{os.getloadavg()[0]:.2f} in the last minute",
        "file system": _file_system(folder),
    }


def describe(sizes: Sizes, effort: Effort, folder: Path) -> Config:
    """The CONFIG block of the suites of the registry."""
    parameters = world.PARAMETERS
    return {
        **describe_machine(folder),
        "rounds": f"{effort.min_rounds} to {effort.max_rounds}, {effort.case_ns / 1e9:g} s for each case",
        "transactions in a block": _numbers(sizes.blocks),
        "mix": f"one in {world.ANCHOR_EVERY} anchors {world.ANCHOR_POINTERS} records, the rest are consents",
        "batch_bytes, batch_transactions": f"{parameters.batch_bytes:,}, {parameters.batch_transactions:,}",
        "patients in state": sizes.patients,
        "keys in state": _numbers(sizes.state_keys),
        "keys changed at once": sizes.state_changes,
    }
