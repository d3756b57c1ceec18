"""Folders that nobody else may look into, whatever the umask is."""

import errno
import os
from pathlib import Path

PRIVATE = 0o700
PRIVATE_UMASK = 0o077
"""Files come out 0600, folders 0700, whoever makes them."""


def private_folder(folder: Path, mode: int = PRIVATE) -> None:
    """Make the folder and whatever is missing above it, each with `mode`; one that is there stays as it is.

    mkdir by itself gives the mode to the last one alone. Raises OSError.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=mode, exist_ok=True)
        one.chmod(mode)  # what a tight umask took away
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
