"""Make docs/reference.md: python -m chainnode.cli.reference

Commands and options come from the commands themselves, configuration keys from the schema, codes and
rules from where they are defined: what is not there cannot be documented, and nothing is forgotten.
"""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from typer.main import get_command

from chainnode.cli.errors import CLI_RULES
from chainnode.cli.main import ENTRIES, MORE_EXITS, app
from chainnode.cli.next_steps import HOME_VARIABLE
from chainnode.gateway.errors import GATEWAY_RULES
from chainnode.gateway.roles import CALLS, SUBMITS
from chainnode.ledger.rules import FORM_RULES, STATE_RULES, VERDICT_RULES, VERIFICATION_RULES
from chainnode.node.config import CONFIG_NAME
from chainnode.node.errors import NODE_RULES
from chainnode.node.metrics import METRICS
from chainnode.node.schema import KEYS
from chainnode.pool.errors import RULES as POOL_RULES
from genesis.errors import ERROR_CODES, EXIT_MEANINGS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference.md"
PACKAGES = ("genesis", "chainnode")


EXIT_RULES = (
    "The same kind of failure has the same exit code in every command:",
    "",
    "- 2: an option or argument has a value that it cannot have (a policy, a class, a profile, a time, an id",
    "  of the wrong length), one is missing, or the home holds no configuration or a wrong one.",
    "- 3: a file that is named as input (a bundle, card, receipt, genesis file, key file, passphrase file)",
    "  is missing, cannot be read, or is not such a file; or a part of the input was left out.",
    "- 4: a key file is there, but the passphrase does not open it, or it holds keys of another kind.",
    "- 5: a rule refuses; also where something that is named (a member, department, study, patient,",
    "  application, object, block) is not there. The rule's name is shown in the place of a code.",
    "- 7: a file or folder that is to be made cannot be written.",
)
ENVIRONMENT = (
    (f"`{HOME_VARIABLE}`", "the node's home folder, wherever a command has `--home`; the option goes before"),
)
ABOUT_ERRORS = (
    "An error has three parts: what failed, what stayed unchanged, what to do next. With `--json` they",
    'stand in `{"error": {"code", "what", "unchanged", "next", "exit_code"}}` on stderr; a signed',
    "statement of the node stands there as `statement`, warnings that came before as `warnings`. Where there",
    "is no error, warnings are lines on stderr; stdout holds the one JSON document alone.",
    "",
    "What to do next is a command that works when it is pasted: quoted, with the `--home` or `--socket`",
    f"that was given, unless `{HOME_VARIABLE}` names it. `--help` stands where only you know what else",
    "the command takes.",
)
ABOUT_RULES = (
    "Where a rule refuses, its name stands in the place of the code. The exit code is 5, whether the chain,",
    "this node or the command noticed it; it is 9 where a height was waited for in vain.",
)
ABOUT_METRICS = (
    "Read at `/metrics` where `metrics.listen` says. Beside these stand those of the process, such as",
    "`chainnode_process_resident_memory_bytes` and `chainnode_process_open_fds`. Counters begin at 0 when",
    "the node is opened; a label's value appears when it was counted first.",
)
IDS = (
    "Ids are printed whole, and commands take them whole: 64 hex digits for a transaction, 32 for a",
    "patient's handle, an object, a consent or an application. `request list` and `consent list` print the",
    "first 8 digits of an application's id, and every command takes 8 or more of them where no other begins",
    "so.",
)


def load_codes() -> None:
    """Import every module that defines an error code."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "= define(" in path.read_text(encoding="utf-8"):
                import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _table(columns: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> Iterator[str]:
    yield _row(*columns)
    yield _row(*["---"] * len(columns))
    for row in rows:
        yield _row(*row)


def _option(parameter: Any, context: Any) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        names = f"`{(parameter.metavar or parameter.name).upper().rstrip('_')}`"
    default = parameter.get_default(context, call=False)
    if parameter.required:
        shown = "required"
    elif default is None or default is False or default in ("", []):
        shown = ""
    else:
        shown = f"`{getattr(default, 'value', default)}`"
    variable = f" Or by the environment: `{parameter.envvar}`." if parameter.envvar else ""
    return names, (parameter.help or "") + variable, shown


def _command(command: Any, parent: Any, level: str) -> Iterator[str]:
    context = command.context_class(command, info_name=command.name, parent=parent)
    yield f"{level} {context.command_path}"
    yield ""
    yield " ".join((command.help or "").split())
    yield ""
    parameters = [one for one in command.get_params(context) if one.name != "help"]
    if parameters:
        yield from _table(("option", "meaning", "default"), (_option(one, context) for one in parameters))
        yield ""
    for child in getattr(command, "commands", {}).values():
        yield from _command(child, context, level + "#")


def _commands() -> Iterator[str]:
    root: Any = get_command(app)
    context = root.context_class(root, info_name="chainnode")
    for name in ENTRIES:
        yield from _command(root.load(name), context, "###")


def _rules(title: str, rules: dict[str, str]) -> Iterator[str]:
    yield f"### {title}"
    yield ""
    yield from _table(("rule", "meaning"), ((f"`{rule}`", text) for rule, text in rules.items()))
    yield ""


def _config() -> Iterator[str]:
    for key in KEYS:
        default = "required" if key.required else ("" if key.default is None else f"`{key.default!r}`")
        yield _row(f"`{key.name}`", key.meaning, default)


def _metrics() -> Iterator[str]:
    yield from ("## Metrics", "", *ABOUT_METRICS, "")
    rows = (
        (f"`{one.name}`", one.kind, f"`{one.label}`" if one.label else "", one.meaning) for one in METRICS
    )
    yield from _table(("metric", "kind", "label", "meaning"), rows)
    yield ""


def _roles() -> Iterator[tuple[object, ...]]:
    for call, roles in CALLS.items():
        yield f"`{call}`", ", ".join(sorted(role.value for role in roles))


def _submits() -> Iterator[tuple[object, ...]]:
    for role, kinds in SUBMITS.items():
        tags = sorted(str(kind.__struct_config__.tag) for kind in kinds)  # type: ignore[attr-defined]
        yield role.value, ", ".join(tags) or "none"


def reference() -> str:
    """The whole document."""
    load_codes()
    codes = ((f"`{one.code}`", one.meaning, one.exit_code) for _, one in sorted(ERROR_CODES.items()))
    lines = [
        "# Reference",
        "",
        "Made by `python -m chainnode.cli.reference`. Do not edit.",
        "",
        "## Commands",
        "",
        *_commands(),
        "## Exit codes",
        "",
        *_table(("code", "meaning"), iter((EXIT_MEANINGS | MORE_EXITS).items())),
        "",
        *EXIT_RULES,
        "",
        "## Environment",
        "",
        *_table(("variable", "meaning"), iter(ENVIRONMENT)),
        "",
        "## Ids",
        "",
        *IDS,
        "",
        "## Errors",
        "",
        *ABOUT_ERRORS,
        "",
        *_table(("code", "meaning", "exit code"), codes),
        "",
        "## Rules",
        "",
        *ABOUT_RULES,
        "",
        *_rules("Form, looked at by everybody", FORM_RULES),
        *_rules("State, looked at when a block is executed", STATE_RULES),
        *_rules("Verdicts on an object", VERDICT_RULES),
        *_rules("Verification of receipts and statements", VERIFICATION_RULES),
        *_rules("Objects", POOL_RULES),
        *_rules("Answers of a node to its local users", NODE_RULES),
        *_rules("Calls of local users", GATEWAY_RULES),
        *_rules("What a command refuses to sign", CLI_RULES),
        f"## Configuration: {CONFIG_NAME}",
        "",
        "Relative paths are relative to the file's folder.",
        "",
        _row("key", "meaning", "default"),
        _row("---", "---", "---"),
        *_config(),
        "",
        *_metrics(),
        "## Roles of the sockets",
        "",
        *_table(("call", "roles"), _roles()),
        "",
        *_table(("role", "transactions that it may submit"), _submits()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the file."""
    REFERENCE.parent.mkdir(exist_ok=True)
    REFERENCE.write_text(reference(), encoding="utf-8")
    sys.stdout.write(f"{REFERENCE}\n")


if __name__ == "__main__":
    main()
