"""The state between blocks: values and tree over one raw backend; and the changes of a block on top.

Raw names in the backend: b"s" + key for a value of the authenticated state, b"k" + key hash for its key
(the tree knows hashes alone, and a snapshot is cut along it), b"i" + key for the index beside the tree,
b"t" and b"b" for the tree itself (tree.py).
"""

from collections.abc import Mapping

from chainnode.ledger.proof import StateProof, key_hash
from chainnode.ledger.tree import RawGet, RawPuts, StateTree
from chainnode.ledger.view import Reader
from consensus.types import Digest

_STATE, _KEY, _INDEX = b"s", b"k", b"i"


def state_name(key: bytes) -> bytes:
    """The raw name under which a value of the authenticated state stands."""
    return _STATE + key


class State:
    """The state after the last executed block.

    What `update` returns must be in the backend before the next `update`; until then reads and proofs
    already see it.
    """

    def __init__(self, get: RawGet) -> None:
        """`get` reads a raw name of the backend: None where there is nothing."""
        self._get = get
        self._tree = StateTree(get)
        self._written: RawPuts = {}

    @property
    def root(self) -> Digest:
        return self._tree.root

    def get(self, key: bytes) -> bytes | None:
        return self._read(_STATE + key)

    def index(self, key: bytes) -> bytes | None:
        return self._read(_INDEX + key)

    def prove(self, key: bytes) -> StateProof:
        """Proof under `root` of what stands at `key`, or that nothing does."""
        return self._tree.prove(key)

    def update(self, changes: Mapping[bytes, bytes | None], index: Mapping[bytes, bytes]) -> RawPuts:
        """Apply a block's changes; the raw entries to be written with the block, in a fixed order."""
        puts = dict(self._tree.update(changes))
        for key, value in changes.items():
            puts[_STATE + key] = value
            puts[_KEY + key_hash(key)] = None if value is None else key
        for key, value in index.items():
            puts[_INDEX + key] = value
        self._written = puts
        return puts

    def _read(self, name: bytes) -> bytes | None:
        return self._written[name] if name in self._written else self._get(name)


class WorkingState:
    """A block's changes over a Reader. What a transaction wrote counts only once it is kept; what was
    read below is read once."""

    def __init__(self, base: Reader) -> None:
        self._base = base
        self._base_reads: dict[bytes, bytes | None] = {}
        self.changes: dict[bytes, bytes | None] = {}
        self.index_changes: dict[bytes, bytes] = {}
        self._pending: dict[bytes, bytes | None] = {}
        self._pending_index: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        for layer in (self._pending, self.changes, self._base_reads):
            if key in layer:
                return layer[key]
        value = self._base_reads[key] = self._base.get(key)
        return value

    def index(self, key: bytes) -> bytes | None:
        for layer in (self._pending_index, self.index_changes):
            if key in layer:
                return layer[key]
        return self._base.index(key)

    def put(self, key: bytes, value: bytes) -> None:
        self._pending[key] = value

    def delete(self, key: bytes) -> None:
        self._pending[key] = None

    def put_index(self, key: bytes, value: bytes) -> None:
        self._pending_index[key] = value

    def keep(self) -> None:
        """The transaction stands."""
        self.changes.update(self._pending)
        self.index_changes.update(self._pending_index)
        self.drop()

    def drop(self) -> None:
        """The transaction changes nothing."""
        self._pending = {}
        self._pending_index = {}
