"""A stored chain is looked over before anything is built on it."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec import structs

from chainnode.store.verify import ChainReport, verify_chain
from genesis.errors import OperatorError
from tests.store.blocks import certificate_for, extend, genesis_block, results_of, start
from tests.store.memory import MemoryChainStore

FOLDER = Path("/home/store")


@dataclass
class Altered(MemoryChainStore):
    """A store of six blocks, the last two not certified, of which a test alters one."""

    def __post_init__(self):
        MemoryChainStore.__init__(self)
        start(self)
        for height in range(1, 7):
            extend(self, certify=height <= 4)

    def alter(self, at, **changes):
        self._blocks[at] = replace(self._blocks[at], **changes)

    def alter_header(self, at, **changes):
        self.alter(at, header=structs.replace(self._blocks[at].header, **changes))

    def swap_certificate(self, at):
        self._certificates[at] = certificate_for(self._blocks[at - 1].header)


def check(store, *, from_height=0, max_uncertified=16, holds=lambda certificate: True):
    return verify_chain(
        store,
        path=FOLDER,
        genesis_hash=genesis_block().hash(),
        certificate_holds=holds,
        from_height=from_height,
        max_uncertified=max_uncertified,
    )


def test_a_whole_chain_is_reported_with_its_heights():
    assert check(Altered()) == ChainReport(tip_height=6, certified_height=4, checked=7)
    assert check(Altered(), from_height=5) == ChainReport(tip_height=6, certified_height=4, checked=2)


def test_a_chain_without_genesis_block_is_refused():
    with pytest.raises(OperatorError, match=r"STO-02.*no genesis block"):
        check(MemoryChainStore())


@pytest.mark.parametrize("from_height", [0, 2])
@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (lambda store: store.alter_header(3, parent=bytes(32)), "block 3: its parent"),
        (lambda store: store.alter_header(3, time_ms=5), "block 3: its certificate is for another block"),
        (lambda store: store.alter_header(3, height=4), "block 3: the header at its place is of height 4"),
        (lambda store: store.alter_header(5, state_root=bytes(32)), "block 6: its parent"),
        (lambda store: store.alter(3, refs=()), "block 3: its batches"),
        (lambda store: store.alter(3, results=tuple(results_of(9))), "block 3: its results"),
        (lambda store: store.alter(3, events=()), "block 3: its results or events"),
        (lambda store: store._batches.clear(), "block [12]: a batch of it is not there"),
        (lambda store: store.swap_certificate(3), "block 3: its certificate is for another block"),
    ],
)
def test_an_altered_block_is_refused_by_its_height(alter, reason, from_height):
    store = Altered()
    alter(store)
    reason = reason.replace("[12]", "2" if from_height else "1")
    with pytest.raises(OperatorError, match=f"STO-02.*{reason}"):
        check(store, from_height=from_height)


def test_blocks_that_are_missing_or_too_many_are_refused():
    store = Altered()
    store.tip = lambda: store._blocks[5].header
    with pytest.raises(OperatorError, match="a block above the last executed height 5"):
        check(store)
    store = Altered()
    store.block = lambda height: None
    with pytest.raises(OperatorError, match="block 6: it is not there"):
        check(store, from_height=6)
    store.header = lambda height: None
    with pytest.raises(OperatorError, match="there is no block at height 4"):
        check(store, from_height=5)


def test_another_genesis_block_is_refused():
    store = Altered()
    store.alter_header(0, time_ms=1)
    with pytest.raises(OperatorError, match="block 0: it is not the block that follows from the genesis"):
        check(store)


def test_a_certificate_that_does_not_verify_is_refused():
    with pytest.raises(OperatorError, match="block 2: its certificate does not verify"):
        check(Altered(), holds=lambda certificate: certificate.height != 2)


def test_too_many_blocks_without_certificate_are_refused():
    assert check(Altered(), max_uncertified=2).certified_height == 4
    with pytest.raises(OperatorError, match="no certificate vouches for the blocks above 4, up to 6"):
        check(Altered(), max_uncertified=1)
