"""Where a node's boot passphrase comes from: a file of its own or a systemd credential.

Never from argv or the environment: both can be read by other processes of the machine.
"""

import os
from pathlib import Path

from chainnode.node.config import NodeConfig
from chainnode.vault.files import passphrase_of, read_passphrase_file
from chainnode.vault.keystore import NodeKeys, TrusteeKeys
from genesis.errors import EXIT_ENVIRONMENT, OperatorError, define

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"

CFG_CREDENTIAL = define("CFG-06", EXIT_ENVIRONMENT, "systemd passed no credential of that name")


def open_keys(config: NodeConfig, file: Path) -> NodeKeys:
    """The keystore at `file`, by the passphrase that the configuration points to.

    Raises OperatorError CFG-06, KEY-xx; KEY-02 names where the passphrase came from.
    """
    source = passphrase_source(config)
    with passphrase_of(source):
        return NodeKeys.open(file, read_passphrase_file(source))


def open_trustee(config: NodeConfig, file: Path) -> TrusteeKeys:
    """A trustee's key file, by the same passphrase. Raises OperatorError CFG-06, KEY-xx."""
    source = passphrase_source(config)
    with passphrase_of(source):
        return TrusteeKeys.open(file, read_passphrase_file(source))


def passphrase_source(config: NodeConfig) -> Path:
    """The file that holds the passphrase. Raises OperatorError CFG-06."""
    if config.passphrase_file is not None:
        return config.passphrase_file
    folder = os.environ.get(CREDENTIALS_VARIABLE, "")
    name = config.passphrase_credential
    if not folder or not (Path(folder) / name).is_file():
        raise OperatorError(
            CFG_CREDENTIAL,
            f"{config.file}: keys.credential names {name!r}, which systemd did not pass to this process",
            unchanged="the keystore was not opened; nothing was started",
            next_step=f"put LoadCredential={name}:/etc/chainnode/{name}.pass into the unit (systemctl edit "
            "--full chainnode), or set keys.passphrase_file",
        )
    return Path(folder) / name
