"""Unix sockets with the owner, group and mode of the configuration, and never a moment without them.

gRPC binds a socket with the process's umask (0755 in the end). So it binds inside a private folder
(0700), the node sets owner and mode there, and only then renames the socket to its place.
"""

import grp
import os
import pwd
import shutil
import socket
import stat
from pathlib import Path
from urllib.parse import quote

from chainnode.gateway.errors import GTW_IN_USE, GTW_PATH, GTW_PERMISSION
from chainnode.node.config import SocketConfig
from genesis.errors import ErrorCode, OperatorError, quoted

MAX_PATH_BYTES = 107
"""sockaddr_un has 108 bytes for the path and its final zero (unix(7))."""
PROBE_TIMEOUT_S = 2.0


def check_length(path: Path) -> None:
    """Raises OperatorError GTW-03 where the kernel could not take the path."""
    length = len(os.fsencode(path))
    if length > MAX_PATH_BYTES:
        raise OperatorError(
            GTW_PATH,
            f"the socket path {path} has {length} bytes, Unix allows {MAX_PATH_BYTES}",
            unchanged="no socket was made",
            next_step="use a home with a shorter path, or set sockets.folder in chainnode.toml",
        )


def target(path: Path) -> str:
    """gRPC's name of a socket path. The URI form, since gRPC decodes percent signs."""
    return "unix://" + quote(str(path.absolute()))


def claim(path: Path) -> None:
    """Make sure that `path` is free, removing a socket that a dead process left.

    Raises OperatorError GTW-02: somebody listens there, or it is not a socket.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise _failed(GTW_IN_USE, f"{path} is there and is not a socket", f"ls -l {quoted(path)}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise _failed(
                GTW_IN_USE,
                f"whether the socket {path} is in use cannot be told: {error}",
                f"ls -l {quoted(path)}",
            ) from None
    raise _failed(
        GTW_IN_USE,
        f"another process listens on {path}",
        f"stop the other node: fuser --kill -TERM {quoted(path)}",
    )


def prepare(config: SocketConfig) -> Path:
    """Claim the place and make the private folder; the path that gRPC is to bind.

    Raises OperatorError GTW-02, GTW-03, GTW-04.
    """
    check_length(config.path)
    try:
        # Others pass through this folder to the sockets, whose own modes say who gets in.
        if not config.path.parent.exists():
            config.path.parent.mkdir(parents=True)
            config.path.parent.chmod(0o711)  # a service's umask would shut them out
        claim(config.path)
        private = _private_folder(config)
        shutil.rmtree(private, ignore_errors=True)
        private.mkdir(mode=0o700)
    except OSError as error:
        raise _failed(GTW_PERMISSION, f"{config.path} cannot be made: {error}", "check the folder") from None
    return private / "s"


def publish(config: SocketConfig) -> None:
    """Give the bound socket its owner, group and mode, then its place.

    Raises OperatorError GTW-04: no such user or group, or not allowed.
    """
    private = _private_folder(config)
    bound = private / "s"
    try:
        owner = pwd.getpwnam(config.owner).pw_uid if config.owner else -1
        group = grp.getgrnam(config.group).gr_gid if config.group else -1
        os.chown(bound, owner, group)
        bound.chmod(config.mode)
        bound.rename(config.path)
        private.rmdir()
    except (OSError, KeyError) as error:
        shutil.rmtree(private, ignore_errors=True)
        raise _failed(
            GTW_PERMISSION,
            f"{config.path} cannot be given to {config.owner or '-'}:{config.group or '-'}: {error}",
            f"check sockets.{config.role.value}.owner and .group in chainnode.toml",
        ) from None


def withdraw(config: SocketConfig) -> None:
    """Remove the socket at the end. gRPC would look for it where it was bound."""
    config.path.unlink(missing_ok=True)


def _private_folder(config: SocketConfig) -> Path:
    # ".researcher/s" is shorter than "researcher.sock", so it fits wherever that does.
    return config.path.parent / f".{config.role.value}"


def _failed(code: ErrorCode, what: str, next_step: str) -> OperatorError:
    return OperatorError(code, what, unchanged="no socket was opened", next_step=next_step)
