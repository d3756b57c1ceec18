"""Steps 8 and 10: kill -9 of the primary; a patient revokes."""

import asyncio
import time
from dataclasses import dataclass

from chainnode.cli.actions import consents
from chainnode.ledger.documents import ConsentDocument, Provision
from chainnode.ledger.payloads import PERMIT
from chainnode.node.api import StatusReport
from tests.demo.applications import apply, hospital_grants, objects_of, patient_grants, release
from tests.demo.world import PROVIDERS, PURPOSE, Patient, World

CATCH_UP_S = 30.0


@dataclass(frozen=True, slots=True)
class Killed:
    """`before`: every node's report before the kill; `took_s`: to the first commit after it."""

    victim: int
    before: list[StatusReport]
    took_s: float


async def kill_and_catch_up(world: World) -> Killed:
    """The primary is killed while patients file standing consents; restarted, it catches up."""
    stage = world.stage
    stage.title(8, "kill -9 of one validator: the others go on, it comes back")
    all_before = [await world.nodes.status(one.number) for one in world.hospitals]
    before = all_before[PROVIDERS[0]]
    victim = before.primary
    world.nodes.kill(victim)
    world.forget_clients(victim)
    stage.line(
        f"killed {world.hospitals[victim].id}, the primary of view {before.view}, at height {before.height}"
    )
    survivors = [one for one in world.patients_of(*PROVIDERS, 2, 3) if one.hospital != victim]
    started, took = time.monotonic(), 0.0
    with stage.progress("standing consents committed without it", len(survivors)) as step:
        for done, patient in enumerate(survivors, start=1):
            await standing(world, patient)
            if done == 1:
                took = time.monotonic() - started
                stage.line(f"first commit after the kill: {took:.1f} s (a new primary was elected)")
            step(done)
    alive = [one.number for one in world.hospitals if one.number != victim]
    after = max([await world.nodes.status(number) for number in alive], key=lambda one: one.height)
    stage.line(f"height {before.height} -> {after.height} in view {after.view} with three of four")
    world.nodes.start(victim)
    await world.nodes.ready(victim)
    reports = await level(world)
    stage.table(
        "After the restart",
        ("hospital", "height", "view", "state root, first 16 bytes"),
        [(one.slug, one.height, one.view, one.state_root[:16]) for one in reports],
    )
    assert len({(one.height, one.state_root) for one in reports}) == 1
    stage.line("same height, same state root")
    return Killed(victim, all_before, took)


async def standing(world: World, patient: Patient) -> None:
    """A standing consent for what the project is after; the class keys are dealt to the trustees with it."""
    world.consented.append(patient)
    client = await world.client(patient.hospital)
    provision = Provision(PERMIT, purposes=(PURPOSE.permission,))
    document = ConsentDocument("active", "research", time.time_ns() // 1_000_000, provision)
    await consents.consent_standing(client, patient.wallet.wallet, patient.hospital, document)


async def level(world: World) -> list[StatusReport]:
    """Wait until all four stand at one height with one root: trustees' answers may still be on their way."""
    deadline = time.monotonic() + CATCH_UP_S
    while True:
        reports = [await world.nodes.status(one.number) for one in world.hospitals]
        if len({(one.height, one.state_root) for one in reports}) == 1 or time.monotonic() > deadline:
            return reports
        await asyncio.sleep(0.1)


async def revocation(world: World) -> None:
    """A patient with a standing consent revokes; the next application does not get those objects."""
    stage = world.stage
    stage.title(10, "A patient revokes")
    patients = [one for one in world.patients_of(PROVIDERS[1])][:3]
    gone = patients[0]
    client = await world.client(gone.hospital)
    await consents.revoke(client, gone.wallet.wallet, gone.hospital, "all")
    objects = await objects_of(world, patients)
    theirs = set(await objects_of(world, [gone]))
    project = await apply(world, "after-revocation", objects)
    await hospital_grants(world, project, PROVIDERS[1], world.of(PROVIDERS[1]))
    for patient in patients[1:]:
        await patient_grants(world, project, patient)
    decision = await release(world, project, "after-revocation")
    rows = [
        (
            "the patient who revoked" if one.object_id in theirs else "another patient",
            one.rule or "AUTHORISED",
        )
        for one in decision.record.verdicts
    ]
    counted = sorted({row: rows.count(row) for row in rows}.items())
    stage.table(
        "The next application, by object", ("whose", "verdict", "objects"), [(*row, n) for row, n in counted]
    )
    assert decision.authorised
    assert all((one.rule == "revoked") == (one.object_id in theirs) for one in decision.record.verdicts)
    stage.line("what was delivered before cannot be called back; nothing more is")
