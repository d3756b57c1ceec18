"""`chainnode visa`: a GA4GH visa for a project whose release was authorised."""

from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions.files import write_private
from chainnode.cli.actions.requests import RequestView, resolve_request, show_request
from chainnode.cli.actions.visas import sign_visa, visa_claims
from chainnode.cli.errors import usage
from chainnode.cli.next_steps import command, shell
from chainnode.cli.options import HeightOption, JsonOption, RequestArgument, Target
from chainnode.cli.output import show
from chainnode.gateway.client import GatewayClient
from chainnode.node.api import ChainInfo, Role
from chainnode.node.clock import wall_ms
from chainnode.node.config import load_config
from chainnode.node.passphrase import open_keys

app = typer.Typer(add_completion=False, help="GA4GH visas: the hospital's word that access was granted.")


@app.callback()
def group() -> None:
    """GA4GH visas: the hospital's word that access was granted."""


@app.command()
def issue(
    request: RequestArgument,
    home: Annotated[
        Path, typer.Option("--home", envvar="CHAINNODE_HOME", help="The providing hospital's node's home.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The visa to write: a JWT.")],
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Sign a visa (ControlledAccessGrants) with the node's key, until the application expires. `verify`
    checks it offline. It opens nothing: the keys do."""
    if out.exists():
        raise usage(f"{out} is there already", shell("ls", "-l", out, remark="name another --out"))
    target = Target(home, None, Role.STEWARD, min_height)

    async def action(client: GatewayClient) -> tuple[RequestView, ChainInfo]:
        return await show_request(client, await resolve_request(client, request)), await client.info()

    view, info = target.call(action)
    claims = visa_claims(view, info, wall_ms())
    config = load_config(home)
    write_private(out, sign_visa(claims, open_keys(config, config.keystore_file).validator))
    check = command("verify", out, "--genesis", config.genesis_file, node=False)
    show({"file": out, "claims": claims}, f"Visa: {out}; to check it offline: {check}", json=json)
