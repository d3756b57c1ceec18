"""A running consortium with its people, made of the main job's own steps."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TypeVar

from chainnode.intake.synthetic import synthetic_bundle
from chainnode.node.api import StatusReport
from chainnode.node.config import load_config
from chainnode.vault.keystore import RegistrarKeys, StewardKeys
from genesis.errors import OperatorError
from tests.demo import people
from tests.demo.stage import Stage
from tests.demo.world import World
from tests.localnet.consortium import PASSPHRASE, Consortium, Hospital, configure, free_ports
from tests.localnet.nodes import Nodes

T = TypeVar("T")

SEED = 11
WAIT_S = 90.0
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


async def eventually(condition: Callable[[], Awaitable[T]], *, within_s: float = WAIT_S) -> T:
    """The first true answer of `condition`. Raises TimeoutError, never where the machine is merely slow."""
    deadline = time.monotonic() + within_s
    while True:
        found = await condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} did not come true within {within_s:.0f} s")
        await asyncio.sleep(0.05)


async def level(world: World, *numbers: int) -> list[StatusReport]:
    """Wait until these nodes (all, if none is named) stand at one height with one root.

    One that opens anew meanwhile, with a snapshot, does not answer for a moment.
    """

    async def same() -> list[StatusReport]:
        try:
            reports = [
                await world.nodes.status(number)
                for number in numbers or [one.number for one in world.hospitals]
            ]
        except OperatorError:
            return []
        return reports if len({(one.height, one.state_root) for one in reports}) == 1 else []

    return await eventually(same)


def serve_metrics(*hospitals: Hospital) -> None:
    """From the next start on, on a port of the loopback that is free now."""
    for hospital, port in zip(hospitals, free_ports(len(hospitals)), strict=True):
        configure(hospital, "listen", f"127.0.0.1:{port}")


async def metrics_of(hospital: Hospital) -> bytes:
    """A scrape of its node, which serves them: in the text format of Prometheus."""
    host, port = load_config(hospital.home).metrics_listen or ("", 0)

    def scraped() -> bytes:
        connection = HTTPConnection(host, port, timeout=WAIT_S)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read()
        finally:
            connection.close()

    return await asyncio.to_thread(scraped)


@asynccontextmanager
async def town(
    consortium: Consortium,
    bundles: Sequence[Path] = (),
    *,
    command: tuple[str, ...] = RUN,
    within: Callable[[int], tuple[str, ...]] = lambda _: (),
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
    with Nodes(consortium, command, within=within) as world.nodes:
        world.nodes.start()
        await world.nodes.ready()
        if bundles:
            await people.enrolment(world, bundles)
        try:
            yield world
        finally:
            await world.close()
