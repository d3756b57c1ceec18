"""kill -9 of nodes while patients give and take back consents: what was answered as committed stays."""

from collections.abc import AsyncIterator
from random import Random

import pytest
import pytest_asyncio

from chainnode.cli.actions import consents
from chainnode.cli.actions.base import build
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.fields import SCOPE_ALL
from chainnode.ledger.payloads import Revoke
from chainnode.node.api import Outcome
from tests.demo.world import World
from tests.e2e.load import Ledger, Load, nothing_is_lost, revive
from tests.e2e.town import eventually, level, synthetic, town
from tests.histories.history import GRANT, OK, READ, REVOKE
from tests.histories.linear import violation
from tests.histories.monotonic import goes_back
from tests.histories.real import Clients
from tests.localnet.consortium import Consortium

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED = 2026
PATIENTS = 4
ROUNDS = 2
STILL_MS = 2_500
"""How long nothing may move without a quorum: more than two timeouts of a view."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with town(consortium, synthetic(tmp_path_factory.mktemp("bundles"), PATIENTS)) as made:
        yield made


@pytest.fixture(scope="module")
def told() -> Ledger:
    return Ledger()


async def test_what_was_answered_as_committed_outlives_random_kills(world: World, told: Ledger) -> None:
    random = Random(SEED)
    unknown = told.unknown
    victims = [random.randrange(len(world.hospitals)) for _ in range(ROUNDS)]
    async with Load(world, told, SEED) as load:
        for victim in victims:
            await load.more(12)
            world.nodes.kill(victim)
            await load.more(12)
            await revive(world, victim)
            await load.more(12)
    assert told.unknown > unknown, "the kills met clients at work"
    await nothing_is_lost(world, told)


async def test_the_primary_is_killed_and_another_takes_over(world: World, told: Ledger) -> None:
    before = (await level(world))[0]
    async with Load(world, told, SEED + 1) as load:
        await load.more(6)
        primary = before.primary
        world.nodes.kill(primary)
        await load.more(12)
        witness = await world.nodes.status((primary + 1) % 4)
        assert witness.view > before.view and witness.primary != primary
        assert witness.height > before.height
        await revive(world, primary)

        async def together() -> bool:
            """A slow machine may have changed the view once more; nobody stays in the killed primary's. Who
            came back learns of the later one as the others go on."""
            await load.more(6)
            reports = [await world.nodes.status(one.number) for one in world.hospitals]
            return all(one.view >= witness.view for one in reports)

        await eventually(together)
    await nothing_is_lost(world, told)


async def test_two_at_once_stop_the_chain_and_their_return_starts_it_again(
    world: World, told: Ledger
) -> None:
    async with Load(world, told, SEED + 2) as load:
        await load.more(6)
    gone, left = (1, 3), (0, 2)
    for victim in gone:
        world.nodes.kill(victim)
    # What a client of the load handed in last may still have been under way, and votes for it too.
    before = (await level(world, *left))[0]
    patient = next(one for one in world.patients if one.hospital == left[0])
    async with GatewayClient(world.hospitals[left[0]].socket("steward")) as client:
        info = await client.info()
        key = patient.wallet.wallet.identity(info.chain_id, patient.hospital)
        revoke = build(Revoke(patient.handle, SCOPE_ALL, b""), key, info)
        waiting = await client.submit(revoke, timeout_ms=STILL_MS)
    assert waiting.outcome is Outcome.PENDING
    assert {(await world.nodes.status(number)).height for number in left} == {before.height}
    await revive(world, *gone)

    async def moved() -> bool:
        return (await level(world))[0].height > before.height

    await eventually(moved)
    told.standing[patient.handle] = []
    await nothing_is_lost(world, told)
    _, code, _ = await (await world.client(gone[0])).transaction(waiting.transaction_id)
    assert code == "ok"


async def test_what_clients_saw_through_all_gateways_is_linearizable_while_the_primary_is_killed(
    world: World,
) -> None:
    """And plain reads never go back behind the height that they ask for."""
    for patient in world.patients[:2]:
        # Consents of the other tests make room, oldest first.
        client = await world.client(patient.hospital)
        await consents.revoke(client, patient.wallet.wallet, patient.hospital, SCOPE_ALL)
    async with Clients(world, world.patients[:2], SEED) as clients:
        await clients.more(40)
        victim = (await world.nodes.status(1)).primary
        world.nodes.kill(victim)
        await clients.more(40)
        await revive(world, victim)
        await clients.more(40)
    await clients.read_everything()
    history = clients.record.history
    assert violation(history) == ""
    assert goes_back(clients.readings) == ""
    seen_at = {one.gateway for one in history if one.kind == READ and one.outcome == OK}
    assert seen_at == {hospital.id for hospital in world.hospitals}
    done = [one.kind for one in history if one.outcome == OK]
    assert done.count(GRANT) > 3 and done.count(REVOKE) > 1
    assert len(clients.readings) > 10
