"""Step 4: intake of FHIR bundles into two departments of each hospital."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from chainnode.cli.actions.base import barrier
from chainnode.cli.actions.intake import IntakeOutcome, IntakePlan, add_records
from chainnode.intake.bundle import read_bundle
from chainnode.intake.report import combined
from tests.demo.stage import Step
from tests.demo.world import POLICY, Department, World


async def intake(world: World) -> None:
    stage = world.stage
    stage.title(4, "Intake: parse, de-identify, encrypt under split keys, store, anchor")
    await _dry_run(world)
    total = len(world.patients)
    counted: dict[tuple[int, str], int] = {}
    with stage.progress("FHIR bundles taken in", total) as step:

        def progress(department: Department) -> Step:
            def moved(done: int) -> None:
                counted[(department.hospital, department.slug)] = done
                step(sum(counted.values()))

            return moved

        found = await asyncio.gather(
            *(_hospital(world, hospital.number, progress) for hospital in world.hospitals)
        )
    rows = []
    for hospital, outcomes in zip(world.hospitals, found, strict=True):
        report = combined(one for outcome in outcomes for one in outcome.reports)
        removed, generalised, replaced = (
            sum(report.by_class(action).values()) for action in ("removed", "generalised", "replaced")
        )
        objects = sum(outcome.objects for outcome in outcomes)
        refused = sum(len(outcome.rejected) + len(outcome.failed) for outcome in outcomes)
        resources = sum(report.taken.values())
        rows.append(
            (hospital.id, report.bundles, resources, objects, removed, generalised, replaced, refused)
        )
    stage.table(
        "De-identification, profile safe-harbor (values; by hospital)",
        ("hospital", "bundles", "resources", "objects", "removed", "generalised", "replaced", "refused"),
        rows,
    )
    first = combined(one for outcome in found[0] for one in outcome.reports).table()
    shown = [row for row in first.rows if any(cell != "-" for cell in row[1:])]
    stage.table(f"{first.title}, hospital-a, by class of identifier (values)", first.columns, shown)


async def _dry_run(world: World) -> None:
    department = world.of(0)[0]
    # What the enrolments put on the chain last must have come to this node too.
    before = max([(await world.nodes.status(one.number)).height for one in world.hospitals])
    await barrier(await world.client(0), before)
    outcome = await _department(world, department, lambda _: None, dry_run=True)
    after = (await world.nodes.status(0)).height
    assert before == after and not outcome.anchored, "a dry run anchors nothing"
    removed = sum(outcome.reports[0].by_class("removed").values()) if outcome.reports else 0
    world.stage.line(
        f"--dry-run in {department.slug} of hospital-a: {removed} values of the first bundle would be "
        f"removed, nothing is anchored (height {before} -> {after})"
    )


async def _hospital(world: World, number: int, progress: Callable[[Department], Step]) -> list[IntakeOutcome]:
    return [await _department(world, one, progress(one)) for one in world.of(number)]


async def _department(
    world: World, department: Department, step: Step, *, dry_run: bool = False
) -> IntakeOutcome:
    client = await world.client(department.hospital)
    plan = IntakePlan(department.slug, department.study, POLICY, "safe-harbor", dry_run=dry_run)
    files = [
        patient.bundle
        for patient in world.patients_of(department.hospital)
        if patient.department == department.slug
    ]
    return await add_records(client, plan, [_reader(file) for file in files], progress=step)


def _reader(file: Path) -> Callable[[], bytes]:
    return partial(read_bundle, file)
