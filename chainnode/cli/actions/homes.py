"""A node's home, and the key files of the people around it. Nothing here talks to a node.

Functions are synchronous: deriving keys from passphrases is what takes the time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chainnode.cli.actions.files import write_private
from chainnode.cli.errors import CLI_HOME, CLI_OUTPUT
from chainnode.node.config import CONFIG_NAME, render_config
from chainnode.vault.keystore import NodeKeys, RegistrarKeys, StewardKeys, TrusteeKeys
from genesis import request as join
from genesis.errors import OperatorError
from genesis.request import JoinRequest, make_request, render_request

KEYSTORE_NAME = "keystore.key"
GENESIS_NAME = "genesis.cbor"


@dataclass(frozen=True, slots=True)
class Passphrases:
    """`recovery` opens the file too, and is kept elsewhere."""

    boot: bytes
    recovery: bytes | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """How a participant is called: the network, its slug there, its name."""

    network: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Home:
    """What `create_home` made."""

    folder: Path
    config_file: Path
    keystore_file: Path
    steward_file: Path
    request_file: Path
    request: JoinRequest


def create_home(
    folder: Path,
    identity: Identity,
    *,
    node: Passphrases,
    steward: Passphrases,
    steward_file: Path,
    settings: Mapping[str, str | int],
    level: str = "moderate",
) -> Home:
    """Make a home: folder, keystore, the steward's file, join request, commented configuration.

    `settings`: configuration keys to write, checked by the configuration's own rules when it is
    read. Raises OperatorError CLI-06 (there is a node already), CLI-05, KEY-06, GEN-06.
    """
    keystore_file, config_file = folder / KEYSTORE_NAME, folder / CONFIG_NAME
    for path in (keystore_file, config_file):
        if path.exists():
            raise OperatorError(
                CLI_HOME,
                f"{folder} holds a node already: {path.name} is there",
                unchanged="nothing was written",
                next_step=f"choose another --home, or use this one: chainnode status --home {folder}",
            )
    make_folder(folder)
    make_folder(steward_file.parent)
    keys = NodeKeys.create(keystore_file, boot=node.boot, recovery=node.recovery, level=level)
    guard = StewardKeys.create(steward_file, boot=steward.boot, recovery=steward.recovery, level=level)
    request = member_request(identity, keys, guard)
    request_file = write_request(folder / f"{identity.id}.join", request)
    write_private(config_file, render_config(settings).encode())
    return Home(folder, config_file, keystore_file, steward_file, request_file, request)


def member_request(identity: Identity, keys: NodeKeys, steward: StewardKeys) -> JoinRequest:
    """A member's join request. Raises OperatorError GEN-06."""
    public = join.MemberKeys(
        keys.validator.public, keys.transport.public, keys.sealing.public, steward.signing.public
    )
    return make_request(identity.network, identity.id, identity.name, public, keys.validator.sign)


def create_registrar(
    file: Path, identity: Identity, operator: str, passphrases: Passphrases, *, level: str = "moderate"
) -> JoinRequest:
    """A registrar's key file and join request. Raises OperatorError KEY-06, GEN-06."""
    make_folder(file.parent)
    keys = RegistrarKeys.create(file, boot=passphrases.boot, recovery=passphrases.recovery, level=level)
    public = join.RegistrarKeys(keys.signing.public, operator)
    return make_request(identity.network, identity.id, identity.name, public, keys.signing.sign)


def create_trustee(
    file: Path, identity: Identity, operator: str, passphrases: Passphrases, *, level: str = "moderate"
) -> JoinRequest:
    """A trustee's key file and join request. Raises OperatorError KEY-06, GEN-06."""
    make_folder(file.parent)
    keys = TrusteeKeys.create(file, boot=passphrases.boot, recovery=passphrases.recovery, level=level)
    public = join.TrusteeKeys(keys.signing.public, keys.kem.public, operator)
    return make_request(identity.network, identity.id, identity.name, public, keys.signing.sign)


def write_request(file: Path, request: JoinRequest) -> Path:
    """Write a join request's text. Raises OperatorError CLI-05."""
    return write_private(file, render_request(request).encode())


def make_folder(folder: Path) -> None:
    """A folder through which others may pass (to sockets) but whose names they cannot list.

    Raises OperatorError CLI-05.
    """
    try:
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(
            CLI_OUTPUT,
            f"the folder {folder} cannot be made: {error.strerror}",
            unchanged="nothing was written",
            next_step=f"check permissions and space: ls -ld {folder.parent}; df {folder.parent}",
        ) from None
