"""Step 3: departments and studies, wallets, enrolment by hospital, registrar and patient."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from chainnode.cli.actions import departments, patients
from chainnode.cli.actions.bundles import bundle_identifiers
from chainnode.cli.actions.cards import make_card
from chainnode.vault.keystore import WalletFile
from tests.demo.founding import head_of
from tests.demo.world import DEPARTMENTS, Department, Patient, World
from tests.localnet.consortium import PASSPHRASE

AT_ONCE = 4


async def enrolment(world: World, bundles: Sequence[Path]) -> None:
    stage = world.stage
    stage.title(3, "Enrolment: hospital enrols, registrar attests, wallet proves")
    await asyncio.gather(*(_departments(world, hospital.number) for hospital in world.hospitals))
    heights = (await world.nodes.status(0)).height
    stage.line(f"two departments with a study each in all four hospitals: height {heights}")
    with stage.progress("wallets", len(bundles)) as step:
        for number, bundle in enumerate(bundles):
            world.patients.append(await asyncio.to_thread(_wallet, world, number, bundle))
            step(number + 1)
    done = 0
    limit = asyncio.Semaphore(AT_ONCE)
    with stage.progress("patients enrolled, attested, proven", len(bundles)) as step:

        async def one(patient: Patient) -> None:
            nonlocal done
            async with limit:
                await _enrol(world, patient)
            done += 1
            step(done)

        await asyncio.gather(*(one(patient) for patient in world.patients))


async def _departments(world: World, number: int) -> None:
    client = await world.client(number)
    there = await patients.departments_of(client, number)
    for slug, study in DEPARTMENTS:
        head = await asyncio.to_thread(head_of, world, number, slug)
        if slug not in there:
            await departments.add_department(client, world.stewards[number], head.signing.public, slug)
        await departments.add_study(client, head, slug, study)
        world.departments.append(Department(number, slug, study, head))


def places(count: int) -> Iterator[tuple[int, str]]:
    """Hospital and department of each patient, in turn."""
    for number in range(count):
        yield number % 4, DEPARTMENTS[(number // 4) % 2][0]


def _wallet(world: World, number: int, bundle: Path) -> Patient:
    hospital, department = list(places(number + 1))[-1]
    file = world.folder / "wallets" / f"patient-{number:03d}.wallet"
    file.parent.mkdir(exist_ok=True)
    wallet = WalletFile.create(file, boot=PASSPHRASE, level="interactive")
    return Patient(number, hospital, department, bundle, wallet)


async def _enrol(world: World, patient: Patient) -> None:
    client = await world.client(patient.hospital)
    info = await client.info()
    wallet = patient.wallet.wallet
    card = make_card(wallet, info.chain_id, info.member)
    identifiers = bundle_identifiers(patient.bundle.read_bytes())
    steward = world.stewards[patient.hospital]
    enrolled = await patients.enrol(client, steward, card, identifiers, departments=(patient.department,))
    patient.handle = enrolled.handle
    await patients.attest(client, world.registrar, patient.handle)
    await patients.prove(client, wallet, info.member)
