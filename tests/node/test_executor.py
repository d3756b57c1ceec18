"""Execution of decided slots on the stores, and what a restart finds."""

import pytest

from chainnode.ledger import features
from chainnode.ledger.records import Event
from chainnode.ledger.view import department
from chainnode.node.executor import is_decision
from consensus.parameters import Parameters
from genesis.errors import OperatorError
from genesis.membership import FEATURE
from tests.ledger.changing import DELAY, proposal, signed
from tests.ledger.world import digest32, id16
from tests.node.failures import DISK_FULL
from tests.node.lone import Lone


def codes(lone: Lone, height: int) -> list[str]:
    block = lone.store.block(height)
    assert block is not None
    return [result.code for result in block.results]


def test_an_empty_store_gets_the_genesis_block_once():
    lone = Lone()
    assert lone.executor.tip.height == 0 and lone.executor.certified is None
    root = lone.executor.state.root
    assert lone.opened().tip == lone.store.header(0)
    assert lone.executor.state.root == root == lone.chain.state.root


def test_a_restart_finds_the_same_state_and_goes_on_with_the_same_blocks():
    one, other = Lone(), Lone()
    for lone in (one, other):
        lone.execute(lone.department("surgery"))
    one.opened()
    assert one.executor.state.root == other.executor.state.root
    assert department(one.executor.state, 0, "surgery") is not None
    assert one.execute(one.department("oncology")) == other.execute(other.department("oncology"))


def test_a_transaction_is_not_executed_twice_over_a_restart():
    lone = Lone()
    once = lone.department("surgery")
    lone.execute(once)
    lone.execute(once)
    lone.opened()
    root = lone.executor.state.root
    lone.execute(once)
    assert [codes(lone, height) for height in (1, 2, 3)] == [[""], ["replayed"], ["replayed"]]
    assert lone.executor.state.root == root


def test_ids_are_remembered_as_long_as_a_transaction_may_be_valid():
    lone = Lone(parameters=Parameters(validity_heights=10))
    once = lone.department("surgery", valid_for=10)
    lone.execute(once)
    for _ in range(9):
        lone.executor.execute(lone.decided())
    lone.opened()
    lone.execute(once)
    assert codes(lone, 11) == ["replayed"], "not before its last height has passed"
    lone.execute(once)
    assert codes(lone, 12) == ["expired-transaction"]


def test_a_restarted_node_gives_the_same_codes_to_what_is_included_again_and_again():
    """Whoever orders a transaction three times must not split off those that restarted in between."""
    outcomes = []
    for restarts in (False, True):
        lone = Lone(parameters=Parameters(validity_heights=10))
        once = lone.department("surgery", valid_for=10)
        lone.execute(once)
        for _ in range(9):
            lone.executor.execute(lone.decided())
        lone.execute(once)
        lone.executor.execute(lone.decided())
        if restarts:
            lone.opened()
        headers = [lone.execute(once) for _ in range(2)]
        outcomes.append(([codes(lone, height) for height in (11, 13, 14)], headers))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == [["replayed"], ["expired-transaction"], ["replayed"]]


def test_a_batch_that_is_ordered_again_executes_as_empty():
    lone = Lone()
    ref = lone.stored(lone.department("surgery"))
    lone.executor.execute(lone.decided(ref))
    header = lone.executor.execute(lone.decided(ref))
    assert codes(lone, 2) == ["replayed"] and header.state_root == lone.store.header(1).state_root


def test_watchers_are_told_once_of_each_block_while_the_state_is_that_of_its_height():
    lone = Lone()
    told: list[tuple[int, bytes]] = []
    lone.executor.watchers.append(
        lambda decided, header, outcome, state: told.append((header.height, state.root))
    )
    headers = [lone.execute(lone.department(name)) for name in ("surgery", "oncology")]
    assert told == [(header.height, header.state_root) for header in headers]


def test_certificates_move_what_counts_as_certified_and_survive_a_restart():
    lone = Lone()
    headers = [lone.execute(lone.department(name)) for name in ("surgery", "oncology", "urology")]
    assert lone.executor.certified_header.height == 0
    lone.executor.certify(lone.certificate(headers[1]))
    for _ in range(2):
        assert lone.executor.certified_header == headers[1]
        assert [height for height, _ in lone.executor.uncertified()] == [3]
        lone.opened()


def test_a_result_is_that_of_the_first_block_that_held_the_transaction():
    lone = Lone()
    once = lone.department("surgery")
    assert lone.executor.result(once.transaction.id()) is None
    lone.execute(once)
    lone.execute(once)
    result = lone.executor.result(once.transaction.id())
    assert result is not None and result.code == ""
    assert lone.executor.transaction(once.transaction.id()) == once.transaction
    assert lone.executor.transaction(digest32("none")) is None


def test_a_write_that_fails_leaves_the_stored_chain_as_it_was():
    lone = Lone()
    ref = lone.stored(lone.department("surgery"))

    def fail(*_: object, **__: object) -> None:
        raise DISK_FULL

    commit, lone.store.commit_block = lone.store.commit_block, fail  # type: ignore[method-assign]
    with pytest.raises(OperatorError):
        lone.executor.execute(lone.decided(ref))
    lone.store.commit_block = commit  # type: ignore[method-assign]
    assert lone.opened().tip.height == 0
    lone.executor.execute(lone.decided(ref))
    assert codes(lone, 1) == [""]


def test_decisions_are_told_from_other_events():
    event = Event(1, 0, "released", digest32("t"), (id16("r"),))
    assert is_decision(event) and not is_decision(Event(1, 0, "shared", digest32("t"), (id16("r"),)))


def test_decoded_batches_are_kept_in_a_bounded_number():
    lone = Lone()
    refs = [lone.stored(lone.department(f"d{number}")) for number in range(70)]
    for ref in refs:
        lone.executor.body(ref.digest)
    assert len(lone.executor._bodies) == 64
    assert lone.executor.body(refs[0].digest).transactions


def test_a_release_that_lacks_an_agreed_feature_stops_before_its_height_and_not_earlier(
    monkeypatch: pytest.MonkeyPatch,
):
    lone = Lone()
    payload = signed(lone.chain, proposal(lone.chain, FEATURE, 0, id="erasure-2", key=b""))
    lone.execute(lone.chain.submission(lone.chain.stewards[0], payload))
    assert codes(lone, 1) == [""]
    for _ in range(1 + DELAY - 2):
        lone.executor.execute(lone.decided())
    assert lone.executor.tip.height == DELAY
    root = lone.executor.state.root
    with pytest.raises(OperatorError) as stopped:
        lone.executor.execute(lone.decided())
    assert stopped.value.code.code == "NOD-10" and "erasure-2" in stopped.value.what
    assert lone.opened().tip.height == DELAY and lone.executor.state.root == root
    monkeypatch.setitem(features.KNOWN, "erasure-2", "what it changes")
    assert lone.executor.execute(lone.decided()).height == DELAY + 1
