"""Where passphrases come from: a file of their own or a systemd credential.

Never from argv or the environment: both can be read by other processes of the machine.
"""

import os
import stat
from pathlib import Path

from chainnode.node.config import NodeConfig
from genesis.errors import EXIT_ENVIRONMENT, OperatorError, define

MAX_PASSPHRASE_BYTES = 4_096
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"

CFG_PASSPHRASE = define("CFG-06", EXIT_ENVIRONMENT, "a passphrase file is missing, open to others, or empty")
CFG_CREDENTIAL = define("CFG-07", EXIT_ENVIRONMENT, "systemd passed no credential of that name")


def read_passphrase(file: Path) -> str:
    """The passphrase in `file` without the line's end.

    Raises OperatorError CFG-06: missing, not a plain file, readable by others, empty, not UTF-8 or
    longer than 4096 bytes.
    """
    try:
        with file.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _refused(file, "is not a plain file", f"name another file than {file}")
            if status.st_mode & 0o007:
                raise _refused(file, "is open to every user of this machine", f"chmod 600 {file}")
            data = stream.read(MAX_PASSPHRASE_BYTES + 1)
    except OSError as error:
        raise _refused(file, f"cannot be read: {error.strerror}", f"ls -l {file}") from None
    if len(data) > MAX_PASSPHRASE_BYTES:
        raise _refused(file, f"is longer than {MAX_PASSPHRASE_BYTES} bytes", f"ls -l {file}")
    try:
        passphrase = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise _refused(file, "is not UTF-8 text", f"file {file}") from None
    if not passphrase:
        raise _refused(file, "is empty", f"write the passphrase into {file}")
    return passphrase


def boot_passphrase(config: NodeConfig) -> str:
    """The passphrase that the configuration points to. Raises OperatorError CFG-06, CFG-07."""
    if config.passphrase_file is not None:
        return read_passphrase(config.passphrase_file)
    folder = os.environ.get(CREDENTIALS_VARIABLE, "")
    name = config.passphrase_credential
    if not folder or not (Path(folder) / name).is_file():
        raise OperatorError(
            CFG_CREDENTIAL,
            f"{config.file}: keys.credential names {name!r}, which systemd did not pass to this process",
            unchanged="the keystore was not opened; nothing was started",
            next_step=f"put LoadCredentialEncrypted={name}:... into the unit, or set keys.passphrase_file",
        )
    return read_passphrase(Path(folder) / name)


def _refused(file: Path, problem: str, next_step: str) -> OperatorError:
    return OperatorError(
        CFG_PASSPHRASE,
        f"the passphrase file {file} {problem}",
        unchanged="no key was opened or written",
        next_step=next_step,
    )
