"""`chainnode run` where something is wrong: it says what, in three parts, and leaves everything as it was."""

import asyncio
import json
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from chainnode.cli.actions.base import submit
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.payloads import AddDepartment
from chainnode.store.chain import ChainStore
from chainnode.vault.keystore import StewardKeys
from genesis import cbor
from genesis.document import load_genesis
from genesis.errors import EXIT_IN_USE, EXIT_INPUT, EXIT_KEY, EXIT_USAGE, OperatorError
from genesis.request import parse_request
from tests.e2e.cli import Error, run
from tests.e2e.town import eventually
from tests.genesis import consortium as others
from tests.genesis.consortium import public
from tests.localnet.consortium import Consortium, build_genesis, clone, free_ports, sign_genesis
from tests.localnet.nodes import Nodes
from tests.store.leveldb_files import entries_in


@dataclass(frozen=True, slots=True)
class House:
    """A home that would run; `port` is that of its own configuration."""

    home: Path
    port: int

    @property
    def config(self) -> Path:
        return self.home / "chainnode.toml"

    def files(self) -> dict[str, str]:
        """Name to digest of every file but the lock; of LevelDB, which writes its files anew at every start,
        of what it holds."""
        database = self.home / "store" / "chain"
        found = {
            str(path.relative_to(self.home)): sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.home.rglob("*"))
            if path.is_file() and path.name != "lock" and database not in path.parents
        }
        if database.exists():
            held = sorted({(key, value) for _, key, value in entries_in(database)})
            found[str(database)] = sha256(repr(held).encode()).hexdigest()
        return found

    def refuses(self, code: str, exit_code: int) -> Error:
        """`run` ends with this error, and nothing that was there has changed."""
        before = self.files()
        error = run("run", "--home", self.home).error(exit_code)
        assert error.code == code, error
        after = self.files()
        assert {name: after.get(name) for name in before} == before
        return error


@pytest.fixture
def house(template: Consortium, tmp_path_factory: pytest.TempPathFactory) -> House:
    hospital = clone(template, tmp_path_factory.mktemp("e2e") / "n").hospitals[0]
    return House(hospital.home, hospital.port)


def test_a_wrong_passphrase(house: House) -> None:
    (house.home / "passphrase").write_bytes(b"not the right one\n")
    error = house.refuses("KEY-02", EXIT_KEY)
    assert "keystore.key" in error.what


def test_the_genesis_of_another_network(house: House) -> None:
    (house.home / "genesis.cbor").write_bytes(others.signed_file(others.unsigned_file(others.consortium())))
    error = house.refuses("NOD-01", EXIT_INPUT)
    assert "genesis.cbor" in error.what and "keystore.key" in error.what


def test_a_genesis_that_fits_the_keys_and_not_the_folder(
    house: House, template: Consortium, tmp_path: Path
) -> None:
    """The same members found a second network: the store of the first is not taken for it."""
    first = load_genesis(house.home / "genesis.cbor").chain_id
    ChainStore(house.home / "store", first).close()
    path = house.home / "genesis.cbor"
    path.unlink()
    requests = [parse_request(file.read_bytes()) for file in sorted(template.folder.glob("*/*.join"))]
    shutil.move(build_genesis(tmp_path, requests, created_ms=1_700_000_000_000), path)
    for hospital in template.hospitals:
        sign_genesis(path, hospital)
    assert load_genesis(path).chain_id != first
    error = house.refuses("STO-05", EXIT_INPUT)
    assert "store" in error.what


def test_a_genesis_that_lacks_a_signature(house: House) -> None:
    path = house.home / "genesis.cbor"
    data = cbor.decode(path.read_bytes(), limit_bytes=1 << 20)
    del data["signatures"]["hospital-c"]
    path.write_bytes(cbor.encode(data))
    error = house.refuses("GEN-03", EXIT_INPUT)
    assert "hospital-c" in error.what


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_a_genesis_with_a_flipped_byte(house: House, share: float) -> None:
    path = house.home / "genesis.cbor"
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 0x04
    path.write_bytes(data)
    error = run("run", "--home", house.home).error(EXIT_INPUT)
    assert error.code.startswith("GEN-") and "genesis.cbor" in error.what


def test_a_port_in_use(house: House) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", house.port))
        other.listen()
        error = house.refuses("NET-01", EXIT_IN_USE)
    assert str(house.port) in error.what


def test_a_socket_path_on_which_somebody_listens(house: House) -> None:
    path = house.home / "run" / "steward.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        error = house.refuses("GTW-02", EXIT_IN_USE)
        assert path.is_socket(), "the other's socket stays"
    assert str(path) in error.what


def test_a_socket_path_that_is_too_long(house: House) -> None:
    folder = "r" * 100
    text = house.config.read_text()
    house.config.write_text(text.replace('# folder = "run"', f'folder = "{folder}"'))
    assert folder in house.config.read_text()
    error = house.refuses("GTW-03", EXIT_USAGE)
    assert "sockets.folder" in error.next


def test_a_configuration_that_is_wrong_names_every_key(house: House) -> None:
    with house.config.open("a") as stream:
        stream.write('\n[colour]\nof = "money"\n')
    house.config.write_text(house.config.read_text().replace(f"port = {house.port}", "port = 70000"))
    error = house.refuses("CFG-03", EXIT_USAGE)
    assert "colour.of" in error.what and "listen.port" in error.what and str(house.config) in error.what


def test_no_genesis_yet(house: House) -> None:
    (house.home / "genesis.cbor").unlink()
    error = house.refuses("GEN-01", EXIT_INPUT)
    assert "not founded here yet" in error.what
    assert error.next.endswith(f"cp genesis.cbor {house.home / 'genesis.cbor'}")


def test_a_peer_that_is_no_member(house: House) -> None:
    house.config.write_text(house.config.read_text().replace("[peers.hospital-c]", "[peers.hospitl-c]"))
    error = house.refuses("CFG-05", EXIT_USAGE)
    for named in (str(house.config), "peers.hospitl-c", "hospital-a, hospital-b, hospital-c, hospital-d"):
        assert named in error.what
    asked = run("status", "--home", house.home).error(EXIT_USAGE)
    assert (asked.code, asked.what) == (error.code, error.what)


@pytest.fixture
def running(template: Consortium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nodes, House]]:
    """One daemon of four: it cannot commit, but it holds its folder. It has no word on hospital-c."""
    consortium = clone(template, tmp_path_factory.mktemp("e2e") / "n")
    config = consortium.hospitals[0].home / "chainnode.toml"
    config.write_text(re.sub(r"\[peers\.hospital-c\]\naddress.*\ndial.*\n", "", config.read_text()))
    with Nodes(consortium) as nodes:
        nodes.start(0)
        yield nodes, House(consortium.hospitals[0].home, consortium.hospitals[0].port)


def test_a_second_daemon_on_one_home(running: tuple[Nodes, House]) -> None:
    nodes, house = running
    path = house.home / "run" / "sysadmin.sock"
    asyncio.run(eventually(lambda: asyncio.to_thread(path.is_socket)))
    other = house.config.read_text().replace(f"port = {house.port}", f"port = {free_ports(1)[0]}")
    house.config.write_text(other)
    error = run("run", "--home", house.home).error(EXIT_IN_USE)
    assert error.code == "STO-01" and str(nodes.pid(0)) in error.what
    status = run("status", "--home", house.home, "--json")
    assert status.exit_code == 0 and status.data["slug"] == "hospital-a", "the first one goes on"


LOST = (
    "quorum lost: 1 of 4 members linked (this one included), 3 needed; "
    "nothing can be committed until 2 more are back"
)


def test_a_lost_quorum_is_said_by_status_and_to_who_submits(running: tuple[Nodes, House]) -> None:
    nodes, house = running
    hospital = nodes.consortium.hospitals[0]
    asyncio.run(eventually(lambda: asyncio.to_thread((house.home / "run" / "steward.sock").is_socket)))
    shown = run("status", "--home", house.home)
    assert shown.exit_code == 0 and LOST in " ".join(shown.stdout.split())
    data = run("status", "--home", house.home, "--json").data
    assert (data["quorum"], data["quorum_lost"]) == (3, LOST)

    async def hand_in() -> None:
        steward = StewardKeys.open(hospital.steward_file, nodes.consortium.passphrase)
        async with GatewayClient(house.home / "run" / "steward.sock") as client:
            payload = AddDepartment(0, "cardiology", public("head"))
            await submit(client, payload, steward.signing, timeout_ms=1_000)

    with pytest.raises(OperatorError, match="CLI-03") as caught:
        asyncio.run(hand_in())
    assert caught.value.what.endswith(LOST)


def test_a_member_whose_address_nobody_gave_is_warned_of(running: tuple[Nodes, House]) -> None:
    nodes, house = running
    log = nodes.log_file(nodes.consortium.hospitals[0])
    asyncio.run(
        eventually(lambda: asyncio.to_thread(lambda: "members without an address" in log.read_text()))
    )
    (line,) = [line for line in log.read_text().splitlines() if "members without an address" in line]
    said = json.loads(line)
    assert (said["level"], said["members"]) == ("warning", ["hospital-c"])
    assert said["file"] == str(house.config)


def test_status_of_a_running_node_warns_of_a_peer_that_the_next_start_will_refuse(
    running: tuple[Nodes, House],
) -> None:
    _, house = running
    asyncio.run(eventually(lambda: asyncio.to_thread((house.home / "run" / "sysadmin.sock").is_socket)))
    house.config.write_text(house.config.read_text().replace("[peers.hospital-b]", "[peers.hospitl-b]"))
    shown = run("status", "--home", house.home)
    assert shown.error(EXIT_USAGE).code == "CFG-05"
    assert "Node of hospital-a" in shown.stdout
