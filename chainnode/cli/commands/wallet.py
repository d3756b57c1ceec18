"""`chainnode wallet`: on the patient's device."""

from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions import asked_texts as texts
from chainnode.cli.actions.asking import answer, read_asking
from chainnode.cli.actions.cards import encode_card, make_card
from chainnode.cli.actions.files import read_limited, write_private
from chainnode.cli.actions.homes import make_folder
from chainnode.cli.askedviews import Language, LanguageOption, QrOption, show_asking
from chainnode.cli.errors import bad_input, usage
from chainnode.cli.next_steps import command, shell
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
from chainnode.vault.phrase import MAX_PHRASE_CHARACTERS, PhraseError, phrase_of, wallet_of
from consensus.codec import encode
from genesis.document import load_genesis

app = typer.Typer(add_completion=False, help="A patient's wallet: one seed, keys that hospitals cannot link.")

FileArgument = Annotated[Path, typer.Argument(help="The wallet's file.")]
AskingArgument = Annotated[Path, typer.Argument(metavar="ASKING", help="What the kiosk wrote.")]
MAX_PHRASE_BYTES = 4 * MAX_PHRASE_CHARACTERS


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
def phrase(
    file: FileArgument,
    passphrase_file: PassphraseOption,
    lang: LanguageOption = Language.EN,
    json: JsonOption = False,
) -> None:
    """Show the wallet's seed phrase: 24 words to be written on paper. Whoever reads them has the wallet."""
    words = phrase_of(open_key(WalletFile, file, passphrase_file).wallet, lang.value)
    lines = [" ".join(words[at : at + 6]) for at in range(0, len(words), 6)]
    show({"words": words}, *lines, json=json)


@app.command()
def restore(
    file: FileArgument,
    phrase_file: Annotated[
        Path,
        typer.Option("--phrase-file", help="File with the 24 words, English or Chinese; - asks for them."),
    ],
    passphrase_file: PassphraseOption,
    recovery_passphrase_file: RecoveryOption = None,
    kdf: KdfOption = Kdf.MODERATE,
    json: JsonOption = False,
) -> None:
    """Make the wallet's file anew from its seed phrase: the same keys at every hospital."""
    try:
        wallet = wallet_of(_words(phrase_file))
    except PhraseError as error:
        raise bad_input(
            f"this is no seed phrase: {error}",
            command("wallet", "restore", "--help", remark="compare the paper word by word", node=False),
        ) from None
    make_folder(file.parent)
    WalletFile.restore(
        file,
        wallet,
        boot=passphrase(passphrase_file),
        recovery=optional_passphrase(recovery_passphrase_file),
        level=kdf.value,
    )
    show({"file": file}, f"Wallet {file}, restored from its words", json=json)


def _words(phrase_file: Path) -> str:
    """Raises OperatorError CLI-02; typer.Abort where nobody answers."""
    if str(phrase_file) == "-":
        return str(typer.prompt("The 24 words", hide_input=True, err=True))
    try:
        return read_limited(phrase_file, MAX_PHRASE_BYTES, "the seed phrase").decode()
    except UnicodeDecodeError:
        raise bad_input(
            f"{phrase_file} is no text in UTF-8", command("wallet", "restore", "--help", node=False)
        ) from None


@app.command()
def read(
    asking_file: AskingArgument,
    lang: LanguageOption = Language.EN,
    qr: QrOption = False,
    json: JsonOption = False,
) -> None:
    """Say in plain words what a file asks. No wallet, no node, no network."""
    show_asking(read_asking(asking_file), lang, qr=qr, json=json)


@app.command()
def sign(
    file: FileArgument,
    asking_file: AskingArgument,
    passphrase_file: PassphraseOption,
    out: Annotated[
        Path | None, typer.Option("--out", help="The signed file. [FILE.signed]", show_default=False)
    ] = None,
    no: Annotated[bool, typer.Option("--no", help="Sign a no to the application.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to sign.")] = False,
    lang: LanguageOption = Language.EN,
    json: JsonOption = False,
) -> None:
    """Show what a file asks, and sign it if the patient wants to. No node, no network: `kiosk submit` hands
    the signed file in, on any machine that reaches the hospital's node."""
    asking = read_asking(asking_file)
    target = out or asking_file.with_name(asking_file.name + ".signed")
    if target.exists():
        raise usage(
            f"{target} is there already: what was signed is not written over",
            shell("ls", "-l", target, remark="name another --out"),
        )
    if not json:
        show_asking(asking, lang, qr=False, json=False)
    if not yes and (json or not _agreed(lang, no=no)):
        raise usage(
            "nothing was signed: nobody said yes",
            command("wallet", "sign", "--help", remark="--yes does not ask", node=False),
        )
    made = answer(open_key(WalletFile, file, passphrase_file).wallet, asking, yes=not no)
    write_private(target, encode(made))
    data = {"file": target, "signed": made.signed(), "parts": len(made.parts)}
    handing = command("kiosk", "submit", target, remark="hands it in", node=False)
    show(data, f"Signed: {target}; next: {handing}", json=json)


def _agreed(lang: Language, *, no: bool) -> bool:
    """Raises typer.Abort where nobody answers."""
    question = texts.QUESTIONS["refuse" if no else "sign"][texts.LANGUAGES.index(lang.value)]
    said = typer.prompt(question, default="", prompt_suffix="", show_default=False, err=True)
    return str(said).strip() in texts.YES


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
