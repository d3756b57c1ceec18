"""What `status` shows: this node's place in the chain, its links, what it costs."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from chainnode.ledger.machine import Execution
from chainnode.net.port import Transport
from chainnode.node.admissions import Admissions
from chainnode.node.api import LinkReport, StatusReport
from chainnode.node.clock import now
from chainnode.node.executor import Executor
from chainnode.node.reserve import DiskReserve
from chainnode.node.sync import Sync
from consensus.replica import Replica
from consensus.types import ReplicaSet

MEASURE_EVERY_MS = 10_000
MEASURE_SHARE = 50
"""Walking through a large pool takes long: it is done for at most one part in so many of the time."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Resident memory of this process (Linux)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`; files that vanish meanwhile do not count."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


class Reporting:
    def __init__(
        self,
        *,
        network: str,
        names: Callable[[], dict[int, str]],
        member: int,
        home: Path,
        started_ms: int,
        replica: Replica,
        executor: Executor,
        transport: Transport,
        sync: Sync,
        admissions: Admissions,
        reserve: DiskReserve,
        alarms: Callable[[], tuple[str, ...]],
        quorum_lost: Callable[[], str],
    ) -> None:
        self._quorum_lost = quorum_lost
        self._reserve = reserve
        self._alarms = alarms
        self._network = network
        self._names = names
        self._member = member
        self._home = home
        self._started_ms = started_ms
        self._replica = replica
        self._executor = executor
        self._transport = transport
        self._sync = sync
        self._admissions = admissions
        self.first_commit_ms = 0
        self._transactions = 0
        self._disk_bytes = 0

    def executed(self, outcome: Execution) -> None:
        self._transactions += len(outcome.results)

    def certified(self) -> None:
        """A block was certified; the first one's time since the process started is kept."""
        if not self.first_commit_ms:
            self.first_commit_ms = now().monotonic_ms - self._started_ms

    async def run(self) -> None:
        """Measure the disk now and then. Until cancelled."""
        while True:
            started_ms = now().monotonic_ms
            self._disk_bytes = await asyncio.to_thread(folder_bytes, self._home)
            took_ms = now().monotonic_ms - started_ms
            await asyncio.sleep(max(MEASURE_EVERY_MS, MEASURE_SHARE * took_ms) / 1000)

    def report(self) -> StatusReport:
        replica, tip = self._replica.status(), self._executor.tip
        voters = self._executor.replica_sets(tip.height + 1)
        return StatusReport(
            member=self._member,
            slug=self._names()[self._member],
            network=self._network,
            height=self._sync.height,
            state_root=tip.state_root,
            view=replica.view,
            primary=replica.primary,
            voting=replica.voting,
            why=replica.silent_because,
            uptime_ms=now().monotonic_ms - self._started_ms,
            first_commit_ms=self.first_commit_ms,
            rss_bytes=resident_bytes(),
            disk_bytes=self._disk_bytes,
            transactions=self._transactions,
            commit_latency_ms=self._admissions.latencies.summary(),
            quorum=voters.quorum,
            observes=self._member not in voters.ids,
            links=tuple(self._links(voters)),
            free_bytes=self._reserve.free_bytes,
            alarms=self._alarms(),
            quorum_lost=self._quorum_lost(),
        )

    def _links(self, voters: ReplicaSet) -> list[LinkReport]:
        reports, names = [], self._names()
        for peer, link in self._transport.links().items():
            queued = link.queued_in_bytes + link.queued_out_bytes
            height = self._sync.claimed(peer)
            observes = peer not in voters.ids
            reports.append(
                LinkReport(peer, names[peer], link.up, height, link.last_heard_ms, queued, observes)
            )
        return reports
