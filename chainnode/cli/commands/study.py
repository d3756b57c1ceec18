"""`chainnode study`."""

from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions.base import listed, member_slug
from chainnode.cli.actions.departments import add_study
from chainnode.cli.options import (
    DepartmentOption,
    HeightOption,
    HomeOption,
    JsonOption,
    PassphraseOption,
    SocketOption,
    StrongOption,
    Target,
    open_key,
    require_ids,
)
from chainnode.cli.output import show, table
from chainnode.cli.views import done, submitted
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.records import StudyRecord
from chainnode.node.api import Role
from chainnode.vault.head import HeadKeys

app = typer.Typer(add_completion=False, help="Studies: data is taken in under a study's key.")

PREFIX = b"study/"


@app.command()
def add(
    study: Annotated[str, typer.Argument(help="Its id: a-z, 0-9 and -.")],
    department: DepartmentOption,
    head_file: Annotated[Path, typer.Option("--head-file", help="The head's key file; it signs.")],
    passphrase_file: PassphraseOption,
    home: HomeOption = None,
    socket: SocketOption = None,
    json: JsonOption = False,
) -> None:
    """Add a study: a key pair of its own, whose private half stays in the head's file."""
    target = Target(home, socket, Role.STEWARD)
    require_ids(study=study, department=department)
    head = open_key(HeadKeys, head_file, passphrase_file)
    result = target.call(lambda client: add_study(client, head, department, study))
    data = submitted(result, department=department, study=study)
    show(data, done(f"Study {study} of {department}", result), json=json)


@app.command("list")
def list_(
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """Studies of all members."""

    async def action(client: GatewayClient) -> list[tuple[str, str, str, int]]:
        info = await client.info()
        records, _ = await listed(client, PREFIX, StudyRecord)
        rows = []
        for name, record in records:
            number, department, slug = name.decode().split("/")
            rows.append((member_slug(info, int(number)), department, slug, record.added.height))
        return rows

    rows = Target(home, socket, Role.STEWARD, min_height, strong=strong).call(action)
    columns = ("member", "department", "study", "height")
    data = [dict(zip(columns, row, strict=True)) for row in rows]
    show(data, table("Studies", ("member", "department", "study", "since height"), rows), json=json)
