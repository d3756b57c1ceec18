"""One Replica, its peers played by the test: signed messages in, Readies out."""

from collections.abc import Iterable
from typing import Any, TypeVar

from msgspec import structs

from consensus.authenticate import authenticate
from consensus.messages import (
    Authenticated,
    BlockVote,
    Certified,
    Commit,
    Message,
    NewView,
    Prepare,
    PreparedCertificate,
    PrePrepare,
    QuorumCertificate,
    ViewChange,
    Vote,
    block_vote_bytes,
    signed_bytes,
)
from consensus.parameters import Parameters
from consensus.ready import Ready, Record
from consensus.replica import Replica
from consensus.rules import new_view_proposals
from consensus.types import BatchRef, Now, ReplicaSets
from tests.consensus.fakes import (
    CHAIN,
    START_MS,
    WALL_MS,
    fake_signature,
    fake_verify,
    key_of,
    members,
    signer,
)
from tests.consensus.merging import merge

M = TypeVar("M")


def sign(message: M) -> M:
    key = key_of(message.replica)
    return structs.replace(message, signature=fake_signature(key, signed_bytes(message, CHAIN)))


def header(height: int) -> bytes:
    return height.to_bytes(32, "big")


def certificate(
    height: int, header_hash: bytes | None = None, voters: Iterable[int] = (0, 1, 2), epoch: int = 0
) -> QuorumCertificate:
    header_hash = header_hash or header(height)
    votes = []
    for replica in voters:
        signed = block_vote_bytes(CHAIN, epoch, height, header_hash, replica)
        votes.append(Vote(replica, fake_signature(key_of(replica), signed)))
    return QuorumCertificate(epoch, height, header_hash, tuple(votes))


def proposal(
    sequence: int, refs: tuple[BatchRef, ...] = (), view: int = 0, time_ms: int | None = None, n: int = 4
) -> PrePrepare:
    """Signed by the view's primary; the time is the tests' starting time, 0 for a null request."""
    if time_ms is None:
        time_ms = WALL_MS + START_MS if refs else 0
    return sign(PrePrepare(0, view, sequence, time_ms, refs, members(n).primary(view)))


def prepare(pre_prepare: PrePrepare, replica: int) -> Prepare:
    p = pre_prepare
    return sign(Prepare(p.epoch, p.view, p.sequence, p.digest(CHAIN), replica))


def commit(pre_prepare: PrePrepare, replica: int) -> Commit:
    p = pre_prepare
    return sign(Commit(p.epoch, p.view, p.sequence, p.digest(CHAIN), replica))


def block_vote(height: int, replica: int, header_hash: bytes | None = None) -> BlockVote:
    return sign(BlockVote(0, height, header_hash or header(height), replica))


def prepared(pre_prepare: PrePrepare, n: int = 4) -> PreparedCertificate:
    """With PREPAREs of the first backups."""
    backups = [r for r in range(n) if r != pre_prepare.replica][: members(n).quorum - 1]
    return PreparedCertificate(
        pre_prepare, tuple(Vote(r, prepare(pre_prepare, r).signature) for r in backups)
    )


def view_change(
    view: int,
    replica: int,
    stable: QuorumCertificate | None = None,
    certificates: tuple[PreparedCertificate, ...] = (),
) -> ViewChange:
    return sign(ViewChange(0, view, stable, certificates, replica))


def new_view(view: int, changes: Iterable[ViewChange], n: int = 4) -> NewView:
    changes = tuple(changes)
    primary = members(n).primary(view)
    bare = new_view_proposals(0, view, primary, changes)
    return sign(NewView(0, view, changes, tuple(sign(p) for p in bare), primary))


class Solo:
    """Replica `number` of `n`. It votes from the start unless `observed` is False."""

    def __init__(
        self,
        number: int = 1,
        n: int = 4,
        *,
        parameters: Parameters | None = None,
        replica_sets: ReplicaSets | None = None,
        records: Iterable[Record] = (),
        stable: QuorumCertificate | None = None,
        executed: int = 0,
        executed_hash: bytes | None = None,
        damage: bool = False,
        observed: bool = True,
        signers: dict[bytes, Any] | None = None,
        **restore: Any,
    ) -> None:
        everybody = members(n)
        self.number = number
        self.parameters = parameters or Parameters()
        self.replica_sets = replica_sets or (lambda sequence: everybody)
        self.clock_ms = START_MS
        self.log: list[Record] = list(records)
        self.replica = Replica(
            chain_id=CHAIN,
            replica_id=number,
            replica_sets=self.replica_sets,
            parameters=self.parameters,
            sign=signer(number),
            signers=signers,
        )
        executed_hash = executed_hash or (header(executed) if executed else None)
        self.restored = self._keep(
            self.replica.restore(
                self.log, stable, executed, executed_hash, self.now(), damage=damage, **restore
            )
        )
        if observed:
            self.restored = merge([self.restored, self.observe()])

    # --- inputs ---

    def now(self) -> Now:
        return Now(self.clock_ms, WALL_MS + self.clock_ms)

    def _keep(self, ready: Ready) -> Ready:
        self.log.extend(ready.persist)
        return ready

    def checked(self, message: Message) -> Authenticated:
        result = authenticate(message, CHAIN, self.replica_sets, fake_verify)
        assert isinstance(result, Authenticated), result
        return result

    def receive(self, *messages: Message) -> Ready:
        return merge([self._keep(self.replica.receive(self.checked(m), self.now())) for m in messages])

    def observe(self, *messages: Message) -> Ready:
        return self._keep(self.replica.observed_own([self.checked(m) for m in messages], self.now()))

    def batch(self, *refs: BatchRef) -> Ready:
        return merge([self._keep(self.replica.batch_ready(ref, self.now())) for ref in refs])

    def executed(self, height: int, header_hash: bytes | None = None) -> Ready:
        return self._keep(self.replica.executed(height, header_hash or header(height), self.now()))

    def install(self, certificate: QuorumCertificate, **more: Any) -> Ready:
        return self._keep(self.replica.install(certificate, self.now(), **more))

    def connected(self, peer: int) -> Ready:
        return self._keep(self.replica.connected(peer, self.now()))

    def disconnected(self, *peers: int) -> Ready:
        return merge([self._keep(self.replica.disconnected(peer, self.now())) for peer in peers])

    def tick(self) -> Ready:
        return self._keep(self.replica.tick(self.now()))

    def wait(self, duration_ms: int, step_ms: int = 100) -> Ready:
        """Time passes in steps, with a tick at each."""
        readies = []
        end = self.clock_ms + duration_ms
        while self.clock_ms < end:
            self.clock_ms = min(end, self.clock_ms + step_ms)
            readies.append(self.tick())
        return merge(readies)

    # --- whole stretches of the protocol ---

    def decide(self, pre_prepare: PrePrepare) -> Ready:
        """All votes on a slot by the others; its batches are here already."""
        others = [r for r in self.replica_sets(pre_prepare.sequence).ids if r != self.number]
        messages: list[Message] = [pre_prepare] if pre_prepare.replica != self.number else []
        messages += [prepare(pre_prepare, r) for r in others if r != pre_prepare.replica]
        messages += [commit(pre_prepare, r) for r in others]
        return self.receive(*messages)

    def certify(self, height: int) -> Ready:
        """This replica executes, the others vote alike."""
        others = [r for r in self.replica_sets(height).ids if r != self.number]
        return merge([self.executed(height), self.receive(*(block_vote(height, r) for r in others))])

    def pass_on(self, height: int) -> Ready:
        return self.receive(Certified(certificate(height), 3))

    def enter(self, view: int) -> Ready:
        """The others change to `view`, whose NEW-VIEW comes from another."""
        others = [r for r in range(len(self.replica_sets(1).ids)) if r != self.number]
        return self.receive(new_view(view, [view_change(view, r) for r in others]))


def sent(ready: Ready, kind: type | None = None) -> list[Any]:
    return [o.message for o in ready.send if kind is None or isinstance(o.message, kind)]


def rules(ready: Ready) -> list[str]:
    return [rejection.rule for rejection in ready.rejections]
