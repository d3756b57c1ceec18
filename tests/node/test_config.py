"""One TOML file, checked whole: every error names the file and the key."""

import dataclasses

import pytest

from chainnode.node.api import Role
from chainnode.node.config import CONFIG_NAME, load_config
from chainnode.node.passphrase import passphrase_source
from chainnode.node.schema import KEYS
from chainnode.node.settings import render_config, settings_problems
from chainnode.vault.files import read_passphrase_file
from genesis.errors import EXIT_USAGE, OperatorError

MINIMAL = '[keys]\npassphrase_file = "boot.passphrase"\n'


@pytest.fixture
def home(tmp_path):
    return tmp_path


def load(home, text):
    (home / CONFIG_NAME).write_text(text)
    return load_config(home)


def refusal(home, text):
    with pytest.raises(OperatorError) as caught:
        load(home, text)
    error = caught.value
    assert error.code.exit_code == EXIT_USAGE
    assert str(home / CONFIG_NAME) in error.what
    assert CONFIG_NAME in error.next_step or "chainnode init" in error.next_step
    return error


def test_a_minimal_file_gives_defaults_below_the_home(home):
    config = load(home, MINIMAL)
    assert config.passphrase_file == home / "boot.passphrase"
    assert (config.listen.host, config.listen.port) == ("0.0.0.0", 7400)
    assert config.genesis_file == home / "genesis.cbor"
    assert config.socket(Role.STEWARD).path == home / "run" / "steward.sock"
    assert config.socket(Role.STEWARD).mode == 0o660
    assert (config.pool.folder, config.pool.objects_url) == (home / "pool", "")
    assert (config.verification, config.log.level, config.peers) == ("inline", "info", ())


def test_a_loaded_configuration_is_frozen(home):
    config = load(home, MINIMAL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.verification = "thread"


def test_peers_carry_address_and_dialling_side(home):
    text = (
        MINIMAL + '[peers.b]\naddress = "10.0.0.2:7401"\n[peers.c]\naddress = "[fd00::2]:7402"\ndial = "in"\n'
    )
    config = load(home, text)
    b, c = config.peers
    assert (b.slug, b.host, b.port, b.dial) == ("b", "10.0.0.2", 7401, "auto")
    assert (c.slug, c.host, c.port, c.dial) == ("c", "fd00::2", 7402, "in")
    assert config.peer("c") is c and config.peer("d") is None


def test_a_peer_that_dials_needs_no_address(home):
    (peer,) = load(home, MINIMAL + '[peers.b]\ndial = "in"\n').peers
    assert (peer.host, peer.port, peer.dial) == ("", 0, "in")


def test_what_init_would_write_is_judged_as_the_file_would_be():
    sound = {"keys.credential": "boot", "peers.b.dial": "in", "peers.c.address": "c.example:7400"}
    assert settings_problems(sound) == []
    (problem,) = settings_problems(sound | {"peers.b.address": "foo"})
    assert problem.startswith("peers.b.address = 'foo' must be \"host:port\"")


def test_metrics_are_served_on_an_address_of_this_machine_alone_or_nowhere(home):
    assert load(home, MINIMAL).metrics_listen is None
    assert load(home, MINIMAL + '[metrics]\nlisten = "127.0.0.1:7401"\n').metrics_listen == (
        "127.0.0.1",
        7401,
    )
    assert load(home, MINIMAL + '[metrics]\nlisten = "[::1]:7401"\n').metrics_listen == ("::1", 7401)


def test_absolute_paths_and_urls_are_taken_as_they_are(home):
    text = MINIMAL + '[sockets]\nfolder = "/run/node"\n[pool]\nobjects_url = "s3://bucket/x"\n'
    config = load(home, text)
    assert str(config.socket(Role.SYSADMIN).path) == "/run/node/sysadmin.sock"
    assert config.pool.objects_url == "s3://bucket/x"


@pytest.mark.parametrize(
    ("line", "key", "code"),
    [
        ("[listen]\nport = 70000", "listen.port", "CFG-05"),
        ('[listen]\nport = "7400"', "listen.port", "CFG-05"),
        ("[listen]\nport = true", "listen.port", "CFG-05"),
        ('[listen]\nhost = ""', "listen.host", "CFG-05"),
        ('[peers.b]\naddress = "10.0.0.2"', "peers.b.address", "CFG-05"),
        ('[peers.b]\naddress = "10.0.0.2:0"', "peers.b.address", "CFG-05"),
        ('[peers.b]\naddress = "10.0.0.256:7400"', "peers.b.address", "CFG-05"),
        ('[peers.b]\naddress = "[fd00::2:7400"', "peers.b.address", "CFG-05"),
        ('[peers.b]\naddress = "[fd00::g]:7400"', "peers.b.address", "CFG-05"),
        ('[peers.b]\naddress = "http://b:7400"', "peers.b.address", "CFG-05"),
        ('[peers.b]\naddress = "b:\N{ARABIC-INDIC DIGIT ONE}"', "peers.b.address", "CFG-05"),
        ('[peers.b]\ndial = "out"', "peers.b.address", "CFG-04"),
        ("[peers.b]", "peers.b.address", "CFG-04"),
        ('[peers.b]\naddress = "b:1"\ndial = "sometimes"', "peers.b.dial", "CFG-05"),
        ('[peers.B_]\naddress = "b:1"', "peers.B_.address", "CFG-03"),
        ('[sockets.steward]\nmode = "0666"', "sockets.steward.mode", "CFG-05"),
        ("[sockets.steward]\nmode = 432", "sockets.steward.mode", "CFG-05"),
        ('[sockets.steward]\ngroup = "a b"', "sockets.steward.group", "CFG-05"),
        ('[sockets.janitor]\nmode = "0660"', "sockets.janitor.mode", "CFG-03"),
        ('[metrics]\nlisten = "0.0.0.0:7401"', "metrics.listen", "CFG-05"),
        ('[metrics]\nlisten = "10.0.0.2:7401"', "metrics.listen", "CFG-05"),
        ('[metrics]\nlisten = "localhost:7401"', "metrics.listen", "CFG-05"),
        ('[metrics]\nlisten = "[::]:7401"', "metrics.listen", "CFG-05"),
        ('[metrics]\nlisten = "127.0.0.1"', "metrics.listen", "CFG-05"),
        ("[metrics]\nlisten = 7401", "metrics.listen", "CFG-05"),
        ('[log]\nlevel = "loud"', "log.level", "CFG-05"),
        ('[log]\nlevl = "info"', "log.levl", "CFG-03"),
        ('[verification]\nmode = "gpu"', "verification.mode", "CFG-05"),
        ("surprise = 1", "surprise", "CFG-03"),
        ("[surprise]", "surprise", "CFG-03"),
    ],
)
def test_a_wrong_or_unknown_key_is_named(home, line, key, code):
    before, after = (line + "\n", MINIMAL) if line.startswith("surprise") else (MINIMAL, line + "\n")
    error = refusal(home, before + after)
    assert error.code.code == code
    assert key in error.what


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("[listen]\nprot = 1", "listen.prot is not a key; did you mean listen.port?"),
        ('[log]\nlevl = "info"', "log.levl is not a key; did you mean log.level?"),
        ('[peers.b]\nadress = "b:1"', "peers.b.adress is not a key; did you mean peers.b.address?"),
        ("[surprise]", "surprise is not a key"),
    ],
)
def test_a_key_that_does_not_exist_is_answered_with_the_one_that_was_meant(home, text, meant):
    assert refusal(home, f"{MINIMAL}{text}\n").what.split(": ", 1)[1].split("; peers.")[0] == meant


def test_all_problems_are_listed_at_once(home):
    error = refusal(home, MINIMAL + '[listen]\nport = -1\n[log]\nlevel = "x"\nformat = "y"\n')
    assert all(key in error.what for key in ("listen.port", "log.level", "log.format"))


@pytest.mark.parametrize("keys", ["", 'passphrase_file = "a"\ncredential = "b"\n'])
def test_exactly_one_source_of_the_passphrase_is_needed(home, keys):
    assert "exactly one of keys.passphrase_file and keys.credential" in refusal(home, "[keys]\n" + keys).what


def test_a_missing_file_names_the_command_that_makes_one(home):
    with pytest.raises(OperatorError) as caught:
        load_config(home / "nowhere")
    assert caught.value.code.code == "CFG-01"
    assert caught.value.next_step.endswith(": chainnode init --help"), "only the reader knows the rest"


@pytest.mark.parametrize("data", [b"= 1", b"\xff\xfe", b"x = [" * 5_000, b"#" * 300_000])
def test_what_is_not_toml_is_refused(home, data):
    (home / CONFIG_NAME).write_bytes(data)
    with pytest.raises(OperatorError) as caught:
        load_config(home)
    assert caught.value.code.code == "CFG-02"


def test_a_long_value_is_not_repeated_whole(home):
    error = refusal(home, MINIMAL + f'[log]\nlevel = "{"x" * 5_000}"\n')
    assert len(error.what) < 400


def test_the_rendered_file_loads_and_explains_every_key(home):
    given = {
        "keys.passphrase_file": 'odd "name"\\here',
        "listen.port": 0,
        "peers.b.address": "127.0.0.1:7401",
        "peers.b.dial": "out",
    }
    text = render_config(given)
    config = load(home, text)
    assert config.passphrase_file == home / 'odd "name"\\here'
    assert (config.listen.port, config.peers[0].dial) == (0, "out")
    for key in KEYS:
        if not key.name.startswith("peers."):
            assert f"# {key.meaning}\n" in text, key.name


def test_every_default_that_the_rendered_file_shows_is_accepted(home):
    lines = [line.removeprefix("# ") if " = " in line else line for line in render_config({}).splitlines()]
    text = "\n".join(line for line in lines if '"..."' not in line).replace("# [peers", "[peers")
    config = load(home, text.replace("[keys]", '[keys]\npassphrase_file = "p"'))
    assert config.peers[0].slug == "other-hospital"


def test_a_credential_is_read_from_the_folder_that_systemd_names(home, monkeypatch):
    config = load(home, '[keys]\ncredential = "boot"\n')
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(OperatorError) as caught:
        passphrase_source(config)
    assert caught.value.code.code == "CFG-06"
    (home / "boot").write_text("secret words\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(home))
    assert read_passphrase_file(passphrase_source(config)) == b"secret words"


def test_a_missing_passphrase_file_is_named(home):
    with pytest.raises(OperatorError, match=r"boot\.passphrase"):
        read_passphrase_file(passphrase_source(load(home, MINIMAL)))
