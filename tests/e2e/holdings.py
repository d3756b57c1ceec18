"""Everything that four nodes hold on their disks, sent to each other and gave out, piece by piece."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.tapped_node import TAP_NAME, tapped
from tests.store.leveldb_files import entries_in

DATABASES = {"chain": "store/chain", "local": "store/local", "rows": "store/rows"}
POOL = {"objects": "pool/objects", "wraps": "pool/wraps", "recipients": "pool/recipients"}
METRICS_NAME = "metrics.txt"
"""Beside what a node holds: what it told of itself at the end."""
KINDS = (*DATABASES, *POOL, "votes", "log", "frames", "metrics", "other", "receipts", "workspace")


@dataclass(frozen=True, slots=True)
class Piece:
    """`node`: the member's number, -1 for what was given out; `kind`: one of KINDS."""

    node: int
    kind: str
    name: str
    data: bytes


def held_by(node: int, home: Path) -> Iterator[Piece]:
    """Of LevelDB every version of every key and value, decompressed; and each file as it lies there."""
    for kind, place in DATABASES.items():
        for file, key, value in entries_in(home / place):
            yield Piece(node, kind, f"{file} key {key[:12].hex()}", key)
            yield Piece(node, kind, f"{file} value of {key[:12].hex()}", value)
    for number, (channel, peer, frame) in enumerate(tapped(home)):
        yield Piece(node, "frames", f"frame {number} to {peer} on {channel.name}", frame)
    for path in sorted(home.rglob("*")):
        if path.is_file() and path.name != TAP_NAME:
            yield Piece(node, _kind(path.relative_to(home)), str(path), path.read_bytes())
            yield Piece(node, "other", "a file's path", str(path.relative_to(home)).encode())


def _kind(path: Path) -> str:
    text = path.as_posix()
    for kind, place in (DATABASES | POOL | {"votes": "store/votes"}).items():
        if text.startswith(place + "/"):
            return kind
    return {"node.log": "log", METRICS_NAME: "metrics"}.get(text, "other")


def given_out(folder: Path) -> Iterator[Piece]:
    for kind in ("receipts", "workspace"):
        for path in sorted((folder / kind).rglob("*")):
            if path.is_file():
                yield Piece(-1, kind, str(path.relative_to(folder)), path.read_bytes())


def distinct(pieces: Iterable[Piece]) -> list[Piece]:
    """Each content once for each kind: what goes to three peers need not be looked through three times."""
    found: dict[tuple[str, bytes], Piece] = {}
    for piece in pieces:
        found.setdefault((piece.kind, piece.data), piece)
    return list(found.values())
