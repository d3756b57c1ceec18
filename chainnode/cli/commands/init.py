"""`chainnode init`."""

from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions.homes import Home, Identity, Passphrases, create_home
from chainnode.cli.errors import usage
from chainnode.cli.options import JsonOption, Kdf, KdfOption, optional_passphrase, passphrase, within
from chainnode.cli.output import pairs, show
from genesis.checks import slug_error

app = typer.Typer(add_completion=False)


def _peers(values: list[str], own: str) -> dict[str, str | int]:
    """`hospital-b=10.0.0.2:7400`, `hospital-b=10.0.0.2:7400,out`, or `hospital-b=in`: it connects to us.

    Addresses are judged with the rest of the configuration. Raises OperatorError CLI-01.
    """
    settings: dict[str, str | int] = {}
    for value in values:
        slug, _, rest = value.partition("=")
        address, _, dial = ("", "", "in") if rest == "in" else rest.partition(",")
        if not slug or not (address or dial):
            raise usage(f"{value!r} is no peer", "--peer hospital-b=10.0.0.2:7400 or ...,in or ...,out")
        if text := slug_error(slug):
            raise usage(f"--peer {value}: {text}", "--peer hospital-b=10.0.0.2:7400, with that member's id")
        if slug == own or f"peers.{slug}.dial" in settings:
            reason = "is this hospital itself" if slug == own else "is named twice"
            raise usage(f"--peer {value}: {slug} {reason}", "--peer once for each other member")
        if address:
            settings[f"peers.{slug}.address"] = address
        settings[f"peers.{slug}.dial"] = dial or "auto"
    return settings


NetworkOption = Annotated[str, typer.Option("--network", help="Name of the network that is being founded.")]
IdOption = Annotated[str, typer.Option("--id", help="This hospital's id there: a-z, 0-9 and -.")]
BootOption = Annotated[
    Path, typer.Option("--passphrase-file", help="Boot passphrase: the node reads it at every start.")
]
RecoveryFileOption = Annotated[
    Path, typer.Option("--recovery-passphrase-file", help="Recovery passphrase, to be kept elsewhere.")
]
StewardPassphraseOption = Annotated[
    Path, typer.Option("--steward-passphrase-file", help="The steward's own passphrase.")
]
StewardRecoveryOption = Annotated[
    Path | None,
    typer.Option(
        "--steward-recovery-passphrase-file", help="The steward's recovery passphrase.", show_default=False
    ),
]
StewardFileOption = Annotated[
    Path | None,
    typer.Option("--steward-file", help="The steward's key file. [beside the home]", show_default=False),
]
CredentialOption = Annotated[
    str, typer.Option("--credential", help="Let the node read its passphrase from this systemd credential.")
]
PeerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--peer", metavar="PEER", help="id=host:port[,in|out] of another member; id=in: it connects."
    ),
]


@app.command()
def init(
    home: Annotated[Path, typer.Option("--home", help="Folder to make.")],
    network: NetworkOption,
    id_: IdOption,
    name: Annotated[str, typer.Option("--name", help="This hospital's name.")],
    passphrase_file: BootOption,
    recovery_passphrase_file: RecoveryFileOption,
    steward_passphrase_file: StewardPassphraseOption,
    steward_file: StewardFileOption = None,
    steward_recovery_passphrase_file: StewardRecoveryOption = None,
    credential: CredentialOption = "",
    listen_host: Annotated[str, typer.Option("--listen-host", help="Address to listen on.")] = "0.0.0.0",
    listen_port: Annotated[
        int, typer.Option("--listen-port", callback=within(0, 65_535), metavar="PORT", help="TCP port.")
    ] = 7400,
    peer: PeerOption = None,
    kdf: KdfOption = Kdf.MODERATE,
    json: JsonOption = False,
) -> None:
    """Make a node's home: keystore, the steward's file, a commented configuration, the join request.

    Nothing is sent anywhere. The steward's file belongs to the steward: move it off this machine.
    """
    settings: dict[str, str | int] = {"listen.host": listen_host, "listen.port": listen_port}
    settings |= _peers(peer or [], id_)
    if credential:
        settings["keys.credential"] = credential
    else:
        settings["keys.passphrase_file"] = str(passphrase_file.absolute())
    made = create_home(
        home.absolute(),
        Identity(network, id_, name),
        node=Passphrases(passphrase(passphrase_file), passphrase(recovery_passphrase_file)),
        steward=Passphrases(
            passphrase(steward_passphrase_file), optional_passphrase(steward_recovery_passphrase_file)
        ),
        steward_file=steward_file or home.absolute().parent / f"{id_}-steward.key",
        settings=settings,
        level=kdf.value,
    )
    _show(made, name, json)


def _show(made: Home, name: str, json: bool) -> None:
    words = " ".join(made.request.words)
    data = {
        "home": made.folder,
        "config": made.config_file,
        "keystore": made.keystore_file,
        "steward_file": made.steward_file,
        "join_request": made.request_file,
        "words": words,
    }
    show(
        data,
        pairs(f"The home of {name}", data),
        f"Read these six words out when you hand in {made.request_file.name}: {words}",
        f"Give {made.steward_file} to the steward: it does not belong on this machine.",
        json=json,
    )
