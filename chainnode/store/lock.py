"""One process per folder: a lock of our own, for LevelDB's is lost by a failed second open in one
process, and ports can be shared by two daemons (SO_REUSEPORT)."""

import fcntl
import os
from pathlib import Path

from chainnode.store.errors import STO_IN_USE, from_os_error
from genesis.errors import OperatorError

LOCK_NAME = "lock"
_PID_BYTES = 20


class FolderLock:
    """flock(2) on `<home>/lock`, held until `release` or the end of the process, however it ends."""

    def __init__(self, home: Path) -> None:
        """Take the lock. Raises OperatorError STO-01 naming the process that holds it, STO-03 or -04."""
        self._path = home / LOCK_NAME
        try:
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
