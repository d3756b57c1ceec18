"""chainnode as a system to be measured: a founded consortium, enrolled patients, their revocations.

A revocation of a data class is the one transaction that a patient can sign for ever: it is checked against
the enrolment, changes the patient's record in the state and is about as long as the messages of the floor.
"""

import asyncio
import os
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Self

import msgspec

from bench.curves import NodeStages
from bench.load.feed import Answer
from bench.load.openloop import Answered, Load, Sink, drive
from bench.network.node import BEGIN, CONTROL, FEED_NAME, REPORT, REPORT_NAME
from bench.network.systems import REPLICAS, ask, connect_feeds, until_listening
from chainnode.cli.actions.base import build, new_row
from chainnode.cli.actions.cards import make_card
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.payloads import AttestEnrolment, EnrolPatient, ProveEnrolment, Revoke
from chainnode.ledger.transaction import ID_BYTES
from chainnode.node.api import ChainInfo, Outcome
from chainnode.vault.keys import SigningKey
from chainnode.vault.keystore import RegistrarKeys, StewardKeys
from chainnode.vault.wallet import Wallet
from genesis.errors import OperatorError
from tests.localnet.consortium import PASSPHRASE, Consortium, found
from tests.localnet.nodes import Nodes

PATIENTS = 256
ENROL_PER_S = 300.0
TIMEOUT_MS = 60_000
CALLS_A_CONNECTION = 32
"""What a node grants one connection at once (chainnode/gateway/limits.py), and four times that in all."""
CONNECTIONS = 4


class ChainSystem:
    """Four daemons with feeds. `start` founds and enrols once; stopped and started again it goes on."""

    name = "chainnode"
    title = "chainnode, transactions handed to the node itself"

    def __init__(self, folder: Path, patients: int = PATIENTS) -> None:
        self._folder = folder
        self._count = patients
        self._consortium: Consortium | None = None
        self._nodes: Nodes | None = None
        self._patients: list[tuple[bytes, SigningKey]] = []

    @property
    def homes(self) -> list[Path]:
        assert self._consortium is not None
        return [one.home for one in self._consortium.hospitals]

    def feeds(self) -> list[Path]:
        return [home / "run" / FEED_NAME for home in self.homes]

    async def start(self) -> None:
        if self._consortium is None:
            quiet: dict[str, str | int] = {"log.level": "warning"}
            self._consortium = await asyncio.to_thread(found, self._folder, settings=quiet)
        self._nodes = Nodes(self._consortium, ("-m", "bench.network.node"))
        self._nodes.start()
        try:
            await self._nodes.ready()
            await until_listening(self.feeds())
        except (OperatorError, TimeoutError) as error:
            raise RuntimeError(f"chainnode did not start: {error}") from error
        if not self._patients:
            await self._enrol()

    async def _info(self) -> ChainInfo:
        assert self._consortium is not None
        async with GatewayClient(self._consortium.hospitals[0].socket("steward")) as client:
            return await client.info()

    async def _commit(self, submissions: Sequence[bytes]) -> None:
        """Raises RuntimeError where one of them is not committed."""
        load = Load(ENROL_PER_S, 0.0, len(submissions) / ENROL_PER_S, 60.0)
        point = await drive(self.connect, submissions, load)
        if point.committed != len(submissions):
            raise RuntimeError(f"{len(submissions)} preparing transactions: {point}")

    async def _enrol(self) -> None:
        """Patients take turns at the hospitals, as the load does at the nodes."""
        assert self._consortium is not None
        stewards = [StewardKeys.open(one.steward_file, PASSPHRASE) for one in self._consortium.hospitals]
        registrar = RegistrarKeys.open(self._consortium.registrars["insurer"], PASSPHRASE)
        info = await self._info()
        people = [(os.urandom(ID_BYTES), Wallet.generate(), at % REPLICAS) for at in range(self._count)]
        enrolments, row = [], new_row(bytes(32))
        for handle, wallet, member in people:
            card = make_card(wallet, info.chain_id, member)
            payload = EnrolPatient(member, handle, card.patient_key, card.class_keys, row.digest())
            enrolments.append(build(payload, stewards[member].signing, info, [row]))
        await self._commit(enrolments)
        await self._commit([build(AttestEnrolment(one), registrar.signing, info) for one, _, _ in people])
        patients = [(handle, wallet.identity(info.chain_id, at)) for handle, wallet, at in people]
        await self._commit([build(ProveEnrolment(handle), key, info) for handle, key in patients])
        self._patients = patients

    async def connect(self, answered: Answered) -> list[Sink]:
        return await connect_feeds(self.feeds(), answered)

    async def transactions(self, count: int) -> list[bytes]:
        """Signed now: they are valid for 500 heights."""
        info, turn = await self._info(), cycle(self._patients)

        def sign() -> list[bytes]:
            return [
                build(Revoke(handle, "class", b"conditions"), key, info)
                for handle, key in (next(turn) for _ in range(count))
            ]

        return await asyncio.to_thread(sign)

    def pids(self) -> list[int]:
        assert self._nodes is not None
        return [self._nodes.pid(number) for number in range(REPLICAS)]

    def load_pids(self) -> list[int]:
        return []

    async def begin_stages(self) -> None:
        await ask(self.feeds(), CONTROL, BEGIN)

    async def stages(self) -> list[NodeStages]:
        """What every node saw since `begin_stages`."""
        await ask(self.feeds(), CONTROL, REPORT)
        return [
            msgspec.json.decode((home / REPORT_NAME).read_bytes(), type=NodeStages) for home in self.homes
        ]

    def stop(self) -> None:
        if self._nodes is not None:
            self._nodes.stop()
            self._nodes = None


class GatewaySink:
    """One node's socket, as its users know it: one call a transaction, over several connections. What finds
    no free call waits here, as in any client; that waiting counts."""

    def __init__(self, clients: Sequence[GatewayClient], answered: Answered) -> None:
        self._clients = [(client, asyncio.Semaphore(CALLS_A_CONNECTION)) for client in clients]
        self._answered = answered
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, items: Sequence[tuple[int, bytes]]) -> None:
        for number, submission in items:
            task = asyncio.get_running_loop().create_task(self._submit(number, submission))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _submit(self, number: int, submission: bytes) -> None:
        client, room = self._clients[number // REPLICAS % len(self._clients)]
        async with room:
            try:
                result = await client.submit(submission, (), timeout_ms=TIMEOUT_MS)
            except OperatorError:  # the socket's own bound of calls
                self._answered(number, Answer.BUSY)
                return
        committed = result.outcome is Outcome.COMMITTED and result.code == "ok"
        others = {Outcome.BUSY: Answer.BUSY, Outcome.PENDING: Answer.LATE}
        self._answered(number, Answer.COMMITTED if committed else others.get(result.outcome, Answer.REFUSED))

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()


class GatewayRoad:
    """The same running daemons through the gateway: gRPC on the steward's socket."""

    name = "chainnode, gateway"
    title = "chainnode, one gRPC call a transaction through the gateway"

    def __init__(self, chain: ChainSystem) -> None:
        self._chain = chain
        self._clients: list[list[GatewayClient]] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in (one for clients in self._clients for one in clients):
            await client.__aexit__()
        self._clients.clear()

    async def start(self) -> None:
        for home in self._chain.homes:
            clients = [GatewayClient(home / "run" / "steward.sock") for _ in range(CONNECTIONS)]
            self._clients.append([await client.__aenter__() for client in clients])

    async def connect(self, answered: Answered) -> list[Sink]:
        return [GatewaySink(clients, answered) for clients in self._clients]

    async def transactions(self, count: int) -> list[bytes]:
        return await self._chain.transactions(count)

    def pids(self) -> list[int]:
        return self._chain.pids()

    def load_pids(self) -> list[int]:
        return []

    def stop(self) -> None:
        """The daemons are another's."""
