"""A standing consent on real nodes: dealt to the trustees, opened by them without the wallet, taken back."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from chainnode.cli.actions import consents, releases
from chainnode.cli.actions.base import find
from chainnode.cli.actions.dealing import dealings, known_class_keys, trustee_views
from chainnode.cli.actions.records import Selection, select
from chainnode.ledger import keys
from chainnode.ledger.documents import ConsentDocument, Provision
from chainnode.ledger.payloads import PERMIT, ObjectPointer
from chainnode.ledger.records import DealtRecord, RenewedKeysRecord
from chainnode.node.sharestore import SHARES_FOLDER
from consensus.codec import decode
from tests.demo.applications import apply, hospital_grants, release
from tests.demo.records import intake
from tests.demo.world import CLASSES, POLICY, PURPOSE, REQUESTER, Patient, Project, World
from tests.e2e.disks import Target, Thief, files_with
from tests.e2e.town import eventually, synthetic, town
from tests.localnet.consortium import OUTSIDE, Consortium

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROVIDER = 0
HOSTS = ("trustee-b", "trustee-c", "trustee-d")
"""Who is dealt a share of a key of hospital A's patient and has a node: not A's own, nor the one outside."""
DELIVERY_MS = 60_000


@dataclass
class Scene:
    world: World
    targets: list[Target] = field(default_factory=list)

    @property
    def patient(self) -> Patient:
        return self.world.patients[0]

    @property
    def objects(self) -> tuple[bytes, ...]:
        return tuple(one.pointer.object_id for one in self.targets)

    async def dealt(self) -> tuple[DealtRecord, ...]:
        return await dealings(await self.world.client(PROVIDER), self.patient.handle)

    async def seats(self) -> dict[str, int]:
        found = await trustee_views(await self.world.client(PROVIDER))
        return {one.id: one.seat for one in found.trustees}

    async def thief(self) -> Thief:
        """Tries with all disks."""
        seats = await self.seats()
        of_hospitals = {one.number: seats[f"trustee-{one.id[-1]}"] for one in self.world.hospitals}
        made = Thief(self.world.chain_id, self.world.hospitals, of_hospitals, threshold=2)
        made.try_all(self.targets, await self.dealt())
        return made

    def share_files(self) -> list[str]:
        folders = [one.home / SHARES_FOLDER for one in self.world.hospitals]
        return [file.name for folder in folders for file in folder.iterdir()]

    async def release(self, name: str) -> tuple[Project, releases.Decision]:
        project = await apply(self.world, name, self.objects)
        own = [one for one in self.world.of(PROVIDER) if one.slug == self.patient.department]
        await hospital_grants(self.world, project, PROVIDER, own)
        return project, await release(self.world, project, name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with town(consortium, synthetic(tmp_path_factory.mktemp("bundles"), 1)) as world:
        await intake(world)
        made, client = Scene(world), await world.client(PROVIDER)
        known = await known_class_keys(client, made.patient.handle)
        assert {key.epoch for key in known} == {0}
        made.targets = await anchored(world)
        yield made


async def anchored(world: World) -> list[Target]:
    """The patient's objects that the project will ask for."""
    client = await world.client(PROVIDER)
    chosen = await select(client, Selection(member=PROVIDER, classes=CLASSES, handles=()))
    found = []
    for one in chosen:
        encoded, _, _ = await client.object(one.object_id)
        pointer = decode(encoded, ObjectPointer, limit_bytes=len(encoded))
        found.append(Target(pointer, PROVIDER, POLICY))
    return found


async def test_before_the_dealing_all_disks_together_open_nothing(scene: Scene) -> None:
    thief = await scene.thief()
    assert not thief.opened and thief.tried > 40
    wallet = scene.patient.wallet.wallet
    secrets = [wallet.seed]
    secrets += [wallet.class_key(scene.world.chain_id, PROVIDER, one, 0).scalar for one in CLASSES]
    assert not files_with([one.home for one in scene.world.hospitals], secrets)


async def test_a_standing_consent_is_dealt_and_every_trustee_with_a_node_answers(scene: Scene) -> None:
    client, seats = await scene.world.client(PROVIDER), await scene.seats()
    provision = Provision(PERMIT, purposes=(PURPOSE.permission,), classes=CLASSES)
    document = ConsentDocument("active", "research", time.time_ns() // 1_000_000, provision)
    await consents.consent_standing(client, scene.patient.wallet.wallet, PROVIDER, document)
    expected = tuple(sorted(seats[name] for name in HOSTS))

    async def held() -> bool:
        dealt = await scene.dealt()
        return len(dealt) == len(CLASSES) and all(one.holds == expected for one in dealt)

    await eventually(held)
    assert not any(one.complains for one in await scene.dealt())
    assert len(scene.share_files()) == len(CLASSES) * len(HOSTS)


async def test_then_the_disks_of_t_trustees_open_the_patients_halves_and_no_others(scene: Scene) -> None:
    """What the dealing is: and that the attempt before it would have found something."""
    thief = await scene.thief()
    assert thief.opened == {(object_id, "patient") for object_id in scene.objects}


async def test_trustees_open_a_release_without_the_wallet(scene: Scene) -> None:
    project, decision = await scene.release("by-trustees")
    assert decision.authorised
    assert {one.basis for one in decision.record.verdicts} == {"standing"}
    client = await scene.world.client(REQUESTER, "researcher")
    delivery = await releases.wait_for_delivery(client, project.request_id, wait_ms=DELIVERY_MS)
    assert delivery.complete, delivery
    fetched = await releases.fetch(client, project.keys, project.request_id)
    assert {one.object_id for one in fetched.objects} == set(scene.objects) and not fetched.failed
    assert any(OUTSIDE[0] in words and "silent" in words for words in delivery.trustees), delivery.trustees


async def test_a_revocation_ends_the_dealing_everywhere(scene: Scene) -> None:
    client, seats = await scene.world.client(PROVIDER), await scene.seats()
    await consents.revoke(client, scene.patient.wallet.wallet, PROVIDER, "all")
    expected = tuple(sorted(seats[name] for name in HOSTS))

    async def erased() -> bool:
        return all(one.ended.height and one.erased == expected for one in await scene.dealt())

    await eventually(erased)
    assert not scene.share_files()
    assert not (await scene.thief()).opened
    _, decision = await scene.release("after-revocation")
    assert decision.record.rule == "revoked"


async def test_later_objects_are_sealed_to_the_class_key_of_the_next_epoch(scene: Scene) -> None:
    client = await scene.world.client(PROVIDER)
    renewed = await find(client, keys.renewed(scene.patient.handle), RenewedKeysRecord)
    assert renewed is not None
    assert {(one.key.data_class, one.key.epoch) for one in renewed.keys} == {(name, 1) for name in CLASSES}
