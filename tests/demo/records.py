"""Step 4: intake of FHIR bundles into two departments of each hospital."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from chainnode.cli.actions.intake import IntakeOutcome, IntakePlan, add_records
from chainnode.intake.bundle import read_bundle
from chainnode.intake.report import combined
from tests.demo.stage import Step
from tests.demo.world import POLICY, Department, World

COUNTED = (
    "bundles",
    "resources",
    "objects",
    "values removed",
    "values generalised",
    "values replaced",
    "refused",
)
SHOWN_REFUSED = 3
"""Bundles of a department that are named when they are refused."""


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
    _counts(world, found)
    first = combined(one for outcome in found[0] for one in outcome.reports).table()
    shown = [row for row in first.rows if any(cell != "-" for cell in row[1:])]
    stage.table(f"{first.title}, hospital-a, by class of identifier (values)", first.columns, shown)


def _counts(world: World, found: Sequence[Sequence[IntakeOutcome]]) -> None:
    """One table for all hospitals, and what was refused, by file."""
    columns: list[tuple[int, ...]] = []
    for hospital, outcomes in zip(world.hospitals, found, strict=True):
        reports = [one for outcome in outcomes for one in outcome.reports]
        report = combined(reports) if reports else None
        changed = (
            0 if report is None else sum(report.by_class(action).values())
            for action in ("removed", "generalised", "replaced")
        )
        taken = 0 if report is None else sum(report.taken.values())
        objects = sum(outcome.objects for outcome in outcomes)
        refused = sum(len(outcome.rejected) + len(outcome.failed) for outcome in outcomes)
        columns.append((0 if report is None else report.bundles, taken, objects, *changed, refused))
        for department, outcome in zip(world.of(hospital.number), outcomes, strict=True):
            for number, error in outcome.failed[:SHOWN_REFUSED]:
                file = _files(world, department)[number - 1]
                world.stage.line(f"refused: {file.name}: {error.what} ({error.code.code})")
    world.stage.table(
        "De-identification, profile safe-harbor, by hospital",
        ("counted", *(one.id for one in world.hospitals)),
        list(zip(COUNTED, *columns, strict=True)),
    )


async def _dry_run(world: World) -> None:
    department = world.of(0)[0]
    before = await world.caught_up(0)
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
    readers = [partial(read_bundle, file) for file in _files(world, department)]
    return await add_records(client, plan, readers, progress=step)


def _files(world: World, department: Department) -> list[Path]:
    patients = world.patients_of(department.hospital)
    return [one.bundle for one in patients if one.department == department.slug]
