"""Why this node does what it does, put together from all who know a part of it."""

from collections.abc import Callable

from chainnode.net.port import LinkStatus, Transport
from chainnode.node.clock import now
from chainnode.node.peers import Peers
from chainnode.node.sync import Sync
from chainnode.node.whyreport import LackingReport, PeerReport, WhyReport, slugs
from consensus.replica import Replica
from consensus.types import Now, ReplicaId, ReplicaSet, ReplicaSets


class Insight:
    def __init__(
        self,
        *,
        member: ReplicaId,
        names: Callable[[], dict[int, str]],
        window: int,
        replica: Replica,
        replica_sets: ReplicaSets,
        transport: Transport,
        sync: Sync,
        peers: Peers,
        alarms: Callable[[], tuple[str, ...]],
        clock: Callable[[], Now] = now,
    ) -> None:
        """`names`: id of each member by its number."""
        self._member = member
        self._names = names
        self._window = window
        self._replica = replica
        self._sets = replica_sets
        self._transport = transport
        self._sync = sync
        self._peers = peers
        self._alarms = alarms
        self._clock = clock

    def report(self) -> WhyReport:
        status, names, current = self._replica.status(), self._names(), self._clock()
        voters = self._sets(status.certified + 1)
        missing = self._replica.missing_votes()
        lacking = None
        if missing is not None:
            lacking = LackingReport(
                missing.sequence,
                missing.stage,
                slugs(missing.prepare, names),
                slugs(missing.commit, names),
                slugs(missing.block_vote, names),
            )
        return WhyReport(
            member=self._member,
            slug=names[self._member],
            epoch=status.epoch,
            view=status.view,
            changing=status.changing,
            primary=slugs([status.primary], names)[0],
            certified=status.certified,
            executed=status.executed,
            behind=status.behind,
            votes=self._member in voters.ids,
            silent_because=status.silent_because,
            quorum=voters.quorum,
            window=self._window,
            timers=self._replica.timers(current),
            batches_here=status.batches_here,
            batches_waiting=status.batches_waiting,
            asked=tuple((slugs([one], names)[0], view) for one, view in status.asked),
            passed_over=slugs(voters.passed_over, names),
            lacking=lacking,
            alarms=self._alarms(),
            peers=tuple(
                self._peer(peer, link, voters, names, current)
                for peer, link in sorted(self._transport.links().items())
            ),
        )

    def _peer(
        self, peer: ReplicaId, link: LinkStatus, voters: ReplicaSet, names: dict[int, str], current: Now
    ) -> PeerReport:
        heard = self._peers.of(peer)
        at_ms = heard.message_at_ms
        return PeerReport(
            member=peer,
            slug=slugs([peer], names)[0],
            up=link.up,
            down_because="" if link.up or link.reason is None else link.reason.value,
            version=link.version,
            height=self._sync.claimed(peer),
            view=heard.view,
            votes=peer in voters.ids,
            voting=heard.voting if link.up else None,
            message=heard.message,
            message_age_ms=None if at_ms is None else current.monotonic_ms - at_ms,
            heard_age_ms=max(0, current.wall_ms - link.last_heard_ms) if link.last_heard_ms else None,
            round_trip_us=link.round_trip_us,
            clock_ms=self._peers.clock_of(peer),
        )
