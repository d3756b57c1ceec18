"""What comes of a snapshot: judged, put into the staging folder, and what is still to come after it."""

from collections.abc import Callable, Sequence

from chainnode.node.certified import Verify
from chainnode.node.items import (
    MAX_TRANSACTIONS_ASKED,
    History,
    Item,
    PersonalRows,
    StatePart,
    StateValue,
    Transactions,
    rows_at_once,
)
from chainnode.node.joinjudge import (
    fit_history,
    fit_part,
    fit_rows,
    fit_transactions,
    fit_value,
)
from chainnode.node.joinplan import Wanted
from chainnode.store.chain import ChainStore
from chainnode.store.port import RowStorePort
from chainnode.store.staging import Staging, StagingError, Target
from consensus.types import Digest, ReplicaId


class Keeper:
    """`begin` comes first. Methods that verify or write much are called in a thread, one at a time.

    Raises OperatorError where the disk fails.
    """

    def __init__(
        self,
        *,
        chain_id: bytes,
        staging: Callable[[], Staging],
        store: ChainStore,
        rows: RowStorePort,
        validity_heights: int,
        faulty: Callable[[], int],
        frame_bytes: int,
        verify: Verify,
    ) -> None:
        """`staging` opens the folder when it is needed; `store`: the chain that is to be replaced;
        `faulty`: f of the present members."""
        self._chain_id = chain_id
        self._open = staging
        self._store = store
        self._rows = rows
        self._validity_heights = validity_heights
        self._faulty = faulty
        self._limit = frame_bytes // 2
        self._verify = verify
        self._opened: Staging | None = None
        self._parts: dict[bytes, Digest] = {}
        self._values: dict[bytes, Digest] = {}
        self._history: tuple[int, Digest] = (0, b"")
        self._absent: dict[Digest, set[ReplicaId]] = {}

    @property
    def _staging(self) -> Staging:
        assert self._opened is not None, "begin comes first"
        return self._opened

    @property
    def _first(self) -> int:
        """The lowest block whose transactions may still be replayed."""
        assert self._staging.target is not None
        return max(1, self._staging.target.header.height - self._validity_heights)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def interrupt(self) -> None:
        """From another thread: `rest` or `complete` shall end early, by an InterruptedError."""
        self._staging.interrupted = True

    def begin(self, target: Target) -> list[Item]:
        """Aim at a snapshot; the parts of its state that are not here."""
        if self._opened is None:
            self._opened = self._open()
        self._staging.aim(target)
        self._parts, self._values, self._absent = {}, {}, {}
        return [*self._missing([(b"", target.header.state_root)])]

    def count_parts(self) -> int:
        return self._staging.count_parts()

    def _missing(self, below: Sequence[tuple[bytes, Digest]]) -> list[StatePart]:
        missing = [one for prefix, hash_ in below for one in self._staging.missing(prefix, hash_)]
        self._parts.update(missing)
        return [StatePart(prefix) for prefix, _ in missing]

    def keep(self, peer: ReplicaId, wanted: Wanted, content: bytes) -> list[Wanted]:
        """Judge and keep what `peer` sent; what is wanted in its place. Raises UnfitError."""
        staging, item = self._staging, wanted.item
        if isinstance(item, StatePart):
            expected = self._parts[item.prefix]
            part, children = fit_part(item, content, expected)
            staging.put_part(item.prefix, expected, part)
            return [Wanted(one) for one in self._missing(children)]
        if isinstance(item, StateValue):
            staging.put_value(item.key, fit_value(content, self._values[item.key]))
            return []
        if isinstance(item, History):
            blocks = fit_history(content, *self._history)
            staging.put_history(blocks)
            self._history = (blocks[-1][0].height - 1, blocks[-1][0].parent)
            return [Wanted(one) for one in self._older()]
        if isinstance(item, Transactions):
            found = fit_transactions(item, content, self._chain_id, self._verify)
            staging.put_transactions(found)
            here = {one.id() for one in found}
            left = tuple(id_ for id_ in item.ids if id_ not in here)
            return [Wanted(Transactions(left))] if left else []
        rows, absent = fit_rows(item, content)
        self._rows.put(rows)
        return self._still_wanted(peer, wanted, absent)

    def _still_wanted(self, peer: ReplicaId, wanted: Wanted, absent: tuple[Digest, ...]) -> list[Wanted]:
        """Of f + 1 that say a row is not there one is honest: it was erased."""
        left = []
        for digest in absent:
            said = self._absent.setdefault(digest, set())
            said.add(peer)
            if len(said) <= self._faulty():
                left.append(digest)
        return [Wanted(PersonalRows(tuple(left)), wanted.but_not | {peer})] if left else []

    def _older(self) -> list[Item]:
        return [History(self._history[0])] if self._history[0] >= self._first else []

    def values(self) -> list[Item]:
        """The long values that are not here; to be asked once all parts are."""
        missing = self._staging.values_missing()
        self._values.update(missing)
        return [StateValue(key) for key, _ in missing]

    def rest(self) -> list[Item]:
        """What the state rests on and is not here: transactions, blocks, personal rows."""
        target = self._staging.target
        assert target is not None
        transactions, rows = self._staging.survey()
        # Neighbours together: whoever serves them reads each block once.
        ids = sorted(transactions, key=lambda id_: (transactions[id_], id_))
        items: list[Item] = [
            Transactions(tuple(ids[at : at + MAX_TRANSACTIONS_ASKED]))
            for at in range(0, len(ids), MAX_TRANSACTIONS_ASKED)
        ]
        self._history = self._staging.history_from(target.header)
        items += self._older()
        unknown = [one for one in rows if self._rows.get(one) is None and not self._rows.is_erased(one)]
        step = rows_at_once(self._limit)
        return [*items, *(PersonalRows(tuple(unknown[i : i + step])) for i in range(0, len(unknown), step))]

    def complete(self) -> None:
        """Make a chain of it, checked whole. Raises StagingError: it is none, and everything was thrown
        away."""
        try:
            self._staging.complete(self._store, self._first)
        except StagingError:
            self._staging.restart()
            raise
