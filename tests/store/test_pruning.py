"""Old blocks go; what the state rests on, and what replays need, stays."""

from pathlib import Path

import pytest

from chainnode.ledger.records import ReleaseRecord
from chainnode.ledger.sources import record_at, sources_of
from chainnode.node.certified import certificate_fault
from chainnode.store.pruning import Pruner, live_transactions
from chainnode.store.verify import verify_chain
from genesis.errors import OperatorError
from tests.ledger.world import verify
from tests.node.grown import Grown, told


@pytest.fixture
def grown(tmp_path: Path):
    made = told(tmp_path / "store")
    made.departments(60)
    yield made
    made.close()


def never() -> bool:
    return False


def look_over(grown: Grown, from_height: int = 0) -> None:
    header = grown.headers[0]
    verify_chain(
        grown.store,
        path=grown.folder / "chain",
        genesis_hash=header.hash(),
        certificate_holds=lambda one: (
            not certificate_fault(one, grown.chain_id, grown.executor.schedule, verify)
        ),
        from_height=from_height,
        max_uncertified=16,
    )


def test_blocks_below_are_gone_and_those_above_are_whole(grown: Grown) -> None:
    below = grown.height - 10
    assert Pruner(grown.store).prune(below, never) == below - 1
    assert (grown.store.first, grown.store.whole) == (below, below)
    for height in range(1, below):
        assert grown.store.block(height) is None and grown.store.certificate(height) is None
    for height in range(below, grown.height + 1):
        block = grown.store.block(height)
        assert block is not None and all(grown.store.has_batch(ref.digest) for ref in block.refs)
    assert grown.store.header(0) == grown.headers[0]
    look_over(grown)
    grown.reopen()
    assert (grown.store.first, grown.store.whole) == (below, below)
    look_over(grown)
    grown.departments(2)


def test_transactions_that_the_state_rests_on_stay_and_only_those(grown: Grown) -> None:
    live = live_transactions(grown.store, never)
    below = grown.height - 10
    Pruner(grown.store).prune(below, never)
    for id_, (transaction, height) in grown.transactions.items():
        found = grown.executor.transaction(id_)
        if id_ in live or height >= below:
            assert found == transaction
        else:
            assert found is None and grown.store.find_transaction(id_) is None
    assert any(height < below for id_, (_, height) in grown.transactions.items() if id_ in live)
    assert any(id_ not in live for id_ in grown.transactions)


def test_the_transactions_of_every_release_can_still_be_put_into_receipts(grown: Grown) -> None:
    Pruner(grown.store).prune(grown.height - 1, never)
    releases = [
        (name, record)
        for name, value in grown.store.state_items(b"srelease/")
        if isinstance(record := record_at(name[1:], value), ReleaseRecord)
    ]
    assert releases
    for _, record in releases:
        for source in sources_of(record):
            assert grown.executor.transaction(source.transaction_id) is not None


def test_what_the_state_no_longer_rests_on_goes_with_the_next_time(grown: Grown) -> None:
    Pruner(grown.store).prune(20, never)
    before = {name for name, _ in grown.store.database.items(b"x")}
    # A state that names fewer transactions: as if records had been deleted.
    victim = next(name for name, _ in grown.store.state_items(b"sdepartment/"))
    record = record_at(victim[1:], grown.store.state_get(victim) or b"")
    assert record is not None
    [gone] = [source.transaction_id for source in sources_of(record)]
    grown.store.database.write([(b"s" + victim, None)])
    Pruner(grown.store).prune(21, never)
    after = {name for name, _ in grown.store.database.items(b"x")}
    assert b"x" + gone in before - after


def test_a_prune_that_is_stopped_leaves_a_whole_chain(grown: Grown) -> None:
    calls = iter([False] * 8 + [True] * 100)
    with pytest.raises(InterruptedError):
        Pruner(grown.store).prune(grown.height - 10, lambda: next(calls))
    assert 1 < grown.store.first < grown.height - 10
    look_over(grown)
    grown.reopen()
    look_over(grown)
    Pruner(grown.store).prune(grown.height - 10, never)
    look_over(grown)


def test_replays_are_still_known(grown: Grown) -> None:
    below = grown.height - 10
    Pruner(grown.store).prune(below, never)
    recent = [height for height, _ in grown.store.recent_results(below)]
    assert recent and min(recent) == below


def test_a_gap_in_what_is_kept_is_damage(grown: Grown) -> None:
    Pruner(grown.store).prune(grown.height - 10, never)
    grown.store.database.write([(b"h" + (grown.height - 5).to_bytes(8, "big"), None)])
    with pytest.raises(OperatorError, match="STO-02"):
        look_over(grown)
