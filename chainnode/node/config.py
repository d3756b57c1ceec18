"""The node's configuration: one TOML file, read whole, checked whole, frozen.

The schema stands in schema.py: the reader, the commented file that `init` writes (settings.py) and the
reference in the documentation all come from it. Nothing secret stands in the file: passphrases come from a
file of their own or from systemd's credentials.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainnode.node import values as v
from chainnode.node.api import Role
from chainnode.node.schema import KEYS, REQUIRED, Key
from genesis.errors import EXIT_USAGE, OperatorError, define, quoted

CONFIG_NAME = "chainnode.toml"
MAX_CONFIG_BYTES = 262_144
MAX_PEERS = 100

CFG_UNREADABLE = define("CFG-01", EXIT_USAGE, "the configuration file is missing or cannot be read")
CFG_SYNTAX = define("CFG-02", EXIT_USAGE, "the configuration file is not TOML")
CFG_UNKNOWN = define("CFG-03", EXIT_USAGE, "the configuration has a key that does not exist")
CFG_MISSING = define("CFG-04", EXIT_USAGE, "the configuration lacks a key")
CFG_VALUE = define("CFG-05", EXIT_USAGE, "a value in the configuration is not allowed")

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


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
class ChainConfig:
    """How far back blocks are kept (0: all), how often snapshots are made, from what gap on (0: none) one is
    taken over, and whether a damaged chain is moved aside and fetched anew."""

    keep_blocks: int
    snapshot_every: int
    join_gap: int
    resync: bool


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
    membership_file: Path | None
    keystore_file: Path
    next_keystore_file: Path | None
    trustee_file: Path | None
    passphrase_file: Path | None
    passphrase_credential: str
    listen: ListenConfig
    peers: tuple[PeerConfig, ...]
    sockets: tuple[SocketConfig, ...]
    store_folder: Path
    reserve_mb: int
    chain: ChainConfig
    pool: PoolConfig
    log: LogConfig
    metrics_listen: tuple[str, int] | None
    verification: str

    def peer(self, slug: str) -> PeerConfig | None:
        return next((peer for peer in self.peers if peer.slug == slug), None)

    def socket(self, role: Role) -> SocketConfig:
        return next(socket for socket in self.sockets if socket.role is role)


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
                self.problems.append((CFG_UNKNOWN, f"{name} is not a key{v.meant(name, known)}"))
        for key in KEYS:
            names = [key.name.replace("*", slug) for slug in self.slugs] if "*" in key.name else [key.name]
            for name in names:
                self._take(name, key)

    def _take(self, name: str, key: Key) -> None:
        value = self._given.get(name, key.default)
        if value is REQUIRED:
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
            next_step=f"correct it: ${{EDITOR:-nano}} {quoted(file)}",
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
            next_step="make a home first, or name another: chainnode init --help",
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
            next_step=f"correct it: ${{EDITOR:-nano}} {quoted(file)}",
        ) from None


def _beside(home: Path, name: str | None) -> Path | None:
    return None if name is None else home / name


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
    return NodeConfig(
        file=file,
        home=home,
        genesis_file=home / reader.get("genesis.file"),
        membership_file=_beside(home, reader.get("genesis.membership")),
        keystore_file=home / reader.get("keys.keystore"),
        next_keystore_file=_beside(home, reader.get("keys.next_keystore")),
        trustee_file=_beside(home, reader.get("trustee.key_file")),
        passphrase_file=_beside(home, reader.get("keys.passphrase_file")),
        passphrase_credential=reader.get("keys.credential") or "",
        listen=ListenConfig(reader.get("listen.host"), reader.get("listen.port")),
        peers=tuple(peers),
        sockets=sockets,
        store_folder=home / reader.get("store.folder"),
        reserve_mb=reader.get("store.reserve_mb"),
        chain=ChainConfig(
            reader.get("store.keep_blocks"),
            reader.get("store.snapshot_every"),
            reader.get("store.join_gap"),
            reader.get("store.resync") == "on",
        ),
        pool=PoolConfig(home / reader.get("pool.folder"), reader.get("pool.objects_url") or ""),
        log=LogConfig(reader.get("log.level"), reader.get("log.format")),
        metrics_listen=reader.get("metrics.listen"),
        verification=reader.get("verification.mode"),
    )
