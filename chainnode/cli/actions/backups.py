"""Backups: out of a running or a stopped node into a file, and out of the file into a new home."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from chainnode.cli.errors import CLI_OUTPUT, bad_input, usage
from chainnode.cli.next_steps import shell
from chainnode.gateway.client import GatewayClient
from chainnode.gateway.errors import GTW_UNREACHABLE
from chainnode.node.api import Role
from chainnode.node.archive import ArchiveError, Header
from chainnode.node.backup import stopped_source
from chainnode.node.config import NodeConfig
from chainnode.node.restoring import Outcome, Progress, bad, open_archive, restore
from chainnode.vault.errors import SealingError
from chainnode.vault.sealedstream import Sealer
from genesis.errors import OperatorError

Told = Callable[[int], None]
"""Told how many bytes were written so far."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was written and read again to its end. `running`: whether the node ran meanwhile."""

    file: Path
    header: Header
    entries: int
    file_bytes: int
    encrypted: bool
    running: bool


def create_backup(
    config: NodeConfig, out: Path, passphrase: bytes | None, *, objects: bool, level: str, told: Told
) -> Made:
    """Write a backup of the node of this home to a file that is not there yet, and check it.

    Raises OperatorError CLI-01 (it is there already), CLI-05 (it cannot be written), NOD-05, GTW-xx, and what
    opening a stopped node's folders raises.
    """
    _refuse_taken(out)
    part = out.with_name(f".{out.name}.{token_hex(8)}.part")
    sealer = None if passphrase is None else Sealer(passphrase, level=level)
    with ExitStack() as undo:
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            undo.callback(part.unlink, True)
            with os.fdopen(descriptor, "wb") as stream:
                running = asyncio.run(_write(config, objects, sealer, stream, told))
                stream.flush()
                os.fsync(stream.fileno())
            header, entries = _read_again(part, passphrase)
            _refuse_taken(out)
            part.rename(out)
        except OSError as error:
            raise _not_written(out, error.strerror or str(error)) from None
        undo.pop_all()
    return Made(out, header, entries, out.stat().st_size, passphrase is not None, running)


def _refuse_taken(out: Path) -> None:
    """A symbolic link is something too, wherever it points. Raises OperatorError CLI-01."""
    if os.path.lexists(out):
        raise usage(
            f"{out} is there already, and a backup is never written over anything",
            shell("ls", "-l", out, remark="name another --out"),
        )


def _not_written(path: Path, reason: str) -> OperatorError:
    return OperatorError(
        CLI_OUTPUT,
        f"{path} cannot be written: {reason}",
        unchanged="the node is as it was; no backup was left half-made",
        next_step=shell("df", path.parent, remark="check space and permissions, or name another --out"),
    )


async def _write(
    config: NodeConfig, objects: bool, sealer: Sealer | None, stream: BinaryIO, told: Told
) -> bool:
    """Whether the node ran."""
    written = 0 if sealer is None else stream.write(sealer.begin())
    running, pieces = await _pieces(config, objects)
    async for piece in pieces:
        written += stream.write(piece if sealer is None else sealer.feed(piece))
        told(written)
        await asyncio.sleep(0)  # where nothing is waited for, Ctrl-C would be noticed at the end alone
    if sealer is not None:
        stream.write(sealer.end())
    return running


async def _pieces(config: NodeConfig, objects: bool) -> tuple[bool, AsyncIterator[bytes]]:
    """Of the running node; where none answers, out of its folders, which are locked meanwhile."""
    client = GatewayClient(config.socket(Role.SYSADMIN).path)
    try:
        await client.__aenter__()
    except OperatorError as error:
        if error.code is not GTW_UNREACHABLE:
            raise
        return False, _stopped(config, objects)
    return True, _running(client, objects)


async def _running(client: GatewayClient, objects: bool) -> AsyncIterator[bytes]:
    try:
        async for piece in client.backup(objects=objects):
            yield piece
    finally:
        await client.__aexit__()


async def _stopped(config: NodeConfig, objects: bool) -> AsyncIterator[bytes]:
    with ExitStack() as closing:
        for piece in stopped_source(config, closing).pieces(objects=objects):
            yield piece


def _read_again(path: Path, passphrase: bytes | None) -> tuple[Header, int]:
    """Header and number of entries, once all to the end was found good. Raises OperatorError NOD-07."""
    with path.open("rb") as stream:
        reader = open_archive(stream, passphrase)
        entries = 0
        try:
            for entry in reader.entries():
                entries += 1
                for _ in entry.data:
                    pass
        except ArchiveError as error:
            raise bad(str(error)) from None
        except SealingError as error:
            raise bad(error.detail) from None
    return reader.header, entries


def restore_backup(
    file: Path,
    home: Path,
    passphrase: bytes | None,
    progress: Progress,
    *,
    allow_outside: bool = False,
    membership: Path | None = None,
) -> Outcome:
    """Fill a new home from a backup.

    Raises OperatorError CLI-02 (the file cannot be read), and what `restore` and `open_archive` raise.
    """
    try:
        stream = file.open("rb")
    except OSError as error:
        raise bad_input(f"{file} cannot be read: {error.strerror}", shell("ls", "-l", file)) from None
    with stream:
        reader = open_archive(stream, passphrase)
        return restore(reader, home, progress, allow_outside=allow_outside, membership=membership)
