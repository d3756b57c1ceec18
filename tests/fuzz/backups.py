"""Backups for the fuzzer: the bytes of one, and what one holds, put together anew around every damage."""

from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import structs

from chainnode.node.archive import MAGIC, PIECE_BYTES, ArchiveError, Header, Reader, Writer
from chainnode.node.restoring import restore
from consensus.codec import decode, encode
from genesis.document import parse_genesis
from tests.genesis.consortium import consortium, public, signed_file, unsigned_file

LIMIT = 1 << 20
CONFIG = b'[keys]\npassphrase_file = "passphrase"\n[genesis]\nmembership = "change.cbor"\n'
Verify = Callable[[bytes, bytes, bytes], bool]


@cache
def parts() -> tuple[Header, dict[str, bytes]]:
    data = signed_file(unsigned_file(consortium()))
    genesis = parse_genesis(data)
    key = genesis.members[0].validator_key
    assert key == public(genesis.members[0].id)
    header = Header(1, genesis.chain_id, genesis.network, genesis.members[0].id, key, 5, 7, 6, 9, "inside")
    return header, {
        "config": CONFIG,
        "genesis": data,
        "keystore": b"encrypted",
        "keys/steward.key": b"encrypted too",
        "rows/000000": encode([(b"subject/1", b"value")]),
        "wraps/" + "ab" * 16: b"sealed",
        "objects/" + "ab" * 16: bytes(300),
    }


def written(header: Header, entries: list[tuple[str, bytes]]) -> bytes:
    writer = Writer(header, lambda _: bytes(64))
    data = writer.begin()
    for name, content in entries:
        data += b"".join(writer.entry(name, len(content), _cut(content)))
    return data + writer.end()


def _cut(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


def archive() -> bytes:
    header, entries = parts()
    return written(header, list(entries.items()))


def content() -> bytes:
    header, entries = parts()
    return encode((encode(header), list(entries.items())))


def read_archive(data: bytes, verify: Verify) -> object:
    """To its end, as `backup create` reads again what it wrote."""
    source = BytesIO(data)
    if source.read(len(MAGIC)) != MAGIC:
        raise ArchiveError("another file")
    return [(entry.name, b"".join(entry.data)) for entry in Reader(source, verify).entries()]


def restore_content(data: bytes, verify: Verify) -> object:
    """Restore a backup with this header and these entries: to a home and nothing beside it, or to nothing."""
    header, entries = decode(data, tuple[bytes, list[tuple[str, bytes]]], limit_bytes=LIMIT)
    source = BytesIO(written(decode(header, Header, limit_bytes=LIMIT), entries))
    source.read(len(MAGIC))
    with TemporaryDirectory() as folder:
        home, done = Path(folder) / "deep" / "home", False
        home.parent.mkdir()
        try:
            outcome = structs.asdict(restore(Reader(source, verify), home, lambda *_: None).header)
            done = True
        finally:
            left = sorted(path.name for path in (*Path(folder).iterdir(), *home.parent.iterdir()))
            assert left == (["deep", "home"] if done else ["deep"]), left
    return outcome
