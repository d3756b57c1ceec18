"""docs/operations.md and the unit beside it: what they name exists, what can be tried is tried."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chainnode.node.api import Role
from chainnode.node.config import CONFIG_NAME, NodeConfig, load_config
from chainnode.node.passphrase import passphrase_source
from chainnode.node.settings import render_config
from genesis.errors import EXIT_INPUT, EXIT_KEY, EXIT_USAGE, OperatorError

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
UNIT = (ROOT / "docs" / "chainnode.service").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


def test_every_error_code_that_the_guide_names_is_documented() -> None:
    named = set(re.findall(r"\b[A-Z]{3}-[0-9]{2}\b", GUIDE))
    assert len(named) > 10
    assert {code for code in named if f"| `{code}` |" not in REFERENCE} == set()


def test_every_event_that_the_guide_names_is_logged_at_that_level() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "chainnode").rglob("*.py"))
    rows = re.findall(r"^\| (`[^|]+) \| (info|warning|error) \| (.*) \|$", GUIDE, re.MULTILINE)
    events = [(event, level) for names, level, _ in rows for event in re.findall(r"`([^`]+)`", names)]
    assert len(events) >= 10
    for event, level in events:
        assert re.search(rf'(?:log\.{level}|say)\(\s*"{re.escape(event)}"', source), (level, event)


def edited(home: Path) -> NodeConfig:
    """A configuration as `init` writes it, after the commands of the guide that edit it."""
    commands = re.findall(r"^sed -i .*$", GUIDE, re.MULTILINE)
    assert len(commands) == 3
    file = home / CONFIG_NAME
    file.write_text(render_config({"keys.passphrase_file": "/srv/chainnode-founding/keys/boot.pass"}))
    for command in commands:
        subprocess.run(
            ["sh", "-c", command.replace("/var/lib/chainnode/chainnode.toml", str(file))], check=True
        )
    return load_config(home)


def test_the_stewards_socket_alone_has_the_stewards_group(tmp_path: Path) -> None:
    config = edited(tmp_path)
    assert {role: config.socket(role).group for role in Role} == {
        Role.SYSADMIN: "",
        Role.STEWARD: "chainnode-stewards",
        Role.RESEARCHER: "",
    }


def test_the_metrics_are_read_where_the_scrape_configuration_says(tmp_path: Path) -> None:
    host, port = edited(tmp_path).metrics_listen or ("", 0)
    assert f'targets: ["{host}:{port}"]' in GUIDE and f"http://{host}:{port}/metrics" in GUIDE


def test_the_configuration_reads_its_passphrase_from_the_credential_after_the_guides_command(
    tmp_path: Path,
) -> None:
    config = edited(tmp_path)
    assert (config.passphrase_file, config.passphrase_credential) == (None, "boot")
    with pytest.raises(OperatorError) as caught:
        passphrase_source(config)  # this process is no service
    assert "LoadCredential=boot:/etc/chainnode/boot.pass" in caught.value.next_step
    assert "LoadCredential=boot:/etc/chainnode/boot.pass" in UNIT and "/etc/chainnode/boot.pass" in GUIDE


def test_systemd_does_not_try_again_what_only_a_person_can_correct() -> None:
    (codes,) = re.findall(r"^RestartPreventExitStatus=(.*)$", UNIT, re.MULTILINE)
    assert {int(code) for code in codes.split()} == {EXIT_USAGE, EXIT_INPUT, EXIT_KEY}
    assert "Restart=on-failure" in UNIT


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "chainnode.service"
    unit.write_text(UNIT.replace("/opt/chainnode/.venv/bin/chainnode", sys.executable))
    ended = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert not [line for line in ended.stderr.splitlines() if "chainnode.service" in line]
