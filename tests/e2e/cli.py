"""The command line as a person runs it: a process of its own, its exit code, what it prints."""

import asyncio
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 120
_ERROR = re.compile(
    r"error\[(?P<code>[^\]]+)\]: (?P<what>[^\n]+)\n  unchanged: (?P<unchanged>[^\n]+)\n"
    r"  next: +(?P<next>[^\n]+)\n\Z"
)


@dataclass(frozen=True, slots=True)
class Error:
    """The three parts of an error, and its code."""

    code: str
    what: str
    unchanged: str
    next: str


@dataclass(frozen=True, slots=True)
class Ended:
    exit_code: int
    stdout: str
    stderr: str

    @property
    def data(self) -> Any:
        """What was printed with --json."""
        return json.loads(self.stdout)

    def error(self, exit_code: int) -> Error:
        """The error that stands at the end of stderr, in three parts; asserts its exit code, that the
        reference documents just this one for it, and that no traceback is anywhere."""
        assert self.exit_code == exit_code, self
        assert "Traceback" not in self.stdout + self.stderr
        found = _ERROR.search(self.stderr)
        assert found is not None, f"no error in three parts: {self.stderr}"
        error = Error(**found.groupdict())
        documented = _documented()
        assert error.code in documented, f"{error.code} is not in the reference"
        assert documented[error.code] in (exit_code, None)
        return error


@cache
def _documented() -> dict[str, int | None]:
    """Code to exit code, as docs/reference.md has them; rules stand there without."""
    text = (ROOT / "docs" / "reference.md").read_text()
    rows = re.findall(r"^\| `([A-Za-z0-9-]+)` \| [^|]+ \|(?: ([0-9]+) \|)?$", text, re.MULTILINE)
    return {code: int(exit_code) if exit_code else None for code, exit_code in rows}


def run(*arguments: object, timeout_s: float = TIMEOUT_S) -> Ended:
    """Run `chainnode ...` to its end."""
    ended = subprocess.run(
        [sys.executable, "-m", "chainnode.cli.main", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        cwd=ROOT,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


async def chainnode(*arguments: object) -> Ended:
    """As `run`, leaving the loop free."""
    return await asyncio.to_thread(run, *arguments)
