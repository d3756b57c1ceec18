"""Actions with a client that answers as the tests want: outcomes, batches, waiting."""

import pytest

from chainnode.cli.actions.base import build, require_committed
from chainnode.cli.actions.intake import IntakePlan, add_records
from chainnode.cli.actions.releases import Delivery, wait_for_delivery
from chainnode.cli.errors import TransactionRefused
from chainnode.intake.synthetic import synthetic_bundle
from chainnode.ledger import keys
from chainnode.ledger.payloads import DATA_CLASSES, ClassKey, ObjectPointer, RequestRelease, UsePolicy
from chainnode.ledger.records import EnrolmentRecord, Source, StudyRecord
from chainnode.ledger.transaction import Submission, TransactionBody
from chainnode.node.api import (
    ChainInfo,
    Entry,
    Outcome,
    ReadResult,
    Refused,
    Stamp,
    SubmitResult,
)
from chainnode.node.quorum import Voter, lost_quorum
from chainnode.pool.errors import DISK_FULL
from chainnode.pool.locators import open_locators
from chainnode.vault.keys import KemKey, SigningKey
from chainnode.vault.wallet import Wallet
from consensus.codec import decode, encode
from genesis.errors import EXIT_IN_USE, EXIT_TIMEOUT, OperatorError

CHAIN = b"c" * 32
STUDY = KemKey.generate()
WALLET = Wallet.generate()
PLAN = IntakePlan("cardio", "registry", UsePolicy("HMB"), "safe-harbor")


def info(**changes):
    fields = {"height": 7, "time_ms": 1, "validity_heights": 1_000, "genesis": b""} | changes
    return ChainInfo(CHAIN, "net", 0, ((0, "hospital-a", "A"),), **fields)


class Hospital:
    """Takes objects and anchors; every patient is the same enrolled one."""

    def __init__(self):
        self.objects, self.orders, self.marks = {}, [], set()
        points = [ClassKey(name, 0, WALLET.class_key(CHAIN, 0, name, 0).point) for name in DATA_CLASSES]
        at = Source(b"t" * 32, 1)
        enrolment = EnrolmentRecord(0, b"k" * 32, tuple(points), b"r" * 32, "insurer", at, at, at)
        self.records = {
            keys.study(0, "cardio", "registry"): StudyRecord(STUDY.public, at),
            keys.patient(b"h" * 16): enrolment,
        }
        self.answer = SubmitResult(b"a" * 32, Outcome.COMMITTED, 9, "ok")

    async def info(self):
        return info()

    async def intake_key(self, department):
        return b"i" * 32

    async def read(self, key, *, min_height=0, limit=1):
        value = self.records.get(key)
        found = () if value is None else (Entry(key, encode(value)),)
        return ReadResult(found, Stamp(7, b"", 0, b""))

    async def seen(self, macs):
        return tuple(mac in self.marks for mac in macs)

    async def resolve_subject(self, macs):
        return b"h" * 16

    async def put_object(self, upload):
        self.objects[upload.object_id] = upload

    async def anchor(self, order):
        self.orders.append(order)
        return self.answer


def bundles(count):
    return [lambda number=number: synthetic_bundle(5, number) for number in range(count)]


def test_a_transaction_is_valid_for_500_heights_or_what_the_chain_allows():
    key = SigningKey.generate()
    for allowed, until in ((1_000, 507), (20, 27)):
        data = build(RequestRelease(b"r" * 16), key, info(validity_heights=allowed))
        body = decode(data, Submission, limit_bytes=10_000).transaction.body
        decoded = decode(body, TransactionBody, limit_bytes=10_000)
        assert (decoded.valid_until_height, decoded.chain_id, decoded.signer) == (until, CHAIN, key.public)


@pytest.mark.parametrize(
    ("outcome", "code", "expected"),
    [(Outcome.BUSY, "", EXIT_IN_USE), (Outcome.PENDING, "", EXIT_TIMEOUT)],
)
def test_busy_and_pending_are_not_taken_for_done(outcome, code, expected):
    with pytest.raises(OperatorError) as caught:
        require_committed(SubmitResult(b"t" * 32, outcome, code=code))
    assert caught.value.code.exit_code == expected
    if outcome is Outcome.PENDING:
        assert caught.value.what.endswith("is not certified yet")
        assert caught.value.next_step == f"chainnode show {'74' * 32}"


def test_a_timeout_says_that_the_quorum_is_lost():
    away = [Voter("c", False, True), Voter("d", False, True)]
    lost = lost_quorum([Voter("a", True, True, own=True), Voter("b", True, True), *away], 3)
    with pytest.raises(OperatorError, match=r"CLI-03.*is not certified yet: quorum lost: 2 of 4 members"):
        require_committed(SubmitResult(b"t" * 32, Outcome.PENDING, detail=lost))


@pytest.mark.parametrize("outcome", [Outcome.COMMITTED, Outcome.TURNED_AWAY])
def test_a_refusal_says_whose_word_it_is(outcome):
    with pytest.raises(TransactionRefused) as caught:
        require_committed(SubmitResult(b"t" * 32, outcome, 8, "unknown-signer", "", b"signed"))
    assert caught.value.rule == "unknown-signer" and caught.value.detail
    assert ("height 8" in caught.value.unchanged) == (outcome is Outcome.COMMITTED)
    assert caught.value.result.statement == b"signed"


async def test_intake_anchors_in_batches_that_fit_a_transaction(monkeypatch):
    monkeypatch.setattr("chainnode.cli.actions.intake.MAX_POINTERS", 10)
    node, seen = Hospital(), []
    outcome = await add_records(node, PLAN, bundles(4), progress=seen.append)
    assert seen == [1, 2, 3, 4]
    sizes = [len(order.pointers) for order in node.orders]
    assert all(size == 10 for size in sizes[:-1]) and 0 < sizes[-1] <= 10
    assert outcome.objects == sum(sizes) == len(node.objects)
    for order, anchored in zip(node.orders, outcome.anchored, strict=True):
        pointers = [decode(one, ObjectPointer, limit_bytes=4_096) for one in order.pointers]
        assert tuple(pointer.object_id for pointer in pointers) == anchored.objects
        assert order.report_digest == anchored.report_digest
        entries = [(pointer.object_id, pointer.locator) for pointer in pointers]
        opened = open_locators(
            entries, order.sealed_key, chain_id=CHAIN, member=0, study="registry", study_key=STUDY
        )
        assert set(opened) == {encode(("pool", "fhir-r4-ndjson", "safe-harbor"))}
        assert len(order.seen) == len(pointers)


async def test_intake_keeps_below_the_byte_limit(monkeypatch):
    monkeypatch.setattr("chainnode.cli.actions.intake.MAX_ANCHOR_BYTES", 3_000)
    node = Hospital()
    await add_records(node, PLAN, bundles(2))
    assert len(node.orders) > 1
    assert all(sum(map(len, order.pointers)) + len(order.sealed_key) <= 3_000 for order in node.orders)


async def test_the_same_bundle_twice_in_one_run_goes_in_once():
    node = Hospital()
    same = bundles(1) * 2
    outcome = await add_records(node, PLAN, same)
    assert outcome.objects == len(node.objects) == len(outcome.skipped)
    assert {one.reason for one in outcome.skipped} == {"taken-in-before"}


async def test_a_dry_run_stores_and_anchors_nothing():
    node = Hospital()
    dry = IntakePlan("cardio", "registry", UsePolicy("HMB"), "safe-harbor", dry_run=True)
    outcome = await add_records(node, dry, bundles(2))
    assert (node.objects, node.orders) == ({}, [])
    assert outcome.report is not None and outcome.report.subjects == 2


async def test_no_plain_text_reaches_the_node():
    node = Hospital()
    await add_records(node, PLAN, bundles(1))
    handed_over = b"".join(upload.ciphertext for upload in node.objects.values())
    assert b"resourceType" in synthetic_bundle(5, 0)
    assert b"resourceType" not in handed_over


async def test_a_refused_anchor_ends_the_run_and_keeps_what_was_anchored(monkeypatch):
    monkeypatch.setattr("chainnode.cli.actions.intake.MAX_POINTERS", 5)
    node = Hospital()
    node.answer = SubmitResult(b"a" * 32, Outcome.COMMITTED, 9, "unknown-study")
    with pytest.raises(TransactionRefused, match="unknown-study"):
        await add_records(node, PLAN, bundles(2))
    assert len(node.orders) == 1


async def test_a_full_disk_ends_the_run_and_what_was_stored_is_anchored():
    node = Hospital()
    put = node.put_object

    async def full(upload):
        if len(node.objects) == 3:
            raise OperatorError(DISK_FULL, "disk full", unchanged="all", next_step="df")
        await put(upload)

    node.put_object = full
    with pytest.raises(OperatorError, match="POL-01"):
        await add_records(node, PLAN, bundles(2))
    assert [len(order.pointers) for order in node.orders] == [3]
    node.marks = set(node.orders[0].seen)
    node.put_object = put
    outcome = await add_records(node, PLAN, bundles(2))
    assert len(outcome.skipped) == 3
    assert len(node.objects) == 3 + outcome.objects


async def test_identifiers_of_two_enrolments_are_skipped_by_that_reason(monkeypatch):
    node = Hospital()

    async def ambiguous(macs):
        raise Refused("subject-ambiguous", "two enrolments")

    node.resolve_subject = ambiguous
    outcome = await add_records(node, PLAN, bundles(1))
    assert {one.reason for one in outcome.skipped} == {"subject-ambiguous"}


async def test_waiting_for_a_delivery_ends_when_all_has_come_or_the_time_is_over(monkeypatch):
    monkeypatch.setattr("chainnode.cli.actions.releases.POLL_MS", 1)

    class Requester:
        def __init__(self, arrivals):
            self.arrivals = iter(arrivals)

        async def delivery(self, request_id):
            parts, objects = next(self.arrivals)
            return {"authorised": 2, "parts": parts, "objects": objects}

    noted = []
    complete = Requester([(0, 0), (2, 1), (2, 2)])
    assert (await wait_for_delivery(complete, b"r", wait_ms=100, progress=noted.append)).complete
    assert noted == [Delivery(2, 0, 0), Delivery(2, 2, 1), Delivery(2, 2, 2)]
    slow = Requester([(1, 1)] * 5)
    assert await wait_for_delivery(slow, b"r", wait_ms=5) == Delivery(2, 1, 1)
