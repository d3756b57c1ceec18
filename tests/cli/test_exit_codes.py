"""The same kind of failure has the same exit code in every command, and a next step that helps."""

import shlex

import pytest

from genesis.errors import EXIT_INPUT, EXIT_KEY, EXIT_REFUSED, EXIT_USAGE

NONE = "ab" * 16


@pytest.fixture
def known(hospital, tmp_path):
    """Words in braces of a table's lines, as paths and ids."""
    bundle, odd = hospital.bundle(20), tmp_path / "it's odd"
    return {
        "bundle": bundle,
        "pw": hospital.passphrase,
        "steward": hospital.steward_file,
        "genesis": hospital.genesis,
        "missing": odd,
        "none": NONE,
        "tmp": tmp_path,
    }


def words(line, known):
    return [word.format(**known) for word in line.split()]


INPUT_FILES = [
    ("patient enrol {missing} --steward-file {steward} --passphrase-file {pw} --bundle {bundle}", "CLI-02"),
    ("patient enrol {bundle} --steward-file {steward} --passphrase-file {pw} --bundle {missing}", "INT-08"),
    ("patient prove {missing} --member hospital-a --passphrase-file {pw}", "KEY-01"),
    ("patient attest {none} --registrar-file {missing} --passphrase-file {pw}", "KEY-01"),
    ("patient attest {none} --registrar-file {steward} --passphrase-file {missing}", "KEY-07"),
    ("consent standing w --member hospital-a --passphrase-file {pw} --fhir {missing}", "CLI-02"),
    ("request approve {none} --role steward --key-file {missing} --passphrase-file {pw}", "KEY-01"),
    ("request release {none} --project-file {steward} --passphrase-file {missing}", "KEY-07"),
]
OFFLINE_FILES = [
    ("verify {missing}", "CLI-02"),
    ("verify {bundle} --genesis {missing}", "GEN-01"),
    ("genesis show {missing}", "GEN-01"),
    ("wallet card w --genesis {missing} --member a --passphrase-file {pw}", "GEN-01"),
    ("wallet new {tmp}/w --passphrase-file {missing}", "KEY-07"),
]


@pytest.mark.parametrize(("line", "code"), [*INPUT_FILES, *OFFLINE_FILES])
def test_an_input_file_that_is_missing_is_exit_code_3(hospital, cli, known, line, code):
    node = hospital.node if (line, code) in INPUT_FILES else ()
    ran = cli(*words(line, known), *node, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_INPUT, code), ran.error
    if ran.error["next"].startswith("ls "):
        assert shlex.split(ran.error["next"], comments=True)[-1] == str(known["missing"])


@pytest.mark.parametrize(
    ("line", "lists"),
    [
        ("record add {bundle} --department a --study b --policy FREE", "HMB"),
        ("record add {bundle} --department a --study b --policy hmb --modifier XY", "NPU"),
        ("record add {bundle} --department a --study b --policy hmb --profile foo", "safe-harbor"),
        ("consent standing w --member hospital-a --passphrase-file {pw} --class blah", "immunizations"),
        ("consent standing w --member hospital-a --passphrase-file {pw} --purpose blah", "GRU"),
        ("consent standing w --member hospital-a --passphrase-file {pw} --until blah", "30d"),
        ("consent revoke w --member hospital-a --passphrase-file {pw} --class blah", "immunizations"),
        ("consent revoke w --member hospital-a --passphrase-file {pw} --consent 12", "consent list"),
        ("request approve {none} --role king --key-file {steward} --passphrase-file {pw}", "steward, head"),
        ("request withdraw {none} --role king --key-file k --passphrase-file {pw}", "project, patient"),
        ("patient show 12", "chainnode patient list --home"),
        ("patient attest 12 --registrar-file k --passphrase-file {pw}", "chainnode patient list --home"),
        ("show nonsense", "height"),
    ],
)
def test_a_value_that_an_option_cannot_have_is_exit_code_2_and_the_known_ones_are_listed(
    hospital, cli, known, line, lists
):
    ran = cli(*words(line, known), *hospital.node, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_USAGE, "CLI-01")
    assert lists in ran.error["next"]
    assert not list(known["tmp"].iterdir())


SIGNED = "--key-file {steward} --passphrase-file {pw}"


@pytest.mark.parametrize(
    ("line", "rule", "following"),
    [
        ("record list --member nobody", "unknown-member", "status"),
        ("patient list --member nobody", "unknown-member", "status"),
        ("patient show {none}", "unknown-patient", "patient list"),
        ("consent list --handle {none}", "unknown-patient", "patient list"),
        ("patient attest {none} --registrar-file {insurer} --passphrase-file {pw}", "unknown-patient", ""),
        ("record add {bundle} --department none --study s --policy HMB", "unknown-department", ""),
        ("request deny abcdef01 --role steward " + SIGNED, "unknown-request", "request list"),
        ("show {none}", "unknown-request", "request list"),
        ("show abcdef0123", "unknown-request", "request list"),
        ("show 12345678", "unknown-request", "request list"),
        ("show {none}{none}", "unknown-transaction", "status"),
        ("show 99999", "unknown-block", "status"),
        ("show 1234567", "unknown-block", "status"),
    ],
)
def test_what_is_not_there_is_exit_code_5_and_the_next_step_lists_what_is(
    hospital, cli, known, line, rule, following
):
    ran = cli(*words(line, {**known, "insurer": hospital.insurer}), *hospital.node, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_REFUSED, rule), ran.error
    following = following or f"{rule.removeprefix('unknown-')} list"
    assert ran.error["next"].partition("  # ")[0] == f"chainnode {following} --home {hospital.home}"
    again = cli(*shlex.split(ran.error["next"], comments=True)[1:])
    assert again.code == 0, "the next step works"


def test_with_a_socket_the_home_is_not_read(hospital, cli, tmp_path):
    socket = hospital.home / "run" / "steward.sock"
    ran = cli("patient", "list", "--home", tmp_path, "--socket", socket, "--json")
    assert ran.code == 0, ran.err


def test_a_key_file_that_does_not_open_is_exit_code_4(hospital, cli, secret):
    signer = ("--role", "steward", "--key-file", hospital.steward_file, "--passphrase-file", secret())
    ran = cli("request", "approve", NONE, *signer, *hospital.node, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_KEY, "KEY-02")


def test_json_stands_alone_on_both_streams_though_a_passphrase_file_is_open_to_others(hospital, cli, secret):
    loose = secret("loose", hospital.passphrase.read_text())
    loose.chmod(0o644)
    signer = ("--registrar-file", hospital.insurer, "--passphrase-file", loose)
    ran = cli("patient", "attest", NONE, *signer, *hospital.node, "--json")
    assert ran.out == "" and ran.error["code"] == "unknown-patient"
    assert [f"chmod 600 {loose}" in one for one in ran.error["warnings"]] == [True]
    fine = cli(
        "wallet", "new", loose.parent / "w", "--kdf", "interactive", "--passphrase-file", loose, "--json"
    )
    assert fine.code == 0 and fine.json["file"]
    assert fine.err.startswith("warning: ")
