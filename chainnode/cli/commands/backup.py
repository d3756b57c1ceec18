"""`chainnode backup`: what only this node holds, into a file and back."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions.backups import create_backup, restore_backup
from chainnode.cli.next_steps import HOME_VARIABLE, command
from chainnode.cli.options import JsonOption, Kdf, KdfOption, optional_passphrase
from chainnode.cli.output import pairs, show, size, when
from chainnode.node.archive import Header
from chainnode.node.config import load_config
from genesis.document import load_genesis

app = typer.Typer(add_completion=False, help="Backups of what only this node holds: create, restore.")

PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="File that holds the passphrase of the backup; without it the backup is not encrypted.",
        show_default=False,
    ),
]
BETWEEN_BYTES = 4_000_000
"""So often a line of progress is renewed."""


class _Progress:
    """One line on the terminal, renewed; silent where nobody watches."""

    def __init__(self, json: bool) -> None:
        self._shown = not json and sys.stderr.isatty()
        self._last = 0

    def bytes(self, done: int, of: int = 0) -> None:
        if self._shown and done - self._last >= BETWEEN_BYTES:
            self._last = done
            share = f" of about {size(of)}" if of else ""
            sys.stderr.write(f"\r{size(done)}{share} MB")
            sys.stderr.flush()

    def end(self) -> None:
        if self._shown and self._last:
            sys.stderr.write("\r\033[K")


@app.command()
def create(
    home: Annotated[Path, typer.Option("--home", envvar=HOME_VARIABLE, help="The node's home folder.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write; it must not be there yet.")],
    passphrase_file: PassphraseFileOption = None,
    without_objects: Annotated[
        bool, typer.Option("--without-objects", help="Leave the ciphertexts out: they are kept elsewhere.")
    ] = False,
    kdf: KdfOption = Kdf.MODERATE,
    json: JsonOption = False,
) -> None:
    """Back up keys, halves, local rows and objects, while the node runs or stands still. Votes and chain are
    never inside. The file is read again to its end before this says that it is there."""
    progress = _Progress(json)
    made = create_backup(
        load_config(home),
        out,
        optional_passphrase(passphrase_file),
        objects=not without_objects,
        level=kdf.value,
        told=progress.bytes,
    )
    progress.end()
    data = {
        "file": made.file,
        "file_bytes": made.file_bytes,
        "entries": made.entries,
        "encrypted": made.encrypted,
        "node_was_running": made.running,
        **_header(made.header),
    }
    fields = {
        "of": made.header.slug or "-",
        "height": made.header.height or "not known: the node stood still",
        "entries": made.entries,
        "size (MB)": size(made.file_bytes),
        "encrypted": "yes" if made.encrypted else "no: keep it where the home's owner alone may read",
        "objects": made.header.objects,
    }
    show(data, pairs(f"Backup {made.file.name}, whole and checked", fields), json=json)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The backup's file.")],
    home: Annotated[Path, typer.Option("--home", help="The home to make; it must not be there or be empty.")],
    passphrase_file: PassphraseFileOption = None,
    allow_outside: Annotated[
        bool,
        typer.Option(
            "--allow-outside",
            help="Also write where the backup's configuration leaves the home, a pool on another disk say.",
        ),
    ] = False,
    membership: Annotated[
        Path | None,
        typer.Option(
            "--membership",
            help="The change of members that gave the node its keys, where the backup names none.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a home from a backup. The node in it fetches the chain from its peers, follows, and does not vote
    until no vote of before can be contradicted."""
    progress = _Progress(json)

    def told(header: Header, entries: int, done: int) -> None:
        progress.bytes(done, header.size_bytes)

    secret = optional_passphrase(passphrase_file)
    outcome = restore_backup(file, home, secret, told, allow_outside=allow_outside, membership=membership)
    progress.end()
    config = outcome.config
    silent_blocks = 2 * load_genesis(config.genesis_file).parameters.window
    data = {
        "home": home,
        "entries": outcome.entries,
        "silent_blocks": silent_blocks,
        **_header(outcome.header),
    }
    fields = {
        "of": outcome.header.slug or "-",
        "made (UTC)": when(outcome.header.created_ms),
        "entries": outcome.entries,
        "size (MB)": size(outcome.size_bytes),
        "objects": outcome.header.objects,
    }
    steps = []
    if config.passphrase_file is not None and not config.passphrase_file.exists():
        steps.append(f"put the boot passphrase back, it is in no backup: {config.passphrase_file}")
    steps.append(silence(silent_blocks, outcome.header.height))
    steps.append("start it, and never the old home beside it: " + command("run", "--home", home, node=False))
    show(data, pairs(f"Home {home}", fields), *steps, json=json)


def silence(blocks: int, height: int) -> str:
    """What a restored node does first. `height`: certified when the backup was made, 0 where not known."""
    earliest = f" (height {height + blocks} or later)" if height else ""
    return (
        "started, it fetches the chain, follows, and does not vote until the network has made about "
        f"{blocks} more blocks{earliest}; status says which height"
    )


def _header(header: Header) -> dict[str, object]:
    return {
        "network": header.network,
        "slug": header.slug,
        "created_ms": header.created_ms,
        "height": header.height,
        "objects": header.objects,
    }
