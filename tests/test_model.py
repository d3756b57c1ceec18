"""docs/model names nothing that does not exist; where TLC is at hand, its small configuration holds."""

import ast
import os
import re
import shutil
from functools import cache
from pathlib import Path

import pytest

from tests.model.tlc import MODEL, MODULE, SAFETY, breaks, check, configurations

ROOT = Path(__file__).resolve().parents[1]
TEXT = MODULE.read_text(encoding="utf-8")
README = (MODEL / "README.md").read_text(encoding="utf-8")


@cache
def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def named(text: str, title: str) -> set[str]:
    """Names in the first column of the table below `title`."""
    section = text.split(f"## {title}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


def invariants(configuration: str) -> set[str]:
    text = (MODEL / f"{configuration}.cfg").read_text(encoding="utf-8")
    return set(text.split("INVARIANTS\n")[1].split("CHECK_DEADLOCK")[0].split())


def test_every_function_that_the_model_mirrors_exists() -> None:
    mirrored = re.findall(r"^\\\* Mirrors (\w+\.py): (\w+)$", TEXT, re.MULTILINE)
    assert len(mirrored) > 20
    missing = [
        f"{file}: {name}" for file, name in mirrored if name not in functions(ROOT / "consensus" / file)
    ]
    assert missing == []


def test_every_action_says_what_it_mirrors() -> None:
    following = TEXT.split("\nNext ==\n")[1].split("\nSpec ==")[0]
    actions = set(re.findall(r"\b([A-Z]\w+)\(", following))
    assert len(actions) >= 10
    for action in actions:
        assert re.search(rf"^\\\* Mirrors [^\n]+\n{action}\(", TEXT, re.MULTILINE), action


def test_every_invariant_of_the_readme_is_defined_and_checked_by_every_configuration() -> None:
    listed = named(README, "Invariants")
    assert len(listed) > 5
    assert [name for name in listed if not re.search(rf"^{name} ==", TEXT, re.MULTILINE)] == []
    for configuration in configurations():
        assert invariants(configuration) == listed, configuration


def test_every_configuration_and_every_planted_bug_is_listed() -> None:
    assert named(README, "Configurations") == set(configurations())
    assert named(README, "Planted bugs") == set(breaks())


def test_every_oracle_that_the_readme_names_exists() -> None:
    oracles = set(re.findall(r"`checks\.py: (\w+)`", README))
    assert oracles and oracles <= functions(ROOT / "tests" / "sim" / "checks.py")


@pytest.fixture(name="jar")
def _jar() -> Path:
    jar = os.environ.get("TLC", "")
    if not jar or shutil.which("java") is None:
        pytest.skip("no checker: the variable TLC names no tla2tools.jar, or there is no Java")
    return Path(jar)


def test_the_small_configuration_holds(jar: Path) -> None:
    outcome = check(jar, "small")
    assert outcome.code == 0, outcome.output


def test_a_planted_bug_is_found(jar: Path) -> None:
    outcome = check(jar, "small", "quorum-minus-one")
    assert (outcome.code, outcome.violated) == (SAFETY, "OneDecision")
