"""What is printed as the next step: every refusal has one, and it works when it is pasted."""

import shlex

import pytest
import typer
from typer.main import get_command

from chainnode.cli.errors import CLI_RULES
from chainnode.cli.main import app
from chainnode.cli.next_steps import NEXT_STEPS, Step, command, forget_node, next_step, remember_node
from chainnode.gateway.errors import GATEWAY_RULES
from chainnode.ledger.rules import RULES
from chainnode.node.errors import NODE_RULES
from chainnode.pool.errors import RULES as POOL_RULES

ALL_RULES = sorted(RULES | GATEWAY_RULES | NODE_RULES | POOL_RULES | CLI_RULES)


@pytest.fixture(autouse=True)
def _no_node(monkeypatch):
    monkeypatch.delenv("CHAINNODE_HOME", raising=False)
    forget_node()
    yield
    forget_node()


def parse(words):
    """Read a command's words as the command line would; exits where they ask for help, else raises where
    something is missing or unknown."""
    root = get_command(app)
    context = root.context_class(root, info_name="chainnode")
    _, found, rest = root.resolve_command(context, list(words))
    while hasattr(found, "commands") and rest and rest[0] != "--help":
        found, rest = found.commands[rest[0]], rest[1:]
    found.make_context(found.name, list(rest), parent=context)


@pytest.mark.parametrize("rule", ALL_RULES)
def test_every_rule_has_a_next_step_whose_command_parses(rule):
    step = NEXT_STEPS[rule]
    assert step.words or step.remark
    if step.words[:1] == ("--version",) or not step.words:
        return
    if step.words[-1] == "--help":
        with pytest.raises(typer.Exit):
            parse(step.words)
    else:
        parse([*step.words, *(("--home", "x") if step.node else ())])


def test_status_is_the_next_step_only_where_it_shows_something():
    bare = {rule for rule, step in NEXT_STEPS.items() if step == Step(("status",))}
    assert bare == {"unknown-origin"}
    assert next_step("a-rule-of-a-newer-node") == "chainnode status"


@pytest.mark.parametrize(
    ("home", "socket", "variable", "expected"),
    [
        ("/a home/it's", None, None, ["--home", "/a home/it's"]),
        (".localnet/a", None, None, [*("--home", ".localnet/a")]),
        (None, "/run/s $x.sock", None, ["--socket", "/run/s $x.sock"]),
        ("/home", "/run/s", None, ["--home", "/home", "--socket", "/run/s"]),
        ("/home", None, "/home", []),
        ("/home", None, "/other", ["--home", "/home"]),
    ],
)
def test_a_command_names_the_node_as_it_was_named_and_quotes_it(
    home, socket, variable, expected, monkeypatch
):
    if variable:
        monkeypatch.setenv("CHAINNODE_HOME", variable)
    remember_node(home, socket)
    shown = command("show", "a;b", remark="it's shown")
    assert shlex.split(shown, comments=True) == ["chainnode", "show", "a;b", *expected]
    assert command("verify", "f", node=False) == "chainnode verify f"
    assert command("request", "new", "--help") == "chainnode request new --help"


def test_the_next_command_line_knows_nothing_of_the_home_before(cli, tmp_path):
    cli("status", "--home", tmp_path)
    assert command("status") == f"chainnode status --home {tmp_path}"
    cli("--help")
    assert command("status") == "chainnode status"
