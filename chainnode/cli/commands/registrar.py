"""`chainnode registrar`."""

from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions.homes import Identity, Passphrases, create_registrar, request_beside
from chainnode.cli.options import (
    JsonOption,
    Kdf,
    KdfOption,
    PassphraseOption,
    RecoveryOption,
    optional_passphrase,
    passphrase,
)
from chainnode.cli.output import pairs, show

app = typer.Typer(add_completion=False)


@app.callback()
def registrar() -> None:
    """A registrar attests that enrolled patients exist. No hospital attests its own."""


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The key file to make.")],
    network: Annotated[str, typer.Option("--network", help="Name of the network.")],
    id_: Annotated[str, typer.Option("--id", help="The registrar's id there.")],
    name: Annotated[str, typer.Option("--name", help="The registrar's name.")],
    operator: Annotated[str, typer.Option("--operator", help="Who runs it: a member's id or another's.")],
    passphrase_file: PassphraseOption,
    recovery_passphrase_file: RecoveryOption = None,
    kdf: KdfOption = Kdf.MODERATE,
    json: JsonOption = False,
) -> None:
    """Make a registrar's key file, and its join request beside it."""
    request = create_registrar(
        file,
        Identity(network, id_, name),
        operator,
        Passphrases(passphrase(passphrase_file), optional_passphrase(recovery_passphrase_file)),
        level=kdf.value,
    )
    data = {"file": file, "join_request": request_beside(file), "words": " ".join(request.words)}
    show(data, pairs(f"Registrar {id_}", data), json=json)
