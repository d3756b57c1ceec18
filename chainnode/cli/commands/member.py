"""`chainnode member`: who is in the network, and changes of that."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions.changes import Checked, check_with_chain, check_with_genesis, unchecked
from chainnode.cli.actions.homes import KEYSTORE_NAME, Identity, member_request, write_request
from chainnode.cli.actions.members import (
    Roster,
    Terms,
    propose,
    require_enough,
    roster,
    rows_data,
    submit_change,
)
from chainnode.cli.errors import usage
from chainnode.cli.options import (
    HeightOption,
    HomeOption,
    JsonOption,
    Kdf,
    KdfOption,
    PassphraseOption,
    RecoveryOption,
    SocketOption,
    StrongOption,
    Target,
    open_key,
    optional_passphrase,
    passphrase,
    within,
)
from chainnode.cli.output import pairs, show, table
from chainnode.cli.views import done, submitted
from chainnode.node.api import Role
from chainnode.vault.keystore import NodeKeys, StewardKeys
from genesis.changing import change_data, combine_changes, put_change, read_change, sign_change, summary
from genesis.document import load_genesis, read_limited
from genesis.membership import (
    ADMIT,
    KINDS,
    MAX_CHANGE_BYTES,
    MAX_DELAY_HEIGHTS,
    ROTATE,
    ChangeFile,
    encode_change_file,
)
from genesis.request import MAX_REQUEST_BYTES, parse_request

app = typer.Typer(add_completion=False, help="Members: admit, promote, demote, remove, rotate keys.")

VALID_HEIGHTS = 100_000
MAX_VALID_HEIGHTS = 1_000_000_000

Kind = StrEnum("Kind", {kind: kind for kind in KINDS})  # type: ignore[misc]

FileArgument = Annotated[Path, typer.Argument(help="The change's file.")]
OutOption = Annotated[Path, typer.Option("--out", help="The file to write.")]


def _show(file: ChangeFile, path: Path, *, json: bool, checked: Checked | None = None) -> None:
    checked = checked or unchecked(file)
    signatures = [
        (one.number, one.id, "signed" if one.id in file.signatures else "missing")
        for one in file.change.validators
    ]
    columns = ("number", "validator", "signature")
    show(
        {
            "file": path,
            **change_data(file),
            "checked_against": checked.against,
            "unchecked": checked.unchecked,
        },
        *summary(file),
        checked.line,
        table(f"Signatures in {path.name}", columns, signatures),
        json=json,
    )


@app.command("propose")
def propose_(
    kind: Annotated[Kind, typer.Argument(help="What is to change.")],
    subject: Annotated[
        str,
        typer.Argument(help="Whom: an id; for admit, rotate the file of a join request; a feature's name."),
    ],
    out: OutOption,
    delay: Annotated[
        int,
        typer.Option(
            "--delay",
            callback=within(0, MAX_DELAY_HEIGHTS),
            help="Heights until it takes effect. [the shortest allowed]",
        ),
    ] = 0,
    valid_for: Annotated[
        int,
        typer.Option(
            "--valid-for",
            callback=within(1, MAX_VALID_HEIGHTS),
            help="Heights within which it has to be made.",
        ),
    ] = VALID_HEIGHTS,
    fewer_faults: Annotated[
        bool, typer.Option("--fewer-faults", help="It is meant that fewer faulty members are tolerated.")
    ] = False,
    home: HomeOption = None,
    socket: SocketOption = None,
    json: JsonOption = False,
) -> None:
    """Write a change of members on top of the present ones. Nobody has signed it yet."""
    named: str = subject
    request = None
    if kind.value in (ADMIT, ROTATE):
        path = Path(subject)
        request = parse_request(read_limited(path, MAX_REQUEST_BYTES), str(path))
    known = Target(home, socket, Role.STEWARD).call(roster)
    data = propose(known, kind.value, request or named, Terms(delay, valid_for, fewer_faults))
    change = put_change(out, data)
    _show(change, out, json=json, checked=check_with_chain(change, known, out))


@app.command("show")
def show_(
    file: FileArgument,
    genesis: Annotated[
        Path | None,
        typer.Option("--genesis", help="Check chain and keys with this genesis file.", show_default=False),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="Check chain and keys with this home's node.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """What a change says, in words, and who has signed it. Needs no node, but with --home."""
    change, checked = read_change(file), None
    if genesis is not None:
        checked = check_with_genesis(change, load_genesis(genesis), file)
    if home is not None:
        checked = check_with_chain(change, Target(home, None, Role.STEWARD).call(roster), file)
    _show(change, file, json=json, checked=checked)


@app.command()
def sign(
    file: FileArgument,
    member: Annotated[str, typer.Option("--member", help="The id of the validator that signs.")],
    passphrase_file: PassphraseOption,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="The home whose keystore signs.", show_default=False),
    ] = None,
    keystore_file: Annotated[
        Path | None, typer.Option("--keystore-file", help="The keystore that signs.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Add a validator's signature. Needs no node. Read first what `member show` says."""
    if (home is None) == (keystore_file is None):
        raise usage("exactly one of --home and --keystore-file says whose key signs", "give one of them")
    keystore = keystore_file or Path(home or "") / KEYSTORE_NAME
    keys = open_key(NodeKeys, keystore, passphrase_file)
    _show(sign_change(file, member, keys.validator.sign), file, json=json)


@app.command()
def combine(
    copies: Annotated[list[Path], typer.Argument(help="Copies of one change, each signed by some.")],
    out: OutOption,
    json: JsonOption = False,
) -> None:
    """One file with the signatures of all copies, and of the one that is there already."""
    data = combine_changes([read_limited(path, MAX_CHANGE_BYTES) for path in copies])
    _show(put_change(out, data), out, json=json)


@app.command()
def submit(
    file: FileArgument,
    steward_file: Annotated[Path, typer.Option("--steward-file", help="The steward's key file; it signs.")],
    passphrase_file: Annotated[Path, typer.Option("--passphrase-file", help="The steward's passphrase.")],
    home: HomeOption = None,
    socket: SocketOption = None,
    json: JsonOption = False,
) -> None:
    """Hand in a change that more than half of the validators signed."""
    target = Target(home, socket, Role.STEWARD)
    change = read_change(file)
    require_enough(change, file)
    steward = open_key(StewardKeys, steward_file, passphrase_file)
    data = encode_change_file(change.body, change.signatures)
    result = target.call(lambda client: submit_change(client, steward, data))
    effective = result.height + change.change.delay_heights
    shown = submitted(result, change=change.change.number, effective_height=effective)
    line = done(f"Change {change.change.number}", result)
    show(shown, line, f"It takes effect at height {effective}.", json=json)


@app.command("list")
def list_(
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """All members, their roles and keys, and what waits to take effect."""
    known: Roster = Target(home, socket, Role.STEWARD, min_height, strong=strong).call(roster)
    voters = known.voters
    data = {
        "changes": known.record.changes,
        "epoch": voters.epoch,
        "n": voters.n,
        "f": voters.f,
        "quorum": voters.quorum,
        "effective_height": known.record.effective_height,
        "height": known.info.height,
        "members": rows_data(known.members),
    }
    rows = [
        (one.number, one.id, one.role, one.words, f"{one.next_role} from {one.from_height}")
        if one.from_height
        else (one.number, one.id, one.role, one.words, None)
        for one in known.members
    ]
    columns = ("number", "id", "role", "words of its key", "waits")
    show(
        data,
        f"Epoch {voters.epoch}: {voters.n} validators, of which {voters.f} may be faulty; "
        f"{voters.quorum} decide. {known.record.changes} changes so far.",
        table("Members", columns, rows),
        json=json,
    )


@app.command("new-keys")
def new_keys(
    home: Annotated[Path, typer.Option("--home", help="The node's home folder.")],
    network: Annotated[str, typer.Option("--network", help="Name of the network.")],
    id_: Annotated[str, typer.Option("--id", help="The hospital's id there.")],
    name: Annotated[str, typer.Option("--name", help="The hospital's name, as it stands on the chain.")],
    passphrase_file: PassphraseOption,
    steward_file: Annotated[Path, typer.Option("--steward-file", help="The steward's key file.")],
    steward_passphrase_file: Annotated[
        Path, typer.Option("--steward-passphrase-file", help="The steward's passphrase.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The new keystore to write.")],
    request: Annotated[Path, typer.Option("--request", help="The join request to write.")],
    recovery_passphrase_file: RecoveryOption = None,
    kdf: KdfOption = Kdf.MODERATE,
    json: JsonOption = False,
) -> None:
    """Make new validator and transport keys, and the request for `member propose rotate`.

    The new keystore has the old one's passphrase and local secrets. Name it in the configuration as
    keys.next_keystore and start the node anew: it signs with the old keys until the change takes effect,
    then with the new ones.
    """
    old = open_key(NodeKeys, home / KEYSTORE_NAME, passphrase_file)
    steward = open_key(StewardKeys, steward_file, steward_passphrase_file)
    new = old.renewed(
        out,
        boot=passphrase(passphrase_file),
        recovery=optional_passphrase(recovery_passphrase_file),
        level=kdf.value,
    )
    joining = member_request(Identity(network, id_, name), new, steward)
    path = write_request(request, joining)
    data = {"keystore": out, "join_request": path, "words": " ".join(joining.words)}
    show(data, pairs("New keys", data), json=json)
