"""A batch is taken whole or not at all: one bad transaction voids it."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs

from chainnode.ledger.admission import batch_rows_limit_bytes, check_batch
from chainnode.ledger.payloads import RequestRelease
from chainnode.ledger.rules import Refusal
from chainnode.ledger.transaction import (
    BatchBody,
    Row,
    SignedBatch,
    SignedTransaction,
    Submission,
    batch_ref,
    batch_signed_bytes,
)
from consensus.codec import encode
from consensus.parameters import Parameters
from tests.ledger.scene import Scene, row
from tests.ledger.world import Actor, Chain, id16, valid_point, verify

CHAIN = Chain()
ACTOR = Actor("somebody")


def release(name: str) -> Submission:
    return CHAIN.submission(ACTOR, RequestRelease(id16(name)))


def signed(body: bytes, rows: Sequence[Row] = (), origin: int = 1) -> SignedBatch:
    signature = CHAIN.validators[origin].sign(batch_signed_bytes(CHAIN.chain_id, body))
    return SignedBatch(body, signature, tuple(rows))


def batch(*submissions: Submission, rows: Sequence[Row] | None = None, **changes: Any) -> SignedBatch:
    body = BatchBody(1, 7, 50, tuple(one.transaction for one in submissions))
    named = [one for submission in submissions for one in submission.rows]
    return signed(encode(structs.replace(body, **changes)), named if rows is None else rows)


def rule(candidate: SignedBatch, parameters: Parameters = CHAIN.parameters) -> str:
    found = check_batch(
        candidate,
        origin_key=CHAIN.founding.replica_set().key,
        chain_id=CHAIN.chain_id,
        parameters=parameters,
        verify=verify,
        valid_point=valid_point,
    )
    if isinstance(found, Refusal):
        return found.rule
    ref, body = found
    assert encode(body) == candidate.body and ref == batch_ref(body, candidate.body)
    return ""


def with_rows() -> list[Submission]:
    scene = Scene(CHAIN)
    enrolments = [scene.enrolment(name) for name in ("ada", "bob")]
    ada, bob = (CHAIN.submission(ACTOR, payload, [link]) for payload, link in enrolments)
    return [ada, release("1"), bob]


def test_a_good_batch_gives_its_reference_and_body() -> None:
    assert rule(batch(release("1"), release("2"))) == ""


def test_rows_of_a_batch_stand_in_the_order_of_its_transactions() -> None:
    submissions = with_rows()
    first, second = submissions[0].rows[0], submissions[2].rows[0]
    assert rule(batch(*submissions)) == ""
    for rows in ([second, first], [first], [first, second, second], [], [first, row("x", b"")]):
        assert rule(batch(*submissions, rows=rows)) == "row-mismatch"


def test_of_a_batch_that_a_certified_block_names_all_but_its_origin_is_checked() -> None:
    def named(candidate: SignedBatch) -> object:
        return check_batch(
            candidate,
            origin_key=None,
            chain_id=CHAIN.chain_id,
            parameters=CHAIN.parameters,
            verify=verify,
            valid_point=valid_point,
        )

    good = batch(release("1"))
    assert not isinstance(named(structs.replace(good, signature=bytes(64))), Refusal)
    for spoiled in (structs.replace(good, signature=bytes(63)), batch(release("1"), rows=[row("x", b"")])):
        assert isinstance(named(spoiled), Refusal)


def test_an_origin_that_is_no_member_is_refused() -> None:
    assert rule(batch(release("1"), origin=4)) == "unknown-origin"


def test_a_batch_signed_by_another_than_its_origin_is_refused() -> None:
    body = batch(release("1")).body
    assert rule(signed(body, origin=2)) == "bad-signature"
    assert rule(SignedBatch(body, bytes(63))) == "malformed"


def test_one_bad_signature_voids_the_batch() -> None:
    good = release("1").transaction
    spoiled = SignedTransaction(good.body, good.signature[:-1] + bytes([good.signature[-1] ^ 1]))
    bad = Submission(spoiled)
    assert rule(batch(release("2"), bad)) == "bad-signature"


def test_one_payload_out_of_form_voids_the_batch() -> None:
    bad = CHAIN.submission(ACTOR, RequestRelease(b"short"))
    assert rule(batch(release("1"), bad)) == "malformed"


def test_a_batch_with_one_transaction_twice_is_refused() -> None:
    one = release("1")
    assert rule(batch(one, one)) == "duplicate"


@pytest.mark.parametrize("changes", [{"origin_sequence": -1}, {"expiry_height": 0}, {"transactions": ()}])
def test_a_batch_with_odd_fields_is_malformed(changes: dict[str, Any]) -> None:
    assert rule(batch(release("1"), **changes)) == "malformed"


def test_more_transactions_than_a_batch_holds_are_refused() -> None:
    few = structs.replace(CHAIN.parameters, batch_transactions=2)
    assert rule(batch(release("1"), release("2")), few) == ""
    assert rule(batch(release("1"), release("2"), release("3")), few) == "malformed"


def test_a_batch_beyond_its_bytes_is_refused() -> None:
    small = structs.replace(CHAIN.parameters, batch_bytes=4_096)
    assert rule(batch(*(release(str(n)) for n in range(40))), small) == "too-large"


def test_rows_beyond_their_bytes_are_refused() -> None:
    small = structs.replace(CHAIN.parameters, batch_bytes=4_096)
    rows = [row(str(n), bytes(16_000)) for n in range(9)]
    assert sum(len(one.data) for one in rows) > batch_rows_limit_bytes(small)
    assert rule(batch(release("1"), rows=rows), small) == "too-large"


def test_a_batch_that_is_not_canonical_is_refused() -> None:
    body = batch(release("1")).body
    assert body[1] == 1
    assert rule(signed(body[:1] + b"\xcc\x01" + body[2:])) == "non-canonical"
    assert rule(signed(body + b"\x00")) == "malformed"


def test_validity_windows_do_not_void_a_batch() -> None:
    """They depend on the height; execution looks at them, the same everywhere."""
    late = CHAIN.submission(ACTOR, RequestRelease(id16("late")), valid_for=50_000)
    assert rule(batch(late)) == ""
