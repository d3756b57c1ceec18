import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from chainnode.cli.main import run
from chainnode.cli.next_steps import forget_node
from chainnode.intake.synthetic import synthetic_bundle
from tests.localnet.consortium import found
from tests.localnet.nodes import Nodes

FAST = ("--kdf", "interactive")


@dataclass
class Ran:
    """What one command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def error(self):
        return json.loads(self.err)["error"]


@pytest.fixture
def cli(capfd, monkeypatch):
    """Runs a command line in this process."""
    monkeypatch.delenv("CHAINNODE_HOME", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*args):
        capfd.readouterr()
        code = run([str(arg) for arg in args])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def ok(cli):
    """Runs a command line with --json that is to succeed; its JSON."""

    def call(*args):
        ran = cli(*args, "--json")
        assert ran.code == 0, ran.err
        return ran.json

    return call


@pytest.fixture
def secret(tmp_path):
    """Writes a passphrase file."""

    def write(name="secret", text="correct horse\n"):
        path = tmp_path / f"{name}.pw"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


@dataclass
class Network:
    """A running network of two members: hospital-a provides, hospital-b applies."""

    folder: Path
    home: Path
    steward_file: Path
    other_home: Path
    other_steward_file: Path
    genesis: Path
    insurer: Path
    passphrase: Path

    @property
    def node(self):
        return ("--home", self.home)

    @property
    def other(self):
        return ("--home", self.other_home)

    @property
    def opened(self):
        return ("--passphrase-file", self.passphrase)

    def bundle(self, number):
        path = self.folder / f"bundle-{number}.json"
        path.write_bytes(synthetic_bundle(11, number))
        return path


@pytest.fixture(scope="session")
def hospital(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cn")
    consortium = found(folder, count=2)
    passphrase = folder / "pw"
    passphrase.write_bytes(consortium.passphrase)
    passphrase.chmod(0o600)
    a, b = consortium.hospitals
    with Nodes(consortium) as nodes:
        nodes.start()
        asyncio.run(nodes.ready())
        yield Network(
            folder,
            a.home,
            a.steward_file,
            b.home,
            b.steward_file,
            consortium.genesis_file,
            consortium.registrars["insurer"],
            passphrase,
        )


def add_department(hospital, name, steward_file, node):
    head = hospital.folder / f"{name}.key"
    steward = ("--steward-file", steward_file, *hospital.opened, *node)
    made = ("--head-file", head, "--head-passphrase-file", hospital.passphrase, *FAST)
    assert run([str(word) for word in ("department", "add", name, *steward, *made)]) == 0
    return head


@pytest.fixture(scope="session")
def department(hospital):
    """The head's file of a department of hospital-a with a study."""
    head = add_department(hospital, "cardio", hospital.steward_file, hospital.node)
    line = ("study", "add", "registry", "--department", "cardio", "--head-file", head)
    assert run([str(word) for word in (*line, *hospital.opened, *hospital.node)]) == 0
    return head


@pytest.fixture(scope="session")
def applicant(hospital):
    """The head's file of a department of hospital-b."""
    return add_department(hospital, "onco", hospital.other_steward_file, hospital.other)


@pytest.fixture
def enrol(hospital, department, ok):
    """Enrols the patient of a bundle; files and handle."""

    def make(number, *, active=True):
        wallet, card = hospital.folder / f"w{number}.key", hospital.folder / f"w{number}.card"
        bundle, member = hospital.bundle(number), ("--member", "hospital-a", *hospital.opened)
        ok("wallet", "new", wallet, *hospital.opened, *FAST)
        ok("wallet", "card", wallet, "--genesis", hospital.genesis, *member, "--out", card)
        steward = ("--steward-file", hospital.steward_file, *hospital.opened, *hospital.node)
        handle = ok("patient", "enrol", card, "--bundle", bundle, *steward)["handle"]
        if active:
            registrar = ("--registrar-file", hospital.insurer, *hospital.opened, *hospital.node)
            ok("patient", "attest", handle, *registrar)
            ok("patient", "prove", wallet, *member, *hospital.node)
        return SimpleNamespace(wallet=wallet, card=card, bundle=bundle, member=member, handle=handle)

    return make


@pytest.fixture
def apply(hospital, applicant, ok, tmp_path):
    """Files an application of hospital-b; its id, the project's options, and how to wait for it."""
    count = iter(range(100))

    def make(*more):
        project = tmp_path / f"project-{next(count)}.key"
        height = str(ok("status", *hospital.node)["height"])
        head = ("--department", "onco", "--head-file", applicant, *hospital.opened, "--min-height", height)
        keys = ("--project-file", project, "--project-passphrase-file", hospital.passphrase, *FAST)
        text = ("--project", "heart", "--title", "Heart [study]", "--expires", "30d", *more)
        made = ok("request", "new", *head, *keys, *text, *hospital.other)
        options = ("--project-file", project, *hospital.opened, *hospital.other)
        ok("status", *hospital.node, "--min-height", made["height"])
        return made["request"], options

    return make


@pytest.fixture(autouse=True)
def a_new_command_line() -> None:
    """No test meets the node that another one's command line named."""
    forget_node()
