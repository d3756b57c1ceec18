"""`chainnode evidence`: members that said two things of one slot."""

from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions.base import member_slug
from chainnode.cli.actions.files import write_private
from chainnode.cli.errors import usage
from chainnode.cli.next_steps import command
from chainnode.cli.options import HomeOption, JsonOption, SocketOption, Target
from chainnode.cli.output import show, table
from chainnode.gateway.client import GatewayClient
from chainnode.node.api import ChainInfo, EvidenceView, Role
from consensus.domain import DIGEST_BYTES

app = typer.Typer(add_completion=False, help="Evidence of equivocation: list, export.")


@app.command(name="list")
def list_(home: HomeOption = None, socket: SocketOption = None, json: JsonOption = False) -> None:
    """What this node keeps: two signed messages of one member that cannot both be honest."""
    info, found = Target(home, socket, Role.SYSADMIN).call(_ask)
    rows = [
        (
            one.id.hex(),
            f"{member_slug(info, one.member)}: {one.message} {one.slot}",
            one.epoch,
            one.view,
            one.reported_height or None,
        )
        for one in found
    ]
    data = [
        {
            "id": one.id,
            "member": one.member,
            "slug": member_slug(info, one.member),
            "message": one.message,
            "slot": one.slot,
            "epoch": one.epoch,
            "view": one.view,
            "size_bytes": one.size_bytes,
            "reported_height": one.reported_height,
        }
        for one in found
    ]
    columns = ("id", "who, what", "epoch", "view", "on chain at")
    shown = table("Evidence of equivocation", columns, rows) if rows else "Evidence of equivocation: none"
    show(data, shown, json=json)


async def _ask(client: GatewayClient) -> tuple[ChainInfo, tuple[EvidenceView, ...]]:
    return await client.info(), await client.evidence()


@app.command()
def export(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `evidence list` shows it.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    home: HomeOption = None,
    socket: SocketOption = None,
    json: JsonOption = False,
) -> None:
    """Write one as a file that convinces anybody who has the genesis file."""
    target = Target(home, socket, Role.SYSADMIN)
    try:
        evidence_id = bytes.fromhex(id_)
    except ValueError:
        evidence_id = b""
    if len(evidence_id) != DIGEST_BYTES:
        raise usage(f"{id_!r} is no evidence's id: 64 hex digits are needed", command("evidence", "list"))
    data = target.call(lambda client: client.evidence_file(evidence_id))
    write_private(out, data)
    step = command("verify", out, "--genesis", target.genesis_file or "genesis.cbor", node=False)
    show(
        {"file": out, "size_bytes": len(data)},
        f"written: {out}; whoever has the genesis file checks it with: {step}",
        json=json,
    )
