"""A cluster in memory: real Replicas, a fake signer, a seeded network, disks that survive crashes.

One seed replays exactly. What must never happen is checked at every step.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from consensus.authenticate import authenticate
from consensus.codec import decode, encode
from consensus.domain import digest
from consensus.messages import (
    Authenticated,
    Message,
    QuorumCertificate,
)
from consensus.parameters import Parameters
from consensus.ready import Behind, Decided, Evidence, Halt, Ready, Record, Rejection
from consensus.replica import Replica
from consensus.types import BatchRef, Now, ReplicaId, ReplicaSet, ReplicaSets
from tests.consensus.fakes import CHAIN, START_MS, WALL_MS, fake_verify, members, signer
from tests.consensus.invariants import Invariants


@dataclass
class Block:
    height: int
    hash: bytes
    refs: tuple[BatchRef, ...]


@dataclass
class Disk:
    """What a crash leaves: the vote log, the chain, the batches."""

    log: list[bytes] = field(default_factory=list)
    chain: list[Block] = field(default_factory=list)
    certificate: QuorumCertificate | None = None
    batches: dict[BatchRef, None] = field(default_factory=dict)

    def tip_hash(self) -> bytes | None:
        return self.chain[-1].hash if self.chain else None


class Node:
    def __init__(self, cluster: "Cluster", number: ReplicaId) -> None:
        self.cluster = cluster
        self.number = number
        self.disk = Disk()
        self.alive = False
        self.restored = False
        """Its disk is empty because it came out of a backup."""
        self.wall_skew_ms = 0
        self.answered: set[ReplicaId] = set()
        self.observed = False
        self.pending: list[Decided] = []
        self.replica: Replica
        self.behind: Behind | None = None
        self.halt: Halt | None = None
        self.rejections: list[Rejection] = []
        self.evidence: list[Evidence] = []
        self.decided: list[Decided] = []
        self.executes = True
        self.refuses: set[BatchRef] = set()

    # --- life ---

    def start(self, *, damage: bool = False) -> None:
        assert not self.alive
        cluster = self.cluster
        self.alive, self.observed, self.answered, self.pending = True, False, set(), []
        self.replica = Replica(
            chain_id=CHAIN,
            replica_id=self.number,
            replica_sets=cluster.replica_sets,
            parameters=cluster.parameters,
            sign=signer(self.number),
            signers=cluster.signers.get(self.number),
        )
        records = [decode(item, Record, limit_bytes=1 << 24) for item in self.disk.log]
        stable, chain = self.disk.certificate, self.disk.chain
        self.carry_out(
            self.replica.restore(
                records,
                stable,
                len(chain),
                self.disk.tip_hash(),
                cluster.now(self),
                damage=damage,
                restored=self.restored,
                uncertified=[(b.height, b.refs) for b in chain if stable is None or b.height > stable.height],
            )
        )
        ordered = {ref for block in chain for ref in block.refs}
        for ref in list(self.disk.batches):
            if ref not in ordered:
                self.carry_out(self.replica.batch_ready(ref, cluster.now(self)))

    def crash(self) -> None:
        self.alive = False
        self.pending = []

    def linked(self, peer: "Node") -> None:
        """The link to a peer came up: ask it for our votes, and tell it ours."""
        self.carry_out(self.replica.connected(peer.number, self.cluster.now(self)))
        for ref in list(self.disk.batches):
            self.cluster.later(self.cluster.delay(), lambda ref=ref: peer.give_batch(ref))
        self.answered.add(peer.number)
        own = 0 if self.restored else 1
        if not self.observed and len(self.answered) + own >= self.cluster.set_now(self).quorum:
            self.observed, self.restored = True, False
            votes = []
            for number in sorted(self.answered):
                other = self.cluster.nodes[number]
                if other.alive:
                    votes.extend(other.replica.votes_of(self.number))
            checked = [self.cluster.authenticated(vote) for vote in votes]
            self.carry_out(self.replica.observed_own(checked, self.cluster.now(self)))

    # --- the driver ---

    def give_batch(self, ref: BatchRef) -> None:
        if not self.alive or ref in self.refuses:
            return
        self.disk.batches[ref] = None
        if ref not in self.cluster.ordered(self):
            self.carry_out(self.replica.batch_ready(ref, self.cluster.now(self)))

    def receive(self, message: Message) -> None:
        checked = authenticate(message, CHAIN, self.cluster.replica_sets, fake_verify)
        if isinstance(checked, Rejection):
            self.rejections.append(checked)
        else:
            self.carry_out(self.replica.receive(checked, self.cluster.now(self)))

    def carry_out(self, ready: Ready) -> None:
        cluster = self.cluster
        self.disk.log.extend(encode(record) for record in ready.persist)
        if cluster.crash_after_persist == self.number:
            cluster.crash_after_persist = None
            self.crash()
            return
        for outbound in ready.send:
            cluster.transmit(self.number, outbound.to, outbound.message)
        for fetch in ready.fetch:
            cluster.fetch(self, fetch.ref, fetch.sources)
        for relay in ready.relay:
            cluster.later(5, lambda relay=relay: cluster.nodes[relay.to].give_batch(relay.ref))
        self.pending.extend(ready.decided)
        self.decided.extend(ready.decided)
        for certificate in ready.certified:
            self.disk.certificate = certificate
            cluster.check.certificate(certificate)
        self.rejections.extend(ready.rejections)
        self.evidence.extend(ready.evidence)
        if ready.halt is not None:
            self.halt = ready.halt
        if ready.behind is not None and self.behind is None:
            self.behind = ready.behind
            cluster.later(cluster.delay(), lambda: cluster.catch_up(self))
        if self.pending and self.executes:
            cluster.later(cluster.execution_ms, self.execute)
        if ready.wake_at_ms is not None:
            cluster.wake(self, ready.wake_at_ms)
        cluster.check.bounds(self)

    def execute(self) -> None:
        while self.alive and self.executes and self.pending:
            slot = self.pending.pop(0)
            if slot.sequence <= len(self.disk.chain):
                continue
            assert slot.sequence == len(self.disk.chain) + 1
            block = self.append(slot.refs)
            self.cluster.check.block(block, self)
            self.carry_out(self.replica.executed(block.height, block.hash, self.cluster.now(self)))

    def append(self, refs: tuple[BatchRef, ...]) -> Block:
        parent = self.disk.tip_hash() or CHAIN
        height = len(self.disk.chain) + 1
        block = Block(height, digest("test-header", parent, encode((height, refs))), refs)
        if height in self.cluster.wrong_execution.get(self.number, ()):
            block.hash = sha256(block.hash).digest()
        self.disk.chain.append(block)
        return block


class Cluster:
    def __init__(
        self,
        n: int = 4,
        *,
        seed: int = 0,
        parameters: Parameters | None = None,
        replica_sets: ReplicaSets | None = None,
        start: bool = True,
        delay_ms: tuple[int, int] = (1, 10),
    ) -> None:
        self.random = random.Random(seed)
        self.parameters = parameters or Parameters()
        everybody = members(n)
        self.replica_sets: ReplicaSets = replica_sets or (lambda sequence: everybody)
        self.clock_ms = START_MS
        self.delay_ms = delay_ms
        self.loss = 0.0
        self.duplication = 0.0
        self.execution_ms = 1
        self.filter: Callable[[int, int, Message], bool] = lambda sender, to, message: True
        self.corrupt: Callable[[int, int, Message], list[Message]] = lambda sender, to, message: [message]
        self.crash_after_persist: int | None = None
        self.wrong_execution: dict[int, tuple[int, ...]] = {}
        self.byzantine: set[ReplicaId] = set()
        self._queue: list[tuple[int, int, Callable[[], Any]]] = []
        self._count = 0
        self._wakes: dict[int, int] = {}
        self._broken: set[frozenset[int]] = set()
        self.signers: dict[ReplicaId, dict[bytes, Callable[[bytes], bytes]]] = {}
        self.check = Invariants(self)
        self.sent: list[tuple[int, int | None, Message]] = []
        self.nodes = [Node(self, number) for number in range(n)]
        if start:
            self.start_all()

    # --- time ---

    def now(self, node: Node) -> Now:
        return Now(self.clock_ms, WALL_MS + self.clock_ms + node.wall_skew_ms)

    def later(self, delay_ms: int, action: Callable[[], Any]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.clock_ms + delay_ms, self._count, action))

    def wake(self, node: Node, at_ms: int) -> None:
        if self._wakes.get(node.number) == at_ms:
            return
        self._wakes[node.number] = at_ms

        def ring() -> None:
            if node.alive and self._wakes.get(node.number) == at_ms:
                del self._wakes[node.number]
                node.carry_out(node.replica.tick(self.now(node)))

        self.later(max(0, at_ms - self.clock_ms), ring)

    def run(self, duration_ms: int) -> None:
        end = self.clock_ms + duration_ms
        while self._queue and self._queue[0][0] <= end:
            self.clock_ms, _, action = heapq.heappop(self._queue)
            action()
        self.clock_ms = end

    def run_until(self, reached: Callable[[], bool], limit_ms: int = 60_000) -> None:
        end = self.clock_ms + limit_ms
        while not reached():
            assert self._queue and self._queue[0][0] <= end, f"not reached within {limit_ms} ms"
            self.clock_ms, _, action = heapq.heappop(self._queue)
            action()

    # --- links ---

    def delay(self) -> int:
        return self.random.randint(*self.delay_ms)

    def is_linked(self, one: int, other: int) -> bool:
        return frozenset((one, other)) not in self._broken

    def transmit(self, sender: int, to: int | None, message: Message) -> None:
        self.sent.append((sender, to, message))
        self.check.vote(message)
        receivers = [to] if to is not None else [n.number for n in self.nodes if n.number != sender]
        for receiver in receivers:
            if not self.is_linked(sender, receiver) or not self.filter(sender, receiver, message):
                continue
            if self.random.random() < self.loss:
                continue
            copies = 2 if self.random.random() < self.duplication else 1
            for what in self.corrupt(sender, receiver, message) * copies:
                self._later_deliver(sender, receiver, what)

    def _later_deliver(self, sender: int, receiver: int, message: Message) -> None:
        self.later(self.delay(), lambda: self.deliver(sender, receiver, message))

    def deliver(self, sender: int, receiver: int, message: Message) -> None:
        node = self.nodes[receiver]
        if node.alive and self.is_linked(sender, receiver):
            node.receive(message)

    def authenticated(self, message: Message) -> Authenticated:
        checked = authenticate(message, CHAIN, self.replica_sets, fake_verify)
        assert isinstance(checked, Authenticated), checked
        return checked

    def fetch(self, node: Node, ref: BatchRef, sources: tuple[int, ...]) -> None:
        for source in sources:
            holder = self.nodes[source]
            if holder.alive and ref in holder.disk.batches and self.is_linked(node.number, source):
                self.later(self.delay(), lambda: node.give_batch(ref))
                return

    def catch_up(self, node: Node) -> None:
        """Take certified blocks of a peer, check them against its certificate, install."""
        behind, node.behind = node.behind, None
        if not node.alive or behind is None:
            return
        source = self.nodes[behind.source]
        certificate = source.disk.certificate
        if not source.alive or not self.is_linked(node.number, source.number) or certificate is None:
            return
        if certificate.height <= len(node.disk.chain):
            return
        ordered: list[BatchRef] = []
        for block in source.disk.chain[len(node.disk.chain) : certificate.height]:
            node.append(block.refs)
            ordered.extend(block.refs)
        assert node.disk.tip_hash() == certificate.header_hash
        node.disk.certificate = certificate
        node.disk.batches.update(dict.fromkeys(ordered))
        node.carry_out(node.replica.install(certificate, self.now(node), ordered=ordered))

    # --- what tests do to it ---

    def set_now(self, node: Node) -> ReplicaSet:
        height = 0 if node.disk.certificate is None else node.disk.certificate.height
        return self.replica_sets(height + 1)

    def start_all(self) -> None:
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            self.link_up(node)

    def link_up(self, node: Node) -> None:
        for peer in self.nodes:
            if peer is not node and peer.alive and node.alive and self.is_linked(peer.number, node.number):
                node.linked(peer)
                peer.linked(node)

    def crash(self, number: int) -> None:
        self.nodes[number].crash()
        for node in self.nodes:
            if node.alive:
                node.carry_out(node.replica.disconnected(number, self.now(node)))

    def restart(self, number: int, *, damage: bool = False) -> None:
        self.nodes[number].start(damage=damage)
        self.link_up(self.nodes[number])

    def partition(self, *groups: tuple[int, ...]) -> None:
        """Only nodes of one group reach each other."""
        for one in self.nodes:
            for other in self.nodes:
                if one.number >= other.number:
                    continue
                together = any(one.number in group and other.number in group for group in groups)
                self._link(one, other, together)

    def heal(self) -> None:
        for one in self.nodes:
            for other in self.nodes:
                if one.number < other.number:
                    self._link(one, other, True)

    def _link(self, one: Node, other: Node, up: bool) -> None:
        pair = frozenset((one.number, other.number))
        if up == (pair not in self._broken):
            return
        if up:
            self._broken.discard(pair)
        else:
            self._broken.add(pair)
        if one.alive and other.alive:
            if up:
                one.linked(other)
                other.linked(one)
            else:
                one.carry_out(one.replica.disconnected(other.number, self.now(one)))
                other.carry_out(other.replica.disconnected(one.number, self.now(other)))

    def submit(self, ref: BatchRef, to: tuple[int, ...] | None = None) -> None:
        """A batch reaches nodes, each at its own time."""
        for node in self.nodes:
            if to is None or node.number in to:
                self.later(self.delay(), lambda node=node: node.give_batch(ref))

    # --- what must hold ---

    def honest(self) -> list[Node]:
        return [node for node in self.nodes if node.number not in self.byzantine]

    def height(self, numbers: tuple[int, ...] | None = None) -> int:
        """Lowest certified height of the nodes that are up."""
        chosen = [n for n in self.honest() if n.alive and (numbers is None or n.number in numbers)]
        return min(0 if n.disk.certificate is None else n.disk.certificate.height for n in chosen)

    def ordered(self, node: Node) -> list[BatchRef]:
        return [ref for block in node.disk.chain for ref in block.refs]
