"""Numbers for Prometheus: made at each scrape from what `status` and `status --why` say, and from what was
counted since the start.

Names follow Prometheus' conventions: base units, `_total` for what only grows. Labels are members' ids, names
of rules, kinds of votes: bounded by the network and by this release, and nothing of a patient, a user, a
transaction or an object among them. The client library is prometheus_client; its registry is one of our own,
for libp2p fills the global one.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal, TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from chainnode.ledger.machine import Execution
from chainnode.node.api import StatusReport
from chainnode.node.latency import Latencies
from chainnode.node.turn import Turn
from chainnode.node.waiters import included
from chainnode.node.whyreport import WhyReport
from consensus.ready import ViewRecord
from consensus.types import TURN_VIEWS, View

Values: TypeAlias = float | Mapping[str, float]
"""A number, or one for each value of the metric's label."""


@dataclass(frozen=True, slots=True)
class Told:
    """A metric: `label` is empty where there is one number."""

    kind: Literal["gauge", "counter", "histogram"]
    name: str
    meaning: str
    label: str = ""


METRICS: tuple[Told, ...] = (
    Told("gauge", "chainnode_build_info", "Always 1; the release that runs.", "version"),
    Told("gauge", "chainnode_height", "Height of the latest block that was executed here."),
    Told("gauge", "chainnode_certified_height", "Height of the latest block with a certificate."),
    Told(
        "gauge",
        "chainnode_last_block_timestamp_seconds",
        "Time in the header of the latest block, in seconds since 1970. An idle chain makes no blocks.",
    ),
    Told("gauge", "chainnode_epoch", "Epoch: how often the members changed."),
    Told(
        "gauge",
        "chainnode_view",
        f"View that this node is in, or moves to. Those of turn n begin at n times {TURN_VIEWS}.",
    ),
    Told("gauge", "chainnode_view_changing", "1 while this node moves to another view."),
    Told("gauge", "chainnode_voting", "1 if this node casts its votes, 0 if it only follows."),
    Told("gauge", "chainnode_observer", "1 if this member has no vote at this height."),
    Told("gauge", "chainnode_voters", "Members that have a vote at this height."),
    Told("gauge", "chainnode_quorum", "Votes that a block needs."),
    Told("gauge", "chainnode_quorum_lost", "1 while too few members are linked and vote, as seen from here."),
    Told(
        "gauge",
        "chainnode_missing_votes",
        "Members whose vote on the lowest block without a certificate is not here; 0 where all is certified.",
        "kind",
    ),
    Told("gauge", "chainnode_batches_waiting", "Batches that are here and in no proposal yet."),
    Told("gauge", "chainnode_mempool_bytes", "Transactions of this node's users that are in no batch yet."),
    Told("gauge", "chainnode_unordered_bytes", "Batches of all members that are here and in no block yet."),
    Told("counter", "chainnode_blocks_total", "Blocks executed since the node was opened."),
    Told(
        "counter",
        "chainnode_transactions_total",
        "Transactions in those blocks, by what became of them: ok, or the rule that refused them.",
        "result",
    ),
    Told(
        "counter",
        "chainnode_turned_away_total",
        "Transactions of this node's users that it did not take in, by rule.",
        "rule",
    ),
    Told(
        "counter",
        "chainnode_messages_rejected_total",
        "Consensus messages of other members that were not taken, by rule.",
        "rule",
    ),
    Told(
        "counter",
        "chainnode_view_changes_total",
        "Moves to a later view of a turn, that is away from a primary, since the node was opened.",
    ),
    Told(
        "histogram",
        "chainnode_commit_latency_seconds",
        "From taking in a transaction of this node's users to the certificate of its block.",
    ),
    Told("gauge", "chainnode_alarms", "Sentences under alarms in status: what somebody has to mend."),
    Told("gauge", "chainnode_disk_free_bytes", "Free on the fullest disk that home, store and pool lie on."),
    Told("gauge", "chainnode_disk_reserve_bytes", "Below so much free nothing is taken in; 0: no reserve."),
    Told("gauge", "chainnode_home_bytes", "Size of the home folder, measured now and then."),
    Told("gauge", "chainnode_snapshot_height", "Height of the newest snapshot that is served, 0 for none."),
    Told("gauge", "chainnode_lowest_block_height", "From this height on blocks are kept here whole."),
    Told("gauge", "chainnode_peer_up", "1 while the link to that member is up.", "peer"),
    Told("gauge", "chainnode_peer_voting", "1 if that member says that it casts its votes.", "peer"),
    Told("gauge", "chainnode_peer_height", "Height that the member says is certified.", "peer"),
    Told(
        "gauge",
        "chainnode_peer_clock_offset_seconds",
        "The member's clock minus this node's; none where it has not told lately.",
        "peer",
    ),
    Told("gauge", "chainnode_peer_round_trip_seconds", "Round trip to the member, as last measured.", "peer"),
    Told("gauge", "chainnode_peer_queued_bytes", "Bytes that wait on the link to that member.", "peer"),
)
"""All but those of the process, which are prometheus_client's own (`chainnode_process_...`)."""

_FAMILIES = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}


class Tally:
    """What is counted while the node works."""

    def __init__(self) -> None:
        self.blocks = 0
        self.results: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.view_changes = 0
        self._place: tuple[int, View] = (0, 0)

    def begin(self, epoch: int, view: View) -> None:
        """From this view on changes count."""
        self._place = (epoch, view)

    def executed(self, outcome: Execution) -> None:
        self.blocks += 1
        self.results.update(included(0, result).code for result in outcome.results)

    def note(self, turn: Turn) -> None:
        self.rejected.update(rejection.rule for rejection in turn.rejections)
        for record in turn.records:
            if isinstance(record, ViewRecord) and (record.epoch, record.view) > self._place:
                # Epochs and turns begin in their first view without anybody having asked for a change.
                self.view_changes += record.view % TURN_VIEWS > 0
                self._place = (record.epoch, record.view)


@dataclass(frozen=True, slots=True)
class Standing:
    """What neither report tells; sizes in bytes."""

    mempool_bytes: int
    unordered_bytes: int
    reserve_bytes: int
    snapshot_height: int
    lowest_block_height: int
    block_time_ms: int


class Metrics(Collector):
    def __init__(
        self,
        *,
        status: Callable[[], StatusReport],
        why: Callable[[], WhyReport],
        standing: Callable[[], Standing],
        tally: Tally,
        latencies: Latencies,
        turned_away: Counter[str],
    ) -> None:
        self._status = status
        self._why = why
        self._standing = standing
        self._tally = tally
        self._latencies = latencies
        self._turned_away = turned_away
        self._release = version("chainnode")
        self._registry = CollectorRegistry()
        self._registry.register(self)
        # Of a namespace, for node_exporter has process_* of its own and refuses a file that has them too.
        ProcessCollector(namespace="chainnode", registry=self._registry)

    def text(self) -> bytes:
        """All of it in Prometheus' text format, version 0.0.4."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Called by the registry: every metric of `METRICS`, in that order."""
        values = self._values(self._status(), self._why(), self._standing())
        for told in METRICS:
            if told.kind == "histogram":
                latencies = self._latencies
                yield HistogramMetricFamily(
                    told.name, told.meaning, latencies.buckets(), latencies.sum_ms / 1_000
                )
                continue
            found = values[told.name]
            labelled = found if isinstance(found, Mapping) else {"": found}
            family = _FAMILIES[told.kind](told.name, told.meaning, labels=[told.label] if told.label else [])
            for label, value in labelled.items():
                family.add_metric([label] if told.label else [], value)
            yield family

    def _values(self, status: StatusReport, why: WhyReport, standing: Standing) -> dict[str, Values]:
        tally, lacking = self._tally, why.lacking
        missing: dict[str, Sequence[str]] = {
            "prepare": lacking.prepare if lacking else (),
            "commit": lacking.commit if lacking else (),
            "block-vote": lacking.block_vote if lacking else (),
        }
        voters = [link.member for link in status.links if not link.observes]
        found: dict[str, Values] = {
            "build_info": {self._release: 1},
            "height": why.executed,
            "certified_height": why.certified,
            "last_block_timestamp_seconds": standing.block_time_ms / 1_000,
            "epoch": why.epoch,
            "view": why.view,
            "view_changing": why.changing,
            "voting": status.voting,
            "observer": status.observes,
            "voters": len(voters) + (not status.observes),
            "quorum": status.quorum,
            "quorum_lost": bool(status.quorum_lost),
            "missing_votes": {kind: len(members) for kind, members in missing.items()},
            "batches_waiting": why.batches_waiting,
            "mempool_bytes": standing.mempool_bytes,
            "unordered_bytes": standing.unordered_bytes,
            "blocks_total": tally.blocks,
            "transactions_total": tally.results,
            "turned_away_total": self._turned_away,
            "messages_rejected_total": tally.rejected,
            "view_changes_total": tally.view_changes,
            "alarms": len(status.alarms),
            "disk_free_bytes": status.free_bytes,
            "disk_reserve_bytes": standing.reserve_bytes,
            "home_bytes": status.disk_bytes,
            "snapshot_height": standing.snapshot_height,
            "lowest_block_height": standing.lowest_block_height,
            **_of_peers(status, why),
        }
        return {f"chainnode_{name}": value for name, value in found.items()}


def _of_peers(status: StatusReport, why: WhyReport) -> dict[str, Values]:
    peers = why.peers
    return {
        "peer_up": {peer.slug: peer.up for peer in peers},
        "peer_voting": {peer.slug: peer.voting for peer in peers if peer.voting is not None},
        "peer_height": {peer.slug: peer.height for peer in peers},
        "peer_clock_offset_seconds": {
            peer.slug: peer.clock_ms / 1_000 for peer in peers if peer.clock_ms is not None
        },
        "peer_round_trip_seconds": {
            peer.slug: peer.round_trip_us / 1_000_000 for peer in peers if peer.round_trip_us
        },
        "peer_queued_bytes": {link.slug: link.queued_bytes for link in status.links},
    }
