"""What lies on a hospital's disk is deleted, cut, swapped or moved: the rule is named, the rest goes on."""

import shutil
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from chainnode.cli.actions import intake as intake_action
from chainnode.cli.actions.departments import add_department
from chainnode.cli.actions.records import Selection, select
from chainnode.gateway.client import GatewayClient
from chainnode.intake.process import IntakeResult, process_bundle
from chainnode.ledger.payloads import ObjectPointer
from chainnode.node.api import StatusReport
from chainnode.pool.container import NONCE_BYTES, SEGMENT_BYTES, TAG_BYTES
from chainnode.vault.keys import SigningKey
from consensus.codec import decode
from consensus.messages import QuorumCertificate
from genesis.errors import EXIT_OK, EXIT_VERIFY
from tests.demo import applications, records
from tests.demo.world import REQUESTER, Patient, Project, World
from tests.e2e.cli import chainnode
from tests.e2e.impostor import Log
from tests.e2e.town import eventually, level, synthetic, town
from tests.localnet.consortium import PASSPHRASE, Consortium

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENTS = 5
PROVIDER, OTHER, FOLLOWER = 0, 1, 2
PIECE_BYTES = NONCE_BYTES + SEGMENT_BYTES + TAG_BYTES
WINDOW = 16


def written(workspace: Path) -> set[str]:
    """The ids of the objects in a workspace."""
    return {path.stem.rpartition("-")[2] for path in workspace.rglob("*.ndjson")}


@dataclass(frozen=True, slots=True)
class Released:
    """An authorised release to hospital D of all objects of two patients of A and one of B."""

    world: World
    project: Project
    pointers: dict[bytes, ObjectPointer]
    provider: dict[bytes, int]

    def of(self, member: int) -> list[bytes]:
        """Object ids of a provider, the smallest first."""
        ids = [one for one in self.pointers if self.provider[one] == member]
        return sorted(ids, key=lambda one: self.pointers[one].length_bytes)

    def file(self, member: int, object_id: bytes) -> Path:
        return self.world.hospitals[member].home / "pool" / "objects" / object_id.hex()

    async def arrived(self) -> int:
        """How many ciphertexts hospital D has."""
        client = await self.world.client(REQUESTER, "researcher")
        return (await client.delivery(self.project.request_id))["objects"]

    async def fetch(self, workspace: Path, exit_code: int) -> tuple[dict[str, str], set[str]]:
        """`request fetch`: object to the rule by which it failed, and the objects that came."""
        home, folder = self.world.hospitals[REQUESTER].home, self.world.hospitals[REQUESTER].people
        secret = folder / "passphrase"
        secret.write_bytes(PASSPHRASE)
        secret.chmod(0o600)
        arguments = ["request", "fetch", self.project.request_id.hex(), "--workspace", workspace]
        arguments += ["--project-file", folder / "damage.project.key", "--passphrase-file", secret]
        arguments += ["--home", home, "--wait", 0]
        ended = await chainnode(*arguments, "--json")
        assert ended.exit_code == exit_code, ended
        failed = {one["object"]: one["rule"] for one in ended.data["failed"]}
        if failed:
            error = (await chainnode(*arguments)).error(exit_code)
            assert error.code == "CLI-11" and "the others are in the workspace" in error.unchanged
            assert all(object_id in error.what and rule in error.what for object_id, rule in failed.items())
        came = written(workspace)
        assert ended.data["objects"] == len(came)
        return failed, came


def longer(data: bytes, **options: object) -> IntakeResult:
    """De-identified data of which one class fills several segments."""
    result = process_bundle(data, **options)  # type: ignore[arg-type]
    line = b'{"resourceType":"Basic"}\n'
    for subject in result.subjects:
        subject.classes["observations"] += line * (3 * SEGMENT_BYTES // len(line))
    return result


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with town(consortium, synthetic(tmp_path_factory.mktemp("bundles"), PATIENTS)) as made:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(intake_action, "process_bundle", longer)
            await records.intake(made)
        yield made


async def release(world: World, name: str) -> Released:
    client = await world.client(REQUESTER, "researcher")
    patients: list[Patient] = [*world.patients_of(PROVIDER), world.patients_of(OTHER)[0]]
    pointers, provider = {}, {}
    for member in (PROVIDER, OTHER):
        chosen = Selection(member=member, handles=tuple(one.handle for one in patients))
        for pointer in await select(client, chosen):
            pointers[pointer.object_id], provider[pointer.object_id] = pointer, member
    project = await applications.apply(world, name, tuple(pointers))
    await applications.hospital_grants(world, project, PROVIDER, world.of(PROVIDER))
    slug = patients[-1].department
    await applications.hospital_grants(
        world, project, OTHER, [one for one in world.of(OTHER) if one.slug == slug]
    )
    for patient in patients:
        await applications.patient_grants(world, project, patient)
    return Released(world, project, pointers, provider)


def swap(one: Path, other: Path) -> None:
    aside = one.with_suffix(".aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def reorder(path: Path) -> None:
    """Exchange the first two segments."""
    data = path.read_bytes()
    assert len(data) >= 2 * PIECE_BYTES
    path.write_bytes(data[PIECE_BYTES : 2 * PIECE_BYTES] + data[:PIECE_BYTES] + data[2 * PIECE_BYTES :])


def damage(released: Released, member: int, at: int) -> dict[str, str]:
    """Damage five objects of `at`'s in the store of `member`; object to the rule that must say so."""
    deleted, cut, one, other, *_, large = released.of(at)
    released.file(member, deleted).unlink()
    path = released.file(member, cut)
    path.write_bytes(path.read_bytes()[:-1])
    swap(released.file(member, one), released.file(member, other))
    reorder(released.file(member, large))
    same_size = len({released.pointers[two].length_bytes for two in (one, other)}) == 1
    swapped = "root-mismatch" if same_size else "length-mismatch"
    rules = {deleted: "object-missing", cut: "length-mismatch", one: swapped, other: swapped}
    return {name.hex(): rule for name, rule in (rules | {large: "root-mismatch"}).items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def delivered(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Released]:
    yield await release(world, "damage")


async def test_a_provider_whose_objects_are_damaged_serves_the_others_and_says_which(
    world: World, delivered: Released, tmp_path: Path
) -> None:
    pool = world.hospitals[PROVIDER].home / "pool" / "objects"
    shutil.copytree(pool, tmp_path / "intact")
    bad = damage(delivered, PROVIDER, PROVIDER)
    log = Log(world.nodes.log_file(world.hospitals[PROVIDER]))
    decision = await applications.release(world, delivered.project, "damage")
    assert decision.authorised
    whole = len(delivered.pointers) - len(bad)

    async def all_others() -> bool:
        return await delivered.arrived() == whole

    await eventually(all_others)
    said = {
        line["object"]: line["reason"]
        for line in log.lines()
        if line["event"] == "an anchored object cannot be served"
    }
    assert {name: reason.partition(":")[0] for name, reason in said.items()} == bad
    failed, came = await delivered.fetch(tmp_path / "w", EXIT_VERIFY)
    assert failed == dict.fromkeys(bad, "object-missing"), "they have not come"
    assert came == {one.hex() for one in delivered.pointers} - set(bad)
    shutil.copytree(tmp_path / "intact", pool, dirs_exist_ok=True)

    async def everything() -> bool:
        return await delivered.arrived() == len(delivered.pointers)

    await eventually(everything)  # asked again once the provider has them
    failed, came = await delivered.fetch(tmp_path / "again", EXIT_OK)
    assert failed == {} and came == {one.hex() for one in delivered.pointers}


async def test_fetch_lists_each_object_that_was_damaged_at_the_requester_and_opens_the_others(
    delivered: Released, tmp_path: Path
) -> None:
    """Runs after everything was delivered."""
    assert await delivered.arrived() == len(delivered.pointers)
    bad = damage(delivered, REQUESTER, PROVIDER)
    failed, came = await delivered.fetch(tmp_path / "w", EXIT_VERIFY)
    assert failed == bad
    assert came == {one.hex() for one in delivered.pointers} - set(bad)


async def until_linked(world: World, member: int) -> StatusReport:
    """The daemon answers and is linked with all others; it may not vote yet."""

    async def linked() -> StatusReport | None:
        if not world.hospitals[member].socket("sysadmin").is_socket():
            return None
        async with GatewayClient(world.hospitals[member].socket("sysadmin")) as client:
            report = await client.status()
        return report if all(link.up for link in report.links) else None

    found = await eventually(linked)
    assert found is not None
    return found


async def commits(world: World, count: int) -> range:
    """So many blocks more, by departments of hospital D; their heights."""
    client = await world.client(REQUESTER)
    before = (await world.nodes.status(REQUESTER)).height
    for number in range(count):
        slug = f"after-{before}-{number}"
        await add_department(client, world.stewards[REQUESTER], SigningKey.generate().public, slug)
    return range(before + 1, (await world.nodes.status(REQUESTER)).height + 1)


async def voters(world: World, heights: Iterable[int]) -> set[int]:
    """Whose votes stand in the certificates of these heights, as hospital D has them."""
    client = await world.client(REQUESTER)
    found: set[int] = set()
    for height in heights:
        encoded = (await client.block(height)).certificate
        if encoded:
            votes = decode(encoded, QuorumCertificate, limit_bytes=len(encoded)).votes
            found |= {vote.replica for vote in votes}
    return found


async def votes_again(world: World, member: int) -> None:
    async def voting() -> bool:
        await commits(world, 4)
        return (await world.nodes.status(member)).voting

    await eventually(voting)
    await level(world)


async def test_a_node_whose_vote_log_was_deleted_follows_without_voting_and_says_why(world: World) -> None:
    tip = (await level(world))[0].height
    assert FOLLOWER in await voters(world, range(1, tip + 1)), "it did vote before"
    home = world.hospitals[FOLLOWER].home
    world.nodes.stop(FOLLOWER)
    world.forget_clients(FOLLOWER)
    shutil.rmtree(home / "store" / "votes")
    world.nodes.start(FOLLOWER)

    async def why() -> str:
        report = await until_linked(world, FOLLOWER)
        return report.why if "vote log" in report.why else ""

    assert str(tip + WINDOW) in await eventually(why)
    heights = await commits(world, 6)
    reports = await level(world)
    assert not reports[FOLLOWER].voting and reports[FOLLOWER].height == heights[-1], "it follows"
    assert await voters(world, heights) == {0, 1, 3}
    shown = await chainnode("status", "--home", home)
    assert shown.exit_code == EXIT_OK and "vote log" in " ".join(shown.stdout.split())
    await votes_again(world, FOLLOWER)


async def test_a_chain_folder_moved_aside_is_fetched_anew_from_the_peers(world: World) -> None:
    before = (await level(world))[OTHER]
    home = world.hospitals[OTHER].home
    world.nodes.stop(OTHER)
    world.forget_clients(OTHER)
    (home / "store" / "chain").rename(home / "store" / "chain.damaged")
    world.nodes.start(OTHER)
    await until_linked(world, OTHER)
    reports = await level(world)
    assert reports[OTHER].height >= before.height > 0
    own, theirs = await world.client(OTHER), await world.client(PROVIDER)
    for height in (1, before.height // 2, before.height):
        assert (await own.block(height)).header == (await theirs.block(height)).header
    patient = world.patients_of(OTHER)[0]
    study = next(one.study for one in world.of(OTHER) if one.slug == patient.department)
    again = await chainnode(
        *("record", "add", patient.bundle, "--department", patient.department, "--study", study),
        *("--policy", "HMB", "--home", home, "--json"),
    )
    assert again.exit_code == EXIT_OK and again.data["objects"] == 0
    assert {one["reason"] for one in again.data["skipped"]} == {"taken-in-before"}, "its own rows stayed"
    await votes_again(world, OTHER)
