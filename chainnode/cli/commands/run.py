"""`chainnode run`: the only command that loads the daemon."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.errors import CLI_OPTIMISED
from chainnode.cli.next_steps import HOME_VARIABLE
from chainnode.node.config import load_config
from chainnode.node.daemon import run as run_node
from genesis.errors import OperatorError, quoted

app = typer.Typer(add_completion=False)


@app.command()
def run(
    home: Annotated[Path, typer.Option("--home", envvar=HOME_VARIABLE, help="The node's home folder.")],
) -> None:
    """Run the node until it is stopped (SIGINT or SIGTERM)."""
    if sys.flags.optimize:
        raise OperatorError(
            CLI_OPTIMISED,
            "the node does not run under python -O, which removes its checks",
            unchanged="nothing was started",
            next_step=f"chainnode run --home {quoted(home)}, without -O and without PYTHONOPTIMIZE",
        )
    run_node(load_config(home))
