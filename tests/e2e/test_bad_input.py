"""Bad input at a running hospital's command line: the error is clear, the good goes in, nothing is lost."""

import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from chainnode.cli.actions.records import Selection, select
from chainnode.intake.bundle import Limits
from chainnode.intake.planted import identifiers
from chainnode.pool.pool import Pool
from genesis.errors import (
    EXIT_ENVIRONMENT,
    EXIT_IN_USE,
    EXIT_INPUT,
    EXIT_KEY,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_USAGE,
)
from tests.demo.world import POLICY, Department, Patient, World
from tests.e2e.cli import Ended, chainnode
from tests.e2e.town import level, synthetic, town
from tests.leaks import LeakSearch
from tests.localnet.consortium import Consortium, configure

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENTS = 5
SMALL = 1
"""The hospital whose pool lies on a small disk."""
SMALL_BYTES = 64 * 1024
LARGE_BYTES = 64 * 1024 * 1024


def mount(*arguments: str) -> str:
    """What went wrong; empty where it is done."""
    ended = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    return ended.stderr.strip() if ended.returncode else ""


@pytest.fixture(scope="module")
def small_disk(consortium: Consortium) -> Iterator[str]:
    """The pool of one hospital on a tmpfs; why not, where it may not be mounted."""
    # The reserve would stop the node before its disk is full, and that disk is smaller than the reserve.
    configure(consortium.hospitals[SMALL], "reserve_mb", 0)
    pool = consortium.hospitals[SMALL].home / "pool"
    pool.mkdir(mode=0o700)
    reason = "mount needs root"
    if os.geteuid() == 0:
        reason = mount("-t", "tmpfs", "-o", f"size={SMALL_BYTES},mode=0700", "tmpfs", str(pool))
    yield reason
    if not reason:
        subprocess.run(["umount", str(pool)], check=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    small_disk: str, consortium: Consortium, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    async with town(consortium, synthetic(tmp_path_factory.mktemp("bundles"), PATIENTS)) as made:
        yield made


def patient_of(world: World, hospital: int, department: str) -> Patient:
    return next(one for one in world.patients_of(hospital) if one.department == department)


def department_of(world: World, hospital: int, slug: str) -> Department:
    return next(one for one in world.of(hospital) if one.slug == slug)


async def record_add(world: World, hospital: int, slug: str, *files: Path, **options: object) -> Ended:
    department = department_of(world, hospital, slug)
    arguments: list[object] = ["record", "add", *files, "--department", slug, "--study", department.study]
    arguments += ["--policy", POLICY.permission, "--modifier", ",".join(POLICY.modifiers)]
    arguments += ["--home", world.hospitals[hospital].home]
    for name, value in options.items():
        arguments += [f"--{name}"] if value is True else [f"--{name}", value]
    return await chainnode(*arguments)


def bad_bundles(folder: Path, good: bytes) -> list[tuple[Path, str]]:
    """Files that are refused as a whole, each with its code. Their names hold a patient's name, as exports'
    do."""
    document = json.loads(good)
    patient = next(
        entry["resource"] for entry in document["entry"] if entry["resource"]["resourceType"] == "Patient"
    )
    name = patient["name"][0]["family"]
    deep = b'{"resourceType": "Bundle", "type": "transaction", "entry": ' + b"[" * 100_000 + b"]" * 100_000
    contents: list[tuple[str, bytes]] = [
        ("INT-02", good[: len(good) // 2]),
        ("INT-02", b""),
        ("INT-04", deep + b"}"),
        ("INT-03", b"<Bundle xmlns='http://hl7.org/fhir'><type value='transaction'/></Bundle>"),
        ("INT-03", good.replace(b"transaction", b"trans\xffaction", 1)),
        ("INT-05", b'{"people": [1, 2, 3]}'),
        ("INT-05", json.dumps(patient).encode()),
        ("INT-06", json.dumps(document | {"type": "searchset"}).encode()),
    ]
    found = []
    for number, (code, data) in enumerate(contents):
        path = folder / f"{name}_{number}.json"
        path.write_bytes(data)
        found.append((path, code))
    oversized = folder / f"{name}_large.json"
    with oversized.open("wb") as stream:
        stream.write(good[:-1])
        stream.truncate(Limits().file_bytes + 1)
    return [*found, (oversized, "INT-01"), (folder / f"{name}_missing.json", "INT-08")]


async def test_bad_bundles_are_listed_by_number_and_code_and_the_good_one_among_them_goes_in(
    world: World, tmp_path: Path
) -> None:
    patient = patient_of(world, 0, "cardiology")
    good = patient.bundle.read_bytes()
    bad = bad_bundles(tmp_path, good)
    files = [path for path, _ in bad]
    files.insert(4, patient.bundle)
    report = tmp_path / "report.json"
    ended = await record_add(world, 0, "cardiology", *files, report=report)
    error = ended.error(EXIT_INPUT)
    assert error.code == "CLI-08" and f"{len(bad)} of {len(files)} bundles" in error.what
    assert "the others were" in error.unchanged
    data = json.loads(report.read_text())
    codes = {one["bundle"]: one["code"] for one in data["failed"]}
    assert codes == {files.index(path) + 1: code for path, code in bad}
    assert all(f"bundle {number}: error[{code}]" in error.what for number, code in codes.items())
    assert data["objects"] > 3 and len(data["anchored"]) == 1
    held = await select(await world.client(0), Selection(member=0, handles=(patient.handle,)))
    assert {one.object_id.hex() for one in held} == set(data["anchored"][0]["objects"])
    said = (ended.stdout + ended.stderr + report.read_text()).encode()
    said += world.nodes.log_file(world.hospitals[0]).read_bytes()
    assert LeakSearch(identifiers(good)).find(said) == []


async def test_the_same_bundle_again_is_recognised_and_nothing_is_anchored(world: World) -> None:
    """Runs after the one above took it in."""
    patient = patient_of(world, 0, "cardiology")
    before = await select(await world.client(0), Selection(member=0, handles=(patient.handle,)))
    height = (await level(world))[0].height
    ended = await record_add(world, 0, "cardiology", patient.bundle, json=True)
    assert ended.exit_code == EXIT_OK, ended
    assert ended.data["objects"] == 0 and ended.data["anchored"] == []
    skipped = ended.data["skipped"]
    assert len(skipped) == len(before) > 0 and {one["reason"] for one in skipped} == {"taken-in-before"}
    assert (await level(world))[0].height == height
    assert await select(await world.client(0), Selection(member=0, handles=(patient.handle,))) == before


def spoilt(data: bytes) -> tuple[bytes, list[dict[str, Any]]]:
    """The bundle with three resources that are none, and which."""
    document = json.loads(data)
    entries = document["entry"]
    kinds = [entry["resource"]["resourceType"] for entry in entries]
    places = {kind: kinds.index(kind) for kind in ("Observation", "Condition", "Encounter")}
    entries[places["Observation"]]["resource"]["status"] = {"not": "a code"}
    entries[places["Condition"]]["resource"]["code"] = "yesterday's cough"
    entries[places["Encounter"]]["resource"] = "not even an object"
    return json.dumps(document).encode(), [{"entry": at} for at in sorted(places.values())]


async def test_a_bad_resource_among_good_ones_is_listed_and_the_good_ones_go_in(
    world: World, tmp_path: Path
) -> None:
    patient = patient_of(world, 0, "metabolic")
    data, bad = spoilt(patient.bundle.read_bytes())
    file = tmp_path / "bundle.json"
    file.write_bytes(data)
    ended = await record_add(world, 0, "metabolic", file, json=True)
    assert ended.exit_code == EXIT_OK, ended
    assert ended.data["failed"] == []
    rejected = sorted(ended.data["rejected"], key=lambda one: one["entry"])
    assert [{"entry": one["entry"]} for one in rejected] == bad
    assert all(one["reason"] and one["bundle"] == 1 for one in rejected)
    assert "yesterday" not in ended.stdout
    held = await select(await world.client(0), Selection(member=0, handles=(patient.handle,)))
    assert len(held) == ended.data["objects"]
    assert {"demographics", "conditions", "observations", "encounters"} <= {one.data_class for one in held}


async def test_a_patient_whom_nobody_enrolled_is_skipped_by_that_reason(world: World) -> None:
    stranger = patient_of(world, 1, "cardiology")
    ended = await record_add(world, 0, "cardiology", stranger.bundle, json=True)
    assert ended.exit_code == EXIT_INPUT, ended
    assert json.loads(ended.stderr)["error"]["code"] == "CLI-13"
    assert ended.data["objects"] == 0
    assert {one["reason"] for one in ended.data["skipped"]} == {"patient-not-enrolled"}


async def test_a_full_disk_ends_the_intake_and_later_takes_in_the_rest(world: World, small_disk: str) -> None:
    if small_disk:
        pytest.skip(f"a small disk cannot be mounted: {small_disk}")
    patient = patient_of(world, SMALL, "cardiology")
    home, client = world.hospitals[SMALL].home, await world.client(SMALL)
    chosen = Selection(member=SMALL, handles=(patient.handle,))
    ended = await record_add(world, SMALL, "cardiology", patient.bundle)
    error = ended.error(EXIT_ENVIRONMENT)
    assert error.code == "POL-01" and "df " in error.next
    first = await select(client, chosen)
    assert first, "what fitted was anchored"
    check_stored(home, [one.object_id for one in first])
    assert (await level(world))[SMALL].voting, "the node itself goes on"
    assert mount("-o", f"remount,size={LARGE_BYTES}", str(home / "pool")) == ""
    again = await record_add(world, SMALL, "cardiology", patient.bundle, json=True)
    assert again.exit_code == EXIT_OK, again
    everything = await select(client, chosen)
    assert again.data["objects"] == len(everything) - len(first) > 0
    assert len({one.data_class for one in everything}) == len(everything) > 3, "each class once"
    check_stored(home, [one.object_id for one in everything])
    pool = Pool.open(home / "pool")
    for pointer in everything:
        pool.ciphertext(pointer)


def check_stored(home: Path, anchored: list[bytes]) -> None:
    """What is anchored lies whole in all three stores, and nothing half-written anywhere."""
    for store in ("objects", "wraps", "recipients"):
        names = {path.name for path in (home / "pool" / store).iterdir()}
        assert {one.hex() for one in anchored} <= names
        assert all(len(name) == 32 for name in names), names


async def test_a_department_or_study_that_is_not_there(world: World, tmp_path: Path) -> None:
    file = world.patients[0].bundle
    home = world.hospitals[0].home
    for department, study, code in (
        ("no-such", "heart-cohort", "unknown-department"),
        ("cardiology", "no-such", "unknown-study"),
    ):
        ended = await chainnode(
            *("record", "add", file, "--department", department, "--study", study),
            *("--policy", "HMB", "--home", home),
        )
        assert ended.error(EXIT_REFUSED).code == code


async def test_a_wrong_passphrase_for_a_key_file_signs_nothing(world: World, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not the right one\n")
    wrong.chmod(0o600)
    patient = world.patients[0]
    wallet = world.folder / "wallets" / f"patient-{patient.number:03d}.wallet"
    height = (await level(world))[0].height
    arguments = ("consent", "revoke", wallet, "--all", "--member", "hospital-a")
    home = world.hospitals[0].home
    ended = await chainnode(*arguments, "--passphrase-file", wrong, "--home", home)
    error = ended.error(EXIT_KEY)
    assert error.code == "KEY-02" and wallet.name in error.what
    missing = await chainnode(*arguments, "--passphrase-file", tmp_path / "none", "--home", home)
    assert missing.error(EXIT_INPUT).code == "KEY-07"
    assert (await level(world))[0].height == height


async def test_a_node_that_is_not_there(world: World, tmp_path: Path) -> None:
    ended = await chainnode("status", "--socket", tmp_path / "nobody.sock")
    assert ended.error(EXIT_IN_USE).code == "GTW-01"
    long = tmp_path / ("s" * 120)
    assert (await chainnode("status", "--socket", long)).error(EXIT_USAGE).code == "GTW-03"
