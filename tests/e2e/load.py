"""Patients who give and take back consents without end, and what must be found of it on every node."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from chainnode.cli.actions import consents
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.documents import ConsentDocument, Provision
from chainnode.ledger.fields import SCOPE_CONSENT
from chainnode.ledger.payloads import PERMIT
from chainnode.node.api import ReadTimeout
from genesis.errors import OperatorError
from tests.demo.world import PURPOSE, Patient, World
from tests.e2e.town import eventually, level

PAUSE_S = 0.1
MOST_STANDING = 5
"""The chain keeps 16 of a patient; those whose answer was lost may stand too."""


@dataclass
class Ledger:
    """What clients were told, of all tests: transaction id to height, and by handle the consents that stand.
    `unknown` counts calls without an answer."""

    committed: dict[bytes, int] = field(default_factory=dict)
    standing: dict[bytes, list[bytes]] = field(default_factory=dict)
    unknown: int = 0


class Load:
    """Every patient gives a consent and takes one back, again and again, through its hospital's node."""

    def __init__(
        self, world: World, told: Ledger, seed: int, patients: Sequence[Patient] | None = None
    ) -> None:
        """`patients`: those who take part; all, where none are named."""
        self.told = told
        self._patients = world.patients if patients is None else patients
        self._world = world
        self._random = Random(seed)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._patient(one)) for one in self._patients]
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
