"""The disk's reserve: what comes in from local users stops first, consensus goes on, and before the disk is
full the node stops by itself, with everything it said and stored whole."""

import asyncio
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

from structlog.stdlib import BoundLogger

from chainnode.node.errors import NOD_DISK_LOW, NOD_DISK_OUT
from genesis.errors import OperatorError

LOOK_EVERY_MS = 2_000
STOP_SHARE = 8
"""The node stops where an eighth of the reserve is left: room for the blocks of some minutes, and for
LevelDB to write its files anew."""
RESUME_SHARE = 16
"""Intake begins again once so much (a sixteenth) more than the reserve is free: no flapping at the edge."""
MB = 1_000_000


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write on the folder's disk."""
    return shutil.disk_usage(folder).free


class DiskReserve:
    def __init__(
        self, home: Path, reserve_bytes: int, log: BoundLogger, free: Callable[[Path], int] = free_bytes
    ) -> None:
        """`reserve_bytes` 0 switches both bounds off."""
        self._home = home
        self._quoted = shlex.quote(str(home))
        self.reserve_bytes = reserve_bytes
        self._free = free
        self._log = log
        self.free_bytes = free(home)
        self._low = self.free_bytes < reserve_bytes

    @property
    def trouble(self) -> str:
        """In words, empty where there is room."""
        if not self._low:
            return ""
        return (
            f"disk nearly full: {self.free_bytes // MB} MB free, {self.reserve_bytes // MB} MB are the "
            "reserve; nothing new is taken in, consensus goes on"
        )

    def check(self) -> None:
        """Before anything of a local user is taken in. Raises OperatorError NOD-03."""
        if self._low:
            raise OperatorError(
                NOD_DISK_LOW,
                self.trouble,
                unchanged="nothing was taken in; what was stored and submitted before stands",
                next_step=f"df -h {self._quoted}; du -sh {self._quoted}/*  # free space",
            )

    def look(self) -> None:
        """Measure. Raises OperatorError NOD-04 below the second bound: the node is to stop."""
        free = self.free_bytes = self._free(self._home)
        if free < self.reserve_bytes // STOP_SHARE:
            raise OperatorError(
                NOD_DISK_OUT,
                f"only {free // MB} MB are free on the disk of {self._home}",
                unchanged="the node stopped before the disk was full: all that it stored and said is whole",
                next_step=f"df -h {self._quoted}  # free space, then: chainnode run --home {self._quoted}",
            )
        resume = self.reserve_bytes + self.reserve_bytes // RESUME_SHARE
        low = free < (resume if self._low else self.reserve_bytes)
        if low != self._low:
            self._low = low
            if low:
                self._log.warning("disk nearly full: nothing new is taken in", free_bytes=free)
            else:
                self._log.info("room on the disk again", free_bytes=free)

    async def run(self) -> None:
        """Until cancelled. Raises OperatorError NOD-04."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_MS / 1000)
