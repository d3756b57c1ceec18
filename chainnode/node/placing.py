"""Where the parts of a backup go in a new home, whatever the configuration in it says.

A backup is a stranger's file until its end has vouched for it, and its configuration is that stranger's:
`../../x`, or an absolute path, would place files anywhere. So every part is filled in below `staging`. What
belongs outside of the home is refused or, where the operator allows it, waits there until all is vouched for.
"""

import os
import shlex
from pathlib import Path

from chainnode.node.config import NodeConfig
from chainnode.node.errors import NOD_HOME_TAKEN, NOD_OUTSIDE
from genesis.errors import OperatorError

GENESIS_FILE, MEMBERSHIP_FILE = "genesis.file", "genesis.membership"
KEYSTORE_FILE, NEXT_KEYSTORE_FILE = "keys.keystore", "keys.next_keystore"
STORE_FOLDER, POOL_FOLDER = "store.folder", "pool.folder"
WAITING = ".outside"


class Places:
    """By the configuration's key. `outside`: where a part belongs, and below `staging` where it waits."""

    def __init__(self, config: NodeConfig, staging: Path, home: Path) -> None:
        """`config` was loaded from `staging`, which becomes `home`; both are resolved, and no symbolic link
        is below `staging`."""
        named = {
            GENESIS_FILE: config.genesis_file,
            MEMBERSHIP_FILE: config.membership_file,
            KEYSTORE_FILE: config.keystore_file,
            NEXT_KEYSTORE_FILE: config.next_keystore_file,
            STORE_FOLDER: config.store_folder,
            POOL_FOLDER: config.pool.folder,
        }
        self._staging, self._home = staging, home
        self.outside: dict[Path, Path] = {}
        self._says: list[str] = []
        self._staged = {name: self._place(name, path) for name, path in named.items() if path is not None}

    def __getitem__(self, name: str) -> Path:
        return self._staged[name]

    def get(self, name: str) -> Path | None:
        return self._staged.get(name)

    def _place(self, name: str, path: Path) -> Path:
        real = Path(os.path.realpath(path))
        for base in (self._staging, self._home):
            if real.is_relative_to(base):
                return self._staging / real.relative_to(base)
        self._says.append(f"{name} at {real}")
        return self.outside.setdefault(real, self._staging / WAITING / str(len(self.outside)))

    def check(self, *, allow_outside: bool) -> None:
        """Raises OperatorError NOD-11 (not allowed), NOD-08 (something is where it would go)."""
        if self.outside and not allow_outside:
            raise OperatorError(
                NOD_OUTSIDE,
                f"the backup's configuration places parts outside of {self._home}: {', '.join(self._says)}",
                unchanged="nothing was restored; no folder was made",
                next_step="chainnode backup restore --help  # if you chose these places for the node, "
                "restore with --allow-outside; if not, do not use this backup",
            )
        for place in self.outside:
            require_free(place)


def require_free(path: Path) -> None:
    """Nothing but an empty folder may be there. Raises OperatorError NOD-08."""
    if path.is_symlink():
        raise taken(path, "a backup is never restored through one: name the place itself", "a symbolic link")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise taken(path, "a backup is never restored over anything: name another --home")


def taken(path: Path, remark: str, found: str = "there and not empty") -> OperatorError:
    return OperatorError(
        NOD_HOME_TAKEN,
        f"{path} is {found}",
        unchanged="nothing was restored, and nothing there was touched",
        next_step=f"ls -la {shlex.quote(str(path))}  # {remark}",
    )
