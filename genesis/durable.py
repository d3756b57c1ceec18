"""What is written is to be there after the power went, whole."""

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex


def sync_path(path: Path) -> None:
    """fsync of a file's content, or of the names in a folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes, *, mode: int) -> None:
    """Replace the file at `path`, whole or not at all; `mode` is that of the new one, less the umask.

    Two who write at the same time do not meet: one of the two files stands there then. A symbolic link is
    replaced, not followed. Raises OSError, and leaves nothing half-written behind then.
    """
    temporary = path.with_name(f".{path.name}.{token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_path(path.parent)
