"""A chain on real stores, grown by the ledger's own scenes: for what is fetched from and kept by a node."""

from dataclasses import dataclass
from pathlib import Path

from chainnode.ledger.payloads import AddDepartment
from chainnode.ledger.transaction import BatchBody, SignedBatch, Submission, batch_ref, batch_signed_bytes
from chainnode.node.executor import Executor
from chainnode.store.chain import ChainStore
from chainnode.store.rows import RowStore
from consensus.codec import encode
from consensus.parameters import Parameters
from consensus.ready import Decided
from tests.ledger.scene import Scene
from tests.ledger.story import tell
from tests.ledger.world import GENESIS_MS, Actor, Block, Chain


@dataclass
class Grown(Chain):
    """Every block of the scene's is executed and stored by a node's executor too, and certified."""

    folder: Path = Path()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.store = ChainStore(self.folder, self.chain_id)
        self.stored_rows = RowStore(self.folder / "rows", self.chain_id)
        self.executor = self.opened()

    def opened(self) -> Executor:
        self.executor = Executor(
            store=self.store,
            rows=self.stored_rows,
            founding=self.founding,
            created_ms=GENESIS_MS,
            parameters=self.parameters,
        )
        return self.executor

    def commit(self, *submissions: Submission, time_ms: int | None = None) -> Block:
        proposed = self.now_ms if time_ms is None else time_ms
        block = super().commit(*submissions, time_ms=time_ms)
        height = block.header.height
        body = BatchBody(0, height, height + 10, tuple(block.transactions))
        data = encode(body)
        rows = tuple(row for one in submissions for row in one.rows)
        signature = self.validators[0].sign(batch_signed_bytes(self.chain_id, data))
        self.stored_rows.put(rows)
        self.store.put_batches([SignedBatch(data, signature, rows)])
        header = self.executor.execute(Decided(height, 0, 0, proposed, (batch_ref(body, data),)))
        assert header == block.header
        self.executor.certify(self.certificate())
        return block

    def departments(self, count: int) -> None:
        """So many blocks more, a department in each."""
        for _ in range(count):
            name = f"d{self.height}"
            self.must(self.stewards[0], AddDepartment(0, name, Actor("head of " + name).public))

    def close(self) -> None:
        self.store.close()
        self.stored_rows.close()

    def reopen(self) -> Executor:
        """As a start of the process does."""
        self.close()
        self.store = ChainStore(self.folder, self.chain_id)
        self.stored_rows = RowStore(self.folder / "rows", self.chain_id)
        return self.opened()


def founded(folder: Path, parameters: Parameters | None = None) -> Grown:
    """A node at the genesis block."""
    return Grown(parameters=parameters or Parameters(), folder=folder)


def told(folder: Path, parameters: Parameters | None = None) -> Grown:
    """A chain with all of a story on it."""
    grown = founded(folder, parameters)
    tell(Scene(grown))
    return grown
