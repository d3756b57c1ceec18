"""Where a node's boot passphrase comes from: a file of its own or a systemd credential.

Never from argv or the environment: both can be read by other processes of the machine.
"""

import os
from pathlib import Path

from chainnode.node.config import NodeConfig
from chainnode.vault.files import read_passphrase_file
from genesis.errors import EXIT_ENVIRONMENT, OperatorError, define

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"

CFG_CREDENTIAL = define("CFG-06", EXIT_ENVIRONMENT, "systemd passed no credential of that name")


def boot_passphrase(config: NodeConfig) -> bytes:
    """The passphrase that the configuration points to. Raises OperatorError CFG-06, KEY-07."""
    if config.passphrase_file is not None:
        return read_passphrase_file(config.passphrase_file)
    folder = os.environ.get(CREDENTIALS_VARIABLE, "")
    name = config.passphrase_credential
    if not folder or not (Path(folder) / name).is_file():
        raise OperatorError(
            CFG_CREDENTIAL,
            f"{config.file}: keys.credential names {name!r}, which systemd did not pass to this process",
            unchanged="the keystore was not opened; nothing was started",
            next_step=f"put LoadCredentialEncrypted={name}:... into the unit, or set keys.passphrase_file",
        )
    return read_passphrase_file(Path(folder) / name)
