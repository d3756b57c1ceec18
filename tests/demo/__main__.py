"""`make demo`: the main job, end to end, with real processes, links, disks and keys."""

import argparse
import asyncio
import shutil
import sys
from pathlib import Path

from chainnode.intake.synthetic import synthetic_bundle
from genesis.errors import OperatorError
from tests.demo import applications, closing, faults, founding, people, records, releasing
from tests.demo.stage import Stage
from tests.demo.world import World

PATIENTS = 40
SEED = 7
MIN_BUNDLES = 8
EXIT_INTERRUPTED = 130


def prepare(folder: Path) -> None:
    """A fresh folder; only one that an earlier demo made is removed."""
    marker = folder / "made-by-demo"
    if folder.exists() and any(folder.iterdir()):
        if not marker.exists():
            sys.exit(
                f"error[DEMO-01]: {folder} is not empty and was not made by the demo\n"
                "  unchanged: nothing was touched\n  next: name another --folder"
            )
        for child in folder.iterdir():
            # The marker stays until the end: an interrupted clean-up is still a demo's folder.
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            elif child != marker:
                child.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    marker.touch()


def check_data(data: Path | None) -> None:
    """There are enough bundles. Nothing was touched yet."""
    found = 0 if data is None else len(list(data.glob("*.json")))
    if data is not None and found < MIN_BUNDLES:
        sys.exit(
            f"error[DEMO-02]: {data} holds {found} *.json files, at least {MIN_BUNDLES} are needed\n"
            "  unchanged: nothing was started, nothing was removed\n"
            "  next: make demo DATA=folder-with-FHIR-R4-bundles"
        )


def bundles_of(folder: Path, data: Path | None, patients: int) -> list[Path]:
    """The user's bundles, or synthetic ones that are written where they can be looked at."""
    if data is not None:
        return sorted(data.glob("*.json"))
    target = folder / "bundles"
    target.mkdir()
    files = []
    for number in range(patients):
        file = target / f"patient-{number:03d}.json"
        file.write_bytes(synthetic_bundle(SEED, number))
        files.append(file)
    return files


async def main_job(world: World, bundles: list[Path]) -> None:
    """All steps, in order. Raises AssertionError where the outcome is not what it must be."""
    await founding.ceremony(world)
    try:
        await founding.daemons(world)
        await people.enrolment(world, bundles)
        await records.intake(world)
        project = await applications.application(world)
        await applications.not_released(world, project)
        await releasing.both_sign(world, project)
        await faults.kill_and_catch_up(world)
        await faults.revocation(world)
        reports, (blocks, kinds) = await closing.figures(world), await closing.count(world)
        await world.close()
        closing.offline(world)
        world.stage.title(11, "What it took")
        closing.show_figures(world.stage, reports, blocks, sum(kinds.values()))
    finally:
        await world.close()
        world.nodes.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of FHIR R4 transaction bundles, one patient each")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="where everything is written")
    parser.add_argument("--patients", type=int, default=PATIENTS, help="synthetic patients, without --data")
    given = parser.parse_args()
    folder = given.folder.absolute()
    check_data(given.data)
    prepare(folder)
    stage = Stage()
    stage.line(
        "chainnode demo. Not audited: synthetic data only. Everything is written to " + str(given.folder)
    )
    bundles = bundles_of(folder, given.data, given.patients)
    try:
        asyncio.run(main_job(World(folder, stage), bundles))
    except OperatorError as error:
        print(f"{error}\n  unchanged: {error.unchanged}\n  next: {error.next_step}", file=sys.stderr)
        return error.code.exit_code
    except KeyboardInterrupt:
        print("interrupted; the nodes are stopped", file=sys.stderr)
        return EXIT_INTERRUPTED
    stage.line("the main job is done, the nodes are down; look around in " + str(given.folder))
    stage.look(
        f"{Path(sys.executable).parent / 'chainnode'} is the command line, `make localnet` starts nodes"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
