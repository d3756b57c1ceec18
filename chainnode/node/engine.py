"""The engine: the one place that carries out what a Replica asks for. Synchronous, without clock.

A turn is three calls, by the driver on real disks and links and by the simulator on simulated ones:

    turn = engine.step(inputs, now)     feed the replica, merge its Readies
    engine.persist(turn)                vote log: append, one fdatasync
    (send turn.send)                    only now
    turn = engine.execute(turn, now)    run what was decided; what follows from that is another turn
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from chainnode.node.certified import CertifiedBlock
from chainnode.node.turn import BatchStored, Input, LinkDown, LinkUp, OwnVotes, Received, Turn
from consensus.ballot import Sign
from consensus.codec import DecodeError, decode, encode
from consensus.messages import QuorumCertificate
from consensus.parameters import Parameters
from consensus.ready import Decided, Record, StableRecord
from consensus.replica import Replica
from consensus.types import BatchRef, BlockHeader, Digest, Now, ReplicaId, ReplicaSets

MAX_RECORD_BYTES = 16 * 1024 * 1024
ROTATE_BYTES = 8 * 1024 * 1024


class VoteLogPort(Protocol):
    size_bytes: int

    def append(self, records: Sequence[bytes]) -> None: ...

    def sync(self) -> None: ...

    def rotate(self, kept: Sequence[bytes], *, forget_damage: bool = False) -> None: ...


class ExecutorPort(Protocol):
    """Executes slots in order; durable with their headers when `execute` returns."""

    @property
    def tip(self) -> BlockHeader: ...

    @property
    def certified(self) -> QuorumCertificate | None: ...

    def execute(self, decided: Decided) -> BlockHeader: ...

    def certify(self, certificate: QuorumCertificate) -> None: ...

    def uncertified(self) -> Sequence[tuple[int, tuple[BatchRef, ...]]]: ...


class ForkError(Exception):
    """This node's execution of a certified slot gave another header: its code or its disk is at fault."""

    def __init__(self, height: int, own: Digest, certified: Digest) -> None:
        super().__init__(f"height {height}: own {own.hex()}, certified {certified.hex()}")
        self.height = height
        self.own = own
        self.certified = certified


def decode_records(raw: Sequence[bytes]) -> list[Record]:
    """The vote log's records. One that does not decode is a fault: the frames' checksums were good."""
    records: list[Record] = []
    for data in raw:
        try:
            records.append(decode(data, Record, limit_bytes=MAX_RECORD_BYTES))  # type: ignore[arg-type]
        except DecodeError as error:
            raise AssertionError(f"the vote log holds a record of no known kind: {error}") from error
    return records


class Engine:
    """One replica with its log and its execution."""

    def __init__(
        self,
        *,
        chain_id: bytes,
        replica_id: ReplicaId,
        replica_sets: ReplicaSets,
        parameters: Parameters,
        sign: Sign,
        signers: Mapping[bytes, Sign] | None = None,
        log: VoteLogPort,
        executor: ExecutorPort,
    ) -> None:
        self.replica = Replica(
            chain_id=chain_id,
            replica_id=replica_id,
            replica_sets=replica_sets,
            parameters=parameters,
            sign=sign,
            signers=signers,
        )
        self._log = log
        self._executor = executor
        self._distrusted = False

    def restore(
        self, raw_records: Sequence[bytes], now: Now, *, damaged: bool, restored: bool = False
    ) -> Turn:
        """Take up where the disk says this replica stood. `damaged`: synced records were lost; `restored`:
        the disk was filled from a backup, which holds no log."""
        self._distrusted = damaged
        tip = self._executor.tip
        records = decode_records(raw_records)
        for record in records:
            # The chain store does not sync certificates, the vote log does.
            if isinstance(record, StableRecord) and record.certificate.height <= tip.height:
                self._store_certificate(record.certificate)
        turn = Turn()
        turn.add(
            self.replica.restore(
                records,
                self._executor.certified,
                tip.height,
                tip.hash() if tip.height else None,
                now,
                damage=damaged,
                restored=restored,
                uncertified=self._executor.uncertified(),
            )
        )
        return turn

    def step(self, inputs: Sequence[Input], now: Now) -> Turn:
        """Feed every input, in order; the merged outcome. An empty sequence is a tick."""
        turn = Turn()
        for item in inputs:
            if isinstance(item, Received):
                turn.add(self.replica.receive(item.message, now))
            elif isinstance(item, BatchStored):
                turn.add(self.replica.batch_ready(item.ref, now))
            elif isinstance(item, LinkUp):
                turn.add(self.replica.connected(item.peer, now))
            elif isinstance(item, LinkDown):
                turn.add(self.replica.disconnected(item.peer, now))
            elif isinstance(item, OwnVotes):
                turn.add(self.replica.observed_own(item.messages, now))
            else:
                turn.add(self.replica.tick(now))
        if not inputs:
            turn.add(self.replica.tick(now))
        return turn

    def persist(self, turn: Turn) -> None:
        """Make the turn's records durable. Raises OperatorError; nothing may be sent after that."""
        if turn.records:
            self._log.append([encode(record) for record in turn.records])
            self._log.sync()

    def execute(self, turn: Turn, now: Now) -> Turn:
        """Execute what was decided, note what was certified; the turn that follows from it."""
        after = Turn(wake_at_ms=turn.wake_at_ms)
        # First what vouches for blocks that are here: after a crash no more than a window lies above it.
        for certificate in turn.certified:
            self._certify(certificate)
        for decided in turn.decided:
            if decided.sequence <= self._executor.tip.height:
                continue  # catch-up was faster
            header = self._executor.execute(decided)
            after.add(self.replica.executed(header.height, header.hash(), now))
        return after

    def install(self, run: Sequence[CertifiedBlock], now: Now) -> Turn:
        """Execute blocks that were fetched from a peer and proven by the certificate of the last one.

        The certificate goes into the chain store by `execute`, once the vote log has it: a chain store that
        knows more than the log is taken for a log that was lost. Raises ForkError where the outcome is not
        the certified one.
        """
        certificate = run[-1].certificate
        assert certificate is not None, "a run ends with a certificate"
        for block in run:
            tip = self._executor.tip
            if block.header.height > tip.height:
                tip = self._executor.execute(block.decided())
            if tip.height == block.header.height and tip.hash() != block.header.hash():
                raise ForkError(tip.height, tip.hash(), block.header.hash())
        turn = Turn()
        ordered = [ref for block in run for ref in block.refs]
        turn.add(self.replica.install(certificate, now, ordered=ordered))
        return turn

    def _store_certificate(self, certificate: QuorumCertificate) -> bool:
        known = self._executor.certified
        if known is not None and known.height >= certificate.height:
            return False
        self._executor.certify(certificate)
        return True

    def _certify(self, certificate: QuorumCertificate) -> None:
        if not self._store_certificate(certificate):
            return
        safe_again = self._distrusted and self.replica.status().voting
        if safe_again or self._log.size_bytes > ROTATE_BYTES:
            kept = [encode(record) for record in self.replica.records()]
            self._log.rotate(kept, forget_damage=safe_again)
            self._distrusted = self._distrusted and not safe_again
