"""What an operator sees, put together from all who know a part of it: `status`, `status --why`, alarms and
metrics."""

from collections.abc import Callable, Coroutine
from typing import Any

from chainnode.ledger.machine import Execution
from chainnode.net.port import Transport
from chainnode.node.admissions import Admissions
from chainnode.node.batches import Batches
from chainnode.node.chainkeeping import ChainKeeping
from chainnode.node.insight import Insight
from chainnode.node.metrics import Metrics, Standing, Tally
from chainnode.node.opening import Opened
from chainnode.node.quorum import Quorum
from chainnode.node.reporting import Reporting
from chainnode.node.rivalry import rival_alarms
from chainnode.node.sync import Sync
from chainnode.node.turn import Turn
from chainnode.node.watch import Watch
from consensus.replica import Replica


class Overview:
    def __init__(
        self,
        opened: Opened,
        started_ms: int,
        *,
        replica: Replica,
        transport: Transport,
        sync: Sync,
        admissions: Admissions,
        batches: Batches,
        keeping: ChainKeeping,
        watch: Watch,
        quorum: Quorum,
        unserved: Callable[[], str],
    ) -> None:
        """`started_ms`: of the process, monotonic; `unserved`: why nobody can read the metrics, in words,
        empty where they can or are not to."""
        self._opened = opened
        self._replica = replica
        self._transport = transport
        self._batches = batches
        self._keeping = keeping
        self._watch = watch
        self._quorum = quorum
        self._unserved = unserved
        self._tally = Tally()
        self.reporting = Reporting(
            network=opened.genesis.network,
            names=opened.members.names,
            member=opened.member.number,
            home=opened.config.home,
            started_ms=started_ms,
            replica=replica,
            executor=opened.executor,
            transport=transport,
            sync=sync,
            admissions=admissions,
            reserve=watch.reserve,
            alarms=self._alarms,
            quorum_lost=quorum.lost,
        )
        self.insight = Insight(
            member=opened.member.number,
            names=opened.members.names,
            window=opened.genesis.parameters.window,
            replica=replica,
            replica_sets=opened.replica_sets,
            transport=transport,
            sync=sync,
            peers=watch.peers,
            alarms=self._alarms,
        )
        self.metrics = Metrics(
            status=self.reporting.report,
            why=self.insight.report,
            standing=self._standing,
            tally=self._tally,
            latencies=admissions.latencies,
            turned_away=admissions.turned_away,
        )

    def _alarms(self) -> tuple[str, ...]:
        return (
            *filter(None, [self._quorum.alarm()]),
            *rival_alarms(self._transport.links(), self._opened.members.names()),
            *self._keeping.alarms(),
            *self._watch.alarms(),
            *filter(None, [self._unserved()]),
        )

    def _standing(self) -> Standing:
        mempool_bytes, unordered_bytes = self._batches.sizes()
        return Standing(
            mempool_bytes=mempool_bytes,
            unordered_bytes=unordered_bytes,
            reserve_bytes=self._watch.reserve.reserve_bytes,
            snapshot_height=max(self._keeping.snapshots.heights, default=0),
            lowest_block_height=self._opened.store.whole,
            block_time_ms=self._opened.executor.tip.time_ms,
        )

    def begin(self) -> None:
        """The replica was restored: from its view on changes count."""
        status = self._replica.status()
        self._tally.begin(status.epoch, status.view)

    def note(self, turn: Turn) -> None:
        """A turn of the engine, durable already."""
        self._watch.note(turn, self._replica)
        self._tally.note(turn)

    def certified(self) -> None:
        self.reporting.certified()

    def executed(self, outcome: Execution) -> None:
        self.reporting.executed(outcome)
        self._tally.executed(outcome)

    def work(self, submit_own: Any) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs until it is cancelled. Raises OperatorError NOD-04."""
        return self.reporting.run(), *self._watch.work(submit_own)
