"""Steps 1 and 2: the ceremony, and four daemons."""

import asyncio
import subprocess
import sys

from chainnode.cli.actions import departments
from chainnode.vault.head import HeadKeys
from chainnode.vault.keystore import RegistrarKeys, StewardKeys
from genesis.codes import GEN_UNSIGNED
from genesis.document import GenesisFile, parse_file
from genesis.errors import EXIT_INPUT
from tests.demo.world import DEPARTMENTS, World
from tests.localnet.consortium import (
    HOSPITALS,
    PASSPHRASE,
    REGISTRARS,
    Consortium,
    build_genesis,
    create_members,
    create_rosters,
    hand_out,
    sign_genesis,
)
from tests.localnet.nodes import Nodes
from tests.localnet.shown import chainnode


async def ceremony(world: World) -> None:
    """Keys, join requests with six words, the document, four signatures; three are refused."""
    stage = world.stage
    stage.title(1, "Ceremony: four hospitals found a network")
    members, others = len(HOSPITALS), len(REGISTRARS) + len(HOSPITALS) + 1
    with stage.progress("key files (argon2id) of members, registrars, trustees", members + others) as step:
        hospitals = await asyncio.to_thread(create_members, world.folder, level=world.level, made=step)
        registrars, rosters = await asyncio.to_thread(
            create_rosters, world.folder, hospitals, level=world.level, made=lambda done: step(members + done)
        )
    requests = [one.made.request for one in hospitals] + rosters
    stage.table(
        "Join requests: the six words are read out by telephone",
        ("id", "kind", "words"),
        [(one.id, one.kind, " ".join(one.words)) for one in requests],
    )
    genesis_file = build_genesis(world.folder, requests)
    for hospital in hospitals[:-1]:
        sign_genesis(genesis_file, hospital)
    hand_out(genesis_file, hospitals)
    refused = await asyncio.to_thread(_run_refused, str(hospitals[0].home))
    stage.line(f"three of four have signed, hospital-a tries to run: {refused}")
    sign_genesis(genesis_file, hospitals[-1])
    hand_out(genesis_file, hospitals)
    file: GenesisFile = parse_file(genesis_file.read_bytes(), str(genesis_file))
    stage.line(f"all four have signed; chain id {file.genesis.chain_id.hex()[:32]}...")
    stage.look(chainnode("genesis", "show", genesis_file))
    world.consortium = Consortium(world.folder, hospitals, genesis_file, registrars)
    world.stewards = {one.number: StewardKeys.open(one.steward_file, PASSPHRASE) for one in hospitals}
    world.registrar = RegistrarKeys.open(registrars["insurer"], PASSPHRASE)


def _run_refused(home: str) -> str:
    """The daemon's own words for a genesis that lacks a signature."""
    command = [sys.executable, "-m", "chainnode.cli.main", "run", "--home", home]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == EXIT_INPUT and GEN_UNSIGNED.code in ended.stderr, (
        "it must not run, for that reason"
    )
    return " ".join(ended.stderr.split("\n  ")[0].split())


def head_of(world: World, hospital: int, department: str) -> HeadKeys:
    """The key file of a department's head, made on first use."""
    file = world.hospitals[hospital].people / f"{department}-head.key"
    if file.exists():
        return HeadKeys.open(file, PASSPHRASE)
    return HeadKeys.create(file, boot=PASSPHRASE, level=world.level)


async def daemons(world: World) -> None:
    """Start, link, and show that height moves with work alone."""
    stage = world.stage
    stage.title(2, "Four daemons, each with links, a LevelDB folder, Unix sockets")
    world.nodes = Nodes(world.consortium, say=stage.line)
    first = await asyncio.to_thread(head_of, world, 0, DEPARTMENTS[0][0])
    world.nodes.start()
    reports = await world.nodes.ready()
    await departments.add_department(
        await world.client(0), world.stewards[0], first.signing.public, DEPARTMENTS[0][0]
    )
    stage.table(
        "Nodes",
        ("hospital", "pid", "links up", "height", "RSS (MB)"),
        [
            (
                one.slug,
                world.nodes.pid(one.member),
                sum(link.up for link in one.links),
                one.height,
                round(one.rss_bytes / 1e6),
            )
            for one in reports
        ],
    )
    busy = await world.nodes.status(0)
    stage.line(f"one transaction: height {reports[0].height} -> {busy.height}")
    await asyncio.sleep(1)
    idle = await world.nodes.status(0)
    stage.line(f"a second without work: height {busy.height} -> {idle.height}")
    assert reports[0].height < busy.height == idle.height, "height moves with work alone"
