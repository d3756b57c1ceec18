"""Who is asked for which item of a snapshot. Sans-IO: `now_ms` in, requests out.

Items go to all peers that have the snapshot, a few at a time to each. An item comes whole from one peer, so
that a bad one names its sender: that peer is dropped, and the item goes to another. One that stays silent is
passed over for a while.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from chainnode.net.wire import MAX_PIECE_TOTAL_BYTES
from chainnode.node.items import Item, PersonalRows
from consensus.types import ReplicaId

FLIGHTS = 4
"""Items under way at one peer."""
ANSWER_MS = 4_000
SHUN_MS = 8_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item. `but_not`: peers that said they have it not."""

    item: Item
    but_not: frozenset[ReplicaId] = frozenset()


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a request for `item`, from byte `offset` on, to `peer`."""

    peer: ReplicaId
    ticket: int
    item: Item
    offset: int


@dataclass(slots=True)
class _Flight:
    peer: ReplicaId
    wanted: Wanted
    until_ms: int
    total: int = 0
    parts: list[bytes] = field(default_factory=list)
    size: int = 0


class Plan:
    """`dropped`: peers that sent what is not the snapshot, and what was wrong; nothing is asked of them."""

    def __init__(self) -> None:
        self.dropped: dict[ReplicaId, str] = {}
        self.linked: dict[ReplicaId, None] = {}
        self.sources: dict[ReplicaId, None] = {}
        self.done = 0
        self._shunned_until: dict[ReplicaId, int] = {}
        self._todo: deque[Wanted] = deque()
        self._rows: deque[Wanted] = deque()
        self._flights: dict[int, _Flight] = {}
        self._tickets = 0

    @property
    def total(self) -> int:
        """Items that are done, under way and known to be wanted; grows as parts turn out to be nodes."""
        return self.done + len(self._todo) + len(self._rows) + len(self._flights)

    @property
    def is_idle(self) -> bool:
        return not (self._todo or self._rows or self._flights)

    def restart(self) -> None:
        """Another snapshot: nothing is wanted, nobody has it. Who was dropped stays dropped."""
        self.sources, self._flights, self.done = {}, {}, 0
        self._todo.clear()
        self._rows.clear()

    def add_source(self, peer: ReplicaId) -> None:
        if peer not in self.dropped:
            self.sources[peer] = None

    def link(self, peer: ReplicaId, up: bool) -> None:
        if up:
            self.linked[peer] = None
        else:
            self.linked.pop(peer, None)
            self.gone(peer)

    def gone(self, peer: ReplicaId) -> None:
        """The peer has the snapshot no longer."""
        self.sources.pop(peer, None)
        for ticket in [ticket for ticket, flight in self._flights.items() if flight.peer == peer]:
            self._again(ticket)

    def drop(self, peer: ReplicaId, reason: str) -> None:
        self.dropped.setdefault(peer, reason)
        self.gone(peer)

    def want(self, items: Iterable[Item]) -> None:
        for item in items:
            self._queue(Wanted(item)).append(Wanted(item))

    def _queue(self, wanted: Wanted) -> deque[Wanted]:
        return self._rows if isinstance(wanted.item, PersonalRows) else self._todo

    def pump(self, now_ms: int) -> list[Ask]:
        """What to ask for now. Who did not answer in time is passed over for a while."""
        for ticket, flight in list(self._flights.items()):
            if now_ms >= flight.until_ms:
                self._shunned_until[flight.peer] = now_ms + SHUN_MS
                self._again(ticket)
        busy = dict.fromkeys(self.linked, 0)
        for flight in self._flights.values():
            busy[flight.peer] = busy.get(flight.peer, 0) + 1
        asks: list[Ask] = []
        for queue in (self._todo, self._rows):
            for _ in range(len(queue)):
                wanted = queue[0]
                peer = self._best(wanted, busy, now_ms)
                if peer is None:
                    break
                queue.popleft()
                busy[peer] = busy.get(peer, 0) + 1
                self._tickets += 1
                self._flights[self._tickets] = _Flight(peer, wanted, now_ms + ANSWER_MS)
                asks.append(Ask(peer, self._tickets, wanted.item, 0))
        return asks

    def _best(self, wanted: Wanted, busy: dict[ReplicaId, int], now_ms: int) -> ReplicaId | None:
        """The least busy peer that may have it. Personal rows are no part of the snapshot."""
        may_have = self.linked if isinstance(wanted.item, PersonalRows) else self.sources
        able = [
            peer
            for peer in may_have
            if peer not in self.dropped
            and peer not in wanted.but_not
            and busy.get(peer, 0) < FLIGHTS
            and self._shunned_until.get(peer, 0) <= now_ms
        ]
        return min(able, key=lambda one: (busy.get(one, 0), one), default=None)

    def piece(
        self, peer: ReplicaId, ticket: int, offset: int, total: int, data: bytes, now_ms: int
    ) -> tuple[Wanted, bytes] | Ask | None:
        """The item and its content once it is whole, else what to ask for next; None where nothing of the
        kind was asked for, or the pieces do not fit together: then the peer is dropped."""
        flight = self._flights.get(ticket)
        if flight is None or flight.peer != peer:
            return None
        if offset != flight.size or total not in (flight.total or total,) or total > MAX_PIECE_TOTAL_BYTES:
            self.drop(peer, "pieces that do not fit together")
            return None
        flight.total = total
        flight.parts.append(data)
        flight.size += len(data)
        if flight.size < total:
            flight.until_ms = now_ms + ANSWER_MS
            return Ask(peer, ticket, flight.wanted.item, flight.size)
        del self._flights[ticket]
        return flight.wanted, b"".join(flight.parts)

    def missing(self, peer: ReplicaId, ticket: int) -> bool:
        """`peer` says that the snapshot is not there. Whether it was asked."""
        flight = self._flights.get(ticket)
        if flight is None or flight.peer != peer:
            return False
        self.gone(peer)
        return True

    def again(self, wanted: Wanted) -> None:
        """An item, or what is left of it, has to come once more."""
        self._queue(wanted).appendleft(wanted)

    def _again(self, ticket: int) -> None:
        self.again(self._flights.pop(ticket).wanted)
