"""Members change while real nodes run: a fifth hospital joins and votes, keys are rotated, one stops voting,
two leave; and receipts of every epoch verify from the genesis file alone."""

import asyncio
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chainnode.cli.actions.departments import add_department
from chainnode.cli.actions.files import write_private
from chainnode.cli.actions.homes import Identity, create_home
from chainnode.node.api import StatusReport
from chainnode.vault.keys import SigningKey
from genesis.errors import EXIT_INPUT, EXIT_OK, EXIT_REFUSED, OperatorError
from tests.demo.applications import apply, objects_of, release
from tests.demo.records import intake
from tests.demo.world import PROVIDERS, World
from tests.e2e.cli import Ended, chainnode
from tests.e2e.town import eventually, level, synthetic, town
from tests.localnet.consortium import NETWORK, PASSPHRASE, SIGN_OFF, Consortium, Hospital, free_ports

FIFTH = 4


@dataclass
class Council:
    """The validators' officers, with files on their desks."""

    world: World
    folder: Path
    count: int = 0
    receipts: dict[int, Path] = field(default_factory=dict)

    def hospital(self, number: int) -> Hospital:
        return self.world.hospitals[number]

    async def ok(self, *words: object) -> dict:
        ended = await chainnode(*words, "--json")
        assert ended.exit_code == EXIT_OK, ended.stderr
        return ended.data

    async def propose(self, kind: str, subject: object, *more: object) -> Path:
        """A change that nobody has signed, proposed at hospital A's node."""
        self.count += 1
        out = self.folder / f"change-{self.count}.cbor"
        node = ("--home", self.hospital(0).home)
        await self.ok("member", "propose", kind, subject, "--out", out, *more, *node)
        return out

    async def sign(self, change: Path, *numbers: int) -> None:
        """Each signs a copy of its own, and the copies are put together."""
        copies = []
        for number in numbers:
            one = self.hospital(number)
            copy = change.with_name(f"{one.id}-{change.name}")
            await asyncio.to_thread(shutil.copyfile, change, copy)
            keys = ("--home", one.home, "--passphrase-file", one.home / "passphrase")
            await self.ok("member", "sign", copy, "--member", one.id, *keys)
            copies.append(copy)
        await self.ok("member", "combine", *copies, "--out", change)

    async def submit(self, change: Path, *more: str) -> Ended:
        one = self.hospital(0)
        steward = ("--steward-file", one.steward_file, "--passphrase-file", one.home / "passphrase")
        return await chainnode("member", "submit", change, *steward, "--home", one.home, *more)

    async def change(
        self, kind: str, subject: object, *more: object, signers: tuple[int, ...] = (0, 1, 3)
    ) -> int:
        """Proposed, signed and made; the height from which on it holds."""
        change = await self.propose(kind, subject, *more)
        await self.sign(change, *signers)
        ended = await self.submit(change, "--json")
        assert ended.exit_code == EXIT_OK, ended.stderr
        height: int = ended.data["effective_height"]
        await eventually(lambda: self.reached(height - 1))
        return height

    async def reached(self, height: int) -> bool:
        return (await self.world.nodes.status(0)).height >= height

    async def status(self, number: int) -> StatusReport | None:
        try:
            return await self.world.nodes.status(number)
        except OperatorError:
            return None

    async def votes(self, number: int) -> None:
        """Wait until this node votes."""

        async def does() -> bool:
            report = await self.status(number)
            return report is not None and report.voting

        await eventually(does)

    async def down(self, number: int) -> None:
        """kill -9."""
        self.world.nodes.kill(number)
        self.world.forget_clients(number)

    async def up(self, number: int) -> None:
        """Started, voting, and as far as the others."""
        self.world.nodes.start(number)
        await self.votes(number)
        await level(self.world)

    async def goes_on(self, name: str) -> None:
        """The chain takes a transaction."""
        client = await self.world.client(0)
        key = SigningKey.generate().public
        await add_department(client, self.world.stewards[0], key, name)

    async def decide(self, epoch: int) -> None:
        """A decision in this epoch, and its receipt."""
        objects = await objects_of(self.world, self.world.patients_of(*PROVIDERS)[:1])
        project = await apply(self.world, f"project-{epoch}", objects)
        decision = await release(self.world, project, f"epoch-{epoch}")
        assert not decision.authorised
        self.receipts[epoch] = self.world.receipts[f"epoch-{epoch}"]
        listed = await self.ok("member", "list", "--home", self.hospital(0).home)
        assert listed["epoch"] == epoch


def fifth(world: World) -> Hospital:
    """A hospital with keys of its own that connects to all the others."""
    folder, [port] = world.folder, free_ports(1)
    home, people = folder / "hospital-e", folder / "hospital-e-people"
    settings: dict[str, str | int] = {
        "keys.passphrase_file": "passphrase",
        "listen.host": "127.0.0.1",
        "listen.port": port,
        "genesis.membership": "admitted.cbor",
    }
    for one in world.hospitals:
        settings[f"peers.{one.id}.address"] = f"127.0.0.1:{one.port}"
        settings[f"peers.{one.id}.dial"] = "out"
    made = create_home(
        home,
        Identity(NETWORK, "hospital-e", "Hospital E, Elm"),
        node=SIGN_OFF,
        steward=SIGN_OFF,
        steward_file=people / "steward.key",
        settings=settings,
        level="interactive",
    )
    write_private(home / "passphrase", PASSPHRASE + b"\n")
    write_private(home / "genesis.cbor", world.consortium.genesis_file.read_bytes())
    return Hospital(FIFTH, "hospital-e", "Hospital E, Elm", home, people, port, made)


async def admission(council: Council) -> None:
    """Admitted it follows, promoted it votes: with five members one may be down."""
    world, newcomer = council.world, fifth(council.world)
    change = await council.propose("admit", newcomer.made.request_file)
    assert (await council.submit(change)).error(EXIT_INPUT).code == "CLI-15"
    await council.sign(change, 0, 1)
    assert (await council.submit(change)).error(EXIT_INPUT).code == "CLI-15"
    await council.sign(change, 2)
    shown = await council.ok("member", "show", change)
    assert shown["signed"] == ["hospital-a", "hospital-b", "hospital-c"]
    assert (await council.submit(change)).exit_code == EXIT_OK
    write_private(newcomer.home / "admitted.cbor", change.read_bytes())
    world.hospitals.append(newcomer)
    world.nodes.start(FIFTH)
    await eventually(lambda: council.status(FIFTH))
    [*_, report] = await level(world)
    assert not report.voting and report.why == "not a member at this height"
    turned_away = await chainnode(
        "department", "add", "ward", "--steward-file", newcomer.steward_file,
        "--passphrase-file", newcomer.home / "passphrase", "--head-file", newcomer.people / "head.key",
        "--head-passphrase-file", newcomer.home / "passphrase", "--kdf", "interactive",
        "--home", newcomer.home,
    )  # fmt: skip
    assert turned_away.error(EXIT_REFUSED).code == "observer-node"
    await council.change("promote", "hospital-e", signers=(0, 1, 2))
    await council.votes(FIFTH)
    await council.down(2)
    await council.goes_on("with-four-of-five")
    await council.up(2)
    await council.decide(1)


async def rotation(council: Council) -> None:
    """Hospital B takes new keys for votes and links, under way, and is needed for the quorum afterwards."""
    world, one = council.world, council.hospital(1)
    request, keys = council.folder / "anew.join", one.home / "next.key"
    secret = one.home / "passphrase"
    await council.ok(
        "member", "new-keys", "--home", one.home, "--network", NETWORK, "--id", one.id, "--name", one.name,
        "--passphrase-file", secret, "--steward-file", one.steward_file, "--steward-passphrase-file", secret,
        "--out", keys, "--request", request, "--kdf", "interactive",
    )  # fmt: skip
    text = one.made.config_file.read_text()
    one.made.config_file.write_text(re.sub(r"# next_keystore = .*", 'next_keystore = "next.key"', text))
    world.nodes.stop(1)
    world.forget_clients(1)
    await council.up(1)
    await council.change("rotate", request)

    async def linked_anew() -> bool:
        report = await council.status(1)
        return report is not None and report.voting and all(link.up for link in report.links)

    await eventually(linked_anew)
    await council.down(3)
    await council.goes_on("under-the-new-key")
    await council.up(3)
    await council.decide(2)


async def beginning_again(council: Council) -> None:
    """Hospital E lost its disk: from the genesis file on it follows the chain over every change."""
    world, one = council.world, council.hospital(FIFTH)
    world.nodes.stop(FIFTH)
    world.forget_clients(FIFTH)
    await asyncio.to_thread(shutil.rmtree, one.home / "store")
    world.nodes.start(FIFTH)
    await eventually(lambda: council.status(FIFTH))
    await level(world)
    listed = await council.ok("member", "list", "--home", one.home)
    assert (listed["epoch"], listed["n"]) == (2, 5)


async def departure(council: Council) -> None:
    """Hospital C stops voting and goes on following; then it leaves. Hospital E is removed while it votes."""
    world = council.world
    await council.change("demote", "hospital-c", signers=(0, 3, 4))
    reports = await level(world)
    assert not reports[2].voting and reports[2].why == "not a member at this height"
    await council.decide(3)
    await council.change("remove", "hospital-c", signers=(0, 3, 4))

    async def alone() -> bool:
        report = await council.status(2)
        return report is not None and not any(link.up for link in report.links)

    await eventually(alone)
    world.nodes.stop(2)
    unsaid = ("member", "propose", "remove", "hospital-e", "--out", council.folder / "unsaid.cbor")
    ended = await chainnode(*unsaid, "--home", council.hospital(0).home)
    assert ended.error(EXIT_REFUSED).code == "fault-tolerance-lost"
    await council.change("remove", "hospital-e", "--fewer-faults", signers=(0, 3, 4))
    world.nodes.stop(FIFTH)
    del world.hospitals[FIFTH]
    await council.goes_on("three-left")


@pytest.mark.asyncio
@pytest.mark.timeout(900)  # many commands, one after the other
async def test_members_come_and_go_and_every_epoch_can_be_proven(
    consortium: Consortium, tmp_path: Path
) -> None:
    async with town(consortium, synthetic(tmp_path / "fhir", 4)) as world:
        council = Council(world, tmp_path)
        await intake(world)
        await council.decide(0)
        await admission(council)
        await rotation(council)
        await beginning_again(council)
        await departure(council)
        listed = await council.ok("member", "list", "--home", council.hospital(0).home)
        roles = {one["id"]: one["role"] for one in listed["members"]}
        assert (listed["n"], listed["epoch"], listed["changes"]) == (3, 4, 6)
        assert roles["hospital-c"] == roles["hospital-e"] == "removed"
    for epoch, receipt in council.receipts.items():
        verified = await chainnode("verify", receipt, "--genesis", consortium.genesis_file, "--json")
        assert verified.exit_code == EXIT_OK, (epoch, verified.stderr)
    assert sorted(council.receipts) == [0, 1, 2, 3]
