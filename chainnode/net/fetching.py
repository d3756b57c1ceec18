"""Batches that are wanted from peers: whom to ask, when to ask the next, when to give up."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from consensus.types import Digest, ReplicaId

ANSWER_MS = 1_000
"""How long a peer has for its answer; twice that in the second round, and so on up to PAUSE_MAX_MS."""
PAUSE_FIRST_MS = 250
"""Between two rounds through all sources; doubled each time up to PAUSE_MAX_MS."""
PAUSE_MAX_MS = 4_000
OFFER_ROUNDS = 3
"""A batch that was only offered is given up after so many rounds; it will be offered again."""
MAX_NEEDED = 4_096
MAX_OFFERED_PER_PEER = 1_024
MAX_ASKED_NEEDED = 64
MAX_ASKED_OFFERED = 8
"""Requests under way at one peer, so that answers do not pile up in its queue to us."""


@dataclass(slots=True)
class _Want:
    """`needed`: a proposal names it, so that it is fetched until it is here or can no longer be
    ordered; otherwise it was only offered by `sources[0]`."""

    needed: bool
    sources: list[ReplicaId]
    expiry_height: int | None
    tried: set[ReplicaId] = field(default_factory=set)
    asked: ReplicaId | None = None
    until_ms: int = 0  # while asked: the answer's; else: the pause's
    rounds: int = 0


class Fetches:
    """Deterministic: wants are served in the order in which they came, sources in the order given."""

    def __init__(self) -> None:
        self._wants: dict[Digest, _Want] = {}
        self._needed = 0
        self._offered: Counter[ReplicaId] = Counter()
        self._asked: Counter[ReplicaId] = Counter()

    def need(self, digest: Digest, sources: Sequence[ReplicaId], expiry_height: int) -> None:
        """A proposal names it. Of too many needs the oldest is given up: only a faulty primary makes them."""
        want = self._wants.pop(digest, None)
        if want is not None:
            self._forget_counts(want)
        elif self._needed >= MAX_NEEDED:
            self.drop(next(key for key, value in self._wants.items() if value.needed))
        fresh = _Want(True, list(dict.fromkeys([*sources, *(want.sources if want else [])])), expiry_height)
        if want is not None and want.asked is not None:
            fresh.asked, fresh.until_ms, fresh.tried = want.asked, want.until_ms, want.tried
        self._wants[digest] = fresh
        self._add_counts(fresh)

    def offered(self, digest: Digest, peer: ReplicaId) -> None:
        """A peer says it has it. Beyond its bound an offer is ignored: it will come again."""
        want = self._wants.get(digest)
        if want is not None:
            if peer not in want.sources:
                want.sources.append(peer)
        elif self._offered[peer] < MAX_OFFERED_PER_PEER:
            self._wants[digest] = want = _Want(False, [peer], None)
            self._add_counts(want)

    def drop(self, digest: Digest) -> bool:
        """It is here, or wanted no longer. Whether it was needed by a proposal."""
        want = self._wants.pop(digest, None)
        if want is None:
            return False
        self._forget_counts(want)
        return want.needed

    def failed(self, digest: Digest, peer: ReplicaId) -> None:
        """The peer has it not, or sent something else."""
        want = self._wants.get(digest)
        if want is not None and want.asked == peer:
            self._unask(want)

    def link_down(self, peer: ReplicaId) -> None:
        for want in self._wants.values():
            if want.asked == peer:
                self._unask(want)

    def expire(self, height: int) -> None:
        gone = [
            digest
            for digest, want in self._wants.items()
            if want.expiry_height is not None and want.expiry_height <= height
        ]
        for digest in gone:
            self.drop(digest)

    def pump(self, now_ms: int, linked: Iterable[ReplicaId]) -> list[tuple[ReplicaId, Digest]]:
        """Whom to ask for what, now."""
        up = set(linked)
        requests: list[tuple[ReplicaId, Digest]] = []
        given_up: list[Digest] = []
        for digest, want in self._wants.items():
            if want.asked is not None and now_ms >= want.until_ms:
                self._unask(want)
            if want.asked is not None or now_ms < want.until_ms:
                continue
            source = self._next_source(want, up, now_ms)
            if source is not None:
                want.asked = source
                want.tried.add(source)
                want.until_ms = now_ms + min(ANSWER_MS << min(want.rounds, 8), PAUSE_MAX_MS)
                self._asked[source] += 1
                requests.append((source, digest))
            elif not want.needed and want.rounds >= OFFER_ROUNDS:
                given_up.append(digest)
        for digest in given_up:
            self.drop(digest)
        return requests

    def wake_at_ms(self) -> int | None:
        return min((want.until_ms for want in self._wants.values()), default=None)

    def _next_source(self, want: _Want, up: set[ReplicaId], now_ms: int) -> ReplicaId | None:
        limit = MAX_ASKED_NEEDED if want.needed else MAX_ASKED_OFFERED
        for source in want.sources:
            if source in up and source not in want.tried:
                if self._asked[source] < limit:
                    return source
                want.until_ms = now_ms + PAUSE_FIRST_MS  # it is busy; not a failure of its
                return None
        want.tried.clear()
        want.until_ms = now_ms + min(PAUSE_FIRST_MS << min(want.rounds, 8), PAUSE_MAX_MS)
        want.rounds += 1
        return None

    def _unask(self, want: _Want) -> None:
        assert want.asked is not None
        self._asked[want.asked] -= 1
        want.asked = None
        want.until_ms = 0

    def _add_counts(self, want: _Want) -> None:
        if want.needed:
            self._needed += 1
        else:
            self._offered[want.sources[0]] += 1
        if want.asked is not None:
            self._asked[want.asked] += 1

    def _forget_counts(self, want: _Want) -> None:
        if want.needed:
            self._needed -= 1
        else:
            self._offered[want.sources[0]] -= 1
        if want.asked is not None:
            self._asked[want.asked] -= 1
