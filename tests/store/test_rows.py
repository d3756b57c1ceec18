"""Personal rows: kept by digest, and erased so that no file holds them."""

import random
import shutil

import plyvel
import pytest

from chainnode.ledger.transaction import Row
from chainnode.store.chain import ChainStore
from chainnode.store.rows import RowStore
from genesis.errors import OperatorError
from tests.store.blocks import CHAIN_ID, extend, start
from tests.store.leveldb_files import entries_in, holds


def row(text: str) -> Row:
    return Row(random.Random(text).randbytes(32), text.encode() * 20)


def fill(store: RowStore, count: int, seed: int = 1) -> None:
    """Other rows, so that there are files and levels."""
    chance = random.Random(seed)
    for _ in range(count // 50):
        store.put([Row(chance.randbytes(32), chance.randbytes(4_000)) for _ in range(50)])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows"


def test_a_row_comes_back_by_its_digest_after_reopening(path):
    store = RowStore(path, CHAIN_ID)
    rows = [row("first text"), row("second text")]
    assert store.put(rows) == [one.digest() for one in rows]
    store.close()
    store = RowStore(path, CHAIN_ID)
    assert [store.get(one.digest()) for one in rows] == rows
    assert store.get(bytes(32)) is None
    store.close()


def test_an_erased_row_is_gone_and_does_not_come_back(path):
    store = RowStore(path, CHAIN_ID)
    gone, kept = row("to be erased"), row("to be kept")
    store.put([gone, kept])
    store.erase([gone.digest()])
    assert store.put([gone]) == [gone.digest()]
    assert store.get(gone.digest()) is None and store.is_erased(gone.digest())
    assert store.get(kept.digest()) == kept and not store.is_erased(kept.digest())
    store.close()


@pytest.mark.parametrize("when", ["in memory", "after reopening", "below other levels", "under a flush"])
@pytest.mark.parametrize("also", [0, 100])
def test_no_file_holds_an_erased_row_and_the_search_finds_the_others(path, when, also):
    store = RowStore(path, CHAIN_ID)
    gone, marker = row("the erased patient"), row("the planted marker")
    more = [row(f"erased too {i}") for i in range(also)]
    store.put([gone, marker, *more])
    if when != "in memory":
        store.close()
        store = RowStore(path, CHAIN_ID)
    if when == "below other levels":
        for seed in range(3):
            fill(store, 700, seed)
    if when == "under a flush":
        fill(store, 900)
        store.put([gone, marker])
    store.erase([gone.digest(), *(one.digest() for one in more)])
    store.close()
    assert holds(path, marker.salt) and holds(path, marker.data)
    for one in (gone, *more):
        assert not holds(path, one.salt) and not holds(path, one.data)


def test_a_delete_alone_leaves_the_row_in_the_files_and_the_search_finds_it(path):
    store = RowStore(path, CHAIN_ID)
    deleted = row("only deleted")
    store.put([deleted])
    store.close()
    database = plyvel.DB(str(path))
    database.delete(b"r" + deleted.digest(), sync=True)
    database.close()
    assert holds(path, deleted.data)


def test_an_erasure_cut_short_is_finished_at_the_next_start(path):
    store = RowStore(path, CHAIN_ID)
    gone, marker = row("half erased"), row("the planted marker")
    store.put([gone, marker])
    store.close()
    database = plyvel.DB(str(path))
    with database.write_batch(sync=True) as batch:
        batch.delete(b"r" + gone.digest())
        batch.put(b"e" + gone.digest(), b"\x01")
    database.close()
    assert holds(path, gone.data)
    RowStore(path, CHAIN_ID).close()
    assert holds(path, marker.data) and not holds(path, gone.data)


def test_erasing_a_row_that_never_came_bars_it(path):
    store = RowStore(path, CHAIN_ID)
    late = row("comes late")
    store.erase([late.digest()])
    store.put([late])
    assert store.get(late.digest()) is None
    store.close()
    assert not holds(path, late.data)


def test_a_changed_row_is_reported_not_handed_out(path):
    store = RowStore(path, CHAIN_ID)
    one = row("as stored")
    store.put([one])
    store.close()
    database = plyvel.DB(str(path))
    database.put(b"r" + one.digest(), one.salt + b"something else")
    database.close()
    store = RowStore(path, CHAIN_ID)
    with pytest.raises(OperatorError, match="STO-02"):
        store.get(one.digest())
    store.close()


def test_the_search_reads_compressed_tables_and_logs(tmp_path):
    path = tmp_path / "store"
    store = ChainStore(path, CHAIN_ID)
    start(store)
    text = b"a long and repetitive text " * 400
    extend(store, state_puts={b"key": text})
    store.close()
    assert ("s" + "key").encode() in {key for _, key, _ in entries_in(path / "chain")}
    # Opening moves the log's content to a compressed table.
    ChainStore(path, CHAIN_ID).close()
    found = {(name.split(".")[1], value) for name, key, value in entries_in(path / "chain") if key == b"skey"}
    assert found == {("ldb", text)}
    assert not any(text in file.read_bytes() for file in (path / "chain").iterdir())
    shutil.rmtree(path)
