"""`chainnode trustee`: key files of trustees, who they are, and what patients dealt to them."""

from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions.base import member_number
from chainnode.cli.actions.dealing import Dealt, deal, dealings, dealt_classes, trustee_views
from chainnode.cli.actions.homes import Identity, Passphrases, create_trustee, request_beside
from chainnode.cli.options import (
    HeightOption,
    HomeOption,
    JsonOption,
    Kdf,
    KdfOption,
    PassphraseOption,
    RecoveryOption,
    SocketOption,
    Target,
    data_classes,
    hex_id,
    open_key,
    optional_passphrase,
    passphrase,
)
from chainnode.cli.output import pairs, show, table
from chainnode.cli.views import done, submitted
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.payloads import DATA_CLASSES
from chainnode.ledger.transaction import ID_BYTES
from chainnode.node.api import Role
from chainnode.vault.keystore import WalletFile

app = typer.Typer(add_completion=False)


@app.callback()
def trustee() -> None:
    """A trustee opens the patients' halves under standing consents, with others."""


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The key file to make.")],
    network: Annotated[str, typer.Option("--network", help="Name of the network.")],
    id_: Annotated[str, typer.Option("--id", help="The trustee's id there.")],
    name: Annotated[str, typer.Option("--name", help="The trustee's name.")],
    operator: Annotated[str, typer.Option("--operator", help="Who runs it: a member's id or another's.")],
    passphrase_file: PassphraseOption,
    recovery_passphrase_file: RecoveryOption = None,
    kdf: KdfOption = Kdf.MODERATE,
    json: JsonOption = False,
) -> None:
    """Make a trustee's key file, and its join request beside it."""
    request = create_trustee(
        file,
        Identity(network, id_, name),
        operator,
        Passphrases(passphrase(passphrase_file), optional_passphrase(recovery_passphrase_file)),
        level=kdf.value,
    )
    data = {"file": file, "join_request": request_beside(file), "words": " ".join(request.words)}
    show(data, pairs(f"Trustee {id_}", data), json=json)


@app.command("deal")
def deal_(
    wallet_file: Annotated[Path, typer.Argument(metavar="WALLET", help="The patient's wallet.")],
    member: Annotated[str, typer.Option("--member", help="The hospital's id that enrolled the patient.")],
    passphrase_file: PassphraseOption,
    class_: Annotated[
        list[str] | None,
        typer.Option(
            "--class", help="Data classes, else those of which a dealing stands: " + ", ".join(DATA_CLASSES)
        ),
    ] = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Deal a patient's class keys anew: trustees lost their shares, complained, or were never dealt any.

    `consent standing` deals by itself what its terms permit."""
    target = Target(home, socket, Role.STEWARD, min_height)
    named = data_classes(class_)
    wallet = open_key(WalletFile, wallet_file, passphrase_file).wallet

    async def action(client: GatewayClient) -> Dealt | None:
        number = member_number(await client.info(), member)
        classes = named or await dealt_classes(client, wallet, number)
        return await deal(client, wallet, number, classes, again=True)

    dealt = target.call(action)
    if dealt is None:
        show(
            {"keys": 0},
            "Nothing was dealt: no dealing stands (--class names what to deal), the network has no trustees, "
            "or the patient has no such key.",
            json=json,
        )
        return
    what = f"{dealt.keys} class keys dealt to {dealt.trustees} trustees"
    show(
        submitted(dealt.result, keys=dealt.keys, trustees=dealt.trustees), done(what, dealt.result), json=json
    )


@app.command("list")
def list_(
    handle: Annotated[
        str, typer.Argument(metavar="[HANDLE]", help="What was dealt of this patient's class keys.")
    ] = "",
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """The network's trustees; with a handle, who holds what of a patient's class keys."""
    target = Target(home, socket, Role.STEWARD, min_height)
    if not handle:
        trustees = target.call(trustee_views)
        columns = ("seat", "trustee", "name", "run by", "node of member")
        rows = [(one.seat, one.id, one.name, one.operator, one.member) for one in trustees.trustees]
        title = f"{trustees.threshold} act together, {trustees.faults} may be faulty"
        show(trustees, table(title, columns, rows), json=json)
        return
    id_ = hex_id(handle, ID_BYTES, "handle")
    found = target.call(lambda client: dealings(client, id_))
    rows_dealt = [
        (
            one.data_class,
            one.epoch,
            one.dealt.height,
            _seats(one.holds),
            _seats(one.complains),
            one.ended.height or None,
            _seats(one.erased),
        )
        for one in found
    ]
    columns_dealt = ("class", "epoch", "dealt at", "hold", "complain", "ended at", "erased")
    show(found, table(f"Class keys of {handle}, trustees by seat", columns_dealt, rows_dealt), json=json)


def _seats(seats: tuple[int, ...]) -> str:
    return ", ".join(map(str, seats))
