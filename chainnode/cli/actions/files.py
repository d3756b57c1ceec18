"""Writing and reading files for people: private, whole or not at all, bounded."""

from pathlib import Path

from chainnode.cli.errors import CLI_OUTPUT, bad_input
from chainnode.cli.next_steps import shell
from genesis.durable import write_whole
from genesis.errors import OperatorError
from genesis.private import private_folder


def write_private(path: Path, data: bytes) -> Path:
    """Write a file of mode 0600 whole or not at all; folders that are missing are made 0700.

    Raises OperatorError CLI-05.
    """
    try:
        private_folder(path.parent)
        write_whole(path, data, mode=0o600)
    except OSError as error:
        raise OperatorError(
            CLI_OUTPUT,
            f"{path} cannot be written: {error.strerror}",
            unchanged="the file is as it was; what was written before it is whole",
            next_step=shell("df", path.parent, remark="check space, and its permissions"),
        ) from None
    return path


def read_limited(path: Path, limit_bytes: int, what: str) -> bytes:
    """A file's bytes. Raises OperatorError CLI-02 where it cannot be read or is longer than that."""
    try:
        with path.open("rb") as stream:
            data = stream.read(limit_bytes + 1)
    except OSError as error:
        raise bad_input(f"{what} {path} cannot be read: {error.strerror}", shell("ls", "-l", path)) from None
    if len(data) > limit_bytes:
        raise bad_input(f"{what} {path} is longer than {limit_bytes} bytes", "name the right file")
    return data
