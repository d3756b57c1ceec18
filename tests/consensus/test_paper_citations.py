"""A rule of the paper is tested in one place, and the test says where the rule stands."""

import ast
import re
from pathlib import Path

import pytest

FILES = sorted(
    path for path in Path(__file__).parent.glob("test_paper_*.py") if path.name != Path(__file__).name
)
CITATION = re.compile(r"OSDI 1999, 4\.[1-6](\.\d)?: ")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_test_of_the_paper_cites_its_section(path: Path):
    tests = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    uncited = [
        test.name
        for test in tests
        if test.name.startswith("test_") and not CITATION.match(ast.get_docstring(test) or "")
    ]
    assert not uncited
    assert len({test.name for test in tests}) == len(tests)


def test_every_section_of_the_protocol_is_tested():
    text = "".join(path.read_text() for path in FILES)
    for section in ("4.1", "4.2", "4.3", "4.4", "4.5.1", "4.5.2", "4.6"):
        assert f"OSDI 1999, {section}: " in text
