"""`chainnode show`."""

from typing import Annotated

import typer

from chainnode.cli.actions.lookups import look_up
from chainnode.cli.options import HeightOption, HomeOption, JsonOption, SocketOption, StrongOption, Target
from chainnode.cli.output import show as show_output
from chainnode.cli.views import found_data, found_tables
from chainnode.node.api import Role

app = typer.Typer(add_completion=False)


@app.command()
def show(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A height, the id of a transaction or an object, or 8 digits of an application's.",
        ),
    ],
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """A block, transaction, object or application. Ids are printed whole; of an application the first 8
    digits are enough."""
    found = Target(home, socket, Role.STEWARD, min_height, strong=strong).call(
        lambda client: look_up(client, id_)
    )
    show_output(found_data(found), *found_tables(found), json=json)
