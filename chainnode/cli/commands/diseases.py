"""`chainnode diseases`: the tree by which "research on one disease" means the same at every hospital."""

from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions.diseases import MAX_FILE_BYTES, parse_diseases, publish
from chainnode.cli.actions.files import read_limited
from chainnode.cli.next_steps import command
from chainnode.cli.options import HomeOption, JsonOption, PassphraseOption, SocketOption, Target, open_key
from chainnode.cli.output import show
from chainnode.cli.views import done, submitted
from chainnode.ledger.diseases import disease_digest, feature_name
from chainnode.node.api import Role
from chainnode.vault.keystore import StewardKeys

app = typer.Typer(add_completion=False, help="The tree of diseases that purposes and consents may name.")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The tree (JSON, see docs/consent.md).")]


@app.command()
def check(file: FileArgument, json: JsonOption = False) -> None:
    """Check a file, and say by which feature the validators agree on it. No node, no network."""
    document, tree = parse_diseases(read_limited(file, MAX_FILE_BYTES, "the file of diseases"))
    name = feature_name(document)
    data = {
        "name": tree.name,
        "version": tree.version,
        "terms": len(tree.terms),
        "bytes": len(document),
        "digest": disease_digest(document),
        "feature": name,
    }
    agree = command("member", "propose", "feature", name, remark="begins the agreement")
    show(data, f"{tree.name}, {tree.version}: {len(tree.terms)} diseases, feature {name}", agree, json=json)


@app.command("publish")
def publish_(
    file: FileArgument,
    steward_file: Annotated[
        Path, typer.Option("--steward-file", help="This hospital's steward's key file; it signs.")
    ],
    passphrase_file: PassphraseOption,
    home: HomeOption = None,
    socket: SocketOption = None,
    json: JsonOption = False,
) -> None:
    """Put the tree that the validators agreed on onto the chain; it is in force from then on."""
    target = Target(home, socket, Role.STEWARD)
    document, tree = parse_diseases(read_limited(file, MAX_FILE_BYTES, "the file of diseases"))
    steward = open_key(StewardKeys, steward_file, passphrase_file)
    result = target.call(lambda client: publish(client, steward, document))
    data = submitted(result, feature=feature_name(document), terms=len(tree.terms))
    show(data, done(f"Tree of {len(tree.terms)} diseases", result), json=json)
