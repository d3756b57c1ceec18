"""`chainnode department`."""

from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions.base import listed, member_number, member_slug
from chainnode.cli.actions.departments import add_department
from chainnode.cli.actions.homes import make_folder
from chainnode.cli.options import (
    HeightOption,
    HomeOption,
    JsonOption,
    Kdf,
    KdfOption,
    RecoveryOption,
    SocketOption,
    StrongOption,
    Target,
    open_key,
    optional_passphrase,
    passphrase,
    require_ids,
)
from chainnode.cli.output import show, table
from chainnode.cli.views import done, submitted
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.records import DepartmentRecord
from chainnode.node.api import Refused, Role
from chainnode.vault.head import HeadKeys
from chainnode.vault.keystore import StewardKeys
from genesis.errors import OperatorError

app = typer.Typer(add_completion=False, help="Departments own objects; a head speaks for each.")

PREFIX = b"department/"


@app.command()
def add(
    department: Annotated[str, typer.Argument(help="Its id: a-z, 0-9 and -.")],
    steward_file: Annotated[Path, typer.Option("--steward-file", help="The steward's key file; it signs.")],
    passphrase_file: Annotated[Path, typer.Option("--passphrase-file", help="The steward's passphrase.")],
    head_file: Annotated[
        Path, typer.Option("--head-file", help="The head's key file: made, or used where it is there.")
    ],
    head_passphrase_file: Annotated[
        Path, typer.Option("--head-passphrase-file", help="The head's passphrase.")
    ],
    recovery_passphrase_file: RecoveryOption = None,
    kdf: KdfOption = Kdf.MODERATE,
    home: HomeOption = None,
    socket: SocketOption = None,
    json: JsonOption = False,
) -> None:
    """Add a department: make its head's key file and let the steward sign for it."""
    target = Target(home, socket, Role.STEWARD)
    require_ids(department=department)
    steward = open_key(StewardKeys, steward_file, passphrase_file)
    fresh = not head_file.exists()
    if not fresh:
        head = open_key(HeadKeys, head_file, head_passphrase_file)
    else:
        make_folder(head_file.parent)
        head = HeadKeys.create(
            head_file,
            boot=passphrase(head_passphrase_file),
            recovery=optional_passphrase(recovery_passphrase_file),
            level=kdf.value,
        )
    try:
        result = target.call(lambda client: add_department(client, steward, head.signing.public, department))
    except Refused:
        if fresh:  # no department has this key, and nobody has seen it
            head_file.unlink()
        raise
    except OperatorError as error:
        error.unchanged += f"; the head's key file {head_file} is kept, and the next try uses it"
        raise
    data = submitted(result, department=department, head_key=head.signing.public, head_file=head_file)
    show(data, done(f"Department {department}", result), json=json)


@app.command("list")
def list_(
    member: Annotated[str, typer.Option("--member", help="Of this member only.", show_default=False)] = "",
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """Departments of all members."""

    async def action(client: GatewayClient) -> list[tuple[str, str, bytes, int]]:
        info = await client.info()
        wanted = None if not member else member_number(info, member)
        records, _ = await listed(client, PREFIX, DepartmentRecord)
        rows = []
        for name, record in records:
            number, _, slug = name.decode().partition("/")
            if wanted in (None, int(number)):
                rows.append((member_slug(info, int(number)), slug, record.head_key, record.added.height))
        return rows

    rows = Target(home, socket, Role.STEWARD, min_height, strong=strong).call(action)
    columns = ("member", "department", "head_key", "height")
    data = [dict(zip(columns, row, strict=True)) for row in rows]
    show(data, table("Departments", ("member", "department", "head's key", "since height"), rows), json=json)
