"""What whoever is new here gets wrong: the answer says what it was, and the next step works."""

import shlex
from pathlib import Path

import pytest

from chainnode.cli.actions.requests import fresh_keys
from chainnode.cli.actions.verify import NEITHER
from chainnode.cli.next_steps import forget_node, remember_node
from chainnode.node.config import load_config
from chainnode.node.passphrase import open_keys
from genesis.errors import EXIT_INPUT, EXIT_KEY, EXIT_REFUSED, EXIT_USAGE, EXIT_VERIFY, OperatorError
from tests.genesis.consortium import consortium, unsigned_file
from tests.genesis.test_membership_change import change
from tests.genesis.test_membership_change import file as change_file

FAST = ("--kdf", "interactive")


def add(hospital, name, head, steward_file=None):
    steward = ("--steward-file", steward_file or hospital.steward_file, *hospital.opened)
    return (
        "department",
        "add",
        name,
        *steward,
        "--head-file",
        head,
        "--head-passphrase-file",
        hospital.passphrase,
    )


@pytest.mark.parametrize("id_", ["Onco_1", "", "x" * 33, "onco 1", "\u00f6nko"])
def test_an_id_that_no_department_study_or_project_can_have_is_a_usage_error(hospital, cli, tmp_path, id_):
    head = ("--head-file", tmp_path / "none", *hospital.opened)
    project = ("--project-file", tmp_path / "p", "--project-passphrase-file", hospital.passphrase)
    terms = ("--purpose", "HMB", "--expires", "30d", "--title", "t", "--plan", "p", "--from", "hospital-a/x")
    lines = {
        "department": add(hospital, id_, tmp_path / "h"),
        "study": ("study", "add", id_, "--department", "onco", *head),
        "project": ("request", "new", "--department", "onco", "--project", id_, *project, *head, *terms),
    }
    for what, line in lines.items():
        ran = cli(*line, *hospital.node, "--json")
        assert (ran.code, ran.error["code"]) == (EXIT_USAGE, "CLI-01"), ran.err
        assert f"is no {what}'s id: 1 to 32 lower-case letters a-z, digits and hyphens" in ran.error["what"]
    assert list(tmp_path.iterdir()) == []


def test_a_head_whose_department_was_refused_leaves_no_key_behind(hospital, cli, tmp_path):
    head = tmp_path / "head.key"
    ran = cli(*add(hospital, "kept", head, hospital.other_steward_file), *FAST, *hospital.node, "--json")
    assert ran.code == EXIT_REFUSED, ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_head_whose_department_may_yet_come_keeps_its_key_and_that_is_said(hospital, cli, tmp_path):
    head = tmp_path / "head.key"
    socket = ("--socket", tmp_path / "none.sock")
    ran = cli(*add(hospital, "kept", head), *FAST, *socket, "--json")
    assert head.exists() and f"the head's key file {head} is kept" in ran.error["unchanged"]


def test_the_socket_of_another_role_is_answered_with_the_right_one(hospital, cli, tmp_path):
    run_folder = hospital.home / "run"
    line = add(hospital, "kept", tmp_path / "h")
    ran = cli(*line, *FAST, "--socket", run_folder / "sysadmin.sock", "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_REFUSED, "role-not-allowed")
    assert f"--socket {run_folder / 'steward.sock'}" in ran.error["next"]


def test_an_evidence_id_that_is_none_is_answered_for_the_node_that_was_named(hospital, cli, tmp_path):
    ran = cli("evidence", "export", "BADID", "--out", tmp_path / "e", *hospital.node, "--json")
    assert ran.error["next"] == f"chainnode evidence list --home {hospital.home}"
    listed = cli(*shlex.split(ran.error["next"])[1:])
    assert listed.code == 0 and "none" in listed.out


def test_a_file_of_no_kind_is_said_to_be_none_of_them(hospital, cli, tmp_path):
    file = tmp_path / "README.md"
    file.write_text("# Read me")
    ran = cli("verify", file, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_INPUT, "CLI-02") and ran.error["what"].endswith(NEITHER)
    ran = cli("verify", file, "--genesis", hospital.genesis, "--json")
    assert ran.code == EXIT_VERIFY and ran.error["what"].endswith(NEITHER)


def test_a_half_signed_document_is_answered_with_combine(cli, tmp_path):
    file = tmp_path / "genesis.cbor"
    file.write_bytes(unsigned_file(consortium()))
    ran = cli("verify", file, "--json")
    assert ran.code == EXIT_VERIFY and ran.error["next"].startswith("chainnode genesis combine --help")


def test_a_change_of_members_is_answered_with_the_command_that_shows_it(cli, tmp_path):
    file = tmp_path / "a change"
    file.write_bytes(change_file(change()))
    ran = cli("verify", file, "--json")
    assert (ran.code, ran.error["next"]) == (EXIT_INPUT, f"chainnode member show '{file}'")
    assert cli(*shlex.split(ran.error["next"])[1:]).code == 0


def test_a_wrong_boot_passphrase_is_named_with_the_file_it_was_read_from(cli, ok, secret, tmp_path):
    home, boot = tmp_path / "home", secret("boot")
    names = ("--network", "net", "--id", "a", "--name", "A", *FAST)
    opened = (
        "--recovery-passphrase-file",
        secret("r", "other\n"),
        "--steward-passphrase-file",
        secret("s", "t\n"),
    )
    ok("init", "--home", home, *names, "--passphrase-file", boot, *opened)
    boot.write_text("another\n")
    sign = ("genesis", "join", "--home", home, *names[:6], "--steward-file", tmp_path / "a-steward.key")
    ran = cli(*sign, "--passphrase-file", boot, *opened[2:], "--out", tmp_path / "j", "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_KEY, "KEY-02")
    assert f"read from {boot}" in ran.error["what"] and ran.error["next"].startswith(f"ls -l {boot}")
    with pytest.raises(OperatorError, match=f"KEY-02.*read from {boot}"):
        open_keys(load_config(home), home / "keystore.key")


def test_a_project_key_that_is_there_may_stand_under_an_application_already(tmp_path):
    forget_node()
    remember_node(Path("/srv/a home"), None, "researcher")
    file = tmp_path / "project.key"
    fresh_keys(file, b"secret", "interactive")
    before = file.read_bytes()
    with pytest.raises(OperatorError) as refused:
        fresh_keys(file, b"secret", "interactive")
    forget_node()
    assert refused.value.code.code == "KEY-06"
    assert "an application may already stand on the chain under its key" in refused.value.what
    assert refused.value.next_step.startswith("chainnode request list --home '/srv/a home'  # ")
    assert file.read_bytes() == before
