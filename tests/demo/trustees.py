"""Step 9: a cohort under standing consents, opened by trustees, one hospital down and no wallet at hand."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from chainnode.cli.actions import members
from chainnode.cli.actions.dealing import dealings, trustee_views
from chainnode.cli.actions.files import write_private
from chainnode.cli.actions.homes import GENESIS_NAME, Identity, create_home
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.records import BASIS_STANDING
from chainnode.vault.keystore import NodeKeys
from genesis.changing import put_change, sign_change
from genesis.errors import OperatorError
from genesis.membership import ADMIT
from tests.demo.applications import apply, hospital_grants, objects_of, release
from tests.demo.faults import level, standing
from tests.demo.releasing import fetch
from tests.demo.world import BYSTANDER, PROVIDERS, REQUESTER, Patient, World
from tests.localnet.consortium import (
    NETWORK,
    OUTSIDE,
    PASSPHRASE,
    SIGN_OFF,
    TRUSTEE_FILE,
    Consortium,
    Hospital,
    free_ports,
)
from tests.localnet.nodes import Nodes

WAIT_S = 60.0
SIGNERS = 3
TERMS = members.Terms(delay_heights=0, valid_heights=1_000, fewer_faults=False)


async def _until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not await condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.2)


async def standing_consents(world: World) -> None:
    """The patients' association comes in as an observer; patients consent; hospital C is down; D opens."""
    stage = world.stage
    stage.title(9, "Standing consents: trustees open, with one hospital down")
    await _observer(world)
    patients = world.patients_of(*PROVIDERS)
    with stage.progress("standing consents, class keys dealt to the trustees", len(patients)) as step:
        for done, patient in enumerate(patients, start=1):
            if patient not in world.consented:
                await standing(world, patient)
            step(done)
    await _held(world, patients)
    objects = await objects_of(world, patients)
    project = await apply(world, "standing-cohort", objects)
    for member in PROVIDERS:
        await hospital_grants(world, project, member, world.of(member))
    world.nodes.kill(BYSTANDER)
    world.forget_clients(BYSTANDER)
    stage.line(f"killed {world.hospitals[BYSTANDER].id}, whose trustee is silent now")
    decision = await release(world, project, "standing")
    assert decision.authorised, decision.record.rule
    assert {one.basis for one in decision.record.verdicts} == {BASIS_STANDING}
    stage.line(
        f"AUTHORISED, standing, at height {decision.record.height}: {len(objects)} objects of "
        f"{len(patients)} patients, none of whom signed for this application"
    )
    await fetch(world, project, len(objects))
    client = await world.client(REQUESTER, "researcher")
    for told in (await client.delivery(project.request_id)).get("trustees", ()):  # type: ignore[union-attr]
        stage.line(told)
    world.nodes.start(BYSTANDER)
    await world.nodes.ready(BYSTANDER)
    await level(world)


async def _held(world: World, patients: list[Patient]) -> None:
    """Wait until each trustee that is dealt to and has a node says on chain that it holds its shares."""
    views = await trustee_views(await world.client(REQUESTER))
    seats = {one.seat: one.operator for one in views.trustees}

    async def held(patient: Patient) -> bool:
        own = world.hospitals[patient.hospital].id
        wanted = {seat for seat, operator in seats.items() if operator != own}
        dealt = await dealings(await world.client(patient.hospital), patient.handle)
        return bool(dealt) and all(set(one.holds) == wanted for one in dealt)

    async def all_held() -> bool:
        return all([await held(patient) for patient in patients])

    await _until(all_held, "a trustee holds no share")
    world.stage.line(
        f"{len(seats)} trustees: one at each hospital and {OUTSIDE[1]}; {views.threshold} must open "
        "together, never the provider's nor the requester's"
    )


async def _observer(world: World) -> None:
    """The organisation that runs the fifth trustee joins without a vote: three of four sign."""
    stage, newcomer = world.stage, await asyncio.to_thread(_home, world)
    client = await world.client(REQUESTER)
    file = world.folder / "admit-observer.cbor"
    put_change(file, members.propose(await members.roster(client), ADMIT, newcomer.made.request, TERMS))
    for one in world.hospitals[:SIGNERS]:
        keys = await asyncio.to_thread(NodeKeys.open, one.home / "keystore.key", PASSPHRASE)
        sign_change(file, one.id, keys.validator.sign)
    await members.submit_change(client, world.stewards[REQUESTER], file.read_bytes())
    write_private(newcomer.home / "admitted.cbor", file.read_bytes())
    world.outside = Nodes(Consortium(world.folder, [newcomer], world.consortium.genesis_file))
    world.outside.start()
    height = (await world.nodes.status(REQUESTER)).height

    async def follows() -> bool:
        try:
            async with GatewayClient(newcomer.socket("sysadmin")) as own:
                return (await own.status()).height >= height
        except OperatorError:
            return False

    await _until(follows, f"{newcomer.id} does not follow the chain")
    stage.line(f"{newcomer.name} joined as an observer: no vote, and a trustee of its own")


def _home(world: World) -> Hospital:
    """A home that dials all the others, with the trustee's key of the ceremony."""
    trustee, name, id_ = OUTSIDE
    home, people, [port] = world.folder / id_, world.folder / f"{id_}-people", free_ports(1)
    settings: dict[str, str | int] = {
        "keys.passphrase_file": "passphrase",
        "listen.host": "127.0.0.1",
        "listen.port": port,
        "genesis.membership": "admitted.cbor",
        "trustee.key_file": TRUSTEE_FILE,
    }
    for one in world.hospitals:
        settings[f"peers.{one.id}.address"] = f"127.0.0.1:{one.port}"
        settings[f"peers.{one.id}.dial"] = "out"
    made = create_home(
        home,
        Identity(NETWORK, id_, name),
        node=SIGN_OFF,
        steward=SIGN_OFF,
        steward_file=people / "steward.key",
        settings=settings,
        level=world.level,
    )
    write_private(home / "passphrase", PASSPHRASE + b"\n")
    write_private(home / GENESIS_NAME, world.consortium.genesis_file.read_bytes())
    write_private(home / TRUSTEE_FILE, (world.folder / trustee / TRUSTEE_FILE).read_bytes())
    return Hospital(len(world.hospitals), id_, name, home, people, port, made)
