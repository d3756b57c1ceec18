"""Histories from the simulator: clients at several nodes grant, revoke and read the same consents while
everything goes wrong."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeVar

from chainnode.ledger import keys
from chainnode.ledger.documents import Provision
from chainnode.ledger.fields import SCOPE_CONSENT
from chainnode.ledger.payloads import (
    PERMIT,
    AttestEnrolment,
    Consent,
    EnrolPatient,
    Payload,
    ProveEnrolment,
    Revoke,
)
from chainnode.ledger.transaction import Row, Submission, sign_transaction
from chainnode.node.api import Outcome, Refused
from consensus.messages import QuorumCertificate
from tests.histories.consents import short, value_of
from tests.histories.gate import Gate
from tests.histories.history import EFFECTS, GRANT, OK, READ, REVOKE, Recorder
from tests.histories.linear import violation
from tests.histories.monotonic import Reading, goes_back
from tests.ledger.scene import consent_row
from tests.ledger.world import Actor, id16
from tests.sim.checks import Checks
from tests.sim.corpus import Said
from tests.sim.node import SimNode
from tests.sim.scenario import Plan, plan_of
from tests.sim.simloop import SimLoop
from tests.sim.trace import Violation
from tests.sim.world import World

T = TypeVar("T")

CLIENTS = 5
PATIENTS = 2
CALM_MS = 1_000
"""So long nothing goes wrong, while the patients are enrolled."""
TROUBLE_MS = 5_000
CONSENT_MS = 1_200
"""A new consent of each patient begins so often; clients are busy with the last two of each."""
PATIENCE_MS = 3_000
NODE_PATIENCE_MS = 2_500
LATENCY_MS = (0, 6)
PAUSE_MS = (0, 120)
LAST_MS = 20_000


def history_plan(seed: int) -> Plan:
    """The simulator's plan of the seed, its beginning, after a calm one; nobody but our clients submits."""
    plan = plan_of(seed, 4)
    trouble_ms = min(plan.trouble_ms, TROUBLE_MS)
    faults = tuple(replace(one, at_ms=one.at_ms + CALM_MS) for one in plan.faults if one.at_ms <= trouble_ms)
    return replace(plan, faults=faults, submits=(), changes=(), trouble_ms=CALM_MS + trouble_ms)


class Unreached(Exception):
    """Nobody listens there: nothing was sent."""


@dataclass(frozen=True)
class Patient:
    actor: Actor
    handle: bytes


class Telling(Checks):
    """The simulator's checks, and the nodes' gates beside them: they hear of what the checks hear of."""

    def __init__(self, world: "HistoryWorld") -> None:
        super().__init__(world.chain, frozenset(node.number for node in world.sound))
        self._gates = world.gates

    def opened(self, node: SimNode) -> None:
        super().opened(node)
        if node.honest and node.trusted:
            if node.number in self._gates:
                self._gates[node.number].loop.abandon()
            self._gates[node.number] = Gate(node)

    def certified(self, node: SimNode, certificate: QuorumCertificate) -> None:
        super().certified(node, certificate)
        if node.honest and node.trusted:
            self._gates[node.number].waiters.certified(certificate.height)


class HistoryWorld(World):
    """`record`: strong reads and writes; `readings`: plain reads, each not below what its client knew."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.gates: dict[int, Gate] = {}
        self.checks = Telling(self)
        self.record = Recorder()
        self.readings: list[Reading] = []
        self._random = Random(f"clients {plan.seed}")
        self._loop = SimLoop(  # type: ignore[abstract]
            self.scheduler.after, lambda: self.scheduler.now_ms
        )
        self._known: dict[str, int] = {}
        """The greatest height that a client was told."""
        self._written = 0
        self.patients, self._enrolment = _enrolment(self.chain.corpus.transactions)

    def run(self) -> None:
        """Raises Violation, also where the clients' history shows no one chain."""
        working = [self._loop.create_task(self._everybody())]
        try:
            super().run()
            working += [self._loop.create_task(self._last_reads(node)) for node in self.sound]
            deadline_ms = self.scheduler.now_ms + LAST_MS
            if not self.scheduler.run_until(deadline_ms, lambda: all(one.done() for one in working)):
                raise Violation("strong reads of a healed network were not answered")
            for task in working:
                task.result()
        finally:
            for loop in (self._loop, *(gate.loop for gate in self.gates.values())):
                loop.abandon()
        found = violation(self.record.history) or goes_back(self.readings)
        if found:
            raise Violation(found)

    def _next(self, node: SimNode) -> tuple[Submission, int]:
        """What the world itself submits, to see progress, touches no consent."""
        said = self.chain.corpus.transactions[0]
        return self._signed(node, said.actor, said.payload, said.rows)

    # --- clients ----------------------------------------------------------------------------------

    async def _everybody(self) -> None:
        await asyncio.sleep(0.2)
        for said in self._enrolment:
            while not await self._committed(said):
                pass
        async with asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                clients.create_task(self._client(f"client-{number}"))

    async def _committed(self, said: Said) -> bool:
        submission, until = self._signed(self._random.choice(self.sound), said.actor, said.payload, said.rows)
        try:
            node = self._random.choice(self.sound)
            result = await self._call(node, lambda gate: gate.submit(submission, "setup", until, 1_000))
        except (Unreached, TimeoutError):
            await asyncio.sleep(0.05)
            return False
        return result.outcome is Outcome.COMMITTED

    async def _client(self, name: str) -> None:
        random = self._random
        while not self.healed:
            await asyncio.sleep(random.randint(*PAUSE_MS) / 1_000)
            node, patient = random.choice(self.sound), random.choice(self.patients)
            turn = max(0, self.scheduler.now_ms // CONSENT_MS - random.randrange(2))
            consent = f"{patient.actor.name}/{turn}"
            kind = random.choice((READ, READ, READ, "plain", GRANT, REVOKE))
            if kind == READ:
                await self._strong_read(name, node, patient, consent)
            elif kind == "plain":
                await self._plain_read(name, node, patient, consent)
            else:
                await self._write(name, node, patient, consent, kind)
                # Who was told something asks elsewhere, where it may not have come yet.
                await self._strong_read(name, random.choice(self.sound), patient, consent)

    async def _strong_read(self, client: str, node: SimNode, patient: Patient, consent: str) -> None:
        number = self.record.invoke(client, f"node {node.number}", consent, READ)
        try:
            found = await self._call(
                node,
                lambda gate: gate.read(
                    keys.consents(patient.handle), strong=True, min_height=0, timeout_ms=NODE_PATIENCE_MS
                ),
            )
        except (Unreached, TimeoutError, Refused):
            self.record.forget(number)
            return
        self.record.respond(number, OK, value_of(found.entries, id16(consent)))
        self._known[client] = max(self._known.get(client, 0), found.stamp.height)

    async def _plain_read(self, client: str, node: SimNode, patient: Patient, consent: str) -> None:
        known = self._known.get(client, 0)
        try:
            found = await self._call(
                node,
                lambda gate: gate.read(
                    keys.consents(patient.handle), strong=False, min_height=known, timeout_ms=NODE_PATIENCE_MS
                ),
            )
        except (Unreached, TimeoutError, Refused):
            return
        height, value = found.stamp.height, value_of(found.entries, id16(consent))
        self.readings.append(Reading(client, f"node {node.number}", consent, known, height, value))
        self._known[client] = max(known, height)

    async def _write(self, client: str, node: SimNode, patient: Patient, consent: str, kind: str) -> None:
        if not node.alive:
            return
        payload: Payload = Revoke(patient.handle, SCOPE_CONSENT, id16(consent))
        rows: tuple[Row, ...] = ()
        if kind == GRANT:
            rows = (consent_row(f"{consent} {self._written}", Provision(PERMIT)),)
            payload = Consent(patient.handle, id16(consent), rows[0].digest())
        submission, until = self._signed(node, patient.actor, payload, rows)
        by = short(submission.transaction.id())
        number = self.record.invoke(client, f"node {node.number}", consent, kind, by)
        try:
            result = await self._call(
                node, lambda gate: gate.submit(submission, client, until, NODE_PATIENCE_MS)
            )
        except Unreached:
            self.record.forget(number)
            return
        except TimeoutError:
            return
        if result.outcome is Outcome.COMMITTED:
            self._told(client, number, kind, result.code, result.height)

    def _told(self, client: str, number: int, kind: str, code: str, height: int) -> None:
        self._known[client] = max(self._known.get(client, 0), height)
        if (kind, code) in EFFECTS:
            self.record.respond(number, code)
        else:
            assert code == "expired-transaction", code
            self.record.forget(number)

    async def _last_reads(self, node: SimNode) -> None:
        """At the end everything is read everywhere."""
        consents = dict.fromkeys(one.consent for one in self.record.history)
        async with asyncio.TaskGroup() as reads:
            for consent in consents:
                patient = next(one for one in self.patients if consent.startswith(one.actor.name + "/"))
                reads.create_task(self._strong_read("last", node, patient, consent))

    def _signed(
        self, node: SimNode, actor: Actor, payload: Payload, rows: tuple[Row, ...]
    ) -> tuple[Submission, int]:
        """Valid for a while from where the node is."""
        self._written += 1
        tip = node.executor.tip.height if node.alive else 0
        until = tip + self._random.randint(5, self.plan.parameters.validity_heights)
        submission = sign_transaction(
            payload,
            chain_id=self.chain.chain_id,
            valid_until_height=until,
            nonce=id16(f"written {self._written}"),
            signer=actor.public,
            sign=actor.sign,
            rows=rows,
        )
        return submission, until

    async def _call(self, node: SimNode, ask: Callable[[Gate], Coroutine[Any, Any, T]]) -> T:
        """Ask a node's gate, and wait. Raises Unreached, TimeoutError, and what the node raises."""
        await self._way()
        gate = self.gates.get(node.number)
        if not node.alive or gate is None or gate.life != node.life:
            raise Unreached
        answer: asyncio.Future[T] = self._loop.create_future()
        gate.loop.create_task(ask(gate)).add_done_callback(
            lambda task: self.scheduler.after(self._latency_ms(), lambda: _pass_on(task, answer))
        )
        async with asyncio.timeout(PATIENCE_MS / 1_000):
            return await answer

    async def _way(self) -> None:
        await asyncio.sleep(self._latency_ms() / 1_000)

    def _latency_ms(self) -> int:
        return self._random.randint(*LATENCY_MS)


def _pass_on(task: "asyncio.Task[T]", answer: "asyncio.Future[T]") -> None:
    error = task.exception()
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())


def _enrolment(transactions: tuple[Said, ...]) -> tuple[list[Patient], list[Said]]:
    """The first patients, and what is said to enrol them."""
    said = [
        one
        for one in transactions
        if isinstance(one.payload, EnrolPatient | AttestEnrolment | ProveEnrolment)
    ][: 3 * PATIENTS]
    patients = [
        Patient(one.actor, one.payload.handle) for one in said if isinstance(one.payload, ProveEnrolment)
    ]
    return patients, said
