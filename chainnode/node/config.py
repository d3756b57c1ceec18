"""The node's configuration: one TOML file, read whole, checked whole, frozen.

`KEYS` is the schema: the reader, the commented file that `init` writes (settings.py) and the reference in
the documentation all come from it. Nothing secret stands in the file: passphrases come from a file of
their own or from systemd's credentials.
"""

import ipaddress
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainnode.node.api import Role
from genesis.errors import EXIT_USAGE, OperatorError, define

CONFIG_NAME = "chainnode.toml"
MAX_CONFIG_BYTES = 262_144
MAX_PEERS = 100

CFG_UNREADABLE = define("CFG-01", EXIT_USAGE, "the configuration file is missing or cannot be read")
CFG_SYNTAX = define("CFG-02", EXIT_USAGE, "the configuration file is not TOML")
CFG_UNKNOWN = define("CFG-03", EXIT_USAGE, "the configuration has a key that does not exist")
CFG_MISSING = define("CFG-04", EXIT_USAGE, "the configuration lacks a key")
CFG_VALUE = define("CFG-05", EXIT_USAGE, "a value in the configuration is not allowed")

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_CREDENTIAL = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ADDRESS = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9._-]{1,15})?)\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})"
)
_NUMBERS = re.compile(r"[0-9.]+")
_MODE = re.compile(r"0[0-7]{3}")
_REQUIRED = object()


@dataclass(frozen=True, slots=True)
class ListenConfig:
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """`dial`: "out" (this side dials), "in" (the peer does), "auto" (the lower number dials). `host` may be
    empty, and `port` 0, where the peer dials."""

    slug: str
    host: str
    port: int
    dial: str


@dataclass(frozen=True, slots=True)
class SocketConfig:
    """The Unix socket of a role. `owner` and `group` empty: those of the process."""

    role: Role
    path: Path
    owner: str
    group: str
    mode: int


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """`folder` holds the wrapped halves, and the ciphertexts too unless `objects_url` names a store."""

    folder: Path
    objects_url: str


@dataclass(frozen=True, slots=True)
class LogConfig:
    level: str
    format: str


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Paths are absolute. Exactly one of `passphrase_file` and `passphrase_credential` is set."""

    file: Path
    home: Path
    genesis_file: Path
    keystore_file: Path
    passphrase_file: Path | None
    passphrase_credential: str
    listen: ListenConfig
    peers: tuple[PeerConfig, ...]
    sockets: tuple[SocketConfig, ...]
    store_folder: Path
    reserve_mb: int
    pool: PoolConfig
    log: LogConfig
    verification: str

    def peer(self, slug: str) -> PeerConfig | None:
        return next((peer for peer in self.peers if peer.slug == slug), None)

    def socket(self, role: Role) -> SocketConfig:
        return next(socket for socket in self.sockets if socket.role is role)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > 1_024 or not value.isprintable():
        raise ValueError("a text of 1 to 1024 printable characters")
    return value


def _name(value: object) -> str:
    if value == "":
        return ""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", value):
        raise ValueError("a Unix name, or empty")
    return value


def _credential(value: object) -> str:
    if not isinstance(value, str) or not _CREDENTIAL.fullmatch(value):
        raise ValueError("the name of a systemd credential")
    return value


def _port(value: object) -> int:
    if type(value) is not int or not 0 <= value <= 65_535:
        raise ValueError("a port, 0 to 65535 (0: any free one)")
    return value


def _megabytes(value: object) -> int:
    if type(value) is not int or not 0 <= value <= 100_000_000:
        raise ValueError("a number of MB, 0 to 100000000 (0: no reserve)")
    return value


def _mode(value: object) -> int:
    if not isinstance(value, str) or not _MODE.fullmatch(value) or int(value, 8) & 0o007:
        raise ValueError('an octal mode in quotes that shuts out others, such as "0660"')
    return int(value, 8)


def _address(value: object) -> tuple[str, int]:
    parts = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        raise ValueError('"host:port", such as "10.0.0.2:7400" or "[fd00::2]:7400"')
    if not 1 <= int(parts[3]) <= 65_535:
        raise ValueError("a port from 1 to 65535")
    host = parts[1] or parts[2]
    if parts[1] or _NUMBERS.fullmatch(host):
        try:
            ipaddress.ip_address(host)
        except ValueError as error:
            raise ValueError(f"an IP address or a name: {error}") from None
    return host, int(parts[3])


def _choice(*allowed: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in allowed:
            raise ValueError("one of " + ", ".join(allowed))
        return str(value)

    return parse


@dataclass(frozen=True, slots=True)
class Key:
    """A configuration key. `*` in the name stands for a member's slug; `default` None: may be absent."""

    name: str
    parse: Callable[[object], Any]
    default: Any
    meaning: str

    @property
    def required(self) -> bool:
        return self.default is _REQUIRED


def _socket_keys(role: Role) -> tuple[Key, ...]:
    name = f"sockets.{role.value}"
    return (
        Key(f"{name}.owner", _name, "", f"Unix owner of the {role.value} socket; empty: the node's own user"),
        Key(
            f"{name}.group", _name, "", f"Unix group whose members act as {role.value}; empty: the node's own"
        ),
        Key(f"{name}.mode", _mode, "0660", "permissions of the socket; others never get any"),
    )


KEYS: tuple[Key, ...] = (
    Key("genesis.file", _text, "genesis.cbor", "the signed genesis document"),
    Key("keys.keystore", _text, "keystore.key", "the node's keys, encrypted"),
    Key("keys.passphrase_file", _text, None, "file that holds the boot passphrase (or use keys.credential)"),
    Key(
        "keys.credential", _credential, None, "name of the systemd credential that holds the boot passphrase"
    ),
    Key("listen.host", _text, "0.0.0.0", "address that other members' nodes connect to"),
    Key("listen.port", _port, 7400, "TCP port of the same"),
    Key(
        "peers.*.address",
        _address,
        None,
        'where that member\'s node listens, host:port (needless with dial = "in")',
    ),
    Key(
        "peers.*.dial",
        _choice("auto", "in", "out"),
        "auto",
        "who connects: out (this node), in (the peer), auto",
    ),
    Key("sockets.folder", _text, "run", "folder of the Unix sockets"),
    *(key for role in Role for key in _socket_keys(role)),
    Key("store.folder", _text, "store", "vote log, blocks, state, erasable rows"),
    Key(
        "store.reserve_mb",
        _megabytes,
        512,
        "MB to be kept free on the disk: below it nothing new is taken in, below an eighth the node stops",
    ),
    Key("pool.folder", _text, "pool", "encrypted objects and, in folders of their own, both wrapped halves"),
    Key("pool.objects_url", _text, None, "s3://, gs:// or az:// URL of the encrypted objects, if elsewhere"),
    Key(
        "log.level", _choice("debug", "info", "warning", "error"), "info", "least severe line that is logged"
    ),
    Key("log.format", _choice("json", "console"), "json", "one JSON object a line, or text for people"),
    Key(
        "verification.mode",
        _choice("inline", "thread"),
        "inline",
        "where the signatures of large batches are checked: in the loop, or in a thread",
    ),
)
"""Relative paths are relative to the home folder."""


def _flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict) and value:
            flat.update(_flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def generic_name(name: str) -> str:
    """`peers.hospital-b.dial` -> `peers.*.dial`."""
    parts = name.split(".")
    if len(parts) == 3 and parts[0] == "peers" and SLUG.fullmatch(parts[1]):
        return f"peers.*.{parts[2]}"
    return name


class _Reader:
    """Collects every problem, so that the operator mends the file once."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._given = _flatten(table)
        self._values: dict[str, Any] = {}
        self.problems: list[tuple[Any, str]] = []
        peers = table.get("peers")
        self.slugs = sorted(filter(SLUG.fullmatch, peers)) if isinstance(peers, dict) else []
        known = {key.name for key in KEYS}
        sections = {key.name.rpartition(".")[0] for key in KEYS} | {"peers"}
        for name, value in self._given.items():
            empty_section = value == {} and (name in sections or name in map("peers.{}".format, self.slugs))
            if generic_name(name) not in known and not empty_section:
                self.problems.append((CFG_UNKNOWN, f"{name} is not a key"))
        for key in KEYS:
            names = [key.name.replace("*", slug) for slug in self.slugs] if "*" in key.name else [key.name]
            for name in names:
                self._take(name, key)

    def _take(self, name: str, key: Key) -> None:
        value = self._given.get(name, key.default)
        if value is _REQUIRED:
            self.problems.append((CFG_MISSING, f"{name} is missing: {key.meaning}"))
        elif value is not None:
            try:
                self._values[name] = key.parse(value)
            except ValueError as error:
                self.problems.append((CFG_VALUE, f"{name} = {value!r:.80} must be {error}"))

    def get(self, name: str) -> Any:
        return self._values.get(name)

    def check_together(self) -> None:
        if ("keys.passphrase_file" in self._values) == ("keys.credential" in self._values):
            given = "both stand" if "keys.credential" in self._values else "neither stands"
            self.problems.append(
                (
                    CFG_VALUE,
                    f"exactly one of keys.passphrase_file and keys.credential is needed, {given} there",
                )
            )
        for slug in self.slugs:
            if f"peers.{slug}.address" not in self._given and self.get(f"peers.{slug}.dial") != "in":
                self.problems.append(
                    (
                        CFG_MISSING,
                        f'peers.{slug}.address is missing: host:port, or dial = "in" where it connects',
                    )
                )
        if len(self.slugs) > MAX_PEERS:
            self.problems.append(
                (CFG_VALUE, f"peers has {len(self.slugs)} entries, at most {MAX_PEERS} are taken")
            )


def problems_of(table: Mapping[str, Any]) -> list[str]:
    """What would be wrong with a file that holds `table`, in sentences that name the keys."""
    reader = _Reader(table)
    reader.check_together()
    return [text for _, text in reader.problems]


def load_config(home: Path) -> NodeConfig:
    """Read and check <home>/chainnode.toml.

    Raises OperatorError CFG-01 to CFG-05, naming the file and every key that is wrong.
    """
    file = home.absolute() / CONFIG_NAME
    reader = _Reader(_parse(file))
    reader.check_together()
    if reader.problems:
        raise OperatorError(
            reader.problems[0][0],
            f"{file}: " + "; ".join(text for _, text in reader.problems),
            unchanged="the file was read and not touched; nothing was started",
            next_step=f"correct it: ${{EDITOR:-nano}} {file}",
        )
    return _build(file, reader)


def _parse(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise OperatorError(
            CFG_UNREADABLE,
            f"{file} cannot be read: {error.strerror}",
            unchanged="nothing was started",
            next_step=f"make a home first, or name another: chainnode init --home {file.parent}",
        ) from None
    try:
        if len(data) > MAX_CONFIG_BYTES:
            raise ValueError(f"it is longer than {MAX_CONFIG_BYTES} bytes")
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise OperatorError(
            CFG_SYNTAX,
            f"{file} is not a TOML file: {error}",
            unchanged="the file was read and not touched; nothing was started",
            next_step=f"correct it: ${{EDITOR:-nano}} {file}",
        ) from None


def _build(file: Path, reader: _Reader) -> NodeConfig:
    home = file.parent
    peers = []
    for slug in reader.slugs:
        host, port = reader.get(f"peers.{slug}.address") or ("", 0)
        peers.append(PeerConfig(slug, host, port, reader.get(f"peers.{slug}.dial")))
    run = home / reader.get("sockets.folder")
    sockets = tuple(
        SocketConfig(
            role,
            run / f"{role.value}.sock",
            reader.get(f"sockets.{role.value}.owner"),
            reader.get(f"sockets.{role.value}.group"),
            reader.get(f"sockets.{role.value}.mode"),
        )
        for role in Role
    )
    passphrase_file = reader.get("keys.passphrase_file")
    return NodeConfig(
        file=file,
        home=home,
        genesis_file=home / reader.get("genesis.file"),
        keystore_file=home / reader.get("keys.keystore"),
        passphrase_file=None if passphrase_file is None else home / passphrase_file,
        passphrase_credential=reader.get("keys.credential") or "",
        listen=ListenConfig(reader.get("listen.host"), reader.get("listen.port")),
        peers=tuple(peers),
        sockets=sockets,
        store_folder=home / reader.get("store.folder"),
        reserve_mb=reader.get("store.reserve_mb"),
        pool=PoolConfig(home / reader.get("pool.folder"), reader.get("pool.objects_url") or ""),
        log=LogConfig(reader.get("log.level"), reader.get("log.format")),
        verification=reader.get("verification.mode"),
    )
