"""Catch-up: fetch certified blocks in order, from whoever says to have them.

Sans-IO. A claimed height is only a reason to ask; what is installed was proven by its certificate. A
peer that stays silent or sends what proves nothing is passed over for a while and the next is asked.
"""

from dataclasses import dataclass, field

from chainnode.node.certified import CertifiedBlock
from consensus.types import ReplicaId

ASK_BLOCKS = 64
ANSWER_TIMEOUT_MS = 2_000
SHUN_MS = 10_000
POSTPONE_MS = 500
MAX_HELD = 256


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a BlocksRequest to `peer`."""

    peer: ReplicaId
    from_height: int
    count: int


@dataclass(slots=True)
class CatchUp:
    """`claimed`: what each peer last said its certified height is."""

    claimed: dict[ReplicaId, int] = field(default_factory=dict)
    held: dict[int, CertifiedBlock] = field(default_factory=dict)
    _asked: Ask | None = None
    _asked_at_ms: int = 0
    _shunned_until: dict[ReplicaId, int] = field(default_factory=dict)

    def heard(self, peer: ReplicaId, height: int) -> None:
        """`peer` says that it holds a certificate for `height`."""
        self.claimed[peer] = height

    def gone(self, peer: ReplicaId) -> None:
        self.claimed.pop(peer, None)
        if self._asked is not None and self._asked.peer == peer:
            self._asked = None

    def ask(self, certified_height: int, now_ms: int) -> Ask | None:
        """The request to be sent now, if any. `certified_height`: this node's own."""
        for height in [height for height in self.held if height <= certified_height]:
            del self.held[height]
        if self._asked is not None:
            if now_ms - self._asked_at_ms < ANSWER_TIMEOUT_MS:
                return None
            self.shun(self._asked.peer, now_ms)
        wanted = certified_height + 1
        while wanted in self.held:
            wanted += 1
        if wanted - certified_height > MAX_HELD:
            return None
        for peer in sorted(self.claimed, key=lambda one: (-self.claimed[one], one)):
            if self.claimed[peer] >= wanted and self._shunned_until.get(peer, 0) <= now_ms:
                self._asked, self._asked_at_ms = Ask(peer, wanted, ASK_BLOCKS), now_ms
                return self._asked
        return None

    def expects(self, peer: ReplicaId) -> bool:
        """Whether `peer` was asked and has not answered."""
        return self._asked is not None and self._asked.peer == peer

    def answered(self, peer: ReplicaId, blocks: list[CertifiedBlock], now_ms: int) -> None:
        """Proven blocks from `peer`, one after the other. An answer without the one that was asked for counts
        as silence: others would pile up here and bring nothing."""
        asked = self._asked
        if asked is None or asked.peer != peer:
            return
        self._asked = None
        useful = blocks if blocks and blocks[0].header.height == asked.from_height else []
        if not useful:
            self.shun(peer, now_ms)
        for block in useful[:ASK_BLOCKS]:
            self.held[block.header.height] = block

    def postpone(self, peer: ReplicaId, now_ms: int) -> None:
        """What `peer` sent cannot be judged before what is held is installed, or it could not be asked."""
        self.shun(peer, now_ms, POSTPONE_MS)

    def shun(self, peer: ReplicaId, now_ms: int, for_ms: int = SHUN_MS) -> None:
        """Ask others for a while."""
        self._shunned_until[peer] = now_ms + for_ms
        if self._asked is not None and self._asked.peer == peer:
            self._asked = None

    def next_run(self, certified_height: int) -> tuple[CertifiedBlock, ...]:
        """The blocks to be installed next, the last of them with its certificate; () where they are not all
        here."""
        run: list[CertifiedBlock] = []
        height = certified_height + 1
        while (block := self.held.get(height)) is not None:
            run.append(block)
            if block.certificate is not None:
                return tuple(run)
            height += 1
        return ()

    def upcoming(self, certified_height: int, count: int) -> tuple[CertifiedBlock, ...]:
        """Up to `count` blocks that are here, in order, from the next height on without a gap."""
        found: list[CertifiedBlock] = []
        while len(found) < count and (block := self.held.get(certified_height + 1 + len(found))) is not None:
            found.append(block)
        return tuple(found)
