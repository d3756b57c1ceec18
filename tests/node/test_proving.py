"""Proofs that a node gives to outsiders rest on a certificate, and on blocks that are here."""

import asyncio

import pytest

from chainnode.ledger import keys
from chainnode.ledger.answer import StateProofs
from chainnode.ledger.audit import transactions_of
from chainnode.ledger.epochs import founding_schedule
from chainnode.ledger.proof import StateWitness
from chainnode.ledger.stretch import Certification, ProvenBlock, verify_stretch
from chainnode.node.api import NotFound, ReadTimeout
from chainnode.node.epochs import EpochSteps
from chainnode.node.proving import Proving
from consensus.codec import decode
from tests.ledger.world import verify
from tests.node.test_reads import SURGERY, Node

FOREVER_MS = 60_000
ABSENT = keys.department(0, "pathology")


@pytest.fixture
def node() -> Node:
    return Node()


def proving(node: Node) -> Proving:
    schedule = founding_schedule(node.lone.chain.founding)
    epochs = EpochSteps(node.lone.store, lambda: schedule)
    return Proving(
        store=node.lone.store,  # type: ignore[arg-type]
        executor=node.lone.executor,
        waiters=node.waiters,
        epochs=epochs,
    )


async def stretch(node: Node, first: int, last: int, **more: bool) -> tuple[list[ProvenBlock], Certification]:
    headers_only = more.get("headers_only", False)
    found = proving(node).stretch(first, last, headers_only=headers_only)
    *blocks, end = [item async for item in found]
    return (
        [decode(one, ProvenBlock, limit_bytes=1 << 20) for one in blocks],
        decode(end, Certification, limit_bytes=1 << 20),
    )


async def test_entries_are_proven_present_and_absent_once_their_block_is_certified(node: Node) -> None:
    node.execute("surgery")
    asking = asyncio.create_task(
        proving(node).entries((SURGERY, ABSENT), min_height=0, timeout_ms=FOREVER_MS)
    )
    await asyncio.sleep(0)
    assert not asking.done(), "executed is not certified"
    node.certify()
    proofs = decode(await asking, StateProofs, limit_bytes=1 << 20)
    witness = StateWitness(proofs.header.state_root, proofs.nodes, proofs.buckets)
    assert proofs.header == node.lone.executor.tip and [name for name, _ in proofs.records] == [SURGERY]
    assert witness.value_hash(SURGERY) is not None and witness.value_hash(ABSENT) is None


async def test_nothing_is_proven_of_genesis_nor_without_a_certificate_in_time(node: Node) -> None:
    with pytest.raises(NotFound):
        await proving(node).entries((SURGERY,), min_height=0, timeout_ms=1)
    node.execute("surgery")
    for min_height in (0, 1):
        with pytest.raises(ReadTimeout):
            await proving(node).entries((SURGERY,), min_height=min_height, timeout_ms=1)


async def test_blocks_come_whole_with_what_vouches_for_the_last(node: Node) -> None:
    ids = [node.execute(name) for name in ("surgery", "oncology", "neurology")]
    node.certify()
    blocks, certification = await stretch(node, 1, 2)
    assert [one.height for one in certification.above] == [3]
    headers = [block.header for block in blocks]
    verify_stretch(headers, certification, node.lone.chain.founding, verify=verify)
    assert [one.id() for block in blocks for one, _ in transactions_of(block)] == ids[:2]
    bare, _ = await stretch(node, 3, 3, headers_only=True)
    assert (bare[0].header.height, bare[0].batches, bare[0].results) == (3, (), ())


@pytest.mark.parametrize("heights", [(0, 1), (2, 1), (1, 3)])
async def test_what_is_not_certified_is_no_stretch(node: Node, heights: tuple[int, int]) -> None:
    for name in ("surgery", "oncology"):
        node.execute(name)
    node.certify()
    node.execute("neurology")
    with pytest.raises(NotFound):
        await stretch(node, *heights)
