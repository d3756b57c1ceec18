"""Waiting for certificates, and the latencies that come out of it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from chainnode.ledger.machine import Execution
from chainnode.ledger.records import Result
from chainnode.node import verifier as verifier_module
from chainnode.node.executor import Recent
from chainnode.node.latency import KEPT, Latencies, percentile
from chainnode.node.verifier import Verifier
from chainnode.node.waiters import Waiters
from chainnode.vault.keys import SigningKey
from tests.ledger.world import Chain, digest32


def executed(waiters: Waiters, chain: Chain, *results: Result) -> int:
    header = chain.commit().header
    waiters.executed(header, Execution(results, (), {}, b"", b"", b""))
    return header.height


async def test_a_transaction_is_answered_by_the_certificate_and_not_by_execution() -> None:
    chain, waiters, id_ = Chain(), Waiters(0), digest32("t")
    waiting = asyncio.create_task(waiters.transaction(id_, 5_000))
    await asyncio.sleep(0)
    height = executed(waiters, chain, Result(id_, ""))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiters.certified(height)
    found = await waiting
    assert found is not None and (found.height, found.code) == (height, "ok")


async def test_a_later_certificate_answers_for_the_blocks_below_it() -> None:
    chain, waiters, id_ = Chain(), Waiters(0), digest32("t")
    waiting = asyncio.create_task(waiters.transaction(id_, 5_000))
    await asyncio.sleep(0)
    executed(waiters, chain, Result(id_, "revoked"))
    waiters.certified(executed(waiters, chain))
    found = await waiting
    assert found is not None and found.code == "revoked"


async def test_a_certificate_answers_nothing_above_it() -> None:
    chain, waiters, id_ = Chain(), Waiters(0), digest32("t")
    waiting = asyncio.create_task(waiters.transaction(id_, 5_000))
    await asyncio.sleep(0)
    below = executed(waiters, chain)
    above = executed(waiters, chain, Result(id_, ""))
    waiters.certified(below)
    await asyncio.sleep(0)
    assert not waiting.done()
    waiters.certified(above)
    assert await waiting is not None


async def test_a_refused_release_carries_its_outcome_and_rule() -> None:
    chain, waiters, id_ = Chain(), Waiters(0), digest32("t")
    waiting = asyncio.create_task(waiters.transaction(id_, 5_000))
    await asyncio.sleep(0)
    waiters.certified(executed(waiters, chain, Result(id_, "", "REFUSED", "patient-not-signed")))
    found = await waiting
    assert found is not None and found.outcome == "REFUSED"


async def test_who_waits_too_long_gets_nothing_and_leaves_nothing_behind() -> None:
    waiters = Waiters(0)
    assert await waiters.transaction(digest32("t"), 1) is None
    assert not waiters._transactions


async def test_heights_are_waited_for_until_they_are_certified() -> None:
    waiters = Waiters(4)
    assert await waiters.height(4, 0)
    assert not await waiters.height(5, 1)
    waiting = asyncio.create_task(waiters.height(6, None))
    await asyncio.sleep(0)
    waiters.certified(5)
    await asyncio.sleep(0)
    assert not waiting.done()
    waiters.certified(6)
    assert await waiting


def test_percentiles_are_nearest_ranks() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (50, 95, 99)] == [50.0, 95.0, 99.0]
    assert percentile([7.0], 99) == 7.0
    assert percentile([], 50) == 0.0


def test_latencies_keep_a_bounded_number() -> None:
    latencies = Latencies()
    for _ in range(KEPT):
        latencies.add(1_000.0)
    for _ in range(KEPT):
        latencies.add(1.0)
    assert latencies.summary() == (1.0, 1.0, 1.0)


def test_recent_ids_are_forgotten_after_as_many_heights_as_a_transaction_is_valid() -> None:
    recent, id_ = Recent(10), digest32("t")
    recent.add(5, id_)
    recent.forget_below(15)
    assert id_ in recent
    recent.forget_below(16)
    assert id_ not in recent


def test_the_verifier_remembers_good_signatures_alone() -> None:
    key, verifier = SigningKey(bytes(32)), Verifier()
    signature = key.sign(b"said")
    assert verifier(key.public, b"said", signature) and verifier(key.public, b"said", signature)
    assert not verifier(key.public, b"other", signature)
    assert not verifier(key.public, b"said", bytes(64))
    assert not verifier(key.public, b"other", signature), "a bad one is not remembered as good"


def test_the_verifier_is_asked_from_several_threads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier_module, "REMEMBERED", 4)
    key, verifier = SigningKey(bytes(32)), Verifier()
    signed = [(b"said %d" % number, key.sign(b"said %d" % number)) for number in range(8)]

    def ask(turn: int) -> bool:
        return all(verifier(key.public, *signed[(turn * 3 + step) % 8]) for step in range(200))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(16)))
    assert len(verifier._good) == 4
