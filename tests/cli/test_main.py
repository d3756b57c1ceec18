"""The frame around every command: help, errors in three parts, exit codes, speed."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.main import get_command

from chainnode.cli import main as entry
from chainnode.cli.errors import describe
from chainnode.cli.main import ENTRIES, HELP
from chainnode.node.api import NotFound, ReadTimeout, Refused
from genesis.errors import (
    EXIT_BUG,
    EXIT_MEANINGS,
    EXIT_REFUSED,
    EXIT_TIMEOUT,
    EXIT_USAGE,
    ErrorCode,
    OperatorError,
)

HEAVY = ("grpc", "libp2p", "trio", "plyvel", "cryptography", "nacl", "obstore")


def test_help_lists_every_command_and_every_exit_code(cli):
    ran = cli("--help")
    assert ran.code == 0
    for name in ENTRIES:
        assert f" {name} " in ran.out
    for code, meaning in EXIT_MEANINGS.items():
        assert f"{code}  {meaning}" in ran.out
    assert "Not audited" in HELP


def test_help_imports_neither_grpc_nor_the_daemon_nor_the_vault():
    script = (
        "import sys; from chainnode.cli.main import run; run(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", ENTRIES)
def test_every_command_explains_itself(cli, name):
    ran = cli(name, "--help")
    assert ran.code == 0
    assert f"Usage: chainnode {name}" in ran.out


def test_the_shell_completes_commands_and_their_subcommands():
    def complete(words, index):
        environment = {"_CHAINNODE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(index)}
        command = [sys.executable, "-c", "from chainnode.cli.main import main; main()"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        return done.stdout.split()

    assert {"record", "registrar", "request"} == set(complete("chainnode re", 1))
    assert {"release"} == set(complete("chainnode request re", 2))


def test_without_arguments_help_is_shown_and_the_exit_code_is_usage(cli):
    ran = cli()
    assert ran.code == EXIT_USAGE
    assert "Usage: chainnode" in ran.out


@pytest.mark.parametrize(
    ("args", "what", "following"),
    [
        (["nonsense"], "No such command 'nonsense'", "chainnode --help"),
        (["request", "nonsense"], "No such command 'nonsense'", "chainnode request --help"),
        (["request"], "Missing command", "chainnode request --help"),
        (["status", "--nonsense"], "No such option: --nonsense", "chainnode status --help"),
        (["show"], "Missing argument 'ID'", "chainnode show --help"),
        (["wallet", "new", "w", "--kdf", "cheap"], "cheap", "chainnode wallet new --help"),
    ],
)
def test_a_wrong_command_line_has_three_parts_and_exit_code_2(cli, args, what, following):
    ran = cli(*args)
    assert ran.code == EXIT_USAGE
    first, second, third = ran.err.splitlines()[-3:]
    assert first.startswith("error[CLI-01]: ") and what in ran.err
    assert second == "  unchanged: nothing was done"
    assert third == f"  next:      {following}"
    as_json = cli(*args, "--json").error
    assert (as_json["code"], as_json["exit_code"]) == ("CLI-01", EXIT_USAGE)


def test_an_operator_error_is_shown_as_text_and_as_json(cli, tmp_path):
    ran = cli("status", "--home", tmp_path / "none")
    assert ran.err.startswith("error[CFG-01]: ")
    assert ran.err.splitlines()[2].endswith(": chainnode init --help")
    error = cli("status", "--home", tmp_path / "none", "--json").error
    assert error["code"] == "CFG-01"
    assert set(error) == {"code", "what", "unchanged", "next", "exit_code"}


def test_square_brackets_in_an_error_are_shown_as_they_are(cli, tmp_path):
    ran = cli("status", "--home", tmp_path / "[bold]odd[/bold]")
    assert "[bold]odd[/bold]" in ran.err


def test_neither_home_nor_socket_is_a_usage_error(cli):
    assert "CHAINNODE_HOME" in cli("status").err


def test_a_fault_of_ours_shows_no_traceback_but_names_the_log(cli, monkeypatch, tmp_path):
    def burst(*_, **__):
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(entry.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(entry, "get_command", burst)
    ran = cli("status")
    assert ran.code == EXIT_BUG
    assert ran.err.startswith("error[BUG-01]: ")
    assert "Traceback" not in ran.err and "inside" not in ran.err
    (log,) = tmp_path.glob("chainnode-*.log")
    assert str(log) in ran.err
    assert "ZeroDivisionError: inside" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_an_interrupt_ends_without_a_traceback(cli, monkeypatch):
    monkeypatch.setattr(
        entry.Commands, "resolve_command", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    ran = cli("status")
    assert ran.code == 130
    assert ran.err == "interrupted: what was submitted before may still take effect\n"


def test_a_reader_that_goes_away_is_no_fault_of_ours():
    script = "from chainnode.cli.main import main; import sys; sys.argv = ['chainnode', '--help']; main()"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", script], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert done.returncode == 141
    assert b"Traceback" not in done.stderr and b"error[" not in done.stderr


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (Refused("head-not-signed", ""), EXIT_REFUSED),
        (NotFound("unknown-block", "no block"), EXIT_REFUSED),
        (ReadTimeout("min-height", "not reached"), EXIT_TIMEOUT),
        (OperatorError(ErrorCode("X-1", 7, "x"), "what", unchanged="same", next_step="do"), 7),
    ],
)
def test_every_kind_of_error_has_three_parts(error, exit_code):
    report = describe(error)
    assert report.exit_code == exit_code
    assert all((report.code, report.what, report.unchanged, report.next_step))


def test_the_version_is_the_packages(cli):
    ran = cli("--version")
    assert (ran.code, ran.out) == (0, f"chainnode {version('chainnode')}\n")


def test_at_80_columns_options_are_not_cut_and_the_exit_codes_stand_line_by_line(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    root = get_command(entry.app)
    for name in ENTRIES:
        for child in getattr(root.load(name), "commands", None) or [""]:
            shown = cli(name, *filter(None, [child]), "--help").out
            cut = [line for line in shown.splitlines() if "…" in line]
            # The one that is too long beside any text: 34 characters.
            assert all("--steward-recovery-pass" in line for line in cut), f"{name} {child}: {cut}"
    lines = [line.strip() for line in cli("--help").out.splitlines()]
    at = lines.index("Exit codes:")
    codes = [line.split(maxsplit=1) for line in lines[at + 1 : at + 1 + len(EXIT_MEANINGS)]]
    assert codes == [[str(code), meaning] for code, meaning in EXIT_MEANINGS.items()]
