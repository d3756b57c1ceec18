"""Reading and writing secret files: bounded, atomic, mode 0600."""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import getLogger
from pathlib import Path
from secrets import token_hex

from chainnode.vault.errors import CANNOT_WRITE, FILE_EXISTS, FILE_MISSING, PASSPHRASE_FILE, WRONG_PASSPHRASE
from chainnode.vault.secretformat import MAX_FILE_BYTES
from genesis.durable import sync_path
from genesis.errors import OperatorError, quoted

MAX_PASSPHRASE_BYTES = 1_024

_log = getLogger(__name__)


def _read_at_most(path: Path, limit_bytes: int) -> tuple[bytes, int]:
    """Content up to one byte more than the limit, and the file's mode. Raises OSError."""
    with path.open("rb") as stream:
        return stream.read(limit_bytes + 1), os.fstat(stream.fileno()).st_mode


def read_file(path: Path) -> bytes:
    """A secret file's bytes, at most one byte more than may be. Raises OperatorError KEY-01."""
    try:
        return _read_at_most(path, MAX_FILE_BYTES)[0]
    except OSError as error:
        raise OperatorError(
            FILE_MISSING,
            f"{path} cannot be read: {error.strerror}",
            unchanged="Nothing was tried and nothing changed.",
            next_step=f"ls -l {quoted(path)}  # check the path, and that you may read it",
        ) from None


def read_passphrase_file(path: Path, warn: Callable[[str], None] = _log.warning) -> bytes:
    """A passphrase: the file's bytes without one line end at the end (LF or CR LF), at most 1 KiB.

    `warn` is told where others than the owner may read it. Raises OperatorError KEY-07.
    """
    try:
        raw, mode = _read_at_most(path, MAX_PASSPHRASE_BYTES)
    except OSError as error:
        raise _passphrase_error(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > MAX_PASSPHRASE_BYTES:
        raise _passphrase_error(f"{path} is longer than {MAX_PASSPHRASE_BYTES} bytes")
    passphrase = raw.removesuffix(b"\n").removesuffix(b"\r") if raw.endswith(b"\n") else raw
    if not passphrase:
        raise _passphrase_error(f"{path} is empty")
    if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
        warn(f"the passphrase file {path} can be read by others: chmod 600 {quoted(path)}")
    return passphrase


@contextmanager
def passphrase_of(path: Path) -> Iterator[None]:
    """Opens a secret file within: KEY-02 then names the file at `path`, of which the passphrase was read."""
    try:
        yield
    except OperatorError as error:
        if error.code is not WRONG_PASSPHRASE:
            raise
        raise OperatorError(
            WRONG_PASSPHRASE,
            f"{error.what}; it was read from {path}",
            unchanged=error.unchanged,
            next_step=f"ls -l {quoted(path)}  # its content up to one line end is the passphrase",
        ) from None


def _passphrase_error(what: str) -> OperatorError:
    return OperatorError(
        PASSPHRASE_FILE,
        what,
        unchanged="No secret file was opened.",
        next_step="Put the passphrase alone into a file of mode 0600 and name that file.",
    )


def _cannot_write(path: Path, error: OSError) -> OperatorError:
    return OperatorError(
        CANNOT_WRITE,
        f"{path} cannot be written: {error.strerror}",
        unchanged="What stood there before is as it was; nothing half-written is left.",
        next_step=f"df {quoted(path.parent)}; ls -ld {quoted(path.parent)}  # check space and permissions",
    )


def _write_temporary(path: Path, data: bytes, like: os.stat_result | None = None) -> Path:
    """A sibling of `path` with `data`, durable, owned as `like` is. Raises OSError and leaves nothing
    behind then."""
    temporary = path.with_name(f".{path.name}.{token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            # A node must still be able to read its keystore after root changed the passphrase.
            if like is not None and (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(stream.fileno(), like.st_uid, like.st_gid)
            os.fsync(stream.fileno())
    except OSError:
        temporary.unlink()
        raise
    return temporary


def create_file(path: Path, data: bytes) -> None:
    """Write a file that is not there yet. Raises OperatorError KEY-06, KEY-09."""
    try:
        temporary = _write_temporary(path, data)
        try:
            # A link, unlike a rename, fails where the name is taken.
            os.link(temporary, path)
        finally:
            temporary.unlink()
        sync_path(path.parent)
    except FileExistsError:
        raise OperatorError(
            FILE_EXISTS,
            f"{path} exists already",
            unchanged="The file there is as it was.",
            next_step="Name another file, or move the old one away if its keys are no longer needed.",
        ) from None
    except OSError as error:
        raise _cannot_write(path, error) from None


def replace_file(path: Path, data: bytes, *, expected: bytes) -> bool:
    """Replace a file atomically if it still holds `expected`; False: it does not, nothing is done.

    Owner and group stay, the mode becomes 0600; a symbolic link stays one. Raises OperatorError KEY-09.
    """
    path = path.resolve()
    try:
        with path.open("rb") as locked:
            # Two writers meet here: the second sees another content under the name and gives up.
            fcntl.flock(locked, fcntl.LOCK_EX)
            if _read_at_most(path, MAX_FILE_BYTES)[0] != expected:
                return False
            temporary = _write_temporary(path, data, os.fstat(locked.fileno()))
            try:
                temporary.replace(path)
            except OSError:
                temporary.unlink()
                raise
        sync_path(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from None
    return True
