"""Commands that need no node: homes, key files, the ceremony, cards."""

import stat

import pytest

from chainnode.cli.actions.cards import decode_card
from chainnode.node.config import load_config
from genesis.errors import EXIT_INPUT, EXIT_KEY, EXIT_USAGE, OperatorError
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


def test_init_leaves_a_home_that_is_there_alone(make_home, cli, secret):
    home, _ = make_home("hospital-a")
    before = (home / "keystore.key").read_bytes()
    names = ("--network", "net", "--id", "hospital-a", "--name", "A")
    files = [(f"--{name}passphrase-file", secret()) for name in ("", "recovery-", "steward-")]
    ran = cli("init", "--home", home, *names, *[word for pair in files for word in pair], "--json")
    assert (ran.code, ran.error["code"]) == (EXIT_USAGE, "CLI-06")
    assert (home / "keystore.key").read_bytes() == before


def test_a_peer_that_is_no_address_is_refused_before_anything_is_made(cli, secret, tmp_path):
    names = ("--network", "net", "--id", "a", "--name", "A", "--peer", "hospital-b")
    files = [(f"--{name}passphrase-file", secret()) for name in ("", "recovery-", "steward-")]
    ran = cli("init", "--home", tmp_path / "a", *names, *[word for pair in files for word in pair])
    assert ran.code == EXIT_USAGE and "'hospital-b' is no peer" in ran.err
    assert not (tmp_path / "a").exists()


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
