"""`chainnode record`: intake runs here, so that clear text never enters the node."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import Progress

from chainnode.cli.actions.base import member_number, member_slug
from chainnode.cli.actions.erasures import LIMITS, erase_objects, list_erasures
from chainnode.cli.actions.files import write_private
from chainnode.cli.actions.intake import TAKEN_IN_BEFORE, IntakeOutcome, IntakePlan, add_records
from chainnode.cli.actions.records import Batch, Selection, list_batches, pointers_of
from chainnode.cli.errors import CLI_INTAKE, CLI_NOT_TAKEN, bad_input
from chainnode.cli.next_steps import next_step
from chainnode.cli.options import (
    DepartmentOption,
    HeightOption,
    HomeOption,
    JsonOption,
    PassphraseOption,
    SocketOption,
    StrongOption,
    Target,
    hex_id,
    known_terms,
    open_key,
    require_ids,
    use_policy,
    within,
)
from chainnode.cli.output import Lines, console, plain, show, table, when
from chainnode.cli.views import done, submitted, use
from chainnode.gateway.client import GatewayClient
from chainnode.intake.bundle import Limits, read_bundle
from chainnode.intake.profiles import PROFILES, SAFE_HARBOR
from chainnode.intake.report import Table as ReportTable
from chainnode.ledger.payloads import MODIFIERS, PERMISSIONS
from chainnode.ledger.records import ErasureRecord
from chainnode.ledger.transaction import ID_BYTES
from chainnode.node.api import ChainInfo, Role
from chainnode.vault.head import HeadKeys
from genesis.errors import OperatorError

app = typer.Typer(
    add_completion=False, help="Clinical records: taken in, de-identified, encrypted, anchored."
)

BUNDLE_SUFFIX = ".json"
LISTED = 10
"""Bundles named in an error; all of them stand in the output."""


def _files(paths: list[Path]) -> list[Path]:
    """The files, and the bundles in folders, in the order of their names."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(one for one in path.iterdir() if one.suffix == BUNDLE_SUFFIX and one.is_file())
        else:
            found.append(path)
    if not found:
        raise bad_input(
            f"there is no {BUNDLE_SUFFIX} file in the folder", "name the bundles' files or their folder"
        )
    return found


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(help="FHIR R4 bundles, or folders of them.")],
    department: DepartmentOption,
    study: Annotated[str, typer.Option("--study", help="The study under whose key they are taken in.")],
    policy: Annotated[str, typer.Option("--policy", help="DUO permission: " + ", ".join(PERMISSIONS))],
    modifier: Annotated[
        list[str] | None, typer.Option("--modifier", help="DUO modifiers: " + ", ".join(MODIFIERS))
    ] = None,
    disease: Annotated[str, typer.Option("--disease", help="The disease's code, with DS.")] = "",
    profile: Annotated[
        str, typer.Option("--profile", help="De-identification: " + ", ".join(PROFILES))
    ] = SAFE_HARBOR,
    level: Annotated[
        int, typer.Option("--level", callback=within(1, 5), help="Data level of GB/T 39725.")
    ] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the report; anchor nothing.")] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the reports as JSON too.", show_default=False)
    ] = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Take in bundles: de-identify and encrypt here, hand the ciphertexts to the node, anchor.

    Bundles are named by their place in the list: a file's name may hold a patient's. What was taken in
    before is recognised. Exit code 3: not everything went in; the output says what did not, and why.
    """
    target = Target(home, socket, Role.STEWARD, min_height)
    chosen = use_policy(policy, modifier, disease)
    (profile,) = known_terms([profile], PROFILES, "profile")
    plan = IntakePlan(department, study, chosen, profile, level=level, dry_run=dry_run)
    paths = _files(files)
    readers: list[Callable[[], bytes]] = [partial(read_bundle, path, Limits()) for path in paths]
    with Progress(console=console(stderr=True), transient=True, disable=json) as bar:
        task = bar.add_task("bundles", total=len(paths))

        async def action(client: GatewayClient) -> IntakeOutcome:
            return await add_records(
                client, plan, readers, progress=lambda number: bar.update(task, completed=number)
            )

        outcome = target.call(action)
    data = _outcome_data(outcome, len(paths), dry_run)
    if report is not None:
        write_private(report, _json_bytes(data))
    show(data, *_outcome_tables(outcome, len(paths), dry_run), json=json)
    _raise_failures(outcome, len(paths))


def _json_bytes(data: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(plain(data)), indent=2) + b"\n"


def _outcome_data(outcome: IntakeOutcome, bundles: int, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "bundles": bundles,
        "objects": outcome.objects,
        "report": outcome.report.to_dict() if outcome.report else None,
        "anchored": [
            {
                "transaction": one.transaction_id,
                "height": one.height,
                "objects": one.objects,
                "report_digest": one.report_digest,
            }
            for one in outcome.anchored
        ],
        "rejected": [
            {"bundle": number, "entry": one.index, "resource": one.resource_type, "reason": one.reason}
            for number, one in outcome.rejected
        ],
        "skipped": [
            {"bundle": one.bundle, "data_class": one.data_class, "reason": one.reason}
            for one in outcome.skipped
        ],
        "failed": [
            {"bundle": number, "code": one.code.code, "what": one.what} for number, one in outcome.failed
        ],
    }


def _outcome_tables(outcome: IntakeOutcome, bundles: int, dry_run: bool) -> list[Any]:
    shown: list[Any] = []
    if outcome.report is not None:
        shown += [_report_table(outcome.report.table()), _report_table(outcome.report.resource_table())]
    if outcome.rejected:
        rows = [(number, one.index, one.resource_type, one.reason) for number, one in outcome.rejected]
        others = "; the others went in" if outcome.objects and not dry_run else ""
        shown.append(table(f"Resources refused{others}", ("bundle", "entry", "type", "reason"), rows))
    if outcome.skipped:
        reasons = Counter(one.reason for one in outcome.skipped)
        shown.append(table("Not taken in", ("reason", "objects"), sorted(reasons.items())))
    shown += [
        f"{len(one.objects)} objects anchored at height {one.height}, transaction {one.transaction_id.hex()}"
        for one in outcome.anchored
    ]
    ending = "nothing was stored or anchored: dry run" if dry_run else f"{outcome.objects} objects anchored"
    return [*shown, f"{bundles - len(outcome.failed)} of {bundles} bundles read; {ending}"]


def _report_table(made: ReportTable) -> Any:
    return table(made.title, made.columns, made.rows)


def _raise_failures(outcome: IntakeOutcome, bundles: int) -> None:
    """A bundle that was refused is an error, and so is a patient's data that stays out."""
    if outcome.failed:
        listed = "; ".join(f"bundle {number}: {error}" for number, error in outcome.failed[:LISTED])
        raise OperatorError(
            CLI_INTAKE,
            f"{len(outcome.failed)} of {bundles} bundles were refused: {listed}",
            unchanged="nothing of these bundles was taken in"
            + ("; the others were" if len(outcome.failed) < bundles else ""),
            next_step=outcome.failed[0][1].next_step,
        )
    left_out = [one for one in outcome.skipped if one.reason != TAKEN_IN_BEFORE]
    if left_out:
        reasons = Counter(reason for _, reason in {(one.bundle, one.reason) for one in left_out})
        listed = "; ".join(f"{reason} in {count} bundles" for reason, count in sorted(reasons.items()))
        raise OperatorError(
            CLI_NOT_TAKEN,
            f"{len(left_out)} objects were not taken in: {listed}",
            unchanged="what was taken in stays",
            next_step=next_step(left_out[0].reason),
        )


@app.command()
def erase(
    objects: Annotated[list[str], typer.Argument(metavar="OBJECT...", help="Ids of the objects.")],
    department: DepartmentOption,
    head_file: Annotated[Path, typer.Option("--head-file", help="The head's key file; it signs.")],
    passphrase_file: PassphraseOption,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """The head of the department that owns objects has them erased on every node: both wrapped halves of
    their keys, and the ciphertexts. It cannot be undone.

    What was released to a project before is not called back.
    """
    target = Target(home, socket, Role.STEWARD, min_height)
    require_ids(department=department)
    ids = [hex_id(one, ID_BYTES, "object") for one in objects]
    head = open_key(HeadKeys, head_file, passphrase_file)
    result = target.call(lambda client: erase_objects(client, head, department, ids))
    show(submitted(result, objects=ids), done(f"Erasure of {len(ids)} objects", result), LIMITS, json=json)


@app.command()
def erasures(
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """What was erased, and which members' nodes have said that it is done there."""
    found = Target(home, socket, Role.STEWARD, min_height, strong=strong).call(list_erasures)
    data = [
        {"number": one.number, "record": one.record, "attested": one.attested, "missing": one.missing}
        for one in found
    ]
    lines = [
        (
            one.number,
            Lines((f"{one.record.kind}, height {one.record.erased.height}", *_erased_what(one.record))),
            Lines(one.attested or ("nobody yet",)),
            Lines(one.missing or ("nobody",)),
        )
        for one in found
    ]
    columns = ("number", "what", "attested by", "not yet by")
    show(data, table("Erasures", columns, lines), json=json)


def _erased_what(record: ErasureRecord) -> tuple[str, ...]:
    if record.handle:
        return (f"handle {record.handle.hex()}",)
    return (f"{len(record.objects)} objects of {record.department}",)


@app.command("list")
def list_(
    member: Annotated[str, typer.Option("--member", help="Of this member only.")] = "",
    department: Annotated[str, typer.Option("--department", help="Of this department only.")] = "",
    study: Annotated[str, typer.Option("--study", help="Of this study only.")] = "",
    objects: Annotated[bool, typer.Option("--objects", help="List every object, not batches.")] = False,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """Anchored batches of all members, or their objects."""

    async def action(client: GatewayClient) -> tuple[ChainInfo, list[Batch], list[tuple[Any, ...]]]:
        info = await client.info()
        number = member_number(info, member) if member else None
        batches, _ = await list_batches(client, Selection(number, department, study))
        rows = []
        for batch in batches if objects else ():
            for pointer in await pointers_of(client, batch):
                owner = member_slug(info, batch.record.member)
                rows.append(
                    (pointer.object_id, pointer.handle, pointer.data_class, owner, batch.record.department)
                )
        return info, batches, rows

    info, batches, rows = Target(home, socket, Role.STEWARD, min_height, strong=strong).call(action)
    if objects:
        columns = ("object", "handle", "data_class", "member", "department")
        data: list[Any] = [dict(zip(columns, row, strict=True)) for row in rows]
        lines = [
            (id_, Lines((f"{data_class}, {owner}/{slug}", f"handle {handle.hex()}")))
            for id_, handle, data_class, owner, slug in rows
        ]
        show(data, table("Objects", ("object", "what, whose"), lines), json=json)
        return
    batch_lines = [
        (
            f"{member_slug(info, batch.record.member)}/{batch.record.department}/{batch.record.study}",
            use(batch.record.policy),
            batch.record.count,
            batch.record.anchored.height,
            when(batch.record.time_ms),
        )
        for batch in batches
    ]
    data = [{"root": batch.root, "record": batch.record} for batch in batches]
    columns_ = ("member/department/study", "policy", "objects", "height", "anchored (UTC)")
    show(data, table("Anchored batches", columns_, batch_lines), json=json)
