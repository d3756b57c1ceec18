"""Damaged, full, foreign and busy: what the store says then, and what it never does."""

import os
import resource
import shutil
from pathlib import Path

import plyvel
import pytest

from chainnode.store.chain import FORMAT, ChainStore
from chainnode.store.rows import RowStore
from genesis.errors import OperatorError
from tests.store.blocks import CHAIN_ID, batch, extend, results_of, start


@pytest.fixture
def path(tmp_path):
    """A closed store of five blocks whose content is in a table."""
    path = tmp_path / "store"
    store = ChainStore(path, CHAIN_ID)
    start(store)
    for height in range(5):
        extend(store, state_puts={bytes([height]): bytes([height]) * 2_000})
    store.close()
    ChainStore(path, CHAIN_ID).close()
    return path


def read_all(path: Path) -> tuple[object, ...]:
    store = ChainStore(path, CHAIN_ID)
    try:
        blocks = [store.block(height) for height in range(6)]
        states = [store.state_get(bytes([height])) for height in range(5)]
        batches = [store.get_batch(batch(height)[1].digest) for height in range(1, 6)]
        found = [store.find_transaction(results_of(height)[2].transaction_id) for height in range(1, 6)]
        return blocks, states, batches, found, list(store.recent_results(0))
    finally:
        store.close()


def change(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def test_a_changed_byte_in_a_table_is_damage_and_says_to_move_the_folder_aside(path):
    (table,) = (path / "chain").glob("*.ldb")
    whole, reported = read_all(path), 0
    places = range(0, table.stat().st_size, 97)
    for at in places:
        copy = path.parent / "copy"
        shutil.copytree(path, copy)
        change(copy / "chain" / table.name, at)
        try:
            # The filter that saves reads and the footer's padding may be lost without loss.
            assert read_all(copy) == whole
        except OperatorError as error:
            reported += 1
            assert error.code.code == "STO-02"
            assert f"move the folder aside (mv {copy / 'chain'} " in error.next_step
        shutil.rmtree(copy)
    assert reported > 0.8 * len(places)


def test_a_changed_byte_in_the_log_of_writes_is_damage(path):
    store = ChainStore(path, CHAIN_ID)
    extend(store)
    extend(store)
    store.close()
    (log,) = (path / "chain").glob("*.log")
    change(log, 40)
    with pytest.raises(OperatorError, match=r"STO-02.* is damaged: Corruption: "):
        ChainStore(path, CHAIN_ID)


def test_a_missing_table_is_damage(path):
    (table,) = (path / "chain").glob("*.ldb")
    table.unlink()
    with pytest.raises(OperatorError, match="STO-02"):
        ChainStore(path, CHAIN_ID)


def test_local_rows_outlive_a_chain_that_is_moved_aside(path):
    store = ChainStore(path, CHAIN_ID)
    store.local_put(b"parts/1", b"sealed")
    store.close()
    (path / "chain").rename(path / "chain.damaged")
    store = ChainStore(path, CHAIN_ID)
    assert store.tip() is None
    assert store.local_get(b"parts/1") == b"sealed"
    store.close()


def test_damage_of_the_local_rows_is_not_said_to_be_mended_by_peers(path):
    store = ChainStore(path, CHAIN_ID)
    store.local_put(b"parts/1", b"sealed" * 100)
    store.close()
    (log,) = (path / "local").glob("*.log")
    change(log, 20)
    with pytest.raises(OperatorError, match="STO-02") as caught:
        ChainStore(path, CHAIN_ID)
    step = caught.value.next_step
    assert step.startswith("chainnode backup restore") and f"mv {path / 'local'} " in step


def with_rows(path: Path) -> None:
    """A chain of two blocks over two hundred local rows, the last of which came between the blocks."""
    store = ChainStore(path, CHAIN_ID)
    start(store)
    for number in range(200):
        store.local_put(b"row/%03d" % number, bytes(200))
    extend(store)
    store.close()


def lose_folder(local: Path) -> None:
    shutil.rmtree(local)


def lose_files(local: Path) -> None:
    for one in local.iterdir():
        one.unlink()


def lose_half_of_the_log(local: Path) -> None:
    (log,) = local.glob("*.log")
    os.truncate(log, log.stat().st_size // 2)


def lose_the_log(local: Path) -> None:
    (log,) = local.glob("*.log")
    os.truncate(log, 0)


@pytest.mark.parametrize("lose", [lose_folder, lose_files, lose_half_of_the_log, lose_the_log])
def test_local_rows_that_are_gone_are_noticed_at_every_start_until_the_chain_is_moved_aside(tmp_path, lose):
    path = tmp_path / "node"
    with_rows(path)
    lose(path / "local")
    for _ in range(2):
        with pytest.raises(OperatorError, match="STO-10") as caught:
            ChainStore(path, CHAIN_ID)
    assert f"mv {path / 'chain'} " in caught.value.next_step
    (path / "chain").rename(tmp_path / "aside")
    store = ChainStore(path, CHAIN_ID)
    kept = len(list(store.local_iter(b"row/")))
    assert kept < 200 and store.tip() is None
    start(store)
    store.close()
    ChainStore(path, CHAIN_ID).close()


def test_rows_that_no_block_came_after_may_go_with_a_write_that_was_cut_short(tmp_path):
    with_rows(tmp_path)
    store = ChainStore(tmp_path, CHAIN_ID)
    store.local_put(b"late", b"row")
    store.close()
    (log,) = (tmp_path / "local").glob("*.log")
    os.truncate(log, log.stat().st_size - 3)
    store = ChainStore(tmp_path, CHAIN_ID)
    assert store.local_get(b"late") is None and len(list(store.local_iter(b"row/"))) == 200
    store.close()


def test_a_chain_of_a_release_that_counted_no_writes_is_opened(tmp_path):
    with_rows(tmp_path)
    for name, key in (("chain", b"m/local"), ("local", b"m/writes")):
        database = plyvel.DB(str(tmp_path / name))
        assert database.get(key) == (200).to_bytes(8, "big")
        database.delete(key)
        database.close()
    store = ChainStore(tmp_path, CHAIN_ID)
    assert len(list(store.local_iter(b"row/"))) == 200
    store.local_put(b"row/new", b"")
    extend(store)
    store.close()
    lose_folder(tmp_path / "local")
    with pytest.raises(OperatorError, match="STO-10"):
        ChainStore(tmp_path, CHAIN_ID)


@pytest.mark.parametrize("key", [b"m/applied", b"h" + (2).to_bytes(8, "big"), b"b" + (2).to_bytes(8, "big")])
def test_an_entry_that_cannot_be_ours_is_damage(path, key):
    database = plyvel.DB(str(path / "chain"))
    database.put(key, b"\x00\x01")
    database.close()
    with pytest.raises(OperatorError, match="STO-02"):
        read_all(path)


def test_a_newer_format_is_refused_and_nothing_is_written(path):
    database = plyvel.DB(str(path / "chain"))
    database.put(b"m/format", (FORMAT + 1).to_bytes(4, "big"))
    database.close()
    with pytest.raises(OperatorError, match="STO-06"):
        ChainStore(path, CHAIN_ID)


def test_a_folder_that_does_not_name_its_chain_is_damage(path):
    database = plyvel.DB(str(path / "chain"))
    database.delete(b"m/chain")
    database.close()
    with pytest.raises(OperatorError, match="STO-02"):
        ChainStore(path, CHAIN_ID)


def test_a_database_that_is_open_is_refused(path):
    store = ChainStore(path, CHAIN_ID)
    with pytest.raises(OperatorError, match="STO-01"):
        ChainStore(path, CHAIN_ID)
    store.close()


def test_a_lock_file_that_cannot_be_opened_is_not_said_to_be_in_use(path):
    lock = path / "chain" / "LOCK"
    lock.unlink()
    lock.mkdir()  # refused to root too, unlike a file without permissions
    with pytest.raises(OperatorError, match=r"STO-04.*LOCK: Is a directory") as caught:
        ChainStore(path, CHAIN_ID)
    assert caught.value.next_step.startswith("check owner, mode and disk (ls -ld ")


def test_a_full_disk_is_named_and_the_block_before_it_stays_whole(path):
    store = ChainStore(path, CHAIN_ID)
    tip = store.tip()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OperatorError, match="STO-03") as caught:
            extend(store, state_puts={b"large": bytes(range(256)) * 2_000})
        assert store.tip() == tip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        store.close()
    assert "free space" in caught.value.next_step
    store = ChainStore(path, CHAIN_ID)
    assert store.tip() == tip and store.state_get(b"large") is None
    extend(store, state_puts={b"large": bytes(range(256)) * 2_000})
    store.close()


def test_a_file_where_the_folder_should_be_is_an_error_of_the_operators(tmp_path):
    (tmp_path / "rows").write_text("not a folder")
    with pytest.raises(OperatorError, match="STO-04"):
        RowStore(tmp_path / "rows", CHAIN_ID)
