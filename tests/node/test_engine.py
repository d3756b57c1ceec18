"""A lone member's engine on the real vote log and the real executor: what it says is on the disk first."""

from pathlib import Path

import pytest

from chainnode.ledger.transaction import Submission
from chainnode.node import engine as engine_module
from chainnode.node.certified import CertifiedBlock
from chainnode.node.engine import Engine, ForkError, decode_records
from chainnode.node.turn import BatchStored, OwnVotes, Turn
from chainnode.store.votelog import VoteLog
from consensus.messages import BlockVote, Commit, PrePrepare
from consensus.ready import HoldRecord
from consensus.types import Now
from genesis.errors import OperatorError
from tests.node.lone import Lone
from tests.store.disk import FakeDisk

FOLDER = Path("/votes")


class Node:
    """`disk` and `lone` are what a restart finds."""

    def __init__(self, members: int = 1) -> None:
        self.lone = Lone(members=members)
        self.disk = FakeDisk()
        self.now = Now(1_000, self.lone.chain.now_ms)
        self.sent: list[object] = []
        self.start()

    def start(self) -> Turn:
        executor, chain = self.lone.opened(), self.lone.chain
        self.log, self.records, damage = VoteLog.open(
            FOLDER, chain.chain_id, self.disk, must_exist=executor.tip.height > 0
        )
        self.engine = Engine(
            chain_id=chain.chain_id,
            replica_id=0,
            replica_sets=lambda _: chain.founding.replica_set(),
            parameters=self.lone.parameters,
            sign=chain.validators[0].sign,
            log=self.log,
            executor=executor,
        )
        turn = self.engine.restore(self.records, self.now, damaged=damage is not None)
        self.carry_out(turn)
        return turn

    def carry_out(self, turn: Turn) -> None:
        while True:
            self.engine.persist(turn)
            self.sent += [outbound.message for outbound in turn.send]
            if not turn.decided and not turn.certified:
                return
            turn = self.engine.execute(turn, self.now)

    def order(self, *submissions: Submission) -> None:
        ref = self.lone.stored(*submissions)
        self.carry_out(self.engine.step([BatchStored(ref)], self.now))

    @property
    def certified_height(self) -> int:
        return self.lone.executor.certified_header.height

    @property
    def voting(self) -> bool:
        return self.engine.replica.status().voting


def departments(node: Node, count: int) -> None:
    for number in range(count):
        node.order(node.lone.department(f"d{number}"))


def test_a_lone_member_orders_executes_and_certifies():
    node = Node()
    node.order(node.lone.department("surgery"))
    assert node.lone.executor.tip.height == node.certified_height == 1
    block = node.lone.store.block(1)
    assert block is not None and block.certificate is not None and block.results[0].code == ""


def test_nothing_is_given_out_to_be_sent_without_its_record():
    node = Node()
    ref = node.lone.stored(node.lone.department("surgery"))
    turn = node.engine.step([BatchStored(ref)], node.now)
    spoken = [one.message for one in turn.send if isinstance(one.message, PrePrepare | Commit | BlockVote)]
    assert spoken and all(message in turn.records for message in spoken)


def test_a_turns_records_are_one_write_and_one_sync():
    node = Node()
    node.disk.operations.clear()
    refs = [node.lone.stored(node.lone.department(name)) for name in ("a", "b", "c")]
    node.engine.persist(node.engine.step([BatchStored(ref) for ref in refs], node.now))
    assert node.disk.operations == ["append", "fdatasync"]
    node.disk.operations.clear()
    node.engine.persist(node.engine.step([], node.now))
    assert node.disk.operations == [], "a turn without records touches no disk"


@pytest.mark.parametrize("at", [0, 1])
def test_a_write_that_fails_is_the_operators_error_and_the_log_takes_nothing_more(at: int):
    node = Node()
    ref = node.lone.stored(node.lone.department("surgery"))
    turn = node.engine.step([BatchStored(ref)], node.now)
    node.disk.fail_at = len(node.disk.operations) + at
    with pytest.raises(OperatorError):
        node.engine.persist(turn)
    node.disk.fail_at = None
    with pytest.raises(OperatorError):
        node.engine.persist(turn)


def test_a_restart_goes_on_where_it_stood():
    node = Node()
    departments(node, 3)
    for left in (node.disk.killed(), node.disk.power_cut("lost", "durable")):
        node.disk = left
        node.start()
        assert node.voting and node.certified_height == 3
    node.order(node.lone.department("after"))
    assert node.certified_height == 4


def test_a_log_that_has_grown_is_written_anew_with_what_a_restart_needs(monkeypatch: pytest.MonkeyPatch):
    node = Node()
    departments(node, 3)
    before = node.log.size_bytes
    monkeypatch.setattr(engine_module, "ROTATE_BYTES", before)
    departments(node, 4)
    assert node.log.size_bytes < before + before // 2
    [name] = node.disk.list(FOLDER)
    assert name != "votes-0000000000.log", "a new file, and the old one is gone"
    status = node.engine.replica.status()
    node.disk = node.disk.power_cut("lost", "durable")
    node.start()
    again = node.engine.replica.status()
    assert node.voting and (again.view, again.certified) == (status.view, status.certified)
    node.order(node.lone.department("after"))
    assert node.certified_height == 8


def test_a_log_that_lost_records_casts_no_vote_until_a_certificate_lies_a_window_beyond():
    node = Node(members=4)
    for _ in range(2):
        node.engine.persist(Turn(records=[HoldRecord(0, 0, 0)]))
    inode = node.disk.names[FOLDER / node.disk.list(FOLDER)[0]]
    inode.cached = inode.durable = inode.durable[:-70] + bytes(8) + inode.durable[-62:]
    node.start()
    assert node.log.damage is not None
    node.carry_out(node.engine.step([OwnVotes(())], node.now))
    follow(node, node.lone.parameters.window - 1)
    assert not node.voting and node.log.damage is not None and not node.sent
    node.start()
    node.carry_out(node.engine.step([OwnVotes(())], node.now))
    assert not node.voting, "a restart does not forget it"
    follow(node, node.lone.parameters.window)
    assert node.voting and node.log.damage is None
    node.start()
    assert node.log.damage is None


def follow(node: Node, blocks: int) -> None:
    """The others go on; this node takes their blocks."""
    for _ in range(blocks):
        run = [certified_block(node)]
        node.carry_out(node.engine.install(run, node.now))


def certified_block(node: Node) -> CertifiedBlock:
    """The block that the others would certify next: executed by a twin."""
    twin = Lone(members=4)
    for height in range(1, node.lone.executor.tip.height + 1):
        header = node.lone.store.header(height)
        assert header is not None
        twin.executor.execute(CertifiedBlock(header, (), None).decided())
    header = twin.executor.execute(twin.decided())
    return CertifiedBlock(header, (), twin.certificate(header))


def test_a_certified_block_that_executes_otherwise_is_a_fork():
    node = Node(members=4)
    twin = Lone(members=4)
    twin.execute(twin.department("surgery"))
    header = twin.executor.tip
    forged = CertifiedBlock(header, (), twin.certificate(header))
    with pytest.raises(ForkError) as caught:
        node.engine.install([forged], node.now)
    assert caught.value.height == 1 and caught.value.certified == header.hash()


def test_records_of_no_known_kind_are_a_fault_of_ours():
    with pytest.raises(AssertionError):
        decode_records([b"\xc1"])
