"""`chainnode genesis`: the ceremony."""

import time
from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions.homes import GENESIS_NAME, KEYSTORE_NAME, Identity, member_request, write_request
from chainnode.cli.options import JsonOption, PassphraseOption, open_key, within
from chainnode.cli.output import pairs, show, table
from chainnode.vault.keystore import NodeKeys, StewardKeys
from genesis import ceremony
from genesis.checks import EARLIEST_MS, LATEST_MS
from genesis.document import MAX_FILE_BYTES, MAX_ROSTER, GenesisFile, parse_file, read_limited
from genesis.model import LIBP2P, TRANSPORTS
from genesis.request import MAX_REQUEST_BYTES, parse_request
from genesis.words import fingerprint_words

app = typer.Typer(add_completion=False, help="The founding document and the ceremony that makes it.")

FileArgument = Annotated[Path, typer.Argument(help="The genesis file.")]


def _show(file: GenesisFile, path: Path, *, json: bool) -> None:
    genesis = file.genesis
    data = {
        "file": path,
        "network": genesis.network,
        "chain_id": genesis.chain_id,
        "words": " ".join(fingerprint_words(genesis.chain_id)),
        "created_ms": genesis.created_ms,
        "transport": genesis.transport,
        "members": [{"number": one.number, "id": one.id, "name": one.name} for one in genesis.members],
        "registrars": [{"id": one.id, "operator": one.operator} for one in genesis.registrars],
        "trustees": [{"id": one.id, "operator": one.operator} for one in genesis.trustees],
        "signed": sorted(file.signatures),
        "missing": file.missing(),
    }
    signatures = [
        (one.number, one.id, one.name, "signed" if one.id in file.signatures else "missing")
        for one in genesis.members
    ]
    show(
        data,
        *ceremony.summary(genesis),
        table(f"Signatures in {path.name}", ("number", "id", "name", "signature"), signatures),
        json=json,
    )


@app.command()
def join(
    home: Annotated[Path, typer.Option("--home", help="The node's home folder.")],
    network: Annotated[str, typer.Option("--network", help="Name of the network.")],
    id_: Annotated[str, typer.Option("--id", help="The hospital's id there.")],
    name: Annotated[str, typer.Option("--name", help="The hospital's name.")],
    passphrase_file: PassphraseOption,
    steward_file: Annotated[Path, typer.Option("--steward-file", help="The steward's key file.")],
    steward_passphrase_file: Annotated[
        Path, typer.Option("--steward-passphrase-file", help="The steward's passphrase.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The request to write. [HOME/ID.join]", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write a member's join request anew, from the keys that `init` made."""
    keys = open_key(NodeKeys, home / KEYSTORE_NAME, passphrase_file)
    steward = open_key(StewardKeys, steward_file, steward_passphrase_file)
    request = member_request(Identity(network, id_, name), keys, steward)
    path = write_request(out or home / f"{id_}.join", request)
    data = {"join_request": path, "words": " ".join(request.words)}
    show(data, pairs("Join request", data), json=json)


@app.command()
def build(
    requests: Annotated[list[Path], typer.Argument(help="Join requests of members, registrars, trustees.")],
    network: Annotated[str, typer.Option("--network", help="Name of the network.")],
    out: Annotated[Path, typer.Option("--out", help="The genesis file to write.")] = Path(GENESIS_NAME),
    created_ms: Annotated[
        int | None,
        typer.Option(
            "--created-ms",
            callback=within(EARLIEST_MS, LATEST_MS - 1),
            help="Founding time, Unix ms. [now]",
            show_default=False,
        ),
    ] = None,
    trustee_threshold: Annotated[
        int,
        typer.Option(
            "--trustee-threshold", callback=within(0, MAX_ROSTER), help="Trustees who act together."
        ),
    ] = 0,
    trustee_faults: Annotated[
        int,
        typer.Option("--trustee-faults", callback=within(0, MAX_ROSTER), help="Trustees who may be faulty."),
    ] = 0,
    transport: Annotated[
        str,
        typer.Option("--transport", help=f"How all members link: {' or '.join(TRANSPORTS)}."),
    ] = LIBP2P,
    json: JsonOption = False,
) -> None:
    """Build the document out of join requests. Nobody has signed it yet.

    The same requests and settings give the same bytes on every machine: compare the six words. A file
    that is there stays: only where it is the same document, with its signatures.
    """
    parsed = [parse_request(read_limited(path, MAX_REQUEST_BYTES), str(path)) for path in requests]
    data = ceremony.build(
        parsed,
        network=network,
        created_ms=int(time.time() * 1_000) if created_ms is None else created_ms,
        trustee_threshold=trustee_threshold,
        trustee_faults=trustee_faults,
        transport=transport,
    )
    _show(ceremony.put(out, data), out, json=json)


@app.command()
def sign(
    file: FileArgument,
    home: Annotated[Path, typer.Option("--home", help="The home whose keystore signs.")],
    member: Annotated[str, typer.Option("--member", help="The id of the member that signs.")],
    passphrase_file: PassphraseOption,
    json: JsonOption = False,
) -> None:
    """Add a member's signature. Read first what `genesis show` says."""
    keys = open_key(NodeKeys, home / KEYSTORE_NAME, passphrase_file)
    _show(ceremony.sign(file, member, keys.validator.sign), file, json=json)


@app.command()
def combine(
    copies: Annotated[list[Path], typer.Argument(help="Copies of one document, each signed by some.")],
    out: Annotated[Path, typer.Option("--out", help="The genesis file to write.")] = Path(GENESIS_NAME),
    json: JsonOption = False,
) -> None:
    """One file with the signatures of all copies, and of the one that is there already."""
    data = ceremony.combine([read_limited(path, MAX_FILE_BYTES) for path in copies])
    _show(ceremony.put(out, data), out, json=json)


@app.command("show")
def show_(file: FileArgument, json: JsonOption = False) -> None:
    """What a document says, in sentences, and who has signed it."""
    _show(parse_file(read_limited(file, MAX_FILE_BYTES), str(file)), file, json=json)
