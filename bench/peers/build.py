"""Building the Go programs of this folder, and finding what is not in Debian's usual place on the PATH."""

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT = HERE.parent / "results" / "bin"
GO_PLACES = ("/usr/local/go/bin/go", "/usr/lib/go/bin/go")
BUILD_SECONDS = 900


class MissingError(Exception):
    """What a peer needs is not here; says what to install."""


def go() -> str:
    """Raises MissingError."""
    found = shutil.which("go") or next((place for place in GO_PLACES if Path(place).is_file()), None)
    if found is None:
        raise MissingError("Go is missing: install Go 1.23 or later (Debian: apt-get install golang-go)")
    return found


def build(name: str) -> Path:
    """The program of bench/peers/<name>, built if its sources changed. Raises MissingError."""
    BUILT.mkdir(parents=True, exist_ok=True)
    program = BUILT / f"{name}-peer"
    command = [go(), "build", "-buildvcs=false", "-o", str(program), "."]
    try:
        done = subprocess.run(command, cwd=HERE / name, capture_output=True, text=True, timeout=BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        raise MissingError(f"{name}: not built within {BUILD_SECONDS} s: run it again") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()[-3:]
        raise MissingError(f"{name}: its modules could not be had, or it does not build: {' | '.join(said)}")
    return program
