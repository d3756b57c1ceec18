"""The schema of the node's configuration file: every key, what it may be, its default and its meaning."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainnode.node import values as v
from chainnode.node.api import Role

MAX_BLOCKS = 1_000_000_000
REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Key:
    """A configuration key. `*` in the name stands for a member's slug; `default` None: may be absent."""

    name: str
    parse: Callable[[object], Any]
    default: Any
    meaning: str

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


def _socket_keys(role: Role) -> tuple[Key, ...]:
    name = f"sockets.{role.value}"
    return (
        Key(
            f"{name}.owner",
            v.name,
            "",
            f"Unix owner of the {role.value} socket; empty: the node's own user",
        ),
        Key(
            f"{name}.group",
            v.name,
            "",
            f"Unix group whose members act as {role.value}; empty: the node's own",
        ),
        Key(f"{name}.mode", v.mode, "0660", "permissions of the socket; others never get any"),
    )


KEYS: tuple[Key, ...] = (
    Key("genesis.file", v.text, "genesis.cbor", "the signed genesis document"),
    Key(
        "genesis.membership",
        v.text,
        None,
        "the signed change of members that admitted this hospital, or gave it the keystore's keys",
    ),
    Key("keys.keystore", v.text, "keystore.key", "the node's keys, encrypted"),
    Key("keys.next_keystore", v.text, None, "new keys that wait for a rotation, under the same passphrase"),
    Key("keys.passphrase_file", v.text, None, "file that holds the boot passphrase (or use keys.credential)"),
    Key("keys.credential", v.credential, None, "name of the systemd credential with the boot passphrase"),
    Key(
        "trustee.key_file",
        v.text,
        None,
        "key file of the trustee that this hospital or organisation runs, under the same passphrase",
    ),
    Key("listen.host", v.text, "0.0.0.0", "address that other members' nodes connect to"),
    Key("listen.port", v.port, 7400, "TCP port of the same"),
    Key(
        "peers.*.address",
        v.address,
        None,
        'where that member\'s node listens, host:port (needless with dial = "in")',
    ),
    Key(
        "peers.*.dial",
        v.choice("auto", "in", "out"),
        "auto",
        "who connects: out (this node), in (the peer), auto",
    ),
    Key("sockets.folder", v.text, "run", "folder of the Unix sockets"),
    *(key for role in Role for key in _socket_keys(role)),
    Key("store.folder", v.text, "store", "vote log, blocks, state, erasable rows"),
    Key(
        "store.reserve_mb",
        v.megabytes,
        512,
        "MB to be kept free on the disk: below it nothing new is taken in, below an eighth the node stops",
    ),
    Key(
        "store.keep_blocks",
        v.count(0, MAX_BLOCKS),
        0,
        "blocks that are kept, 0 for all; as many as replays need stay, and what the state rests on",
    ),
    Key(
        "store.snapshot_every",
        v.count(1, MAX_BLOCKS),
        1_000,
        "at every so many blocks a snapshot is made for nodes that join",
    ),
    Key(
        "store.join_gap",
        v.count(0, MAX_BLOCKS),
        1_000,
        "so many blocks behind the node takes over a snapshot instead of following block by block; 0: never",
    ),
    Key(
        "store.resync",
        v.choice("on", "off"),
        "on",
        "on: a damaged chain folder is moved aside and fetched anew from the peers; off: the node stops",
    ),
    Key("pool.folder", v.text, "pool", "encrypted objects, and both wrapped halves in folders of their own"),
    Key(
        "pool.objects_url",
        v.text,
        None,
        "s3://, gs:// or az:// URL of the encrypted objects, if elsewhere",
    ),
    Key(
        "log.level",
        v.choice("debug", "info", "warning", "error"),
        "info",
        "least severe line that is logged",
    ),
    Key("log.format", v.choice("json", "console"), "json", "one JSON object a line, or text for people"),
    Key(
        "metrics.listen",
        v.own_address,
        None,
        "127.0.0.1:port or [::1]:port where Prometheus reads /metrics by HTTP; nowhere unless it is set",
    ),
    Key(
        "verification.mode",
        v.choice("inline", "thread"),
        "inline",
        "where the signatures of large batches are checked: in the loop, or in a thread",
    ),
)
"""Relative paths are relative to the home folder."""
