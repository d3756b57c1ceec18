"""Putting a chain that was taken over in the place of the old one: a crash leaves the one or the other.

incoming (whole) + chain       -> a node that starts puts it in place
incoming (whole) + replaced    -> the old one is out of the way; the same
chain + replaced               -> the old one is deleted
"""

import shutil
from pathlib import Path

from chainnode.store.chain import FORMAT
from chainnode.store.database import Database
from chainnode.store.errors import from_os_error
from chainnode.store.filesystem import FileSystem, RealFileSystem
from chainnode.store.reading import APPLIED, HEIGHT_BYTES, ChainReader
from chainnode.store.staging import INCOMING
from consensus.messages import QuorumCertificate
from genesis.errors import OperatorError

CHAIN, REPLACED = "chain", "chain.replaced"
MAX_ASIDE = 3


def whole_incoming(folder: Path, chain_id: bytes) -> QuorumCertificate | None:
    """The certificate of a chain that was gathered whole in `folder`/incoming and is not in place yet."""
    if not (folder / INCOMING).is_dir():
        return None
    try:
        database = Database(folder / INCOMING, held_by_peers=True)
    except OperatorError:
        return None  # what cannot be opened is begun anew by the next sync
    try:
        database.bind(chain_id, FORMAT)
        applied = database.get(APPLIED)
        if applied is None or len(applied) != HEIGHT_BYTES:
            return None
        return ChainReader(database).certificate(int.from_bytes(applied, "big"))
    except OperatorError:
        return None
    finally:
        database.close()


def put_in_place(folder: Path, file_system: FileSystem | None = None) -> None:
    """Make `folder`/incoming, which is whole, the chain; nothing may have either open.

    Raises OperatorError STO-03, STO-04.
    """
    disk = RealFileSystem() if file_system is None else file_system
    incoming, chain, replaced = folder / INCOMING, folder / CHAIN, folder / REPLACED
    try:
        if chain.is_dir():
            if replaced.is_dir():
                shutil.rmtree(replaced)
            disk.rename(chain, replaced)
            disk.fsync_dir(folder)
        disk.rename(incoming, chain)
        disk.fsync_dir(folder)
    except OSError as error:
        raise from_os_error(folder, error) from error


def clear_replaced(folder: Path) -> None:
    """Delete the chain that another took the place of. Raises OperatorError STO-03, STO-04."""
    try:
        if (folder / CHAIN).is_dir() and (folder / REPLACED).is_dir():
            shutil.rmtree(folder / REPLACED)
    except OSError as error:
        raise from_os_error(folder, error) from error


def damaged_asides(folder: Path) -> list[Path]:
    """The damaged chains that stand aside, the oldest first."""
    return sorted(folder.glob(f"{CHAIN}.damaged-*"))


def move_aside(folder: Path, name: str) -> Path | None:
    """Rename a damaged chain to `chain.damaged-<name>-<number>` and return that path; None where so many
    stand there that another would hide a failing disk and fill it. Raises OperatorError STO-03, STO-04."""
    asides, disk = damaged_asides(folder), RealFileSystem()
    aside = folder / f"{CHAIN}.damaged-{name}-{len(asides)}"
    try:
        if len(asides) >= MAX_ASIDE:
            return None
        disk.rename(folder / CHAIN, aside)
        disk.fsync_dir(folder)
    except OSError as error:
        raise from_os_error(folder, error) from error
    return aside
