"""kill -9 of nodes while patients give and take back consents: what was answered as committed stays."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import pytest
import pytest_asyncio

from chainnode.cli.actions import consents
from chainnode.cli.actions.base import build
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.forms import SCOPE_ALL, SCOPE_CONSENT
from chainnode.ledger.payloads import PERMIT, ConsentDocument, Provision, Revoke
from chainnode.node.api import Outcome, ReadTimeout
from genesis.errors import OperatorError
from tests.demo.world import PURPOSE, Patient, World
from tests.e2e.town import eventually, level, synthetic, town
from tests.localnet.consortium import Consortium

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED = 2026
PATIENTS = 4
ROUNDS = 2
PAUSE_S = 0.1
MOST_STANDING = 5
"""The chain keeps 16 of a patient; those whose answer was lost may stand too."""
STILL_MS = 2_500
"""How long nothing may move without a quorum: more than two timeouts of a view."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with town(consortium, synthetic(tmp_path_factory.mktemp("bundles"), PATIENTS)) as made:
        yield made


@dataclass
class Ledger:
    """What clients were told, of all tests: transaction id to height, and by handle the consents that stand.
    `unknown` counts calls without an answer."""

    committed: dict[bytes, int] = field(default_factory=dict)
    standing: dict[bytes, list[bytes]] = field(default_factory=dict)
    unknown: int = 0


@pytest.fixture(scope="module")
def told() -> Ledger:
    return Ledger()


class Load:
    """Every patient gives a consent and takes one back, again and again, through its hospital's node."""

    def __init__(self, world: World, told: Ledger, seed: int) -> None:
        self.told = told
        self._world = world
        self._random = Random(seed)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._patient(one)) for one in self._world.patients]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        faults = [one for one in ended if isinstance(one, Exception)]
        assert not faults, faults

    async def more(self, count: int) -> None:
        """Until so many further transactions were answered as committed."""
        wanted = len(self.told.committed) + count

        async def enough() -> bool:
            return len(self.told.committed) >= wanted

        await eventually(enough)

    async def _patient(self, patient: Patient) -> None:
        while True:
            try:
                async with GatewayClient(self._world.hospitals[patient.hospital].socket("steward")) as client:
                    while True:
                        await self._once(client, patient)
                        await asyncio.sleep(PAUSE_S)
            except (OperatorError, ReadTimeout):  # its node is down, or the chain stands still meanwhile
                self.told.unknown += 1
                await asyncio.sleep(0.05)

    async def _once(self, client: GatewayClient, patient: Patient) -> None:
        wallet, member = patient.wallet.wallet, patient.hospital
        document = ConsentDocument(
            "active",
            "research",
            time.time_ns() // 1_000_000,
            Provision(PERMIT, purposes=(PURPOSE.permission,)),
        )
        consent_id, given = await consents.consent_standing(client, wallet, member, document)
        self.told.committed[given.transaction_id] = given.height
        standing = self.told.standing.setdefault(patient.handle, [])
        standing.append(consent_id)
        if len(standing) > MOST_STANDING or self._random.random() < 0.5:
            # What is taken back may stand or not, until the answer comes.
            gone = standing.pop(self._random.randrange(len(standing)))
            taken = await consents.revoke(client, wallet, member, SCOPE_CONSENT, gone)
            self.told.committed[taken.transaction_id] = taken.height


async def nothing_is_lost(world: World, told: Ledger) -> None:
    """Every node holds every committed transaction at the height that was told, executed; and what stood."""
    reports = await level(world)
    assert all(one.voting for one in reports), [one.why for one in reports]
    for hospital in world.hospitals:
        async with GatewayClient(hospital.socket("sysadmin")) as client:
            told_ids = list(told.committed)
            for at in range(0, len(told_ids), 16):
                chunk = told_ids[at : at + 16]
                answers = await asyncio.gather(*map(client.transaction, chunk))
                found = [(height, code) for height, code, _ in answers]
                assert found == [(told.committed[one], "ok") for one in chunk], hospital.id
    for patient in world.patients:
        client = await world.client(patient.hospital)
        view = await consents.list_consents(client, patient.handle)
        standing = {one.record.consent_id for one in view.standing if not one.record.revoked.height}
        assert set(told.standing.get(patient.handle, ())) <= standing


async def revive(world: World, *numbers: int) -> None:
    world.nodes.start(*numbers)
    for number in numbers:
        world.forget_clients(number)
    await world.nodes.ready(*numbers)


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
        await load.more(6)
    await nothing_is_lost(world, told)
    # A slow machine may have changed the view once more; nobody falls back to the view of the killed primary.
    assert all(one.view >= witness.view for one in await level(world))


async def test_two_at_once_stop_the_chain_and_their_return_starts_it_again(
    world: World, told: Ledger
) -> None:
    async with Load(world, told, SEED + 2) as load:
        await load.more(6)
    gone, left = (1, 3), (0, 2)
    before = (await level(world))[0]
    for victim in gone:
        world.nodes.kill(victim)
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
