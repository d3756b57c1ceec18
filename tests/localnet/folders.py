"""The folder that a command writes to: made anew at each run, and never somebody else's."""

import shutil
from pathlib import Path

from chainnode.store.lock import FolderLock
from genesis.errors import OperatorError
from tests.localnet.errors import LOCALNET_FOLDER, LOCALNET_RUNNING
from tests.localnet.shown import shown


def fresh(folder: Path, command: str) -> None:
    """Leave the folder there and empty but for a marker of the command.

    Raises OperatorError LOCALNET-01 where it holds what the command did not make, LOCALNET-02 where a
    node still runs in it; nothing was touched then.
    """
    marker = folder / f"made-by-{command}"
    if folder.exists():
        if any(folder.iterdir()) and not marker.exists():
            raise OperatorError(
                LOCALNET_FOLDER,
                f"{folder} is not empty and was not made by make {command}",
                unchanged="nothing was touched",
                next_step=f"mv {shown(folder)} {shown(folder.with_name(folder.name + '.mine'))}",
            )
        _require_stopped(folder)
        for child in folder.iterdir():
            # The marker stays: what an interrupted clean-up leaves is still the command's.
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            elif child != marker:
                child.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    marker.touch()


def _require_stopped(folder: Path) -> None:
    for lock in sorted(folder.glob("*/lock")):
        try:
            FolderLock(lock.parent).release()
        except OperatorError as error:
            holder = lock.read_text(encoding="ascii", errors="replace")
            raise OperatorError(
                LOCALNET_RUNNING,
                error.what,
                unchanged="nothing was touched",
                next_step=f"Ctrl-C where it was started, or kill {holder}",
            ) from error
