"""One process per folder: a lock of our own, for LevelDB's is lost by a failed second open in one
process, and ports can be shared by two daemons (SO_REUSEPORT)."""

import fcntl
import os
import pwd
from pathlib import Path

from chainnode.store.errors import STO_IN_USE, STO_OWNER, from_os_error
from genesis.errors import OperatorError, quoted

LOCK_NAME = "lock"
_PID_BYTES = 20


class FolderLock:
    """flock(2) on `<home>/lock`, held until `release` or the end of the process, however it ends."""

    def __init__(self, home: Path) -> None:
        """Take the lock.

        Raises OperatorError STO-01 naming the process that holds it, STO-03, STO-04, and STO-09 where the
        folder is another user's: files that root, say, would make here would lock that one out.
        """
        self._path = home / LOCK_NAME
        try:
            owner = home.stat().st_uid
            if owner != os.geteuid():
                raise _not_owner(home, owner)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise from_os_error(self._path, error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, str(os.getpid()).encode("ascii"), 0)
        except BlockingIOError:
            holder = os.pread(self._fd, _PID_BYTES, 0).decode("ascii", "replace") or "unknown"
            os.close(self._fd)
            raise OperatorError(
                STO_IN_USE,
                f"{home} is in use by the process {holder}",
                unchanged="nothing in the folder was touched",
                next_step=f"stop that process (kill {holder}) or use another --home",
            ) from None
        except OSError as error:
            os.close(self._fd)
            raise from_os_error(self._path, error) from error

    def release(self) -> None:
        """Give the lock up; the file stays, for removing it would let two processes lock two files."""
        os.close(self._fd)


def _not_owner(home: Path, owner: int) -> OperatorError:
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"#{owner}"  # as sudo takes a number
    return OperatorError(
        STO_OWNER,
        f"{home} belongs to the user {name}: files that another user makes in it would lock that one out",
        unchanged="nothing in the folder was touched",
        next_step=f"sudo -u {quoted(name)} chainnode run --home {quoted(home)}"
        "  # or: systemctl start chainnode; a backup is made by that user too",
    )
