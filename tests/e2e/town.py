"""A running consortium with its people, made of the main job's own steps."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from chainnode.intake.synthetic import synthetic_bundle
from chainnode.vault.keystore import RegistrarKeys, StewardKeys
from tests.demo import people
from tests.demo.stage import Stage
from tests.demo.world import World
from tests.localnet.consortium import PASSPHRASE, Consortium
from tests.localnet.nodes import Nodes

SEED = 11
RUN = ("-m", "chainnode.cli.main", "run")
TAPPED = ("-m", "tests.e2e.tapped_node")


def synthetic(folder: Path, count: int) -> list[Path]:
    """Bundles of `count` patients, as files."""
    folder.mkdir(exist_ok=True)
    files = []
    for number in range(count):
        file = folder / f"bundle-{number}.json"
        file.write_bytes(synthetic_bundle(SEED, number))
        files.append(file)
    return files


@asynccontextmanager
async def town(
    consortium: Consortium, bundles: Sequence[Path] = (), *, command: tuple[str, ...] = RUN
) -> AsyncIterator[World]:
    """All daemons up and linked; with `bundles`, departments, studies and one enrolled patient for each.

    Whatever is still up at the end is stopped.
    """
    world = World(consortium.folder, Stage(quiet=True))
    world.consortium = consortium
    world.stewards = {
        one.number: StewardKeys.open(one.steward_file, PASSPHRASE) for one in consortium.hospitals
    }
    world.registrar = RegistrarKeys.open(consortium.registrars["insurer"], PASSPHRASE)
    with Nodes(consortium, command) as world.nodes:
        world.nodes.start()
        await world.nodes.ready()
        if bundles:
            await people.enrolment(world, bundles)
        try:
            yield world
        finally:
            await world.close()
