"""The README's tour of the command line, typed as it stands there, and the demo's own commands."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.data import MIN_BUNDLES
from tests.demo.stage import LOOK
from tests.localnet.bundles import write_bundles

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A checkout's stand-in with a short path: the environment alone."""
    path = Path(tempfile.mkdtemp(prefix="cn-tour-"))
    (path / ".venv").symlink_to(sys.prefix)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def localnet(folder: Path) -> Iterator[Path]:
    """`make localnet` runs there."""
    command = [sys.executable, "-m", "tests.localnet"]
    with subprocess.Popen(
        command, cwd=folder, env=of_the_house(), text=True, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert any("Ctrl-C stops" in line for line in process.stdout), "it ended before its nodes ran"
        yield folder
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def of_the_house() -> dict[str, str]:
    """An environment in which this checkout's commands run from another folder."""
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "80"}


@pytest.mark.slow
def test_every_command_that_the_demo_names_works_after_it_with_its_nodes_down(folder: Path) -> None:
    """With the user's own bundles; the demo makes them itself otherwise."""
    write_bundles(folder / "data", MIN_BUNDLES)
    ended = subprocess.run(
        [sys.executable, "-m", "tests.demo", "--data", "data"],
        cwd=folder,
        env=of_the_house(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    lines = ended.stdout.splitlines()
    named = [line.removeprefix(LOOK) for line in lines if line.startswith(LOOK)]
    for what in ("chainnode genesis show", "chainnode verify", "ls .demo/workspace"):
        assert any(what in command for command in named), what
    for command in named:
        tried = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=of_the_house(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert tried.returncode == 0 and tried.stdout, (command, tried.stderr)
    table = lines[next(index for index, line in enumerate(lines) if "p50 ms" in line) :]
    assert all("hospital" not in line or " - " not in line for line in table), "a figure is missing"


def test_the_tour_of_the_readme_runs_as_it_is_written(localnet: Path) -> None:
    match = re.search(r"<!-- tour -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert match is not None
    script = "set -eu\n" + match[1]
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=localnet,
        env=of_the_house(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    assert "refused: the patient has not signed" in said
    assert "AUTHORISED" in said
    assert list((localnet / ".localnet" / "workspace").rglob("*.ndjson")), "the released object was decrypted"
    assert "Traceback" not in said


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"make ([a-z]+)", README))
    assert named and named <= targets, named - targets


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "docs/founding.md", "docs/adr/README.md"])
def test_every_link_and_path_of_the_documentation_leads_somewhere(page: str) -> None:
    file = ROOT / page
    text = file.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (file.parent / link).exists(), link
    for path in re.findall(
        r"\b((?:chainnode|consensus|genesis|tests|docs|bench)/[\w/.-]+\.(?:py|md))\b", text
    ):
        assert (ROOT / path).exists(), path
