"""Commands that need no node: homes, key files, the ceremony, cards."""

import os
import stat

import pytest

from chainnode.cli.actions.cards import decode_card
from chainnode.node.config import load_config
from genesis import durable
from genesis.errors import EXIT_ENVIRONMENT, EXIT_INPUT, EXIT_KEY, EXIT_USAGE, OperatorError
from genesis.request import parse_request

FAST = ("--kdf", "interactive")


@pytest.fixture
def make_home(ok, secret, tmp_path):
    def make(slug, *more):
        home = tmp_path / slug
        files = ("--passphrase-file", secret(), "--recovery-passphrase-file", secret("rec", "other\n"))
        names = ("--network", "net", "--id", slug, "--name", slug.title())
        steward = ("--steward-passphrase-file", secret("steward", "third\n"))
        return home, ok("init", "--home", home, *names, *files, *steward, *FAST, *more)

    return make


@pytest.fixture
def unsigned(make_home, ok, secret, tmp_path):
    """The home of a, and a document of a and a registrar that nobody has signed."""
    home, _ = make_home("a")
    keys = ("--passphrase-file", secret(), "--network", "net", *FAST)
    ok("registrar", "new", tmp_path / "r.key", "--id", "r", "--name", "R", "--operator", "r", *keys)
    ok("genesis", "build", home / "a.join", tmp_path / "r.join", "--network", "net", "--out", tmp_path / "g")
    return home, tmp_path / "g"


def test_init_makes_a_home_whose_configuration_loads(make_home, tmp_path):
    home, made = make_home("hospital-a", "--listen-port", "7411", "--peer", "hospital-b=10.0.0.2:7400,in")
    config = load_config(home)
    assert config.listen.port == 7411
    assert (config.peers[0].slug, config.peers[0].dial) == ("hospital-b", "in")
    assert config.keystore_file.exists()
    assert stat.S_IMODE(config.keystore_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o711
    assert (tmp_path / "hospital-a-steward.key").exists()
    request = parse_request((home / "hospital-a.join").read_bytes())
    assert " ".join(request.words) == made["words"]


def test_a_tight_umask_does_not_shut_the_sockets_off(make_home):
    before = os.umask(0o077)
    try:
        home, _ = make_home("hospital-a")
    finally:
        os.umask(before)
    assert stat.S_IMODE(home.stat().st_mode) == 0o711
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in home.iterdir())


def test_init_leaves_a_home_that_is_there_alone(make_home, cli, secret):
    home, _ = make_home("hospital-a")
    before = (home / "keystore.key").read_bytes()
    names = ("--network", "net", "--id", "hospital-a", "--name", "A")
    files = [(f"--{name}passphrase-file", secret()) for name in ("", "recovery-", "steward-")]
    ran = cli("init", "--home", home, *names, *[word for pair in files for word in pair], "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_USAGE, "CLI-06")
    assert (home / "keystore.key").read_bytes() == before


@pytest.fixture
def init(cli, secret, tmp_path):
    """Runs init for hospital-a in tmp_path/a; later words stand in for earlier ones."""
    files = [(f"--{name}passphrase-file", secret()) for name in ("", "recovery-", "steward-")]
    given = ("--network", "net", "--id", "hospital-a", "--name", "A", *FAST)

    def run(*more):
        ran = cli("init", "--home", tmp_path / "a", *given, *(word for pair in files for word in pair), *more)
        return ran, sorted(path.name for path in tmp_path.rglob("*") if path.suffix != ".pw")

    return run


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--id", "Hospital A"), "--id: 'Hospital A' is no id"),
        (("--id", "trustee"), "--id: 'trustee' is the name of a role"),
        (("--name", "two\nlines"), "--name: "),
        (("--network", "net_1"), "--network: 'net_1' is no id"),
        (("--peer", "hospital-b"), "'hospital-b' is no peer"),
        (("--peer", "hospital-b=foo"), "peers.hospital-b.address = 'foo' must be \"host:port\""),
        (("--peer", "hospital-b=10.0.0.2"), "peers.hospital-b.address = '10.0.0.2' must be"),
        (
            ("--peer", "hospital-b=10.0.0.2:7400,sideways"),
            "peers.hospital-b.dial = 'sideways' must be one of",
        ),
        (("--peer", "B=10.0.0.2:7400"), "'B' is no id"),
        (("--peer", "hospital-a=10.0.0.2:7400"), "hospital-a is this hospital itself"),
        (("--peer", "b=10.0.0.2:7400", "--peer", "b=10.0.0.3:7400"), "b is named twice"),
        (("--credential", "a/b"), "keys.credential = 'a/b' must be"),
        (("--listen-host", ""), "listen.host = '' must be"),
    ],
)
def test_whatever_is_wrong_on_the_command_line_is_said_before_anything_is_made(init, wrong, said):
    ran, made = init(*wrong)
    assert ran.code == EXIT_USAGE and "error[CLI-01]" in ran.err and said in ran.err
    assert "nothing was done" in ran.err and made == []


def test_init_can_be_typed_again_after_it_was_corrected(init):
    assert init("--name", " ")[0].code == EXIT_USAGE
    assert init("--peer", "hospital-b=in")[0].code == 0


def test_a_home_that_cannot_be_finished_leaves_no_keys_behind(init, tmp_path, monkeypatch):
    monkeypatch.setattr(durable, "token_hex", lambda _: "taken")
    (tmp_path / "a" / ".chainnode.toml.taken.tmp").mkdir(parents=True)  # the last file cannot be written
    ran, made = init()
    assert ran.code == EXIT_ENVIRONMENT and "error[CLI-05]" in ran.err
    assert made == [".chainnode.toml.taken.tmp", "a"]
    (tmp_path / "a" / ".chainnode.toml.taken.tmp").rmdir()
    assert init()[0].code == 0


def test_init_leaves_the_stewards_file_and_the_request_that_are_there(init, tmp_path):
    for name, code in (("hospital-a-steward.key", "KEY-06"), ("a/hospital-a.join", "GEN-12")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("somebody's")
        assert code in init()[0].err
        assert path.read_text() == "somebody's"
        path.unlink()
    assert init()[0].code == 0


@pytest.mark.parametrize("kind", ["registrar", "trustee"])
def test_a_registrar_or_trustee_is_made_whole_or_not_at_all(cli, ok, secret, tmp_path, kind):
    opened = ("--passphrase-file", secret(), "--network", "net", *FAST)

    def new(file, **names):
        given = {"id": "x", "name": "X", "operator": "x"} | names
        words = [word for name, value in given.items() for word in (f"--{name}", value)]
        return cli(kind, "new", tmp_path / file, *words, *opened)

    for names, said in (
        ({"id": kind}, f"--id: '{kind}' is the name of a role"),
        ({"operator": "Some One"}, "--operator: "),
        ({"name": ""}, "--name: "),
    ):
        ran = new("x.key", **names)
        assert ran.code == EXIT_USAGE and said in ran.err
    assert new("x.join").code == EXIT_USAGE
    (tmp_path / "x.join").write_text("a hospital's")
    assert "error[GEN-12]" in new("x.key").err
    assert not (tmp_path / "x.key").exists() and (tmp_path / "x.join").read_text() == "a hospital's"
    (tmp_path / "x.join").unlink()
    assert new("x.key").code == 0
    assert parse_request((tmp_path / "x.join").read_bytes()).kind == kind


def test_the_whole_ceremony(make_home, ok, cli, secret, tmp_path):
    homes = {slug: make_home(slug)[0] for slug in ("a", "b")}
    keys = ("--passphrase-file", secret(), "--network", "net", *FAST)
    ok("registrar", "new", tmp_path / "r.key", "--id", "r", "--name", "R", "--operator", "r", *keys)
    for number in range(4):
        names = ("--id", f"t{number}", "--name", "T", "--operator", f"t{number}")
        ok("trustee", "new", tmp_path / f"t{number}.key", *names, *keys)
    requests = [*(home / f"{slug}.join" for slug, home in homes.items()), *sorted(tmp_path.glob("*.join"))]
    settings = (
        "--network",
        "net",
        "--created-ms",
        "1750000000000",
        "--trustee-threshold",
        "2",
        "--trustee-faults",
        "1",
    )
    file = tmp_path / "genesis.cbor"
    built = ok("genesis", "build", *requests, *settings, "--out", file)
    again = ok("genesis", "build", *reversed(requests), *settings, "--out", tmp_path / "again.cbor")
    assert built["words"] == again["words"]
    assert cli("verify", file, "--json").error["code"] == "CLI-09"
    ok("genesis", "sign", file, "--home", homes["a"], "--member", "a", "--passphrase-file", secret())
    other = ("--home", homes["b"], "--member", "b", "--passphrase-file", secret())
    ok("genesis", "sign", tmp_path / "again.cbor", *other)
    ok("genesis", "combine", file, tmp_path / "again.cbor", "--out", file)
    assert ok("genesis", "show", file)["missing"] == []
    assert ok("verify", file)["kind"] == "genesis"


def test_neither_build_nor_combine_writes_over_a_document(unsigned, ok, cli, secret, tmp_path):
    home, file = unsigned
    ok("genesis", "sign", file, "--home", home, "--member", "a", "--passphrase-file", secret())
    signed = file.read_bytes()
    requests = (home / "a.join", tmp_path / "r.join", "--network", "net")
    ran = cli("genesis", "build", *requests, "--created-ms", "1750000000000", "--out", file, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_INPUT, "GEN-11")
    founded = str(ok("genesis", "show", file)["created_ms"])
    assert ok("genesis", "build", *requests, "--created-ms", founded, "--out", file)["missing"] == []
    ok("genesis", "build", *requests, "--created-ms", "1750000000000", "--out", tmp_path / "other")
    ran = cli("genesis", "combine", tmp_path / "other", "--out", file, "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_INPUT, "GEN-11")
    assert file.read_bytes() == signed


def test_join_writes_the_same_request_anew(make_home, ok, secret, tmp_path):
    home, made = make_home("a")
    opened = ("--passphrase-file", secret(), "--steward-passphrase-file", secret("steward", "third\n"))
    names = ("--network", "net", "--id", "a", "--name", "A", "--steward-file", tmp_path / "a-steward.key")
    again = ok("genesis", "join", "--home", home, *names, *opened, "--out", tmp_path / "again.join")
    assert again["words"] == made["words"]


def test_a_wrong_passphrase_is_named_with_its_file(unsigned, cli, secret, tmp_path):
    home, file = unsigned
    sign = ("genesis", "sign", file, "--home", home, "--member", "a")
    ran = cli(*sign, "--passphrase-file", secret("wrong", "wrong\n"))
    assert ran.code == EXIT_KEY
    assert f"error[KEY-02]: the passphrase opened neither slot of {home / 'keystore.key'}" in ran.err
    assert cli(*sign, "--passphrase-file", tmp_path / "none", "--json").error["code"] == "KEY-07"
    recovered = cli(*sign, "--passphrase-file", secret("rec", "other\n"))
    assert recovered.code == 0


def test_a_key_file_is_never_overwritten(ok, cli, secret, tmp_path):
    new = ("wallet", "new", tmp_path / "w.key", "--passphrase-file", secret(), *FAST)
    ok(*new)
    assert cli(*new, "--json").error["code"] == "KEY-06"


@pytest.fixture
def card(ok, secret, tmp_path, unsigned):
    home, file = unsigned
    signed = ("--home", home, "--member", "a", "--passphrase-file", secret())
    ok("genesis", "sign", file, *signed)
    ok("wallet", "new", tmp_path / "w.key", "--passphrase-file", secret(), *FAST)
    opened = ("--passphrase-file", secret(), "--genesis", tmp_path / "g")
    made = ok("wallet", "card", tmp_path / "w.key", *opened, "--member", "a", "--out", tmp_path / "card")
    return tmp_path / "card", made


def test_a_card_holds_public_keys_alone_and_is_signed_by_the_one_it_shows(card):
    path, made = card
    shown = decode_card(path.read_bytes(), "card")
    assert shown.patient_key.hex() == made["patient_key"]
    assert len({key.point for key in shown.class_keys}) == 8


def test_a_card_that_was_changed_on_its_way_is_refused(card):
    path, made = card
    text = path.read_text()
    point = decode_card(text.encode(), "card").class_keys[0].point.hex()
    for changed in (
        text.replace(point, made["patient_key"]),
        text.replace(point, "00" * 32),
        text.replace('"member": 0', '"member": 1'),
        text.replace('"version": 1', '"version": 2'),
        text[:-20],
        "[" * 10_000,
        "{}",
        text + " " * 20_000,
    ):
        with pytest.raises(OperatorError) as caught:
            decode_card(changed.encode(), "card")
        assert caught.value.code.exit_code == EXIT_INPUT


def test_a_card_for_no_member_is_refused(card, cli, secret, tmp_path):
    opened = ("--passphrase-file", secret(), "--genesis", tmp_path / "g")
    ran = cli("wallet", "card", tmp_path / "w.key", *opened, "--member", "nobody")
    assert ran.code == EXIT_USAGE and "the members are a" in ran.err
