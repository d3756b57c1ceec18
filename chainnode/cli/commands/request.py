"""`chainnode request`: an application from filing to the decrypted data."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from chainnode.cli.actions import grants, releases, requests
from chainnode.cli.actions.base import member_number
from chainnode.cli.actions.files import write_private
from chainnode.cli.actions.homes import make_folder
from chainnode.cli.actions.records import selected
from chainnode.cli.errors import CLI_BUSY, CLI_REFUSED, CLI_USAGE, usage
from chainnode.cli.fetching import raise_failures
from chainnode.cli.next_steps import command, next_step, shell
from chainnode.cli.options import (
    DepartmentOption,
    HeightOption,
    HomeOption,
    JsonOption,
    Kdf,
    KdfOption,
    PassphraseOption,
    RequestArgument,
    SocketOption,
    StrongOption,
    Target,
    data_classes,
    hex_id,
    moment_ms,
    open_key,
    passphrase,
    require_ids,
    require_text,
    split_list,
    use_policy,
    within,
)
from chainnode.cli.output import console, show
from chainnode.cli.views import cohort_counts, done, request_data, requests_table, submitted, verdicts_table
from chainnode.gateway.client import GatewayClient
from chainnode.intake.table import cohort_table
from chainnode.ledger.payloads import DATA_CLASSES, MODIFIERS, PERMISSIONS, Purpose
from chainnode.ledger.rows import MAX_PLAN_CHARACTERS, MAX_TITLE_CHARACTERS
from chainnode.ledger.transaction import ID_BYTES
from chainnode.node.api import Refused, Role, SubmitResult
from chainnode.vault.head import HeadKeys
from chainnode.vault.keystore import ProjectKeys, StewardKeys, WalletFile
from genesis.errors import OperatorError

app = typer.Typer(add_completion=False, help="Applications for data.")

ProjectOption = Annotated[Path, typer.Option("--project-file", help="The project's key file.")]
RoleOption = Annotated[str, typer.Option("--role", help="Who signs: steward or head.")]
KeyOption = Annotated[Path, typer.Option("--key-file", help="The signer's key file.")]
HeadDepartmentOption = Annotated[str, typer.Option("--department", help="With --role head: its department.")]
MeetsOption = Annotated[
    list[str] | None,
    typer.Option("--meets", metavar="TERM", help="DUO modifiers it meets: " + ", ".join(MODIFIERS)),
]
FromOption = Annotated[
    list[str] | None,
    typer.Option(
        "--from", metavar="MEMBER", help="Member, or member/department, whose objects are asked for."
    ),
]
ClassOption = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="CLASS", help="Data classes: " + ", ".join(DATA_CLASSES)),
]
ObjectOption = Annotated[
    list[str] | None, typer.Option("--object", metavar="ID", help="Single objects, by id.")
]
SIGNERS: dict[str, Any] = {"steward": StewardKeys, "head": HeadKeys}


@app.command()
def new(
    department: DepartmentOption,
    head_file: Annotated[Path, typer.Option("--head-file", help="The applying head's key file; it signs.")],
    passphrase_file: PassphraseOption,
    project_file: Annotated[Path, typer.Option("--project-file", help="The project's key file to make.")],
    project_passphrase_file: Annotated[
        Path, typer.Option("--project-passphrase-file", help="The project's passphrase.")
    ],
    project: Annotated[str, typer.Option("--project", help="The project's id: a-z, 0-9 and -.")],
    title: Annotated[str, typer.Option("--title", help="Title, for people.")],
    purpose: Annotated[str, typer.Option("--purpose", help="DUO permission: " + ", ".join(PERMISSIONS))],
    expires: Annotated[str, typer.Option("--expires", help="90d, 2027-12-31, or a time.")],
    plan: Annotated[str, typer.Option("--plan", help="What is to be done with the data.")] = "",
    meets: MeetsOption = None,
    disease: Annotated[str, typer.Option("--disease", help="The disease's code, with DS.")] = "",
    for_profit: Annotated[bool, typer.Option("--for-profit", help="The purpose is commercial.")] = False,
    from_: FromOption = None,
    class_: ClassOption = None,
    object_: ObjectOption = None,
    kdf: KdfOption = Kdf.MODERATE,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """File an application: a fresh project key file, signed for by the head of the department."""
    target = Target(home, socket, Role.RESEARCHER, min_height)
    require_ids(department=department, project=project)
    require_text("title", title, MAX_TITLE_CHARACTERS)
    require_text("plan", plan, MAX_PLAN_CHARACTERS, least=0)
    terms = use_policy(purpose, meets, disease)
    wanted = Purpose(terms.permission, terms.disease, for_profit, terms.modifiers)
    objects = [hex_id(text, ID_BYTES, "object") for text in split_list(object_)]
    classes, expires_ms = data_classes(class_), moment_ms(expires, end=True)
    head = open_key(HeadKeys, head_file, passphrase_file)
    make_folder(project_file.parent)
    keys = requests.fresh_keys(project_file, passphrase(project_passphrase_file), kdf.value)

    async def action(client: GatewayClient) -> tuple[bytes, SubmitResult, int]:
        chosen = dict.fromkeys([*objects, *await selected(client, split_list(from_), classes)])
        application = requests.Application(
            department, project, wanted, tuple(chosen), expires_ms, title, plan
        )
        request_id, result = await requests.apply(client, head, keys, application)
        return request_id, result, len(chosen)

    try:
        request_id, result, count = target.call(action)
    except (Refused, OperatorError) as error:
        if isinstance(error, Refused) or error.code in (CLI_USAGE, CLI_BUSY):
            # Surely no application carries this key: the next attempt makes a fresh one.
            project_file.unlink()
        raise
    data = submitted(result, request=request_id, objects=count, project_file=project_file)
    show(data, done(f"Application {request_id.hex()} for {count} objects", result), json=json)


@app.command("list")
def list_(
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """All applications and how far each has come."""
    views = Target(home, socket, Role.RESEARCHER, min_height, strong=strong).call(requests.list_requests)
    show([request_data(view) for view in views], requests_table(views), json=json)


def _signer(
    role: str, key_file: Path, passphrase_file: Path, department: str, *, more: tuple[str, ...] = ()
) -> Any:
    if role not in SIGNERS:
        raise usage(f"{role!r} is no role that signs here", f"name one of: {', '.join((*more, *SIGNERS))}")
    if (role == "head") != bool(department):
        raise usage(
            "--department stands with --role head and only there",
            command("department", "list", remark="shows them"),
        )
    return open_key(SIGNERS[role], key_file, passphrase_file)


@app.command()
def approve(
    request: RequestArgument,
    role: RoleOption,
    key_file: KeyOption,
    passphrase_file: PassphraseOption,
    department: HeadDepartmentOption = "",
    vouch: Annotated[
        list[str] | None,
        typer.Option("--vouch", help="Of the head: objects whose codes and dates are permitted, or all."),
    ] = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """The hospital's yes: the steward signs; the head opens the hospital's halves and seals them."""
    target = Target(home, socket, Role.STEWARD, min_height)
    if vouch and role != "head":
        raise usage("--vouch is the head's", "leave it out, or name --role head")
    named = [hex_id(one, ID_BYTES, "object") for one in split_list(vouch) if one != "all"] if vouch else None
    signer = _signer(role, key_file, passphrase_file, department)

    async def action(client: GatewayClient) -> grants.Granted:
        request_id = await requests.resolve_request(client, request)
        if isinstance(signer, HeadKeys):
            return await grants.approve_as_head(client, signer, department, request_id, named)
        return await grants.approve_as_steward(client, signer, request_id)

    granted = target.call(action)
    data = submitted(granted.result, role=role, parts=granted.parts)
    what = (
        f"Yes of the head, halves of {granted.parts} objects sealed to the project"
        if role == "head"
        else "Yes of the steward, who signs only: the head seals the halves"
    )
    show(data, done(what, granted.result), json=json)


@app.command()
def deny(
    request: RequestArgument,
    role: RoleOption,
    key_file: KeyOption,
    passphrase_file: PassphraseOption,
    department: HeadDepartmentOption = "",
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """The hospital's no, by its steward or a head."""
    target = Target(home, socket, Role.STEWARD, min_height)
    signer = _signer(role, key_file, passphrase_file, department)

    async def action(client: GatewayClient) -> SubmitResult:
        request_id = await requests.resolve_request(client, request)
        return await grants.deny(client, signer, request_id, department=department)

    result = target.call(action)
    show(submitted(result, role=role), done(f"No of the {role}", result), json=json)


@app.command()
def withdraw(
    request: RequestArgument,
    role: Annotated[str, typer.Option("--role", help="project, steward, head or patient.")],
    key_file: KeyOption,
    passphrase_file: PassphraseOption,
    department: HeadDepartmentOption = "",
    member: Annotated[str, typer.Option("--member", help="With --role patient: the hospital's id.")] = "",
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Take back an application (--role project), or one's own decision on it."""
    own = Role.RESEARCHER if role == "project" else Role.STEWARD
    target = Target(home, socket, own, min_height)
    if role == "patient":
        if not member:
            raise usage(
                "--role patient needs --member, the hospital that enrolled the patient",
                command("patient", "list", remark="shows who enrolled whom"),
            )
        wallet = open_key(WalletFile, key_file, passphrase_file).wallet
    elif role == "project":
        signer: Any = open_key(ProjectKeys, key_file, passphrase_file)
    else:
        signer = _signer(role, key_file, passphrase_file, department, more=("project", "patient"))

    async def action(client: GatewayClient) -> SubmitResult:
        request_id = await requests.resolve_request(client, request)
        if role == "patient":
            number = member_number(await client.info(), member)
            return await grants.withdraw_as_patient(client, wallet, number, request_id)
        return await grants.withdraw(client, signer, request_id, department=department)

    result = target.call(action)
    show(submitted(result, role=role), done(f"Withdrawn by the {role}", result), json=json)


@app.command()
def release(
    request: RequestArgument,
    project_file: ProjectOption,
    passphrase_file: PassphraseOption,
    receipt: Annotated[
        Path | None,
        typer.Option("--receipt", help="The receipt to write. [REQUEST-HEIGHT.receipt]", show_default=False),
    ] = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Ask for the release; wait for the certified decision; write its receipt. Exit code 5: REFUSED."""
    if receipt is not None and receipt.exists():
        raise usage(
            f"{receipt} is there already: a receipt is not written over",
            shell("ls", "-l", receipt, remark="name another --receipt"),
        )
    target = Target(home, socket, Role.RESEARCHER, min_height)
    keys = open_key(ProjectKeys, project_file, passphrase_file)

    async def action(client: GatewayClient) -> releases.Decision:
        return await releases.release(client, keys, await requests.resolve_request(client, request))

    decision = target.call(action)
    record = decision.record
    name = f"{record.request_id.hex()}-{record.height}.receipt"
    path = write_private(receipt or Path(name), decision.receipt)
    data = submitted(decision.result, outcome=record.outcome, rule=record.rule, receipt=path, record=record)
    show(
        data,
        verdicts_table(record),
        f"Receipt: {path}; to check it offline: {_verify(path, target.genesis_file)}",
        json=json,
    )
    if not decision.authorised:
        raise OperatorError(
            CLI_REFUSED,
            f"the release was REFUSED: {record.rule}",
            unchanged="no part of any key was delivered",
            next_step=command(
                "show", record.request_id.hex(), remark=f"who signed; then {next_step(record.rule)}"
            ),
        )


def _verify(receipt: Path, genesis: Path | None) -> str:
    words = ("--help",) if genesis is None else (receipt, "--genesis", genesis)
    return command("verify", *words, node=False)


@app.command()
def fetch(
    request: RequestArgument,
    project_file: ProjectOption,
    passphrase_file: PassphraseOption,
    workspace: Annotated[Path, typer.Option("--workspace", help="The project's folder for the data.")],
    wait: Annotated[
        int,
        typer.Option(
            "--wait", callback=within(0, 86_400), help="Wait so long for what is still under way (s)."
        ),
    ] = 30,
    smallest_cell: Annotated[
        int, typer.Option("--smallest-cell", callback=within(1, 1_000_000), help="Hide counts below it.")
    ] = 5,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Decrypt the released objects into the workspace; show patients by condition and age band."""
    target = Target(home, socket, Role.RESEARCHER, min_height)
    keys = open_key(ProjectKeys, project_file, passphrase_file)
    with Progress(console=console(stderr=True), transient=True, disable=json) as bar:
        task = bar.add_task("objects", total=None)

        async def action(client: GatewayClient) -> releases.Fetched:
            request_id = await requests.resolve_request(client, request)
            due = await releases.wait_for_delivery(client, request_id, wait_ms=wait * 1_000)
            bar.update(task, total=due.authorised)
            return await releases.fetch(
                client,
                keys,
                request_id,
                workspace=workspace,
                progress=lambda number: bar.update(task, completed=number),
            )

        fetched = target.call(action)
    cohort = cohort_table(
        ((one.pseudonym, one.data_class, one.plaintext) for one in fetched.objects),
        smallest_cell=smallest_cell,
    )
    data = {
        "workspace": workspace,
        "objects": len(fetched.objects),
        "files": fetched.files,
        "failed": [{"object": one.object_id, "rule": one.rule} for one in fetched.failed],
        "trustees": fetched.trustees,
        "cohort": {
            "patients": cohort.patients,
            "bands": cohort.bands,
            "rows": [
                {"code": row.code, "name": row.name, "cells": row.cells, "total": row.total}
                for row in cohort.rows
            ],
        },
    }
    told = f"{len(fetched.objects)} objects in {workspace}"
    show(data, cohort_counts(cohort), *fetched.trustees, told, json=json)
    raise_failures([(one.object_id, one.rule) for one in fetched.failed])


@app.command()
def trustees(
    request: RequestArgument,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """At the requester: what has arrived, and which trustees a release under standing consents waits for."""
    target = Target(home, socket, Role.RESEARCHER, min_height)

    async def action(client: GatewayClient) -> releases.Delivery:
        return await releases.delivery(client, await requests.resolve_request(client, request))

    found = target.call(action)
    told = found.trustees or ("no object of it is released by a standing consent",)
    arrived = f"{found.parts} of {found.authorised} objects can be opened, {found.objects} have arrived"
    show(found, arrived, *told, json=json)
