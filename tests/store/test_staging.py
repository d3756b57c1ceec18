"""A chain folder in the making: what comes stays, what changed is replaced, and only what is whole counts."""

import os
import shutil
from pathlib import Path

import pytest

from chainnode.ledger.subtree import check_subtree, cut_subtree
from chainnode.ledger.transaction import SignedBatch
from chainnode.store.chain import ChainStore
from chainnode.store.filesystem import RealFileSystem
from chainnode.store.reading import Kept, StoredBody
from chainnode.store.staging import Staging, StagingError, Target
from chainnode.store.swap import clear_replaced, move_aside, put_in_place, whole_incoming
from genesis.errors import OperatorError
from tests.node.grown import Grown, founded, told
from tests.store.blocks import batch

LIMIT = 1_024


def fetch_state(source: Grown, staging: Staging, limit: int = LIMIT, at_most: int = 1_000) -> int:
    """Parts that were fetched until nothing is missing, or `at_most`."""
    target = staging.target
    assert target is not None
    work, count = staging.missing(b"", target.header.state_root), 0
    while work and count < at_most:
        prefix, expected = work.pop()
        part = cut_subtree(source.store.state_get, source.store.state_items, prefix, limit)
        children = check_subtree(part, prefix, expected)
        staging.put_part(prefix, expected, part)
        for child, hash_ in children:
            work += staging.missing(child, hash_)
        count += 1
    for key, _ in staging.values_missing():
        value = source.store.state_get(b"s" + key)
        assert value is not None
        staging.put_value(key, value)
    return count


def fetch_rest(source: Grown, staging: Staging) -> int:
    """History and transactions; the lowest height whose results are here."""
    assert staging.target is not None
    first = max(1, staging.target.header.height - source.parameters.validity_heights)
    height, _ = staging.history_from(staging.target.header)
    while height >= first:
        header, body = source.store.header(height), source.store.body(height)
        assert header is not None and body is not None
        staging.put_history([(header, body)])
        height -= 1
    transactions, _ = staging.survey()
    found = [source.executor.transaction(id_) for id_ in transactions]
    staging.put_transactions([one for one in found if one is not None])
    assert staging.survey()[0] == {}
    return first


def target_of(source: Grown) -> Target:
    return Target(source.executor.tip, source.certificate())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory):
    grown = told(tmp_path_factory.mktemp("source"))
    yield grown
    grown.close()


@pytest.fixture
def joiner(tmp_path: Path):
    grown = founded(tmp_path / "store")
    yield grown
    grown.close()


def staged(source: Grown, joiner: Grown) -> Staging:
    staging = Staging(joiner.folder, joiner.chain_id)
    staging.aim(target_of(source))
    fetch_state(source, staging)
    first = fetch_rest(source, staging)
    staging.complete(joiner.store, first)
    return staging


def raw(store: ChainStore) -> dict[bytes, bytes]:
    return dict(store.state_items(b""))


def test_what_was_gathered_is_the_sources_state_entry_for_entry(source: Grown, joiner: Grown) -> None:
    staged(source, joiner).close()
    certificate = whole_incoming(joiner.folder, joiner.chain_id)
    assert certificate == source.certificate()
    joiner.close()
    put_in_place(joiner.folder)
    clear_replaced(joiner.folder)
    assert sorted(path.name for path in joiner.folder.iterdir()) == ["chain", "local", "rows"]
    executor = joiner.reopen()
    assert raw(joiner.store) == raw(source.store), "values, keys, tree and index"
    assert executor.tip == source.executor.tip and executor.certified == source.certificate()
    tip = executor.tip.height
    assert joiner.store.kept() == Kept(1, tip + 1) and joiner.store.block(tip) is not None
    assert list(joiner.store.recent_results(1)) == list(source.store.recent_results(1))
    assert whole_incoming(joiner.folder, joiner.chain_id) is None


def test_transactions_that_the_state_rests_on_are_found_and_others_are_not(
    source: Grown, joiner: Grown
) -> None:
    staged(source, joiner).close()
    joiner.close()
    put_in_place(joiner.folder)
    executor = joiner.reopen()
    kept = 0
    for id_, (transaction, _) in source.transactions.items():
        found = executor.transaction(id_)
        assert found in (None, transaction)
        kept += found is not None
    assert 0 < kept < len(source.transactions)


def test_a_process_that_was_killed_goes_on_where_it_was(source: Grown, joiner: Grown) -> None:
    staging = Staging(joiner.folder, joiner.chain_id)
    staging.aim(target_of(source))
    whole = Staging(joiner.folder.parent / "other", joiner.chain_id)
    whole.aim(target_of(source))
    parts = fetch_state(source, whole)
    assert fetch_state(source, staging, at_most=parts // 2) == parts // 2
    staging.close()
    again = Staging(joiner.folder, joiner.chain_id)
    assert again.target == target_of(source)
    assert fetch_state(source, again) == parts - parts // 2
    again.complete(joiner.store, fetch_rest(source, again))
    again.close()
    whole.close()


def test_a_newer_target_keeps_the_parts_that_did_not_change(tmp_path: Path) -> None:
    source, joiner = told(tmp_path / "s"), founded(tmp_path / "j")
    staging = Staging(joiner.folder, joiner.chain_id)
    staging.aim(target_of(source))
    parts = fetch_state(source, staging)
    source.departments(1)
    staging.aim(target_of(source))
    again = fetch_state(source, staging)
    assert 0 < again < parts / 2
    staging.complete(joiner.store, fetch_rest(source, staging))
    staging.close()
    joiner.close()
    put_in_place(joiner.folder)
    joiner.reopen()
    assert raw(joiner.store) == raw(source.store)
    source.close()
    joiner.close()


def test_parts_cut_otherwise_replace_those_of_before(tmp_path: Path) -> None:
    """A peer with other limits, and a state that shrank and grew meanwhile."""
    source, joiner = told(tmp_path / "s"), founded(tmp_path / "j")
    staging = Staging(joiner.folder, joiner.chain_id)
    for limit in (2_048, 1 << 20, 1_024, 512):
        source.departments(1)
        staging.aim(target_of(source))
        fetch_state(source, staging, limit)
    staging.complete(joiner.store, fetch_rest(source, staging))
    staging.close()
    joiner.close()
    put_in_place(joiner.folder)
    joiner.reopen()
    assert raw(joiner.store) == raw(source.store)
    source.close()
    joiner.close()


def test_a_disk_that_altered_an_entry_is_found_before_it_counts(source: Grown, joiner: Grown) -> None:
    staging = Staging(joiner.folder, joiner.chain_id)
    staging.aim(target_of(source))
    fetch_state(source, staging)
    first = fetch_rest(source, staging)
    staging.put_value(b"genesis", b"something else")
    with pytest.raises(StagingError):
        staging.complete(joiner.store, first)
    staging.restart()
    assert staging.target is None and staging.count_parts() == 0
    staging.close()
    assert whole_incoming(joiner.folder, joiner.chain_id) is None


def test_a_folder_that_cannot_be_read_is_begun_anew(source: Grown, joiner: Grown) -> None:
    staging = Staging(joiner.folder, joiner.chain_id)
    staging.aim(target_of(source))
    staging.close()
    (staging.path / "CURRENT").write_bytes(b"no such file\n")
    again = Staging(joiner.folder, joiner.chain_id)
    assert again.target is None
    again.close()


def test_receipts_and_batches_in_no_block_are_taken_over(source: Grown, joiner: Grown) -> None:
    joiner.store.put_receipt(b"r" * 16, 7, b"receipt")
    signed, ref = batch(99)
    block = source.store.block(1)
    assert block is not None
    ordered = source.store.get_batch(block.refs[0].digest)
    assert ordered is not None
    joiner.store.put_batches([signed, SignedBatch(ordered.body, ordered.signature, ())])
    staged(source, joiner).close()
    joiner.close()
    put_in_place(joiner.folder)
    joiner.reopen()
    assert joiner.store.receipt(b"r" * 16, 7) == b"receipt"
    assert list(joiner.store.unordered_batches()) == [ref.digest], "the other one is in a block"


def test_the_chain_that_is_taken_over_knows_how_many_local_rows_were_written(
    source: Grown, joiner: Grown
) -> None:
    for number in range(50):
        joiner.store.local_put(b"row/%d" % number, bytes(100))
    joiner.departments(1)
    staged(source, joiner).close()
    joiner.close()
    put_in_place(joiner.folder)
    (log,) = (joiner.folder / "local").glob("*.log")
    os.truncate(log, log.stat().st_size // 2)
    with pytest.raises(OperatorError, match="STO-10"):
        ChainStore(joiner.folder, joiner.chain_id)


class Crash(BaseException):
    pass


class CrashingDisk(RealFileSystem):
    """Raises before the operation of that number."""

    def __init__(self, at: int) -> None:
        self.left = at

    def _step(self) -> None:
        if self.left == 0:
            raise Crash
        self.left -= 1

    def rename(self, old: Path, new: Path) -> None:
        self._step()
        super().rename(old, new)

    def fsync_dir(self, folder: Path) -> None:
        self._step()
        super().fsync_dir(folder)


@pytest.mark.parametrize("at", range(4))
def test_a_crash_at_any_point_of_the_swap_leaves_one_whole_chain(
    source: Grown, joiner: Grown, at: int
) -> None:
    staged(source, joiner).close()
    joiner.close()
    with pytest.raises(Crash):
        put_in_place(joiner.folder, CrashingDisk(at))
    if whole_incoming(joiner.folder, joiner.chain_id) is not None:
        put_in_place(joiner.folder)
    clear_replaced(joiner.folder)
    assert joiner.reopen().tip == source.executor.tip
    assert not (joiner.folder / "chain.replaced").exists()


def test_damaged_chains_are_moved_aside_a_few_times_and_not_for_ever(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "chain").mkdir()
        aside = move_aside(tmp_path, f"at-{number}")
        assert aside is not None and aside.is_dir()
    (tmp_path / "chain").mkdir()
    assert move_aside(tmp_path, "at-3") is None and (tmp_path / "chain").is_dir()


def test_a_snapshots_body_is_what_the_block_held(source: Grown) -> None:
    block, body = source.store.block(3), source.store.body(3)
    assert block is not None and body == StoredBody(block.refs, block.results, block.events)


def test_a_frozen_chain_does_not_move_with_the_live_one(tmp_path: Path) -> None:
    source = told(tmp_path / "s")
    frozen, before, tip = source.store.freeze(), raw(source.store), source.executor.tip
    source.departments(2)
    assert dict(frozen.state_items(b"")) == before != raw(source.store)
    assert frozen.header(tip.height + 1) is None and frozen.header(tip.height) == tip
    frozen.close()
    source.close()
    shutil.rmtree(tmp_path / "s")
