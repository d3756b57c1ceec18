"""Commands as a person can paste them: with the path of the program, and paths from where they stand."""

import shlex
import sys
from pathlib import Path


def shown(path: Path) -> str:
    """A path, relative to the working folder where it lies in it, quoted where it must be."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def chainnode(*arguments: str | Path) -> str:
    """A command line of the program of this environment."""
    program = Path(sys.executable).parent / "chainnode"
    texts = (shown(one) if isinstance(one, Path) else shlex.quote(one) for one in arguments)
    return " ".join([shown(program), *texts])
