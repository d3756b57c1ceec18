"""The README's tour of the command line, typed as it stands there."""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainnode.intake.synthetic import synthetic_bundle
from tests.localnet.consortium import found
from tests.localnet.nodes import Nodes

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A checkout's stand-in with a short path: environment, sample bundle, running localnet."""
    path = Path(tempfile.mkdtemp(prefix="cn-tour-"))
    (path / ".venv").symlink_to(sys.prefix)
    (path / ".demo" / "bundles").mkdir(parents=True)
    (path / ".demo" / "bundles" / "patient-000.json").write_bytes(synthetic_bundle(7, 0))
    with Nodes(found(path / ".localnet")) as nodes:
        nodes.start()
        asyncio.run(nodes.ready())
        yield path
    shutil.rmtree(path)


def test_the_tour_of_the_readme_runs_as_it_is_written(folder: Path) -> None:
    match = re.search(r"<!-- tour -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert match is not None
    script = "set -eu\n" + match[1]
    ended = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    assert "refused: the patient has not signed" in said
    assert "AUTHORISED" in said
    assert list((folder / ".localnet" / "workspace").rglob("*.ndjson")), "the released object was decrypted"
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
