"""A node's home, and the key files of the people around it. Nothing here talks to a node.

Functions are synchronous: deriving keys from passphrases is what takes the time.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chainnode.cli.actions.files import read_limited, write_private
from chainnode.cli.errors import CLI_HOME, CLI_OUTPUT, usage
from chainnode.node.config import CONFIG_NAME
from chainnode.node.settings import render_config, settings_problems
from chainnode.vault.errors import FILE_EXISTS
from chainnode.vault.keystore import NodeKeys, RegistrarKeys, StewardKeys, TrusteeKeys
from genesis import request as join
from genesis.codes import GEN_REQUEST_EXISTS
from genesis.errors import OperatorError, quoted, set_aside
from genesis.request import MAX_REQUEST_BYTES, JoinRequest, identity_errors, make_request, render_request

KEYSTORE_NAME = "keystore.key"
GENESIS_NAME = "genesis.cbor"
REQUEST_SUFFIX = ".join"


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

    Everything is looked at before anything is written, and what was made is taken away again where a
    later file cannot be written. Raises OperatorError CLI-01 (identity or `settings` not allowed), CLI-06
    (there is a node already), GEN-12, CLI-05, KEY-06, KEY-09.
    """
    _refuse_unfit(identity, identity.id, settings_problems(settings))
    keystore_file, config_file = folder / KEYSTORE_NAME, folder / CONFIG_NAME
    request_file = folder / f"{identity.id}{REQUEST_SUFFIX}"
    for path in (keystore_file, config_file):
        if path.exists():
            raise OperatorError(
                CLI_HOME,
                f"{folder} holds a node already: {path.name} is there",
                unchanged="nothing was written",
                next_step=f"choose another --home, or use this one: chainnode status --home {quoted(folder)}",
            )
    _refuse_taken(steward_file, request_file)
    make_folder(folder)
    make_folder(steward_file.parent)
    with _all_or_none(keystore_file, steward_file, request_file, config_file):
        keys = NodeKeys.create(keystore_file, boot=node.boot, recovery=node.recovery, level=level)
        guard = StewardKeys.create(steward_file, boot=steward.boot, recovery=steward.recovery, level=level)
        request = member_request(identity, keys, guard)
        write_request(request_file, request)
        write_private(config_file, render_config(settings).encode())
    return Home(folder, config_file, keystore_file, steward_file, request_file, request)


def _refuse_unfit(identity: Identity, operator: str, more: list[str]) -> None:
    """Raises OperatorError CLI-01 with everything that is wrong, before a key is made of it."""
    errors = identity_errors(identity.network, identity.id, identity.name, operator)
    problems = [
        f"--{field}: {text}" for field, text in errors if (field, operator) != ("operator", identity.id)
    ]
    if problems + more:
        raise usage("; ".join(problems + more), "correct that, then type the command again")


def _refuse_taken(key_file: Path, request_file: Path) -> None:
    """Raises OperatorError KEY-06, GEN-12."""
    if key_file.exists():
        raise OperatorError(
            FILE_EXISTS,
            f"{key_file} exists already",
            unchanged="the file there is as it was; nothing was written",
            next_step="name another file, or move that one away, if nobody needs its keys: "
            f"ls -l {quoted(key_file)}",
        )
    if request_file.exists():
        raise _request_exists(request_file)


def _request_exists(file: Path) -> OperatorError:
    return OperatorError(
        GEN_REQUEST_EXISTS,
        f"{file} is there already and is another request",
        unchanged="the file there is as it was; nothing was written",
        next_step=f"move it away, then type the command again: {set_aside(file)}",
    )


@contextmanager
def _all_or_none(*files: Path) -> Iterator[None]:
    """Files that were not there before are taken away again where one of them cannot be made: nobody has
    seen their keys yet, and left behind they would stand in the way of the next try."""
    try:
        yield
    except BaseException:
        for file in files:
            file.unlink(missing_ok=True)
        raise


def member_request(identity: Identity, keys: NodeKeys, steward: StewardKeys) -> JoinRequest:
    """A member's join request. Raises OperatorError GEN-06."""
    public = join.MemberKeys(
        keys.validator.public, keys.transport.public, keys.sealing.public, steward.signing.public
    )
    return make_request(identity.network, identity.id, identity.name, public, keys.validator.sign)


def create_registrar(
    file: Path, identity: Identity, operator: str, passphrases: Passphrases, *, level: str = "moderate"
) -> JoinRequest:
    """A registrar's key file, and its join request beside it (see `request_beside`).

    Raises OperatorError CLI-01 (not allowed), KEY-06, GEN-12 (there already), KEY-09, CLI-05.
    """
    with _beside(file, identity, operator) as request_file:
        keys = RegistrarKeys.create(file, boot=passphrases.boot, recovery=passphrases.recovery, level=level)
        public = join.RegistrarKeys(keys.signing.public, operator)
        request = make_request(identity.network, identity.id, identity.name, public, keys.signing.sign)
        write_request(request_file, request)
    return request


def create_trustee(
    file: Path, identity: Identity, operator: str, passphrases: Passphrases, *, level: str = "moderate"
) -> JoinRequest:
    """A trustee's key file, and its join request beside it. Raises what `create_registrar` raises."""
    with _beside(file, identity, operator) as request_file:
        keys = TrusteeKeys.create(file, boot=passphrases.boot, recovery=passphrases.recovery, level=level)
        public = join.TrusteeKeys(keys.signing.public, keys.kem.public, operator)
        request = make_request(identity.network, identity.id, identity.name, public, keys.signing.sign)
        write_request(request_file, request)
    return request


def request_beside(key_file: Path) -> Path:
    """Where the join request of a key file is written: `insurer.key` -> `insurer.join`."""
    return key_file.with_suffix(REQUEST_SUFFIX)


@contextmanager
def _beside(file: Path, identity: Identity, operator: str) -> Iterator[Path]:
    request_file = request_beside(file)
    named = [f"{file} would be the join request's name: call it {file.stem}.key"] * (file == request_file)
    _refuse_unfit(identity, operator, named)
    _refuse_taken(file, request_file)
    make_folder(file.parent)
    with _all_or_none(file, request_file):
        yield request_file


def write_request(file: Path, request: JoinRequest) -> Path:
    """Write a join request's text. Raises OperatorError CLI-05, GEN-12 (another file is there)."""
    text = render_request(request).encode()
    if file.exists():
        if read_limited(file, MAX_REQUEST_BYTES, "the file") != text:
            raise _request_exists(file)
        return file
    return write_private(file, text)


def make_folder(folder: Path) -> None:
    """A folder through which others may pass (to sockets) but whose names they cannot list.

    Raises OperatorError CLI-05.
    """
    if folder.is_dir():
        return
    try:
        folder.mkdir(parents=True)
        folder.chmod(0o711)  # whatever the umask: it would shut the sockets off
    except OSError as error:
        raise OperatorError(
            CLI_OUTPUT,
            f"the folder {folder} cannot be made: {error.strerror}",
            unchanged="nothing was written",
            next_step="check permissions and space: "
            f"ls -ld {quoted(folder.parent)}; df {quoted(folder.parent)}",
        ) from None
