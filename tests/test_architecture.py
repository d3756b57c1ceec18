"""The shape of the house: who may import whom, how large a room may be, what purity forbids."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("consensus", "genesis", "chainnode")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_SINGLE_FILE_LINES = {"chainnode/verify_receipt.py": 550}
"""Whoever runs it has nothing else of ours: formats, proofs and rules stand in one file or nowhere."""

ALLOWED: dict[str, set[str]] = {
    "consensus": {"consensus"},
    "genesis": {"consensus", "genesis"},
    "chainnode.ledger": {"consensus", "genesis", "chainnode.ledger"},
    "chainnode.vault": {"consensus", "genesis", "chainnode.vault"},
    "chainnode.intake": {"consensus", "genesis", "chainnode.intake"},
    "chainnode.pool": {"consensus", "genesis", "chainnode.pool", "chainnode.ledger", "chainnode.vault"},
    "chainnode.store": {"consensus", "genesis", "chainnode.store", "chainnode.ledger"},
    "chainnode.net": {"consensus", "genesis", "chainnode.net", "chainnode.ledger"},
}
NODE_ROOMS = {f"chainnode.{room}" for room in ("ledger", "vault", "intake", "pool", "store", "net", "node")}
ALLOWED["chainnode.node"] = {"consensus", "genesis"} | NODE_ROOMS
ALLOWED["chainnode.gateway"] = ALLOWED["chainnode.node"] | {"chainnode.gateway"}
ALLOWED["chainnode.cli"] = ALLOWED["chainnode.gateway"] | {"chainnode.cli"}

PURE = ("consensus", "chainnode/ledger")
IMPURE_MODULES = {
    "asyncio", "datetime", "io", "logging", "os", "pathlib", "plyvel", "random", "secrets", "socket",
    "structlog", "subprocess", "threading", "time", "trio", "uuid",
}  # fmt: skip


def python_files(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "_pb2" not in path.name
    ]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def room(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "chainnode" else parts[0]


@pytest.mark.parametrize("path", python_files(*PACKAGES), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_direction_of_the_house(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    own = room(module)
    if own not in ALLOWED:
        return
    for name in imported(parsed(path)):
        if name.split(".")[0] in (*PACKAGES, "tests", "bench") and name != "chainnode":
            if module == "chainnode.node.daemon" and room(name) == "chainnode.gateway":
                continue  # the composition root knows every room
            if module.startswith("chainnode.cli") or room(name) in ALLOWED[own]:
                continue
            pytest.fail(f"{module} imports {name}")


@pytest.mark.parametrize("path", python_files(*PURE), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_deterministic_rooms_reach_for_no_clock_randomness_or_io(path: Path) -> None:
    tree = parsed(path)
    found = {name.split(".")[0] for name in imported(tree)} & IMPURE_MODULES
    assert not found, f"{path.name} imports {sorted(found)}"
    for node in ast.walk(tree):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{path.name}: async"
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), f"{path.name}: float"
        if isinstance(node, ast.For | ast.comprehension):
            over = node.iter
            is_set = isinstance(over, ast.Set | ast.SetComp) or (
                isinstance(over, ast.Call)
                and isinstance(over.func, ast.Name)
                and over.func.id in ("set", "frozenset")
            )
            assert not is_set, f"{path.name}:{over.lineno} iterates over a set"


@pytest.mark.parametrize(
    "path", python_files(*PACKAGES, "tests", "bench"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_files_and_functions_stay_small(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    most = MAX_SINGLE_FILE_LINES.get(path.relative_to(ROOT).as_posix(), MAX_FILE_LINES)
    assert lines <= most, f"{path.name} has {lines} lines"
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            assert size <= MAX_FUNCTION_LINES, f"{path.name}: {node.name} has {size} lines"


@pytest.mark.parametrize("path", python_files(*PACKAGES), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_import_hides_in_a_function(path: Path) -> None:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for inner in ast.walk(node):
                assert not isinstance(inner, ast.Import | ast.ImportFrom), f"{path.name}: {node.name}"


def test_no_two_test_files_outside_packages_have_one_name() -> None:
    """pytest imports those by their bare name: of two, one would not run."""
    files = [path for path in python_files("tests") if path.name.startswith("test_")]
    files = [path for path in files if not (path.parent / "__init__.py").exists()]
    names = [path.name for path in files]
    assert sorted(names) == sorted(set(names))
