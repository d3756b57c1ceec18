"""Histories from real nodes: clients at all hospitals' gateways grant, revoke and read the same consents."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random

from chainnode.cli.actions.base import build
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.documents import Provision
from chainnode.ledger.fields import SCOPE_CONSENT
from chainnode.ledger.payloads import PERMIT, Consent, Payload, Revoke
from chainnode.ledger.transaction import Row, Submission
from chainnode.node.api import Outcome, Refused
from consensus.codec import decode
from genesis.errors import OperatorError
from tests.demo.world import Patient, World
from tests.e2e.town import eventually
from tests.histories.consents import short, value_of
from tests.histories.history import EFFECTS, GRANT, OK, READ, REVOKE, Recorder
from tests.histories.monotonic import Reading
from tests.ledger.scene import consent_row
from tests.ledger.world import id16

CLIENTS = 5
CALLS_AT_A_GATEWAY = 4
CALLS_OF_A_CONSENT = 24
"""After so many calls of all clients a new consent of each patient begins."""
MOST_CONSENTS = 8
"""Of a patient: the chain keeps 16, and forgets the oldest revoked ones."""
PATIENCE_MS = 10_000


class Clients:
    """`record`: strong reads and writes; `readings`: plain reads, each not below what its client knew."""

    def __init__(self, world: World, patients: Sequence[Patient], seed: int) -> None:
        self.record = Recorder()
        self.readings: list[Reading] = []
        self._world = world
        self._patients = patients
        self._random = Random(seed)
        self._answered = 0
        self._written = 0
        self._known: dict[str, int] = {}
        """The greatest height that a client was told."""
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Clients":
        self._tasks = [asyncio.create_task(self._client(f"client-{number}")) for number in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        faults = [one for one in ended if isinstance(one, Exception)]
        assert not faults, faults

    async def more(self, count: int) -> None:
        """Until so many further calls were answered."""
        wanted = self._answered + count

        async def enough() -> bool:
            return self._answered >= wanted or any(task.done() for task in self._tasks)

        await eventually(enough)

    async def read_everything(self) -> None:
        """Every consent through every gateway."""
        await asyncio.gather(
            *(self._read_all(one.id, one.socket("steward")) for one in self._world.hospitals)
        )

    async def _read_all(self, gateway: str, socket: Path) -> None:
        turns = range(self._turn + 1)
        async with GatewayClient(socket) as client:
            reads = (
                self._strong_read("last", gateway, client, patient, turn)
                for patient in self._patients
                for turn in turns
            )
            await asyncio.gather(*reads)

    @property
    def _turn(self) -> int:
        return min(self._answered // CALLS_OF_A_CONSENT, MOST_CONSENTS - 1)

    async def _client(self, name: str) -> None:
        while True:
            hospital = self._random.choice(self._world.hospitals)
            try:
                async with GatewayClient(hospital.socket("steward")) as client:
                    for _ in range(CALLS_AT_A_GATEWAY):
                        await self._once(name, hospital.id, client)
            except OperatorError:  # its node is down
                await asyncio.sleep(0.05)

    async def _once(self, name: str, gateway: str, client: GatewayClient) -> None:
        random = self._random
        patient, turn = random.choice(self._patients), max(0, self._turn - random.randrange(2))
        kind = random.choice((READ, READ, "plain", GRANT, REVOKE))
        if kind == READ:
            await self._strong_read(name, gateway, client, patient, turn)
        elif kind == "plain":
            await self._plain_read(name, gateway, client, patient, turn)
        else:
            await self._write(name, gateway, client, patient, turn, kind)

    async def _strong_read(
        self, name: str, gateway: str, client: GatewayClient, patient: Patient, turn: int
    ) -> None:
        consent = _consent(patient, turn)
        number = self.record.invoke(name, gateway, consent, READ)
        try:
            found = await client.read(keys.consents(patient.handle), strong=True, timeout_ms=PATIENCE_MS)
        except (OperatorError, Refused) as error:
            self.record.forget(number)
            if isinstance(error, OperatorError):
                raise
            return
        self.record.respond(number, OK, value_of(found.entries, id16(consent)))
        self._told(name, found.stamp.height)

    async def _plain_read(
        self, name: str, gateway: str, client: GatewayClient, patient: Patient, turn: int
    ) -> None:
        consent, known = _consent(patient, turn), self._known.get(name, 0)
        try:
            found = await client.read(keys.consents(patient.handle), min_height=known, timeout_ms=PATIENCE_MS)
        except Refused:
            return
        value = value_of(found.entries, id16(consent))
        self.readings.append(Reading(name, gateway, consent, known, found.stamp.height, value))
        self._told(name, found.stamp.height)

    async def _write(
        self, name: str, gateway: str, client: GatewayClient, patient: Patient, turn: int, kind: str
    ) -> None:
        """What was turned away by the node's own look had no effect, and tells of this node alone."""
        consent, info = _consent(patient, turn), await client.info()
        payload: Payload = Revoke(patient.handle, SCOPE_CONSENT, id16(consent))
        rows: tuple[Row, ...] = ()
        if kind == GRANT:
            self._written += 1
            rows = (consent_row(f"{consent} {self._written}", Provision(PERMIT)),)
            payload = Consent(patient.handle, id16(consent), rows[0].digest())
        key = patient.wallet.wallet.identity(info.chain_id, patient.hospital)
        submission = build(payload, key, info, rows)
        by = decode(submission, Submission, limit_bytes=len(submission)).transaction.id()
        number = self.record.invoke(name, gateway, consent, kind, short(by))
        result = await client.submit(submission, timeout_ms=PATIENCE_MS)
        if result.outcome is Outcome.COMMITTED:
            assert (kind, result.code) in EFFECTS, result
            self.record.respond(number, result.code)
            self._told(name, result.height)
        elif result.outcome is not Outcome.PENDING:
            self.record.forget(number)

    def _told(self, name: str, height: int) -> None:
        self._answered += 1
        self._known[name] = max(self._known.get(name, 0), height)


def _consent(patient: Patient, turn: int) -> str:
    return f"{patient.handle.hex()[:8]}/{turn}"
