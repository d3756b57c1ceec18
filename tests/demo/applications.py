"""Steps 5 and 6: a project applies; what is not released, each with its rule."""

import asyncio
import time

from chainnode.cli.actions import grants, releases, requests
from chainnode.cli.actions.files import write_private
from chainnode.cli.actions.records import Selection, select
from chainnode.cli.errors import TransactionRefused
from chainnode.ledger.founding import founding_of
from chainnode.ledger.payloads import Purpose
from chainnode.ledger.statement import verify_refusal
from chainnode.vault.keys import SigningKey, verify
from chainnode.vault.keystore import ProjectKeys, StewardKeys
from genesis.document import load_genesis
from tests.demo.world import CLASSES, PROVIDERS, PURPOSE, REQUESTER, Department, Patient, Project, World
from tests.localnet.consortium import PASSPHRASE

AN_HOUR_MS = 3_600_000


async def objects_of(world: World, patients: list[Patient]) -> tuple[bytes, ...]:
    """The objects that the project wants, of these patients, at the two providing hospitals."""
    await world.caught_up(REQUESTER)
    client = await world.client(REQUESTER, "researcher")
    handles = tuple(one.handle for one in patients)
    found = []
    for member in PROVIDERS:
        found += await select(client, Selection(member=member, classes=CLASSES, handles=handles))
    return tuple(one.object_id for one in found)


async def apply(
    world: World,
    name: str,
    objects: tuple[bytes, ...],
    *,
    purpose: Purpose = PURPOSE,
    lasts_ms: int = AN_HOUR_MS,
) -> Project:
    """File an application of hospital D's project, with keys made for it alone."""
    client = await world.client(REQUESTER, "researcher")
    head = world.of(REQUESTER)[0]
    file = world.hospitals[REQUESTER].people / f"{name}.project.key"
    keys = await asyncio.to_thread(ProjectKeys.create, file, boot=PASSPHRASE, level=world.level)
    application = requests.Application(
        department=head.slug,
        project=name,
        purpose=purpose,
        objects=objects,
        expires_ms=time.time_ns() // 1_000_000 + lasts_ms,
        title=f"Conditions by age, {name}",
    )
    request_id, _ = await requests.apply(client, head.head, keys, application)
    for provider in PROVIDERS:
        await world.caught_up(provider)  # its officers and patients sign what their own node knows
    return Project(request_id, keys, purpose, objects)


async def hospital_grants(world: World, project: Project, member: int, departments: list[Department]) -> None:
    """Steward and heads of a provider sign."""
    client = await world.client(member)
    await grants.approve_as_steward(client, world.stewards[member], project.request_id)
    for one in departments:
        await grants.approve_as_head(client, one.head, one.slug, project.request_id)


async def patient_grants(world: World, project: Project, patient: Patient) -> None:
    client = await world.client(patient.hospital)
    await grants.consent_live(client, patient.wallet.wallet, patient.hospital, project.request_id)


async def release(world: World, project: Project, name: str) -> releases.Decision:
    """Ask for the release; the certified receipt goes into a file."""
    client = await world.client(REQUESTER, "researcher")
    decision = await releases.release(client, project.keys, project.request_id)
    world.receipts[name] = write_private(world.folder / "receipts" / f"{name}.receipt", decision.receipt)
    return decision


async def application(world: World) -> Project:
    stage = world.stage
    stage.title(5, "A project of hospital D applies, with a purpose and an expiry")
    objects = await objects_of(world, world.patients_of(*PROVIDERS))
    project = await apply(world, "heart-and-sugar", objects)
    stage.line(
        f"request {project.request_id.hex()}: {len(objects)} objects of hospitals A and B, "
        "purpose HMB (DUO), for one hour"
    )
    return project


async def not_released(world: World, project: Project) -> None:
    stage = world.stage
    stage.title(6, "Not released")
    for member in PROVIDERS:
        await hospital_grants(world, project, member, world.of(member))
    rows = [("hospital alone", *await _refused(world, project, "hospital-alone", "patient-not-signed"))]
    first = next(one for one in world.patients if one.hospital == PROVIDERS[0])
    objects = await objects_of(world, [first])
    alone = await apply(world, "patient-alone", objects)
    await patient_grants(world, alone, first)
    rows.append(("patient alone", *await _refused(world, alone, "patient-alone", "steward-not-signed")))
    rows.append(("another purpose", *await _other_purpose(world, first, objects)))
    rows.append(("expired", *await _expired(world, first, objects)))
    rows.append(("a stranger's grant", *await _stranger(world, project)))
    stage.table(
        "What was asked for, the answer, and what proves it", ("case", "answer", "rule", "proof"), rows
    )


async def _refused(world: World, project: Project, name: str, rule: str) -> tuple[str, str, str]:
    decision = await release(world, project, name)
    record = decision.record
    assert not decision.authorised and record.rule == rule, (record.outcome, record.rule)
    return record.outcome, record.rule, "certified receipt"


async def _both_sign(world: World, project: Project, patient: Patient) -> None:
    departments = [one for one in world.of(patient.hospital) if one.slug == patient.department]
    await hospital_grants(world, project, patient.hospital, departments)
    await patient_grants(world, project, patient)


async def _other_purpose(world: World, patient: Patient, objects: tuple[bytes, ...]) -> tuple[str, str, str]:
    other = await apply(world, "ancestry", objects, purpose=Purpose("POA"))
    await _both_sign(world, other, patient)
    return await _refused(world, other, "other-purpose", "purpose-not-permitted")


async def _expired(world: World, patient: Patient, objects: tuple[bytes, ...]) -> tuple[str, str, str]:
    lasts_ms = 2_000
    short = await apply(world, "too-late", objects, lasts_ms=lasts_ms)
    await _both_sign(world, short, patient)
    await asyncio.sleep(lasts_ms / 1_000 + 0.1)
    return await _refused(world, short, "expired", "application-expired")


async def _stranger(world: World, project: Project) -> tuple[str, str, str]:
    """A key that nobody enrolled grants as if it were the steward's."""
    client = await world.client(PROVIDERS[0])
    file = world.folder / "stranger.key"
    stranger = await asyncio.to_thread(StewardKeys.create, file, boot=PASSPHRASE, level="interactive")
    assert isinstance(stranger.signing, SigningKey)
    try:
        await grants.approve_as_steward(client, stranger, project.request_id)
    except TransactionRefused as refused:
        result = refused.result
        founding = founding_of(load_genesis(world.consortium.genesis_file))
        statement = verify_refusal(result.statement, founding, verify=verify)
        assert statement.member == PROVIDERS[0], statement.member
        return "turned away", statement.rule, "signed statement"
    raise AssertionError("a stranger's grant was taken")
