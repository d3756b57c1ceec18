"""`make demo`: the main job, end to end, with real processes, links, disks and keys."""

import argparse
import asyncio
from pathlib import Path

from tests.demo import applications, closing, faults, founding, people, records, releasing, trustees
from tests.demo.data import checked, require_enough
from tests.demo.stage import Stage
from tests.demo.world import World
from tests.localnet.bundles import write_bundles
from tests.localnet.folders import fresh
from tests.localnet.running import run
from tests.localnet.shown import shown

PATIENTS = 40


def _bundles(folder: Path, data: Path | None, patients: int) -> list[Path]:
    """A fresh folder, and the user's bundles or synthetic ones. Raises OperatorError."""
    require_enough(patients)
    files = checked(data) if data is not None else []
    fresh(folder, "demo")
    return files or write_bundles(folder / "bundles", patients)


async def main_job(world: World, bundles: list[Path]) -> None:
    """All steps, in order. Raises AssertionError where the outcome is not what it must be."""
    await founding.ceremony(world)
    try:
        await founding.daemons(world)
        await people.enrolment(world, bundles)
        await records.intake(world)
        project = await applications.application(world)
        await applications.not_released(world, project)
        workspace = await releasing.both_sign(world, project)
        killed = await faults.kill_and_catch_up(world)
        await trustees.standing_consents(world)
        await faults.revocation(world)
        figures = await closing.figures(world)
        await world.close()
        await closing.offline(world)
        closing.what_it_took(world, killed, figures)
        closing.look_around(world, workspace)
    finally:
        await world.close()
        world.stop()


async def demo(folder: Path, data: Path | None, patients: int) -> None:
    """From an empty folder to the closing table. Raises OperatorError, Refused."""
    bundles = await asyncio.to_thread(_bundles, folder, data, patients)
    stage = Stage()
    stage.line("chainnode demo. Not audited: synthetic data only.")
    source = f"{len(bundles)} bundles from {shown(bundles[0].parent)}"
    stage.line(f"Everything is written to {shown(folder)}; {source}")
    await main_job(World(folder, stage), bundles)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of FHIR R4 transaction bundles, one patient each")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="where everything is written")
    parser.add_argument("--patients", type=int, default=PATIENTS, help="synthetic patients, without --data")
    given = parser.parse_args()
    data = None if given.data is None else given.data.absolute()
    return run(demo(given.folder.absolute(), data, given.patients))
