"""Whatever a next step names is quoted for a shell: a path with a space is pasted as one word."""

import ast
import shlex
from contextlib import ExitStack
from pathlib import Path

import pytest

from chainnode.node.config import load_config
from chainnode.node.opening import open_node
from chainnode.store import errors as store_errors
from genesis.document import parse_genesis, read_limited
from genesis.errors import OperatorError, quoted, set_aside
from tests.genesis.consortium import consortium, unsigned_file

ROOT = Path(__file__).resolve().parents[2]
QUOTERS = {"quote", "quoted", "set_aside", "command", "shell", "join", "next_step"}
PLAIN = {
    "holder",
    "name",
    "kind",
    "HOME_VARIABLE",
    "listen",
    "_quoted",
    "hint",
    "ID_DIGITS",
    "remark",
    "here",
    "value",
}
"""Numbers and names that are not paths, and words that were quoted when they were made."""
STEP_ARGUMENTS = {"usage": 1, "bad_input": 1, "_failed": 2, "_taken": 1}


def next_steps(tree):
    """Every expression that becomes a next step."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        yield from (keyword.value for keyword in node.keywords if keyword.arg in ("next_step", "following"))
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        at = STEP_ARGUMENTS.get(called)
        if at is not None and len(node.args) > at:
            yield node.args[at]


def unquoted(step):
    """What a step puts in bare. `!r` marks a word in a sentence, not one of a command."""
    for value in ast.walk(step):
        if isinstance(value, ast.FormattedValue) and value.conversion != ord("r"):
            inner = value.value
            while isinstance(inner, ast.Subscript):
                inner = inner.value
            named = inner.func if isinstance(inner, ast.Call) else inner
            word = named.id if isinstance(named, ast.Name) else getattr(named, "attr", "")
            if word not in (QUOTERS if isinstance(inner, ast.Call) else PLAIN):
                yield ast.unparse(value.value)


def test_no_next_step_in_the_source_puts_a_path_in_unquoted():
    sources = [*(ROOT / "chainnode").rglob("*.py"), *(ROOT / "genesis").rglob("*.py")]
    steps = [(file, step) for file in sources for step in next_steps(ast.parse(file.read_text("utf-8")))]
    assert len(steps) > 100
    bare = [
        f"{file.relative_to(ROOT)}:{step.lineno}: {what}" for file, step in steps for what in unquoted(step)
    ]
    assert bare == [], "\n".join(bare)


def test_the_search_finds_a_bare_path():
    tree = ast.parse('OperatorError(C, "w", unchanged="u", next_step=f"ls {path.parent} {quoted(path)}")')
    assert [what for step in next_steps(tree) for what in unquoted(step)] == ["path.parent"]


def config_file(folder, text):
    folder.mkdir()
    file = folder / "chainnode.toml"
    file.write_text(text)
    return file


def missing(folder):
    read_limited(folder / "genesis.cbor", 10)


def half_signed(folder):
    parse_genesis(unsigned_file(consortium()), source=str(folder / "genesis.cbor"))


def not_founded(folder):
    config_file(folder, '[listen]\nhost = "0.0.0.0"\n[keys]\npassphrase_file = "p"\n')
    with ExitStack() as closing:
        open_node(load_config(folder), closing)


def unknown_key(folder):
    config_file(folder, '[listen]\nprot = 1\n[keys]\npassphrase_file = "p"\n')
    load_config(folder)


def wrong_value(folder):
    config_file(folder, '[listen]\nport = 0.5\n[keys]\npassphrase_file = "p"\n')
    load_config(folder)


@pytest.mark.parametrize(
    ("fail", "code"),
    [
        (missing, "GEN-01"),
        (not_founded, "GEN-01"),
        (half_signed, "GEN-03"),
        (unknown_key, "CFG-03"),
        (wrong_value, "CFG-05"),
    ],
)
def test_a_folder_with_a_space_is_one_word_of_the_command(tmp_path, fail, code):
    folder = tmp_path / "a b"
    with pytest.raises(OperatorError) as caught:
        fail(folder)
    assert caught.value.code.code == code
    words = shlex.split(caught.value.next_step.rpartition(": ")[2], comments=True)
    assert any(Path(word).parent == folder for word in words), words


def test_what_is_moved_aside_keeps_its_folder():
    assert shlex.split(set_aside("/a b/c")) == ["mv", "/a b/c", "/a b/c.old"]
    assert quoted(Path("/a b")) == "'/a b'"
    assert "(mv '/a b' '/a b.damaged')" in store_errors.damaged(Path("/a b"), "torn").next_step
