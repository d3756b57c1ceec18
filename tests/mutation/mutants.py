"""The faults that are planted, in a fixed order, as changes of a module's syntax tree.

Left alone: annotations, docstrings, sentences (strings with a space in them), f-strings and the reasons
behind asserts: none of them changes what the protocol does.
"""

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Change = Callable[[ast.AST], ast.AST | None]
"""From a node to what stands in its place; None where the statement goes."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitXor: ast.BitOr,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
}
TRUTHS = (ast.Name, ast.Attribute, ast.Call)
"""Conditions that hold no operator of their own to turn."""


@dataclass(frozen=True)
class Mutant:
    """One fault. `key` names it without line numbers, `scope` the function or class it lies in ("module" for
    none); `lines` are those of its statement."""

    key: str
    scope: str
    lines: range
    path: tuple[tuple[str, int | None], ...]
    change: Change

    def planted(self, tree: ast.Module) -> ast.Module:
        """A copy of `tree` with the fault in it."""
        copied = copy.deepcopy(tree)
        node: ast.AST = copied
        for name, index in self.path[:-1]:
            node = _child(node, name, index)
        name, index = self.path[-1]
        _put(node, name, index, self.change(_child(node, name, index)))
        return ast.fix_missing_locations(copied)


def _child(node: ast.AST, name: str, index: int | None) -> ast.AST:
    value = getattr(node, name)
    found: ast.AST = value if index is None else value[index]
    return found


def _put(parent: ast.AST, name: str, index: int | None, new: ast.AST | None) -> None:
    old = _child(parent, name, index)
    put = ast.copy_location(ast.Pass() if new is None else new, old)
    if index is None:
        setattr(parent, name, put)
    else:
        getattr(parent, name)[index] = put


def mutants_of(source: str, file: str) -> list[Mutant]:
    """Every fault of a module, in the order of its text."""
    counted: Counter[str] = Counter()
    found = []
    for path, node, scope, lines in _walk(ast.parse(source), (), _Scope("module", False), range(0)):
        where = scope.name
        for change in _changes(node, path, scope):
            after = change(copy.deepcopy(node))
            words = f"`{ast.unparse(node)}` -> `{'pass' if after is None else ast.unparse(after)}`"
            counted[where + words] += 1
            count = counted[where + words]
            key = f"{file} {where}: {words}" + (f" #{count}" if count > 1 else "")
            found.append(Mutant(" ".join(key.split()), where, lines, path, change))
    return found


@dataclass(frozen=True)
class _Scope:
    """The function or class around a node; `answers`: it returns a bool."""

    name: str
    answers: bool

    def within(self, node: ast.FunctionDef | ast.ClassDef) -> "_Scope":
        name = node.name if self.name == "module" else f"{self.name}.{node.name}"
        returns = getattr(node, "returns", None)
        return _Scope(name, isinstance(returns, ast.Name) and returns.id == "bool")


Step = tuple[str, int | None]
Place = tuple[tuple[Step, ...], ast.AST, _Scope, range]


def _walk(node: ast.AST, path: tuple[Step, ...], scope: _Scope, lines: range) -> Iterator[Place]:
    if isinstance(node, ast.stmt):
        lines = _own_lines(node)
    if path:
        yield path, node, scope, lines
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        scope = scope.within(node)
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "type_comment"):
            continue
        children = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.AST) and not _left_alone(node, name, child):
                yield from _walk(child, (*path, (name, index)), scope, lines)


def _own_lines(statement: ast.stmt) -> range:
    """Without the body of a compound statement."""
    end = (statement.end_lineno or statement.lineno) + 1
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body:
        end = max(statement.lineno + 1, body[0].lineno)
    return range(statement.lineno, end)


def _left_alone(parent: ast.AST, name: str, child: ast.AST) -> bool:
    if isinstance(child, ast.JoinedStr | ast.Import | ast.ImportFrom):
        return True
    if isinstance(parent, ast.Assert) and name == "msg":
        return True
    if isinstance(parent, ast.Expr) and isinstance(child, ast.Constant):
        return True
    # Type aliases and type variables are annotations too.
    if isinstance(child, ast.Assign) and _is_type(child.value):
        return True
    return isinstance(child, ast.AnnAssign) and ast.unparse(child.annotation) == "TypeAlias"


def _is_type(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func) == "TypeVar"
    return (
        isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name) and value.value.id[0].isupper()
    )


def _changes(node: ast.AST, path: tuple[Step, ...], scope: _Scope) -> Iterator[Change]:
    if isinstance(node, ast.stmt):
        yield from _statement_changes(node, scope)
    elif isinstance(node, ast.Compare):
        yield from (_comparison(index) for index in range(len(node.ops)))
    elif isinstance(node, ast.BoolOp):
        yield _other_connective
        yield from (_without(index) for index in range(len(node.values)))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield lambda old: old.operand  # type: ignore[attr-defined]
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield _other_operator
    elif isinstance(node, ast.Constant):
        yield from _constant_changes(node)
    if path[-1][0] in ("test", "ifs") and isinstance(node, TRUTHS):
        yield _negated


def _statement_changes(node: ast.stmt, scope: _Scope) -> Iterator[Change]:
    dropped = isinstance(node, ast.AugAssign | ast.Delete | ast.Raise | ast.Continue | ast.Break | ast.Assert)
    if isinstance(node, ast.Expr):
        dropped = not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        dropped = not any(isinstance(target, ast.Name) for target in node.targets)
    if dropped:
        yield lambda old: None
    if isinstance(node, ast.Return) and node.value is not None and not _is_constant(node.value, None):
        # An operator or a constant there is turned by itself.
        if not scope.answers:
            yield _returns_none
        elif isinstance(node.value, TRUTHS):
            yield _returns_negated


def _is_constant(node: ast.expr, *values: object) -> bool:
    return isinstance(node, ast.Constant) and any(node.value is value for value in values)


def _constant_changes(node: ast.Constant) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        yield _constant(not value)
    elif isinstance(value, int):
        yield _constant(value + 1)
        yield _constant(value - 1)
    elif isinstance(value, str) and " " not in value:
        yield _constant(value + "~")
    elif isinstance(value, bytes):
        yield _constant(value + b"~")


def _constant(value: object) -> Change:
    return lambda old: ast.Constant(value)  # type: ignore[arg-type]


def _comparison(index: int) -> Change:
    def change(old: ast.AST) -> ast.AST:
        assert isinstance(old, ast.Compare)
        old.ops[index] = COMPARISONS[type(old.ops[index])]()
        return old

    return change


def _other_connective(old: ast.AST) -> ast.AST:
    assert isinstance(old, ast.BoolOp)
    old.op = ast.Or() if isinstance(old.op, ast.And) else ast.And()
    return old


def _without(index: int) -> Change:
    def change(old: ast.AST) -> ast.AST:
        assert isinstance(old, ast.BoolOp)
        del old.values[index]
        return old if len(old.values) > 1 else old.values[0]

    return change


def _other_operator(old: ast.AST) -> ast.AST:
    assert isinstance(old, ast.BinOp)
    old.op = OPERATORS[type(old.op)]()
    return old


def _negated(old: ast.AST) -> ast.AST:
    assert isinstance(old, ast.expr)
    return ast.UnaryOp(ast.Not(), old)


def _returns_none(old: ast.AST) -> ast.AST:
    return ast.Return(ast.Constant(None))


def _returns_negated(old: ast.AST) -> ast.AST:
    assert isinstance(old, ast.Return) and old.value is not None
    return ast.Return(ast.UnaryOp(ast.Not(), old.value))
