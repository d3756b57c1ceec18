"""The order of writes in an engine's turn: what a crash between two of them leaves must be a beginning."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from chainnode.ledger.header import genesis_header, next_header
from chainnode.node.certified import CertifiedBlock
from chainnode.node.engine import Engine
from chainnode.node.turn import BatchStored, Turn
from consensus.codec import encode
from consensus.messages import BlockVote, QuorumCertificate
from consensus.parameters import Parameters
from consensus.ready import Decided
from consensus.types import BatchRef, BlockHeader, Now, ReplicaSet, Voter

CHAIN_ID = bytes(32)
NOW = Now(1_000, 1_700_000_000_000)


def members(n: int) -> ReplicaSet:
    return ReplicaSet(0, tuple(Voter(i, sha256(bytes([i])).digest()) for i in range(n)))


def batch(number: int) -> BatchRef:
    return BatchRef(sha256(b"batch %d" % number).digest(), 0, number, 100, 1_000)


@dataclass
class Disk:
    """Log and chain, and the order in which they were written."""

    members: ReplicaSet
    records: list[bytes] = field(default_factory=list)
    blocks: list[tuple[BlockHeader, tuple[BatchRef, ...]]] = field(default_factory=list)
    certified: QuorumCertificate | None = None
    written: list[str] = field(default_factory=list)
    size_bytes: int = 0

    def __post_init__(self) -> None:
        genesis = genesis_header(chain_id=CHAIN_ID, time_ms=1, validators=self.members, state_root=CHAIN_ID)
        self.blocks.append((genesis, ()))

    @property
    def tip(self) -> BlockHeader:
        return self.blocks[-1][0]

    def append(self, records: Sequence[bytes]) -> None:
        self.records.extend(records)

    def sync(self) -> None:
        self.written.append("log")

    def rotate(self, kept: Sequence[bytes], *, forget_damage: bool = False) -> None:
        raise AssertionError("not in these tests")

    def execute(self, decided: Decided) -> BlockHeader:
        self.blocks.append((self.header_of(decided), decided.refs))
        self.written.append(f"block {decided.sequence}")
        return self.tip

    def header_of(self, decided: Decided) -> BlockHeader:
        return next_header(
            self.tip,
            decided,
            results=(),
            events=(),
            state_root=CHAIN_ID,
            validators=self.members,
            next_validators=self.members,
        )

    def certify(self, certificate: QuorumCertificate) -> None:
        self.certified = certificate
        self.written.append(f"certificate {certificate.height}")

    def uncertified(self) -> list[tuple[int, tuple[BatchRef, ...]]]:
        low = self.certified.height if self.certified else 0
        return [(header.height, refs) for header, refs in self.blocks if header.height > low]


def engine_on(disk: Disk, number: int = 0) -> Engine:
    return Engine(
        chain_id=CHAIN_ID,
        replica_id=number,
        replica_sets=lambda sequence: disk.members,
        parameters=Parameters(window=1),
        sign=lambda signed: sha256(signed).digest() * 2,
        log=disk,
        executor=disk,
    )


def test_a_certificate_is_stored_before_the_blocks_that_are_decided_on_top_of_it():
    disk = Disk(members(1))
    engine = engine_on(disk)
    engine.persist(engine.restore([], NOW, damaged=False))
    turn = engine.step([BatchStored(batch(1)), BatchStored(batch(2))], NOW)
    while turn.decided or turn.certified:
        engine.persist(turn)
        turn = engine.execute(turn, NOW)
    blocks = [one for one in disk.written if one != "log"]
    assert blocks == ["block 1", "certificate 1", "block 2", "certificate 2"]


def test_a_fetched_certificate_is_in_the_vote_log_before_it_is_in_the_chain_store():
    """Else a crash between the two would look like a log that lost its end, and cost this node its vote."""
    disk = Disk(members(4))
    engine = engine_on(disk)
    engine.persist(engine.restore([], NOW, damaged=False))
    slot = Decided(1, 0, 0, NOW.wall_ms, (batch(1),))
    header = disk.header_of(slot)
    certificate = QuorumCertificate(0, 1, header.hash(), ())
    turn = engine.install([CertifiedBlock(header, slot.refs, certificate)], NOW)
    engine.persist(turn)
    engine.execute(turn, NOW)
    assert disk.written == ["block 1", "log", "certificate 1"]


def test_a_certificate_that_only_the_log_has_kept_goes_back_into_the_chain_store():
    disk = Disk(members(1))
    engine = engine_on(disk)
    engine.persist(engine.restore([], NOW, damaged=False))
    turn = engine.step([BatchStored(batch(1))], NOW)
    while turn.decided or turn.certified:
        engine.persist(turn)
        turn = engine.execute(turn, NOW)
    disk.certified = None
    engine_on(disk).restore(disk.records, NOW, damaged=False)
    assert disk.certified is not None and disk.certified.height == 1


def test_a_lone_member_that_crashed_after_its_vote_certifies_the_block_when_it_starts():
    disk = Disk(members(1))
    engine = engine_on(disk)
    engine.persist(engine.restore([], NOW, damaged=False))
    turn = engine.step([BatchStored(batch(1))], NOW)
    engine.persist(turn)
    engine.execute(turn, NOW)
    assert disk.tip.height == 1 and disk.certified is None
    turn = engine_on(disk).restore(disk.records, NOW, damaged=False)
    assert [certificate.height for certificate in turn.certified] == [1]
    # The vote reached the log, what follows from it did not.
    votes = [*disk.records, *_encoded_votes(turn)]
    turn = engine_on(disk).restore(votes, NOW, damaged=False)
    assert [certificate.height for certificate in turn.certified] == [1]


def _encoded_votes(turn: Turn) -> list[bytes]:
    return [encode(record) for record in turn.records if isinstance(record, BlockVote)]
