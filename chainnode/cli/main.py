"""`chainnode`: the entry point. It parses, calls a command, and turns every error into three parts.

No traceback reaches a person: an error of the operator or a refusal says what failed, what stayed
unchanged and what to do next; a fault of ours is written to a log file that is named.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer
from typer.main import get_command

from chainnode.cli.errors import BUG, Report, describe
from chainnode.cli.lazy import Entry, LazyGroup
from chainnode.cli.next_steps import command, forget_node, shell
from chainnode.cli.output import hold_warnings, show_error, show_warnings
from chainnode.node.api import Refused
from genesis.errors import EXIT_MEANINGS, EXIT_USAGE, OperatorError

EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
MORE_EXITS = {EXIT_INTERRUPTED: "interrupted", EXIT_PIPE: "the reader of the output went away"}
"""As a shell names the signals SIGINT and SIGPIPE."""

ENTRIES = {
    "init": Entry("init", "Make a node's home: keys, the steward's file, configuration, join request."),
    "genesis": Entry("genesis", "The founding document: join, build, sign, combine, show."),
    "registrar": Entry("registrar", "A registrar's key file and join request."),
    "trustee": Entry("trustee", "A trustee's key file and join request."),
    "run": Entry("run", "Run the node of a home until it is stopped."),
    "status": Entry("status", "The node, its height and its links."),
    "evidence": Entry("evidence", "Members that said two things of one slot: list, export."),
    "backup": Entry("backup", "What only this node holds, in a file: create, restore."),
    "show": Entry("show", "A block, transaction, object or application."),
    "verify": Entry("verify", "Check a genesis file, receipt, audit or other proof: no node, no network."),
    "audit": Entry("audit", "Proofs: consent, patient, object, project, hospital; a patient's disclosures."),
    "member": Entry("member", "Members: list; propose, show, sign, combine, submit a change of them."),
    "department": Entry("department", "Departments: add one of this hospital, list all."),
    "study": Entry("study", "Studies under which data is taken in: add, list."),
    "wallet": Entry("wallet", "A patient's wallet: new, phrase, restore, card, read, sign."),
    "kiosk": Entry("kiosk", "For patients who sign without a network: request, terms, revoke, submit."),
    "patient": Entry("patient", "Enrolment: enrol, link, attest, prove, show, list."),
    "record": Entry("record", "Clinical records: add, list."),
    "request": Entry("request", "Applications for data: new, list, approve, deny, withdraw, release, fetch."),
    "consent": Entry("consent", "A patient's consent: sign, deny, standing, revoke, list, explain, export."),
    "visa": Entry("visa", "GA4GH visas for released projects: issue."),
    "diseases": Entry("diseases", "The tree of diseases that purposes may name: check, publish."),
}

HELP = """A permissioned chain for hospitals: clinical data is released for research only when the
hospital and the patient both sign. Not audited: use it with synthetic data only."""


def _epilog() -> str:
    codes = [f"{code:>4}  {meaning}" for code, meaning in (EXIT_MEANINGS | MORE_EXITS).items()]
    return "\n".join(["Exit codes:", *codes])


class Commands(LazyGroup):
    entries = ENTRIES


app = typer.Typer(
    cls=Commands,
    help=HELP,
    epilog=_epilog(),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"chainnode {version('chainnode')}\n")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the release.")
    ] = False,
) -> None:
    """Its presence makes the app a group."""


def run(args: Sequence[str]) -> int:
    """Run one command line; the exit code. Prints errors itself."""
    json = "--json" in args
    forget_node()
    hold_warnings(json)
    try:
        code = get_command(app).main(args=list(args), prog_name="chainnode", standalone_mode=False)
    except (OperatorError, Refused) as error:
        report = describe(error)
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # the help was printed with it
            return EXIT_USAGE
        report = _usage(error, args)
    except typer.Abort:
        return _interrupted()
    except SystemExit as end:
        # typer and rich end so, with 1, where the reader of our output went away (`| head`).
        return EXIT_PIPE if end.code else 0
    except Exception:
        log, file = _bug_log()
        log.exception("a fault of chainnode")
        report = _bug(file)
    else:
        code = code if isinstance(code, int) else 0
        show_warnings()
        return _interrupted() if code == EXIT_INTERRUPTED else code
    show_error(report, json=json)
    return report.exit_code


def _interrupted() -> int:
    sys.stderr.write("interrupted: what was submitted before may still take effect\n")
    return EXIT_INTERRUPTED


def _usage(error: typer.TyperException, args: Sequence[str]) -> Report:
    if list(args[:1]) == ["version"]:
        what = "No such command 'version'. Did you mean --version?"
        return Report("CLI-01", what, "nothing was done", command("--version", node=False), EXIT_USAGE)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "chainnode"
    following = command(*path.split()[1:], "--help")
    # The parser folds long messages: here they are one line.
    what = " ".join(error.format_message().split())
    return Report("CLI-01", what, "nothing was done", following, EXIT_USAGE)


def _bug_log() -> tuple[logging.Logger, str]:
    """A log file of its own, mode 0600, for one fault."""
    descriptor, file = tempfile.mkstemp(prefix="chainnode-", suffix=".log")
    os.close(descriptor)
    log = logging.getLogger("chainnode.fault")
    log.propagate = False
    log.handlers = [logging.FileHandler(file)]
    return log, file


def _bug(file: str) -> Report:
    return Report(
        BUG.code,
        f"this is a fault of chainnode itself; the traceback is in {file}",
        "what was submitted before may have taken effect",
        shell("less", file, remark="read it, it holds no data, and report it with the fault"),
        BUG.exit_code,
    )


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
