"""Looking a stored chain over at the start: what this node builds on must hold together."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chainnode.ledger.header import batches_root, events_root, results_root
from chainnode.store.errors import damaged
from chainnode.store.port import ChainStorePort
from consensus.messages import QuorumCertificate
from consensus.types import BlockHeader, Digest
from genesis.errors import OperatorError


@dataclass(frozen=True, slots=True)
class ChainReport:
    """`checked` blocks up to `tip_height`; `certified_height` is the greatest with a good certificate
    (0, the genesis block, needs none). Blocks above it are executed and still to be certified."""

    tip_height: int
    certified_height: int
    checked: int


def verify_chain(
    store: ChainStorePort,
    *,
    path: Path,
    genesis_hash: Digest,
    certificate_holds: Callable[[QuorumCertificate], bool],
    from_height: int = 0,
    max_uncertified: int,
) -> ChainReport:
    """Check the blocks from `from_height` (0: all) to the last executed one.

    Headers stand at their heights, link, and begin with `genesis_hash`; refs, results and events have
    the roots that the header names; the batches are here; certificates are for their header and
    `certificate_holds` (a quorum's good signatures). A certificate vouches for all blocks below it, and
    at most `max_uncertified` (the window) lie above the last one. Where blocks were pruned or came as a
    snapshot, it begins at the lowest that is here, and batches below the lowest whole one are not asked for.

    Raises OperatorError STO-02 naming the height and `path`, the folder to be moved aside.
    """
    tip = store.tip()
    if tip is None:
        raise damaged(path, "it holds no genesis block")
    assert from_height <= tip.height
    if store.first > 1:
        from_height = max(from_height, min(store.first + 1, tip.height))
    parent = _parent(store, path, from_height)
    for height in range(from_height, tip.height + 1):
        parent = _check_block(store, path, height, parent, genesis_hash, certificate_holds)
    if store.header(tip.height + 1) is not None:
        raise damaged(path, f"it holds a block above the last executed height {tip.height}")
    latest = store.latest_certificate()
    certified = 0 if latest is None else latest.height
    if tip.height - certified > max_uncertified:
        raise damaged(path, f"no certificate vouches for the blocks above {certified}, up to {tip.height}")
    return ChainReport(tip.height, certified, tip.height + 1 - from_height)


def _parent(store: ChainStorePort, path: Path, from_height: int) -> BlockHeader | None:
    if from_height == 0:
        return None
    parent = store.header(from_height - 1)
    if parent is None:
        raise damaged(path, f"there is no block at height {from_height - 1}")
    return parent


def _check_block(
    store: ChainStorePort,
    path: Path,
    height: int,
    parent: BlockHeader | None,
    genesis_hash: Digest,
    certificate_holds: Callable[[QuorumCertificate], bool],
) -> BlockHeader:
    """The block's header."""

    def wrong(reason: str) -> OperatorError:
        return damaged(path, f"block {height}: {reason}")

    block = store.block(height)
    if block is None:
        raise wrong("it is not there")
    header, certificate = block.header, block.certificate
    if header.height != height:
        raise wrong(f"the header at its place is of height {header.height}")
    if parent is None and header.hash() != genesis_hash:
        raise wrong("it is not the block that follows from the genesis document")
    if parent is not None and header.parent != parent.hash():
        raise wrong("its parent is not the block before it")
    if header.batches_root != batches_root(block.refs):
        raise wrong("its batches are not those of its header")
    if header.results_root != results_root(block.results) or header.events_root != events_root(block.events):
        raise wrong("its results or events are not those of its header")
    if height >= store.whole and any(not store.has_batch(ref.digest) for ref in block.refs):
        raise wrong("a batch of it is not there")
    if certificate is not None:
        if certificate.height != height or certificate.header_hash != header.hash():
            raise wrong("its certificate is for another block")
        if not certificate_holds(certificate):
            raise wrong("its certificate does not verify")
    return header
