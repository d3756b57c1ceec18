"""A patient has everything erased: four nodes say that it is done, and no byte of it is left on any."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from chainnode.cli.actions import erasures, records, releases
from chainnode.cli.actions.base import new_row, submit
from chainnode.cli.actions.patients import enrolment, wallet_identity
from chainnode.ledger.documents import ConsentDocument, Provision
from chainnode.ledger.payloads import PERMIT, Consent
from chainnode.ledger.transaction import ID_BYTES
from consensus.codec import encode
from genesis.errors import OperatorError
from tests.demo import applications
from tests.demo import records as demo_records
from tests.demo.world import Patient, World
from tests.e2e.holdings import DATABASES
from tests.e2e.impostor import Log
from tests.e2e.town import eventually, level, synthetic, town
from tests.localnet.consortium import Consortium
from tests.store.leveldb_files import entries_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENTS = 2
JOINER = 2
DAY_MS = 86_400_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    bundles = synthetic(tmp_path_factory.mktemp("bundles"), PATIENTS)
    async with town(consortium, bundles) as made:
        await demo_records.intake(made)
        yield made


async def consented(world: World, patient: Patient) -> bytes:
    """A standing consent; the salt of its row."""
    client = await world.client(patient.hospital)
    row = new_row(encode(ConsentDocument("active", "research", 0, Provision(PERMIT))))
    key, handle = await wallet_identity(client, patient.wallet.wallet, patient.hospital)
    await submit(client, Consent(handle, os.urandom(ID_BYTES), row.digest()), key, rows=[row])
    return row.salt


async def markers(world: World, patient: Patient, objects: tuple[bytes, ...]) -> dict[str, bytes]:
    """What is to be gone: a row's salt, a row's data, wraps, recipients' lists and ciphertexts."""
    client = await world.client(patient.hospital)
    link = (await enrolment(client, patient.handle)).link_row
    found = {"salt": await consented(world, patient), "link": await client.row(link)}
    for store in ("wraps", "recipients", "objects"):
        file = world.hospitals[patient.hospital].home / "pool" / store / objects[0].hex()
        found[store] = file.read_bytes()[-64:]
    return found


def disk_of(home: Path) -> bytes:
    """Of LevelDB every version of every key and value, decompressed; and each file as it lies there."""
    entries = [
        part for place in DATABASES.values() for entry in entries_in(home / place) for part in entry[1:]
    ]
    files = [path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()]
    return b"\0".join([part for part in (*entries, *files) if part])


def holders(disks: list[bytes], marker: bytes) -> set[int]:
    return {number for number, disk in enumerate(disks) if marker in disk}


async def joined(world: World) -> None:
    """The node's folder is emptied: it finds no peer that has all blocks whole."""
    log = Log(world.nodes.log_file(world.hospitals[JOINER]))
    world.nodes.stop(JOINER)
    world.forget_clients(JOINER)
    shutil.rmtree(world.hospitals[JOINER].home / "store")
    world.nodes.start(JOINER)

    async def complete() -> bool:
        return any(line["event"] == "snapshot complete" for line in log.lines())

    await eventually(complete)
    await level(world)


async def looked_at(world: World) -> list[bytes]:
    """What lies on the disks of all nodes; they stop for that and start again."""
    for hospital in world.hospitals:
        world.nodes.stop(hospital.number)
        world.forget_clients(hospital.number)
    disks = [disk_of(hospital.home) for hospital in world.hospitals]
    for hospital in world.hospitals:
        world.nodes.start(hospital.number)
    await level(world)
    return disks


async def test_everything_of_a_patient_goes_from_every_node_and_a_late_node_joins_past_it(
    world: World,
) -> None:
    patient, other = world.patients
    objects = await applications.objects_of(world, [patient])
    planted = await markers(world, patient, objects)
    kept = await consented(world, other)
    project = await applications.application(world)
    researcher = await world.client(3, "researcher")
    assert not (await releases.release(researcher, project.keys, project.request_id)).authorised
    disks = await looked_at(world)
    for name, marker in planted.items():
        expected = {0, 1, 2, 3} if name in ("salt", "link") else {patient.hospital}
        assert holders(disks, marker) == expected, name

    client = await world.client(patient.hospital)
    await erasures.erase_patient(client, patient.wallet.wallet, patient.hospital)

    async def attested() -> bool:
        try:
            [one] = await erasures.list_erasures(await world.client(0))
        except OperatorError:
            return False
        return not one.missing and len(one.attested) == 4

    await eventually(attested)
    await joined(world)
    disks = await looked_at(world)
    for name, marker in planted.items():
        assert holders(disks, marker) == set(), name
    assert holders(disks, kept) == {0, 1, 2, 3}, "the other patient's consent is no part of it"
    selected = await records.select(await world.client(0), records.Selection(handles=(patient.handle,)))
    assert not selected
