"""Views that a quorum left, shown to the chain, so that who led them is passed over (ledger/passing.py).

Nothing is kept on disk: all members whose replicas saw the slot committed hold the same, and a report that
is lost costs no more than a timeout when that member's turn comes again.
"""

import asyncio
from collections.abc import Callable

from structlog.stdlib import BoundLogger

from chainnode.ledger.passing import is_news
from chainnode.ledger.payloads import CommitVote, ReportLeftViews
from chainnode.ledger.view import Reader
from chainnode.node.filing import PENDING, SubmitOwn
from consensus.messages import CommitCertificate
from consensus.parameters import Parameters
from consensus.types import ReplicaId, ReplicaSets, SequenceNumber

REPORT_EVERY_MS, STAGGER_MS = 1_000, 500


class LeftViews:
    """`state`: that of the last executed block."""

    def __init__(
        self, parameters: Parameters, state: Callable[[], Reader], replica_sets: ReplicaSets
    ) -> None:
        self._parameters = parameters
        self._state = state
        self._sets = replica_sets
        self._newest: CommitCertificate | None = None

    def note(self, committed: CommitCertificate) -> None:
        """This node's replica saw a slot committed in a view that is not the first of its turn."""
        self._newest = committed

    def unreported(self, height: SequenceNumber) -> ReportLeftViews | None:
        """What the block at `height` would learn from this node."""
        shown = self._newest
        if shown is None:
            return None
        if not is_news(self._state(), self._parameters, shown.epoch, shown.view, height):
            self._newest = None
            return None
        members = self._sets(shown.sequence)
        votes = tuple(
            CommitVote(vote.replica, members.key(vote.replica) or b"", vote.signature) for vote in shown.votes
        )
        return ReportLeftViews(shown.epoch, shown.view, shown.sequence, shown.digest, votes)

    async def run(
        self,
        submit_own: SubmitOwn,
        member: ReplicaId,
        height: Callable[[], SequenceNumber],
        log: BoundLogger,
    ) -> None:
        """Report what is new, once. Until cancelled. `member`: this node's number; the members try one after
        the other, so that mostly one of them reports. `height`: of the last executed block."""
        while True:
            await asyncio.sleep((REPORT_EVERY_MS + member * STAGGER_MS) / 1_000)
            payload, shown = self.unreported(height() + 1), self._newest
            if payload is None:
                continue
            code = await submit_own(payload)
            log.info("left views reported", view=payload.view, code=code)
            if code not in (PENDING, "busy") and self._newest is shown:
                self._newest = None
