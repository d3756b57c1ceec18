"""Execution of blocks: once each, whole or not at all, the same everywhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from chainnode.ledger.admission import check_state
from chainnode.ledger.header import block_time_ms, events_root, next_header, results_root
from chainnode.ledger.machine import execute
from chainnode.ledger.payloads import AddDepartment, Barrier, RequestRelease
from chainnode.ledger.state import State
from chainnode.ledger.transaction import SignedTransaction, Submission, TransactionBody
from consensus.codec import decode, encode
from consensus.ready import Decided
from tests.ledger.scene import Scene
from tests.ledger.story import roots, tell
from tests.ledger.world import Actor, Chain, id16

ROOT = Path(__file__).resolve().parents[2]


def department(chain: Chain, name: str, **changes: int) -> Submission:
    payload = AddDepartment(0, name, Actor("head of " + name).public)
    return chain.submission(chain.stewards[0], payload, **changes)


def test_a_transaction_is_executed_once() -> None:
    chain = Chain()
    one = department(chain, "surgery")
    assert chain.commit(one, one).codes() == ["", "replayed"]
    root = chain.state.root
    assert chain.commit(one).codes() == ["replayed"]
    assert chain.state.root == root


def test_what_failed_is_not_tried_again() -> None:
    chain = Chain()
    stranger = chain.submission(Actor("stranger"), RequestRelease(id16("r")))
    assert chain.commit(stranger).codes() == ["unknown-request"]
    assert chain.commit(stranger).codes() == ["replayed"]


def test_validity_is_looked_at_by_height() -> None:
    chain = Chain()
    short, long = department(chain, "a", valid_for=2), department(chain, "b", valid_for=2)
    chain.commit()
    assert chain.commit(short).codes() == [""]
    assert chain.commit(long).codes() == ["expired-transaction"]
    far = department(chain, "c", valid_for=chain.parameters.validity_heights + 1)
    further = department(chain, "d", valid_for=chain.parameters.validity_heights + 2)
    assert chain.commit(far, further).codes() == ["", "validity-too-long"]


def test_a_transaction_that_fails_changes_nothing() -> None:
    chain = Chain()
    taken = chain.submission(chain.stewards[0], AddDepartment(0, "surgery", chain.validators[1].public))
    before = dict(chain.backend)
    block = chain.commit(taken)
    assert block.codes() == ["key-in-use"] and block.kinds() == []
    assert block.execution.puts == {} and chain.backend == before
    assert block.header.state_root == chain.headers[-2].state_root


def test_a_barrier_makes_a_block_that_changes_nothing() -> None:
    chain = Chain()
    block = chain.commit(chain.submission(chain.validators[2], Barrier(2)))
    assert block.codes() == [""] and block.kinds() == [] and block.execution.puts == {}
    assert block.header.state_root == chain.headers[-2].state_root


def test_results_stand_in_the_order_of_the_transactions_and_events_are_numbered() -> None:
    chain = Chain()
    good = [department(chain, f"d{n}") for n in range(3)]
    bad = chain.submission(Actor("stranger"), RequestRelease(id16("r")))
    block = chain.commit(good[0], bad, good[1], good[2])
    ids = [one.transaction.id() for one in (good[0], bad, good[1], good[2])]
    assert [one.transaction_id for one in block.execution.results] == ids
    assert block.codes() == ["", "unknown-request", "", ""]
    assert [event.index for event in block.execution.events] == [0, 1, 2]
    assert {event.height for event in block.execution.events} == {chain.height}


def test_later_transactions_of_a_block_see_the_earlier_ones() -> None:
    chain = Chain()
    same = [department(chain, "surgery"), department(chain, "surgery")]
    assert chain.commit(*same).codes() == ["", "duplicate-id"]


def test_bytes_that_are_no_transaction_get_their_rule_and_do_no_harm() -> None:
    chain = Chain()
    good = department(chain, "surgery")
    garbage = Submission(SignedTransaction(b"\xc1", bytes(64)))
    spelled = good.transaction.body
    longer = Submission(SignedTransaction(spelled[:1] + b"\xcc\x01" + spelled[2:], bytes(64)))
    assert chain.commit(garbage, longer, good).codes() == ["malformed", "non-canonical", ""]


def test_an_empty_block_changes_time_alone() -> None:
    chain = Chain()
    block = chain.commit(time_ms=0)
    assert block.header.time_ms == chain.headers[-2].time_ms + 1
    assert block.header.state_root == chain.headers[-2].state_root
    assert block.execution.puts == {}


def test_the_header_binds_results_events_and_state() -> None:
    chain = Chain()
    block = chain.commit(department(chain, "surgery"))
    execution, header = block.execution, block.header
    assert header.results_root == results_root(execution.results) == execution.results_root
    assert header.events_root == events_root(execution.events) == execution.events_root
    assert header.state_root == execution.state_root == chain.state.root
    assert header.parent == chain.headers[-2].hash()
    assert header.validators == header.next_validators == chain.founding.replica_set().digest()


def test_time_is_the_later_of_the_proposed_one_and_the_parents_plus_one() -> None:
    parent = Chain().headers[0]
    assert block_time_ms(parent, parent.time_ms + 50) == parent.time_ms + 50
    for proposed in (parent.time_ms, parent.time_ms - 50, 0):
        assert block_time_ms(parent, proposed) == parent.time_ms + 1


@pytest.mark.parametrize("changes", [{"sequence": 2}, {"epoch": 1}])
def test_a_slot_out_of_order_is_a_fault_of_ours(changes: dict[str, int]) -> None:
    chain = Chain()
    voters = chain.founding.replica_set()
    decided = Decided(**({"sequence": 1, "epoch": 0, "view": 0, "time_ms": 0, "refs": ()} | changes))
    with pytest.raises(AssertionError):
        next_header(
            chain.headers[0], decided, results=(), events=(), state_root=chain.state.root,
            validators=voters, next_validators=voters,
        )  # fmt: skip


def test_two_tellings_of_a_story_give_the_same_headers() -> None:
    assert roots() == roots()


def test_the_hash_seed_of_the_process_changes_nothing() -> None:
    told = roots()
    for seed in ("0", "4711"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.ledger.story"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == told


def test_the_story_meets_successes_and_failures() -> None:
    scene = tell()
    assert scene.chain.height > 20


def test_blocks_executed_again_on_another_node_give_the_same_state() -> None:
    """Catch-up: the same transactions in the same blocks, from an empty backend."""
    told, fresh = tell().chain, Chain()
    by_height: dict[int, list[SignedTransaction]] = {}
    for transaction, height in told.transactions.values():
        by_height.setdefault(height, []).append(transaction)
    fresh.rows = told.rows
    for header in told.headers[1:]:
        submissions = [Submission(one) for one in by_height.get(header.height, [])]
        fresh.commit(*submissions, time_ms=header.time_ms)
        assert fresh.headers[-1].state_root == header.state_root
    assert fresh.backend == told.backend


def test_a_state_opened_again_goes_on_where_it_stood() -> None:
    chain = tell().chain
    again = State(chain.backend.get)
    assert again.root == chain.state.root
    submission = department(chain, "surgery")
    context = chain.context()
    outcome = execute(context, [[submission.transaction]], chain.rows.get, again, chain.included)
    assert chain.commit(submission).execution == outcome


def test_asking_whether_it_would_be_executed_agrees_with_execution() -> None:
    scene = Scene()
    chain = scene.chain
    one = department(chain, "surgery")
    body = decode(one.transaction.body, TransactionBody, limit_bytes=1 << 20)
    assert check_state(body, chain.state, chain.context(), included=chain.included) is None
    assert chain.commit(one).codes() == [""]
    refusal = check_state(body, chain.state, chain.context(), included=chain.included)
    assert refusal is not None and refusal.rule == "replayed"
    refusal = check_state(body, chain.state, chain.context())
    assert refusal is not None and refusal.rule == "duplicate-id"
    late = structs.replace(body, valid_until_height=chain.height)
    refusal = check_state(late, chain.state, chain.context())
    assert refusal is not None and refusal.rule == "expired-transaction"
    assert encode(late) != one.transaction.body
