"""TLC, the model checker of TLA+, on docs/model: one worker, at most 2 GB of heap."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

MODEL = Path(__file__).resolve().parents[2] / "docs" / "model"
MODULE = MODEL / "ChainnodePBFT.tla"
SAFETY = 12
"""TLC's exit code for an invariant that does not hold."""


@dataclass(frozen=True)
class Outcome:
    """`code`: TLC's exit code, 0 where every state was looked at and all invariants hold."""

    code: int
    violated: str
    output: str


def configurations() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in MODEL.glob("*.cfg")))


def breaks() -> tuple[str, ...]:
    """The planted bugs that the model knows."""
    [listed] = re.findall(
        r"^Breaks == \{(.*?)\}", MODULE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return tuple(name for name in re.findall(r'"([\w-]*)"', listed) if name)


def check(jar: Path, configuration: str, bug: str = "", *, simulate: int = 0, echo: bool = False) -> Outcome:
    """Run TLC to the end, or over `simulate` random behaviours."""
    text = (MODEL / f"{configuration}.cfg").read_text(encoding="utf-8")
    with TemporaryDirectory(prefix="chainnode-model-") as folder:
        shutil.copy(MODULE, folder)
        Path(folder, "run.cfg").write_text(text.replace('BREAK = ""', f'BREAK = "{bug}"'), encoding="utf-8")
        command = [
            "java",
            "-Xmx2g",
            "-XX:+UseSerialGC",
            "-cp",
            str(jar.resolve()),
            "tlc2.TLC",
            "-workers",
            "1",
        ]
        command += ["-simulate", f"num={simulate}", "-depth", "80"] if simulate else []
        command += ["-nowarning", "-metadir", f"{folder}/states", "-config", "run.cfg", MODULE.name]
        lines = []
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                if echo:
                    print(line, end="", flush=True)
        output = "".join(lines)
    found = re.search(r"Invariant (\w+) is violated", output)
    return Outcome(process.returncode, found.group(1) if found else "", output)
