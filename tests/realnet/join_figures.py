"""`make joining BLOCKS=10000`: how long a node with an empty folder takes to join.

The chain is built in bulk, by the node's own executor and with the members' own keys, and copied to three
members; the fourth starts with nothing.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from chainnode.ledger.founding import founding_of
from chainnode.ledger.payloads import AddDepartment
from chainnode.ledger.transaction import (
    BatchBody,
    SignedBatch,
    SignedTransaction,
    batch_ref,
    batch_signed_bytes,
    sign_transaction,
)
from chainnode.node.executor import Executor
from chainnode.store.chain import ChainStore
from chainnode.store.rows import RowStore
from chainnode.store.votelog import VoteLog
from chainnode.vault.keys import SigningKey
from chainnode.vault.keystore import NodeKeys, StewardKeys
from consensus.codec import encode
from consensus.messages import QuorumCertificate, Vote, block_vote_bytes
from consensus.ready import Decided, StableRecord
from consensus.types import BlockHeader
from genesis.document import load_genesis
from genesis.errors import OperatorError
from tests.demo.stage import Stage
from tests.localnet.consortium import PASSPHRASE, Consortium, found
from tests.localnet.nodes import Nodes

JOINER = 3


class Builder:
    """A member's folder with a chain of so many blocks, a department or several in each."""

    def __init__(self, consortium: Consortium) -> None:
        self.genesis = load_genesis(consortium.genesis_file)
        self.folder = consortium.hospitals[0].home / "store"
        chain_id = self.genesis.chain_id
        self.keys = [
            NodeKeys.open(one.home / "keystore.key", PASSPHRASE).validator for one in consortium.hospitals
        ]
        self.steward = StewardKeys.open(consortium.hospitals[0].steward_file, PASSPHRASE).signing
        self.store = ChainStore(self.folder, chain_id)
        self.rows = RowStore(self.folder / "rows", chain_id)
        self.executor = Executor(
            store=self.store,
            rows=self.rows,
            founding=founding_of(self.genesis),
            created_ms=self.genesis.created_ms,
            parameters=self.genesis.parameters,
        )

    def transaction(self, number: int) -> SignedTransaction:
        height = self.executor.tip.height
        payload = AddDepartment(0, f"d{number}", SigningKey.generate().public)
        return sign_transaction(
            payload,
            chain_id=self.genesis.chain_id,
            valid_until_height=height + 100,
            nonce=number.to_bytes(16, "big"),
            signer=self.steward.public,
            sign=self.steward.sign,
        ).transaction

    def block(self, transactions: int) -> None:
        tip = self.executor.tip
        first = tip.height * transactions
        body = BatchBody(
            0,
            tip.height + 1,
            tip.height + 50,
            tuple(self.transaction(first + n) for n in range(transactions)),
        )
        data = encode(body)
        signature = self.keys[0].sign(batch_signed_bytes(self.genesis.chain_id, data))
        self.store.put_batches([SignedBatch(data, signature, ())])
        decided = Decided(tip.height + 1, 0, 0, tip.time_ms + 1_000, (batch_ref(body, data),))
        self.executor.certify(self.certificate(self.executor.execute(decided)))

    def certificate(self, header: BlockHeader) -> QuorumCertificate:
        def vote(number: int) -> Vote:
            signed = block_vote_bytes(
                self.genesis.chain_id, header.epoch, header.height, header.hash(), number
            )
            return Vote(number, self.keys[number].sign(signed))

        votes = tuple(vote(number) for number in range(self.genesis.replica_set().quorum))
        return QuorumCertificate(header.epoch, header.height, header.hash(), votes)

    def close(self) -> None:
        """The vote log is that of a node which voted for all of it."""
        votes, _, _ = VoteLog.open(self.folder / "votes", self.genesis.chain_id)
        certificate = self.executor.certified
        assert certificate is not None
        votes.append([encode(StableRecord(certificate))])
        votes.sync()
        votes.close()
        self.store.close()
        self.rows.close()


async def until(condition: Callable[[], bool] | None, nodes: Nodes, height: int) -> None:
    """The joiner stands at a height, or `condition` holds."""
    while True:
        if condition is not None and condition():
            return
        try:
            if condition is None and (await nodes.status(JOINER)).height >= height:
                return
        except OperatorError:
            pass
        await asyncio.sleep(0.05)


async def join(consortium: Consortium, height: int, stage: Stage) -> list[tuple[str, str]]:
    with Nodes(consortium) as nodes:
        nodes.start(0, 1, 2)
        await nodes.ready(0, 1, 2)
        started = time.monotonic()
        nodes.start(JOINER)
        log_file = nodes.log_file(consortium.hospitals[JOINER])

        def said(what: str) -> bool:
            return what in log_file.read_text(errors="replace")

        found_s: list[tuple[str, str]] = []
        for what in ("taking over a snapshot", "snapshot complete"):
            await until(lambda what=what: said(what), nodes, height)  # type: ignore[misc]
            found_s.append((what, f"{time.monotonic() - started:.1f}"))
        await until(None, nodes, height)
        found_s.append(("stands at the height", f"{time.monotonic() - started:.1f}"))
        await nodes.ready()
        found_s.append(("links up, votes", f"{time.monotonic() - started:.1f}"))
        report = await nodes.status(JOINER)
        found_s.append(("memory of the joiner, MB", f"{report.rss_bytes / 1e6:.0f}"))
        return found_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=10_000)
    parser.add_argument("--transactions", type=int, default=1, help="of each block")
    asked = parser.parse_args()
    stage = Stage()
    with tempfile.TemporaryDirectory(prefix="chainnode-join-") as folder:
        consortium = found(Path(folder) / "net")
        builder = Builder(consortium)
        with stage.progress("blocks", asked.blocks) as step:
            for done in range(1, asked.blocks + 1):
                builder.block(asked.transactions)
                step(done)
        builder.close()
        size = sum(one.stat().st_size for one in (builder.folder / "chain").iterdir())
        for other in (1, 2):
            shutil.copytree(builder.folder, consortium.hospitals[other].home / "store")
        rows = asyncio.run(join(consortium, asked.blocks, stage))
        stage.table(
            f"An empty folder joins {asked.blocks} blocks of {asked.transactions} transactions "
            f"({size / 1e6:.0f} MB of chain)",
            ("", "s"),
            rows,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
