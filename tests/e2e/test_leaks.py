"""The main job over bundles full of identifiers; then every byte that four nodes hold, sent or gave out."""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from chainnode.cli.actions import intake as intake_action
from chainnode.cli.actions import releases, requests
from chainnode.cli.actions.base import submit
from chainnode.cli.actions.files import write_private
from chainnode.cli.actions.patients import wallet_identity
from chainnode.gateway.client import GatewayClient
from chainnode.intake.planted import identifiers
from chainnode.intake.process import IntakeResult, process_bundle
from chainnode.ledger.payloads import PERMIT, ROLE_PATIENT, Grant
from chainnode.node.api import ObjectUpload, Part
from chainnode.vault.keystore import ProjectKeys
from chainnode.vault.parts import PART_BYTES, parts_digest
from tests.demo import applications, faults, records, releasing
from tests.demo.world import PURPOSE, REQUESTER, World
from tests.e2e.holdings import KINDS, METRICS_NAME, Piece, distinct, given_out, held_by
from tests.e2e.identifiers import CLASSES, by_class
from tests.e2e.town import TAPPED, metrics_of, serve_metrics, synthetic, town
from tests.intake.bundles import synthea_files
from tests.leaks import Hit, LeakSearch
from tests.localnet.consortium import PASSPHRASE, Consortium

BUNDLES = 8
SYNTHEA_AT = (0, 5, 2, 3)
"""Which of the eight patients are Synthea's: two at hospitals whose objects are released, two at others."""
PLANTED = {
    kind: f"Planted-{kind}-7f3a91c2"
    for kind in ("chain", "rows", "local", "objects", "wraps", "recipients", "log", "workspace")
}


@dataclass(frozen=True, slots=True)
class Aftermath:
    bundles: list[bytes]
    synthea: int
    pieces: list[Piece]
    search: LeakSearch
    hits: list[tuple[Piece, Hit]]

    def kinds_with(self, text: str) -> set[str]:
        return {piece.kind for piece, hit in self.hits if hit.identifier == text}


def bundle_files(folder: Path) -> tuple[list[Path], int]:
    """Eight bundles; how many of them are Synthea's own."""
    files = synthetic(folder, BUNDLES)
    chosen = synthea_files()[: len(SYNTHEA_AT)]
    for at, file in zip(SYNTHEA_AT, chosen, strict=False):
        files[at] = file
    return files, len(chosen)


def marked(data: bytes, **options: object) -> IntakeResult:
    """De-identified data that names its marker in one class, so that the released plain text holds it."""
    result = process_bundle(data, **options)  # type: ignore[arg-type]
    line = msgspec.json.encode({"resourceType": "Basic", "id": PLANTED["workspace"]})
    for subject in result.subjects:
        subject.classes["demographics"] += line + b"\n"
    return result


async def plant(world: World) -> None:
    """Put a marker into each kind of place on the ways by which data get there."""
    patient = world.patients[0]
    client = await world.client(patient.hospital)
    marker = PLANTED["objects"].encode()
    await client.put_object(
        ObjectUpload(os.urandom(16), marker, PLANTED["wraps"].encode(), PLANTED["recipients"].encode())
    )
    objects = await applications.objects_of(world, [patient])
    researcher = await world.client(REQUESTER, "researcher")
    head = world.of(REQUESTER)[0]
    keys = await asyncio.to_thread(
        ProjectKeys.create, world.folder / "planted.project.key", boot=PASSPHRASE, level="interactive"
    )
    application = requests.Application(
        department=head.slug,
        project=PLANTED["chain"].lower(),
        purpose=PURPOSE,
        objects=objects,
        expires_ms=time.time_ns() // 1_000_000 + applications.AN_HOUR_MS,
        title=PLANTED["rows"],
    )
    request_id, _ = await requests.apply(researcher, head.head, keys, application)
    parts = [Part(objects[0], PLANTED["local"].encode().ljust(PART_BYTES))]
    key, handle = await wallet_identity(client, patient.wallet.wallet, patient.hospital)
    digest = parts_digest((part.object_id, part.sealed) for part in parts)
    grant = Grant(request_id, ROLE_PATIENT, handle, 0, "", PERMIT, (), digest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGNAME", PLANTED["log"])
        async with GatewayClient(client.path) as other:
            await submit(other, grant, key, parts=parts)
    decision = await releases.release(researcher, keys, request_id)
    assert not decision.authorised
    write_private(world.folder / "receipts" / "planted.receipt", decision.receipt)


async def main_job(consortium: Consortium, bundles: list[Path]) -> None:
    serve_metrics(*consortium.hospitals)
    async with town(consortium, bundles, command=TAPPED) as world:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(intake_action, "process_bundle", marked)
            await records.intake(world)
        project = await applications.application(world)
        await applications.not_released(world, project)
        await releasing.both_sign(world, project)
        await faults.kill_and_catch_up(world)
        await faults.revocation(world)
        await plant(world)
        for hospital in consortium.hospitals:
            (hospital.home / METRICS_NAME).write_bytes(await metrics_of(hospital))


@pytest.fixture(scope="module")
def aftermath(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    files, synthea = bundle_files(tmp_path_factory.mktemp("bundles"))
    asyncio.run(main_job(consortium, files))
    pieces = [piece for one in consortium.hospitals for piece in held_by(one.number, one.home)]
    pieces += given_out(consortium.folder)
    bundles = [file.read_bytes() for file in files]
    wanted: dict[str, None] = {}
    for data in bundles:
        wanted.update(dict.fromkeys(identifiers(data)))
        wanted.update(dict.fromkeys(text for texts in by_class(data).values() for text in texts))
    search = LeakSearch([*wanted, *PLANTED.values()])
    hits = [(piece, hit) for piece in distinct(pieces) for hit in search.find(piece.data)]
    return Aftermath(bundles, synthea, pieces, search, hits)


def leaks_of(aftermath: Aftermath, bundles: list[bytes]) -> list[str]:
    own = {text for data in bundles for text in identifiers(data)}
    own |= {text for data in bundles for texts in by_class(data).values() for text in texts}
    return [
        f"node {piece.node}, {piece.kind}, {piece.name}: {hit.form} form of {hit.identifier!r}"
        for piece, hit in aftermath.hits
        if hit.identifier in own
    ]


def test_no_identifier_of_the_input_is_in_anything_a_node_holds_sends_or_gives_out(
    aftermath: Aftermath,
) -> None:
    assert leaks_of(aftermath, aftermath.bundles) == []


def test_no_identifier_of_a_synthea_bundle_is_either(aftermath: Aftermath) -> None:
    if aftermath.synthea < len(SYNTHEA_AT):
        pytest.skip("no Synthea bundles in ../shared/data/fhir")
    synthea = [aftermath.bundles[at] for at in SYNTHEA_AT]
    assert leaks_of(aftermath, synthea) == []
    assert sum(len(identifiers(data)) for data in synthea) > 400


def test_the_input_names_every_class_of_identifier_and_nearly_all_are_looked_for(
    aftermath: Aftermath,
) -> None:
    found = [by_class(data) for data in aftermath.bundles]
    assert all(any(one[name] for one in found) for name in CLASSES)
    assert all(one[name] for one in found for name in ("name", "address", "number", "birth date"))
    assert len(aftermath.search.identifiers) > 1_000
    assert all(text.isdecimal() for text in aftermath.search.skipped), aftermath.search.skipped


def places(aftermath: Aftermath) -> Iterator[tuple[int, str]]:
    yield from {(piece.node, piece.kind) for piece in aftermath.pieces}


def test_every_kind_of_place_was_looked_through_at_every_node(aftermath: Aftermath) -> None:
    found = set(places(aftermath))
    everywhere = {
        "chain",
        "local",
        "rows",
        "objects",
        "wraps",
        "recipients",
        "votes",
        "log",
        "frames",
        "metrics",
    }
    assert {(node, kind) for node in range(4) for kind in everywhere} <= found
    assert {(-1, "receipts"), (-1, "workspace")} <= found
    assert {kind for _, kind in found} == set(KINDS)


@pytest.mark.parametrize(
    ("marker", "kinds"),
    [
        ("chain", {"chain", "frames", "receipts"}),
        ("rows", {"rows", "frames"}),
        ("local", {"local"}),
        ("objects", {"objects"}),
        ("wraps", {"wraps"}),
        ("recipients", {"recipients"}),
        ("log", {"log"}),
        ("workspace", {"workspace"}),
    ],
)
def test_a_marker_is_found_where_it_was_put_and_nowhere_else(
    aftermath: Aftermath, marker: str, kinds: set[str]
) -> None:
    """The last one is the control of the encryption too: it stands in the plain text of every patient."""
    assert aftermath.kinds_with(PLANTED[marker]) == kinds


@pytest.mark.parametrize("kind", KINDS)
def test_an_identifier_in_any_encoding_would_be_found_in_this_kind_of_place(
    aftermath: Aftermath, kind: str
) -> None:
    largest = max((piece for piece in aftermath.pieces if piece.kind == kind), key=lambda one: len(one.data))
    around = replace(largest, data=largest.data[:50_000])
    middle = len(around.data) // 2
    for name in ("name", "number", "birth date"):
        text = by_class(aftermath.bundles[1])[name][0]
        for form, planted in aftermath.search.forms(text).items():
            data = around.data[:middle] + b" " + planted + b" " + around.data[middle:]
            assert text in {hit.identifier for hit in aftermath.search.find(data)}, (name, form)
