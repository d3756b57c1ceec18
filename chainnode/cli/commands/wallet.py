"""`chainnode wallet`: on the patient's device."""

from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions.cards import encode_card, make_card
from chainnode.cli.actions.files import write_private
from chainnode.cli.actions.homes import make_folder
from chainnode.cli.errors import usage
from chainnode.cli.next_steps import command
from chainnode.cli.options import (
    JsonOption,
    Kdf,
    KdfOption,
    PassphraseOption,
    RecoveryOption,
    open_key,
    optional_passphrase,
    passphrase,
)
from chainnode.cli.output import pairs, show
from chainnode.vault.keystore import WalletFile
from genesis.document import load_genesis

app = typer.Typer(add_completion=False, help="A patient's wallet: one seed, keys that hospitals cannot link.")

FileArgument = Annotated[Path, typer.Argument(help="The wallet's file.")]


@app.command()
def new(
    file: FileArgument,
    passphrase_file: PassphraseOption,
    recovery_passphrase_file: RecoveryOption = None,
    kdf: KdfOption = Kdf.MODERATE,
    json: JsonOption = False,
) -> None:
    """Make a wallet. It is the patient's alone: no hospital needs the file."""
    make_folder(file.parent)
    WalletFile.create(
        file,
        boot=passphrase(passphrase_file),
        recovery=optional_passphrase(recovery_passphrase_file),
        level=kdf.value,
    )
    show({"file": file}, f"Wallet {file}; next: {command('wallet', 'card', '--help')}", json=json)


@app.command()
def card(
    file: FileArgument,
    genesis: Annotated[Path, typer.Option("--genesis", help="The network's genesis file.")],
    member: Annotated[str, typer.Option("--member", help="The hospital's id that is to enrol the patient.")],
    passphrase_file: PassphraseOption,
    out: Annotated[
        Path | None, typer.Option("--out", help="The card to write. [beside the wallet]", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write the enrolment card for one hospital: public keys, the same for no other hospital."""
    founding = load_genesis(genesis)
    known = founding.member_by_id(member)
    if known is None:
        names = ", ".join(one.id for one in founding.members)
        raise usage(
            f"{genesis} names no member {member!r}: the members are {names}",
            command("genesis", "show", genesis, node=False),
        )
    wallet = open_key(WalletFile, file, passphrase_file).wallet
    made = make_card(wallet, founding.chain_id, known.number)
    path = write_private(out or file.with_suffix(f".{member}.card.json"), encode_card(made, wallet))
    data = {"card": path, "member": member, "patient_key": made.patient_key}
    show(data, pairs(f"Enrolment card for {known.name}", data), json=json)
