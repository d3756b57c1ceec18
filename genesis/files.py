"""Files that several people sign: written whole or not at all, and by one process at a time."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from genesis.codes import GEN_BUSY, GEN_UNWRITABLE
from genesis.durable import write_whole
from genesis.errors import OperatorError, quoted

WAIT_MS = 10_000
"""How long a process waits for another one that has the file: a signature takes milliseconds."""
POLL_MS = 20
READABLE = 0o666
"""What a document is for others is the umask's affair."""


@contextmanager
def exclusive(path: Path, *, wait_ms: int = WAIT_MS) -> Iterator[None]:
    """Nobody else changes the file at `path` meanwhile, whether it is there yet or not.

    The lock (flock, which ends with its process) is on `.NAME.lock` beside it: the file itself is replaced
    and may not exist. Raises OperatorError GEN-13, and GEN-18 where another process keeps it.
    """
    beside = path.with_name(f".{path.name}.lock")
    deadline = time.monotonic() + wait_ms / 1_000
    while (descriptor := _locked(beside, path)) is None:
        if time.monotonic() >= deadline:
            raise OperatorError(
                GEN_BUSY,
                f"another process has been changing {path} for {wait_ms} ms",
                unchanged="the file is as the other one leaves it; nothing of this command is in it",
                next_step=f"see which process it is, then run this again: fuser -v {quoted(beside)}",
            )
        time.sleep(POLL_MS / 1_000)
    try:
        yield
    finally:
        with suppress(OSError):
            beside.unlink()
        os.close(descriptor)


def _locked(beside: Path, path: Path) -> int | None:
    """The lock's descriptor; None where another process has it, or has just removed the lock's file."""
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), beside.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(descriptor)
        raise _unwritable(path, error) from None
    os.close(descriptor)
    return None


def write_file(path: Path, data: bytes) -> None:
    """Replace the file at `path`, whole or not at all. Raises OperatorError GEN-13."""
    try:
        write_whole(path, data, mode=READABLE)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> OperatorError:
    return OperatorError(
        GEN_UNWRITABLE,
        f"{path} cannot be written: {error.strerror or error}",
        unchanged="the file is as it was",
        next_step="check the folder's owner, its mode and the space on the disk",
    )
