"""What a node alone holds, as of one moment, as an archive: nothing that its peers hold too.

Inside: configuration, genesis document, keystore and other key files of the home (as encrypted as they lie
there), local rows, the hospital's wraps, the recipients' lists, and the ciphertexts of a local pool. Never
the votes: a vote log that is older than what the node said would make it vote twice. Never the chain: it
comes anew from the peers. Never the boot passphrase.

The local rows are those of one moment; what the pool takes in after it may be inside too. Objects are stored
before anything names them, so that no row speaks of an object that is missing.
"""

import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from chainnode.node.archive import FORMAT, PIECE_BYTES, Header, Writer
from chainnode.node.clock import wall_ms
from chainnode.node.config import NodeConfig
from chainnode.node.errors import NOD_UNREADABLE
from chainnode.node.opening import Opened, occupy
from chainnode.node.passphrase import open_keys
from chainnode.node.restored import MARK_KEY
from chainnode.pool.errors import ObjectError
from chainnode.pool.objectstore import ObjectStore
from chainnode.pool.pool import Pool
from chainnode.store.localrows import LocalRows
from chainnode.vault.files import read_file
from chainnode.vault.keys import SigningKey
from chainnode.vault.secretformat import decode_document
from consensus.codec import encode
from genesis.document import Genesis, load_genesis
from genesis.errors import OperatorError

ROWS_BYTES = 1_048_576
"""About so many bytes of rows stand in one entry."""

CONFIG, GENESIS, KEYSTORE = "config", "genesis", "keystore"
MEMBERSHIP, NEXT_KEYSTORE = "membership", "next-keystore"
OBJECTS_INSIDE, OBJECTS_LEFT_OUT, OBJECTS_ELSEWHERE = "inside", "left-out", "elsewhere"

Pairs = Iterator[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class BackupSource:
    """`rows`: a fresh iterator over all local rows, over one state of them from its first step on. `height`:
    of the latest certified block, 0 where it is not known."""

    config: NodeConfig
    genesis: Genesis
    slug: str
    validator: SigningKey
    rows: Callable[[], Pairs]
    pool: Pool
    height: int

    def pieces(self, *, objects: bool) -> Iterator[bytes]:
        """The archive, in pieces of about PIECE_BYTES. Blocks on the disk: not for the loop's thread.

        Raises OperatorError where something cannot be read.
        """
        return _coalesced(self._pieces(objects))

    def _pieces(self, objects: bool) -> Iterator[bytes]:
        rows = _primed(self.rows())
        files = self._files()
        stores = {"wraps": self.pool.wraps, "recipients": self.pool.recipients}
        kept = OBJECTS_LEFT_OUT
        if objects:
            kept = OBJECTS_INSIDE if self.pool.objects.is_local else OBJECTS_ELSEWHERE
        if kept == OBJECTS_INSIDE:
            stores["objects"] = self.pool.objects
        sizes = [size for store in stores.values() for _, size in store.listed()]
        writer = Writer(
            Header(
                FORMAT,
                self.genesis.chain_id,
                self.genesis.network,
                self.slug,
                self.validator.public,
                wall_ms(),
                self.height,
                len(files) + len(sizes),
                sum(sizes) + sum(map(len, files.values())),
                kept,
            ),
            self.validator.sign,
        )
        yield writer.begin()
        for name, data in files.items():
            yield from writer.entry(name, len(data), _cut(data))
        for number, chunk in enumerate(_row_chunks(rows)):
            yield from writer.entry(f"rows/{number:06d}", len(chunk), _cut(chunk))
        for name, store in stores.items():
            yield from _stored(writer, name, store)
        yield writer.end()

    def _files(self) -> dict[str, bytes]:
        """The small files: all of them are read before anything is written."""
        config = self.config
        found = {
            CONFIG: _read(config.file),
            GENESIS: _read(config.genesis_file),
            KEYSTORE: read_file(config.keystore_file),
        }
        known = {config.keystore_file.resolve()}
        if config.membership_file is not None:
            found[MEMBERSHIP] = _read(config.membership_file)
        if config.next_keystore_file is not None:
            found[NEXT_KEYSTORE] = read_file(config.next_keystore_file)
            known.add(config.next_keystore_file.resolve())
        for path in sorted(config.home.glob("*.key")):
            if path.resolve() not in known and _is_encrypted(path):
                found[f"keys/{path.name}"] = read_file(path)
        return found


def backup_source(opened: Opened) -> BackupSource:
    """Of a running node."""
    certified = opened.executor.certified
    return BackupSource(
        opened.config,
        opened.genesis,
        opened.member.id,
        opened.keys.validator,
        lambda: opened.store.local_iter(b""),
        opened.pool,
        0 if certified is None else certified.height,
    )


def stopped_source(config: NodeConfig, closing: ExitStack) -> BackupSource:
    """Of a node that does not run: the home is locked until `closing` ends. The chain and the votes are not
    even opened: a backup can be made where they are damaged.

    Raises OperatorError STO-01 (it runs), GEN-xx, KEY-xx, CFG-xx, STO-xx, POL-03.
    """
    occupy(config.home, closing)
    genesis = load_genesis(config.genesis_file)
    keys = open_keys(config, config.keystore_file)
    rows = LocalRows(config.store_folder, genesis.chain_id)
    closing.callback(rows.close)
    own = (one.id for one in genesis.members if one.validator_key == keys.validator.public)
    pool = Pool.open(config.pool.folder, config.pool.objects_url or None)
    return BackupSource(config, genesis, next(own, ""), keys.validator, rows.items, pool, 0)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OperatorError(
            NOD_UNREADABLE,
            f"{path} cannot be read: {error.strerror}",
            unchanged="no backup was made",
            next_step=f"ls -l {shlex.quote(str(path))}",
        ) from None


def _is_encrypted(path: Path) -> bool:
    """Whether it is a secret file: nothing that lies in the clear under such a name goes along."""
    try:
        decode_document(read_file(path), path)
    except OperatorError:
        return False
    return True


def _stored(writer: Writer, name: str, store: ObjectStore) -> Iterator[bytes]:
    for object_id, _ in store.listed():
        try:
            data = store.get(object_id)
        except ObjectError as error:
            if error.rule != "object-missing":
                raise
            continue  # it was deleted since it was listed
        yield from writer.entry(f"{name}/{object_id.hex()}", len(data), _cut(data))


def _cut(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


def _primed(pairs: Pairs) -> Pairs:
    """The same pairs, as of now: an iterator of the store begins at its first step."""
    first = next(pairs, None)

    def rest() -> Pairs:
        if first is not None:
            yield first
        yield from pairs

    return rest()


def _row_chunks(pairs: Pairs) -> Iterator[bytes]:
    chunk: list[tuple[bytes, bytes]] = []
    size = 0
    for key, value in pairs:
        if key == MARK_KEY:
            continue
        chunk.append((key, value))
        size += len(key) + len(value)
        if size >= ROWS_BYTES:
            yield encode(chunk)
            chunk, size = [], 0
    if chunk:
        yield encode(chunk)


def _coalesced(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Of many small ones a few large ones: each costs a message."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        if len(waiting) >= PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
