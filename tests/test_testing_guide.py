"""docs/testing.md says what is tested by what: it names nothing that does not exist, and forgets no planted
bug, no format and no rule of the paper."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.fuzz.formats import formats
from tests.sim.breaks import BREAKS

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
GUIDE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w/]+\.py)::(test_\w+)`", GUIDE)


@cache
def functions(file: str) -> set[str]:
    path = TESTS / file
    if not path.is_file():
        return set()
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_test_that_the_guide_names_exists():
    missing = [f"{file}::{name}" for file, name in NAMED if name not in functions(file)]
    assert not missing
    assert len(NAMED) > 100


def test_every_file_that_the_guide_names_exists():
    files = re.findall(r"\b(tests/[\w/]+\.py)\b", GUIDE) + [
        f"tests/{file}" for file in re.findall(r"`(\w+/test_\w+\.py)`", GUIDE)
    ]
    assert files and not [file for file in files if not (ROOT / file).is_file()]


def test_every_line_of_the_tables_names_a_test_or_says_not_yet():
    for title in ("Bugs that other systems had", "What it must do: the core", "What it must do: the node"):
        section = GUIDE.split(f"## {title}\n")[1].split("\n## ")[0]
        rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
        assert rows
        for row in rows:
            answer = row.strip("|").split("|")[-1]
            assert "::test_" in answer or answer.strip() == "not yet", row


def test_every_make_target_that_the_guide_names_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make (\w+)", GUIDE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_planted_bug_and_every_format_is_listed():
    assert [
        f"| {name} | {bug.says} |" for name, bug in BREAKS.items() if f"| {name} | {bug.says} |" not in GUIDE
    ] == []
    assert ", ".join(formats()) + "." in GUIDE


def test_every_file_of_the_paper_is_named():
    for path in (TESTS / "consensus").glob("test_paper_*.py"):
        assert path.name == "test_paper_citations.py" or f"`consensus/{path.name}`" in GUIDE
