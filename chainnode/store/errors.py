"""Error codes of the store, and how the system's errors become them."""

import errno
import os
from pathlib import Path

from genesis.errors import EXIT_ENVIRONMENT, EXIT_IN_USE, EXIT_INPUT, OperatorError, define, quoted, set_aside

STO_IN_USE = define("STO-01", EXIT_IN_USE, "another process uses the node's folder")
STO_DAMAGED = define("STO-02", EXIT_ENVIRONMENT, "stored data is damaged")
STO_FULL = define("STO-03", EXIT_ENVIRONMENT, "the disk is full")
STO_IO = define("STO-04", EXIT_ENVIRONMENT, "a file cannot be read or written")
STO_OTHER_CHAIN = define("STO-05", EXIT_INPUT, "the folder belongs to another chain")
STO_NEWER_FORMAT = define("STO-06", EXIT_ENVIRONMENT, "the folder was written by a newer release")
STO_POISONED = define("STO-07", EXIT_ENVIRONMENT, "the vote log refused a write after a failed one")
STO_OLDER_FORMAT = define("STO-08", EXIT_ENVIRONMENT, "the folder was written by an older release")
STO_OWNER = define("STO-09", EXIT_ENVIRONMENT, "the node's folder belongs to another user")
STO_LOST = define("STO-10", EXIT_ENVIRONMENT, "rows that this node alone holds are missing")

FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_TEXTS = tuple(os.strerror(number) for number in FULL_ERRNOS)


class DamagedError(OperatorError):
    """STO-02 about what the peers hold too: the folder at `path`."""

    def __init__(self, path: Path, what: str, *, unchanged: str, next_step: str) -> None:
        super().__init__(STO_DAMAGED, what, unchanged=unchanged, next_step=next_step)
        self.path = path


def damaged(path: Path, reason: str) -> DamagedError:
    """For what the peers hold too. Never mended in place: LevelDB's repair was seen to hand back altered
    records as whole."""
    return DamagedError(
        path,
        f"{path} is damaged: {reason}",
        unchanged="nothing was repaired or deleted; the other members' copies of the chain are not touched",
        next_step=f"stop the node, move the folder aside ({set_aside(path, '.damaged')}) and start it "
        "again: it fetches the chain from its peers",
    )


def damaged_alone(path: Path, reason: str) -> OperatorError:
    """For what this node alone holds."""
    return OperatorError(
        STO_DAMAGED,
        f"{path} is damaged: {reason}",
        unchanged="nothing was repaired or deleted; the chain is not touched",
        next_step=_restore_step(path.with_name("chain"), path),
    )


def lost_alone(path: Path, reason: str) -> OperatorError:
    """For what this node alone holds, where it is gone."""
    return OperatorError(
        STO_LOST,
        f"{path} has lost rows that no other node holds: {reason}",
        unchanged="nothing was started, made or deleted; no vote was sent",
        next_step=_restore_step(path.with_name("chain")),
    )


def _restore_step(*lost: Path) -> str:
    """A backup is restored whole, into a new home: rows of one time beside votes of another would be neither.
    `lost`: the folders that have to be out of the way for a node to begin with the rows that are left."""
    aside = "; ".join(set_aside(path, ".lost") for path in lost)
    return (
        "chainnode backup restore --help  # stop the node, and restore its latest backup into a new home "
        f"in this one's place. Without a backup the rows are lost for good: {aside} lets the node start "
        "without them; it fetches the chain from its peers"
    )


def damaged_votes(path: Path, reason: str) -> OperatorError:
    """For the vote log. An older copy of it would be worse than none: the node would vote twice."""
    return OperatorError(
        STO_DAMAGED,
        f"{path} is damaged: {reason}",
        unchanged="nothing was repaired or deleted; no vote was sent",
        next_step=f"stop the node, move the file aside ({set_aside(path, '.aside')}), never put a backup in "
        "its place, and start it again: it follows without voting until that is safe",
    )


def full(path: Path) -> OperatorError:
    return OperatorError(
        STO_FULL,
        f"no space is left on the disk of {path}",
        unchanged="what was written before is whole; the write that failed is not counted",
        next_step=f"free space (df -h {quoted(path)}) and start the node again",
    )


def io_error(path: Path, reason: str) -> OperatorError:
    return OperatorError(
        STO_IO,
        f"{path}: {reason}",
        unchanged="what was written before is whole; the operation that failed is not counted",
        next_step=f"check owner, mode and disk (ls -ld {quoted(path)}; dmesg | tail) and start the "
        "node again",
    )


def from_os_error(path: Path, error: OSError) -> OperatorError:
    """A full disk, or any other failure of the system's."""
    if error.errno in FULL_ERRNOS:
        return full(path)
    return io_error(path, error.strerror or str(error))


def other_chain(path: Path) -> OperatorError:
    return OperatorError(
        STO_OTHER_CHAIN,
        f"{path} belongs to another chain than the genesis document",
        unchanged="nothing was written",
        next_step="start the node with the genesis document of this folder, or with a folder of its own",
    )


def newer_format(path: Path, found: int, known: int) -> OperatorError:
    return OperatorError(
        STO_NEWER_FORMAT,
        f"{path} has format {found}, this release knows formats up to {known}",
        unchanged="nothing was written",
        next_step="start the release that wrote it, or a later one",
    )


def older_format(path: Path, found: int, known: int) -> OperatorError:
    return OperatorError(
        STO_OLDER_FORMAT,
        f"{path} has format {found}, this release writes format {known}",
        unchanged="nothing was written",
        next_step="start the release that wrote it; or, one member after the other, move a chain "
        f"folder aside ({set_aside(path)}) and start this release: it fetches the chain from its peers",
    )
