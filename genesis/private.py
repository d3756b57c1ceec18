"""Folders and files that nobody else may look into, whatever the umask is."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE = 0o700
PRIVATE_UMASK = 0o077


@contextmanager
def private_files() -> Iterator[None]:
    """What this process makes meanwhile is the owner's alone: LevelDB and obstore leave that to the umask,
    which is the whole process's."""
    before = os.umask(PRIVATE_UMASK)
    try:
        yield
    finally:
        os.umask(before)


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
