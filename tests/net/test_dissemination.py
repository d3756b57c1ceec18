"""Batches from submission to execution, without any network: inputs, a clock, actions."""

from chainnode.ledger.transaction import (
    BatchBody,
    Row,
    SignedBatch,
    SignedTransaction,
    Submission,
    batch_ref,
)
from chainnode.net.actions import Actions, Offer, Request, Serve, merge
from chainnode.net.dissemination import PEER_CAP_FACTOR, REOFFER_MS, Dissemination
from chainnode.net.fetching import ANSWER_MS, MAX_ASKED_OFFERED
from chainnode.net.wire import MAX_OFFERED_DIGESTS, Batch, decode_frame, encode_frame
from consensus.codec import decode, encode
from consensus.parameters import Parameters
from consensus.ready import Fetch
from consensus.types import BatchRef, Now

CHAIN = b"c" * 32
PARAMETERS = Parameters(batch_transactions=10, batch_delay_ms=5, unordered_bytes=1_048_576)


def at(ms: int) -> Now:
    return Now(ms, 1_700_000_000_000 + ms)


def submission(name: str, size: int = 100, rows: int = 0) -> Submission:
    body = name.encode().ljust(size, b".")
    return Submission(
        SignedTransaction(body, bytes(64)), tuple(Row(bytes(32), bytes([row]) * 100) for row in range(rows))
    )


def node(member: int = 0, parameters: Parameters = PARAMETERS, height: int = 0) -> Dissemination:
    made = Dissemination(
        member=member,
        chain_id=CHAIN,
        parameters=parameters,
        sign=lambda signed: bytes(64),
        first_sequence=1,
        height=height,
    )
    return made


def linked(made: Dissemination, *peers: int) -> Dissemination:
    for peer in peers:
        made.link_up(peer, at(0))
    return made


def submit(made: Dissemination, name: str, *, client: str = "a", ms: int = 0, size: int = 100) -> Actions:
    return made.submit(submission(name, size), client=client, valid_until_height=500, now=at(ms))


def names(batch: SignedBatch) -> list[str]:
    body = decode(batch.body, BatchBody, limit_bytes=1_000_000)
    return [transaction.body.rstrip(b".").decode() for transaction in body.transactions]


def foreign(
    origin: int = 1, sequence: int = 1, *, expiry: int = 100, size: int = 100
) -> tuple[SignedBatch, BatchRef]:
    transactions = (submission(f"{origin}/{sequence}", size).transaction,)
    value = BatchBody(origin, sequence, expiry, transactions)
    body = encode(value)
    return SignedBatch(body, bytes(64)), batch_ref(value, body)


def test_an_idle_node_sends_a_submission_at_once() -> None:
    made = linked(node(), 1, 2, 3)
    assert submit(made, "one", ms=10).wake_at_ms == 10
    actions = made.tick(at(10))
    assert [names(push.batch) for push in actions.push] == [["one"]]
    assert actions.push[0].to == (1, 2, 3)
    assert [held.batch for held in actions.hold] == [actions.push[0].batch]


def test_a_turns_submissions_share_a_batch() -> None:
    made = linked(node(), 1)
    for name in ("one", "two", "three"):
        submit(made, name)
    assert names(made.tick(at(0)).push[0].batch) == ["one", "two", "three"]


def test_a_busy_node_waits_longer_the_more_of_its_batches_are_under_way() -> None:
    made = linked(node(), 1)
    for count in range(1, 12):
        submit(made, f"first {count}", ms=count * 1_000)
        wake = made.tick(at(count * 1_000)).wake_at_ms
        if count == 1:
            continue
        assert wake == count * 1_000 + 5 * min(count - 1, 8)
        assert made.tick(at(wake - 1)).push == ()
        assert len(made.tick(at(wake)).push) == 1


def test_a_full_batch_leaves_without_delay() -> None:
    made = linked(node(), 1)
    submit(made, "opens")
    made.tick(at(0))
    for number in range(25):
        submit(made, str(number), ms=1)
    assert [len(names(push.batch)) for push in made.tick(at(1)).push] == [10, 10]
    assert made.tick(at(15)).push == ()
    assert [len(names(push.batch)) for push in made.tick(at(16)).push] == [5]


def test_a_batch_is_full_by_bytes_too_and_always_fits_its_frame() -> None:
    parameters = Parameters(batch_bytes=65_536, frame_bytes=65_536)
    made = linked(node(parameters=parameters), 1)
    for number in range(20):
        made.submit(submission(str(number), 9_000, rows=8), client="a", valid_until_height=9, now=at(0))
    pushed = made.tick(at(0)).push
    assert sum(len(names(push.batch)) for push in pushed) > 10
    for push in pushed:
        data = encode_frame(Batch(encode(push.batch)))
        assert decode_frame(data, limit_bytes=parameters.frame_bytes)
        assert len(push.batch.body) <= parameters.batch_bytes
        assert len(push.batch.rows) == 8 * len(names(push.batch))


def test_a_transaction_that_fits_no_batch_is_refused() -> None:
    made = node(parameters=Parameters(batch_bytes=8_192))
    assert [refused.rule for refused in submit(made, "large", size=8_192).refused] == ["too-large"]
    assert made.tick(at(0)).hold == ()


def test_a_transaction_under_way_is_not_taken_twice() -> None:
    made = linked(node(), 1)
    submit(made, "one")
    assert submit(made, "one").refused == ()
    assert names(made.tick(at(0)).push[0].batch) == ["one"]
    submit(made, "one")
    assert made.tick(at(100)).push == ()


def test_an_executed_batch_frees_its_transactions_and_bytes() -> None:
    made = linked(node(), 1)
    submit(made, "one")
    ref = made.tick(at(0)).hold[0].ref
    assert made.unordered().keys() == {0}
    made.block_executed(1, [ref], at(1))
    assert made.unordered() == {}
    submit(made, "one", ms=2)
    assert len(made.tick(at(2)).push) == 1


def test_clients_take_turns_in_a_batch() -> None:
    made = linked(node(), 1)
    for number in range(100):
        submit(made, f"greedy {number}", client="greedy")
    submit(made, "modest 0", client="modest")
    submit(made, "modest 1", client="modest")
    first = names(made.tick(at(0)).push[0].batch)
    assert first[:4] == ["greedy 0", "modest 0", "greedy 1", "modest 1"]


def test_one_client_cannot_take_the_room_of_all() -> None:
    made = node()
    taken = 0
    while not submit(made, f"greedy {taken}", client="greedy", size=10_000).refused:
        taken += 1
    assert 0.4 < taken * 10_000 / PARAMETERS.unordered_bytes < 0.5
    assert submit(made, "greedy again", client="greedy", size=10_000).refused[0].rule == "busy"
    assert submit(made, "modest", client="modest", size=10_000).refused == ()


def test_unordered_bytes_bound_what_all_clients_have_under_way() -> None:
    made = linked(node(), 1)
    for number in range(5_000):
        submit(made, str(number), client=str(number), size=2_000)
        made.tick(at(number))
    assert made.unordered()[0] <= PARAMETERS.unordered_bytes


def test_an_own_batch_that_expires_goes_into_a_new_one_while_it_is_valid() -> None:
    made = linked(node(), 1)
    made.submit(submission("long"), client="a", valid_until_height=900, now=at(0))
    made.submit(submission("short"), client="a", valid_until_height=100, now=at(0))
    ref = made.tick(at(0)).hold[0].ref
    assert ref.expiry_height == 250
    assert made.block_executed(249, [], at(1)).forget == ()
    actions = made.block_executed(250, [], at(2))
    assert actions.forget == (ref.digest,)
    assert actions.expired == (submission("short").transaction.id(),)
    assert names(made.tick(at(2)).push[0].batch) == ["long"]


def test_transactions_that_expire_with_their_batch_leave_nothing_to_be_sent() -> None:
    made = node()
    made.submit(submission("x"), client="a", valid_until_height=250, now=at(0))
    [hold] = made.tick(at(0)).hold
    assert hold.ref.expiry_height == 250
    actions = made.block_executed(250, (), at(1))
    assert actions.expired == (submission("x").transaction.id(),)
    assert made.tick(at(1_000)).hold == ()


def test_a_peers_batch_is_held_once() -> None:
    made = node()
    batch, ref = foreign()
    assert [held.ref for held in made.batch_from_peer(1, batch, ref, at(0)).hold] == [ref]
    assert made.batch_from_peer(2, batch, ref, at(1)).hold == ()
    made.block_executed(1, [ref], at(2))
    assert made.batch_from_peer(3, batch, ref, at(3)).hold == ()


def test_a_peers_batch_outside_its_heights_is_dropped() -> None:
    made = node(height=50)
    for expiry, rule in ((50, "expired"), (50 + PARAMETERS.validity_heights + 1, "expiry-too-far")):
        batch, ref = foreign(expiry=expiry)
        actions = made.batch_from_peer(1, batch, ref, at(0))
        assert actions.hold == () and [dropped.rule for dropped in actions.dropped] == [rule]


def test_unordered_bytes_are_capped_for_each_origin_but_not_for_what_a_proposal_names() -> None:
    made = linked(node(), 1)
    sequence = 0
    while True:
        sequence += 1
        batch, ref = foreign(1, sequence, size=50_000)
        actions = made.batch_from_peer(1, batch, ref, at(0))
        if actions.dropped:
            break
    assert actions.dropped[0].rule == "unordered-bytes"
    assert made.unordered()[1] <= PEER_CAP_FACTOR * PARAMETERS.unordered_bytes
    other, other_ref = foreign(2, 1, size=50_000)
    assert made.batch_from_peer(1, other, other_ref, at(0)).hold
    made.fetch(Fetch(ref, (1,)), at(0))
    assert made.batch_from_peer(1, batch, ref, at(0)).hold


def test_small_batches_are_charged_for_keeping_track_of_them() -> None:
    made = node()
    held = 0
    while made.batch_from_peer(1, *foreign(1, held), at(0)).hold:
        held += 1
    assert held <= PEER_CAP_FACTOR * PARAMETERS.unordered_bytes // 1_024


def test_a_missing_batch_is_asked_for_from_one_source_after_the_other() -> None:
    made = linked(node(), 1, 2, 3)
    batch, ref = foreign()
    wanted = Fetch(ref, (1, 0, 2, 3))
    assert made.fetch(wanted, at(0)).request == (Request(1, ref.digest),)
    assert made.fetch(wanted, at(1)).request == ()
    assert made.tick(at(ANSWER_MS - 1)).request == ()
    assert made.tick(at(ANSWER_MS)).request == (Request(2, ref.digest),)
    assert made.missing_from_peer(2, ref.digest, at(1_001)).request == (Request(3, ref.digest),)
    assert made.batch_from_peer(3, batch, ref, at(1_002)).hold
    assert made.tick(at(60_000)).request == ()


def test_a_fetch_goes_on_in_rounds_until_the_batch_is_here() -> None:
    made = linked(node(), 1)
    _, ref = foreign()
    made.fetch(Fetch(ref, (1,)), at(0))
    asked, ms = 0, 0
    for _ in range(200):
        actions = made.tick(at(ms))
        asked += len(actions.request)
        assert actions.wake_at_ms is not None and actions.wake_at_ms > ms
        ms = actions.wake_at_ms
    assert asked > 50
    made.block_executed(ref.expiry_height, [], at(ms))
    assert made.tick(at(ms)).wake_at_ms is None


def test_a_fetch_waits_for_a_link_and_survives_one_that_breaks() -> None:
    made = node()
    _, ref = foreign()
    assert made.fetch(Fetch(ref, (1, 2)), at(0)).request == ()
    assert made.tick(at(9_000)).request == ()
    made.link_up(2, at(9_000))
    assert made.tick(at(20_000)).request == (Request(2, ref.digest),)
    made.link_up(1, at(20_001))
    assert made.link_down(2, at(20_002)).request == (Request(1, ref.digest),)


def test_a_link_that_comes_up_gets_offers_of_all_own_batches_in_bounded_frames() -> None:
    made = node(parameters=Parameters(batch_transactions=1))
    for number in range(MAX_OFFERED_DIGESTS + 5):
        submit(made, str(number))
    digests = tuple(held.ref.digest for held in made.tick(at(0)).hold)
    offers = made.link_up(2, at(1)).offer
    assert offers == (Offer(2, digests[:MAX_OFFERED_DIGESTS]), Offer(2, digests[MAX_OFFERED_DIGESTS:]))


def test_batches_that_are_not_executed_are_offered_again() -> None:
    made = linked(node(), 1, 2)
    submit(made, "one")
    ref = made.tick(at(0)).hold[0].ref
    assert made.tick(at(REOFFER_MS)).offer == (Offer(1, (ref.digest,)), Offer(2, (ref.digest,)))
    assert made.tick(at(REOFFER_MS + 1)).offer == ()
    made.block_executed(1, [ref], at(REOFFER_MS + 2))
    assert made.tick(at(9 * REOFFER_MS)).offer == ()


def test_of_what_is_offered_a_few_at_a_time_are_asked_for() -> None:
    made = linked(node(), 1)
    batches = [foreign(1, sequence) for sequence in range(20)]
    known, known_ref = batches[0]
    made.batch_from_peer(1, known, known_ref, at(0))
    actions = made.offer_from_peer(1, [ref.digest for _, ref in batches], at(0))
    assert len(actions.request) == MAX_ASKED_OFFERED
    got = {known_ref.digest}
    by_digest = {ref.digest: (batch, ref) for batch, ref in batches}
    ms = 0
    while actions.request or len(got) < 20:
        for request in actions.request:
            got.add(request.digest)
            made.batch_from_peer(1, *by_digest[request.digest], at(ms))
        ms += 300
        actions = made.tick(at(ms))
    assert len(got) == 20


def test_an_offer_that_is_never_kept_is_given_up() -> None:
    made = linked(node(), 1)
    made.offer_from_peer(1, [bytes(32)], at(0))
    ms = 0
    while (wake := made.tick(at(ms)).wake_at_ms) is not None:
        ms = wake
    assert ms < 60_000


def test_a_request_is_served_from_the_store() -> None:
    made = linked(node(), 1)
    assert made.request_from_peer(1, b"d" * 32, at(0)).serve == (Serve(1, b"d" * 32),)


def test_a_backup_relays_to_the_primary_once_what_it_may_lack() -> None:
    made = linked(node(2), 0, 1)
    third, third_ref = foreign(1, 1)
    own_of_primary, primary_ref = foreign(0, 1)
    made.batch_from_peer(1, third, third_ref, at(0))
    made.batch_from_peer(0, own_of_primary, primary_ref, at(0))
    actions = made.relay([third_ref.digest, primary_ref.digest, b"unknown".ljust(32)], 0, at(1))
    assert actions.serve == (Serve(0, third_ref.digest),)
    assert made.relay([third_ref.digest], 0, at(2)).serve == ()


def test_nothing_is_relayed_without_a_link_and_a_new_link_relays_again() -> None:
    made = linked(node(2), 1)
    batch, ref = foreign(1, 1)
    made.batch_from_peer(1, batch, ref, at(0))
    assert made.relay([ref.digest], 0, at(1)).serve == ()
    made.link_up(0, at(2))
    assert made.relay([ref.digest], 0, at(3)).serve == (Serve(0, ref.digest),)
    made.link_down(0, at(4))
    made.link_up(0, at(5))
    assert made.relay([ref.digest], 0, at(6)).serve == (Serve(0, ref.digest),)


def test_what_found_no_room_in_the_queue_to_the_primary_is_relayed_again() -> None:
    made = linked(node(2), 0)
    submit(made, "one")
    ref = made.tick(at(0)).hold[0].ref
    assert made.relay([ref.digest], 0, at(1)).serve == ()
    made.not_sent(0, ref.digest)
    assert made.relay([ref.digest], 0, at(2)).serve == (Serve(0, ref.digest),)


def test_the_primary_itself_has_nothing_to_relay() -> None:
    made = linked(node(2), 1)
    batch, ref = foreign(1, 1)
    made.batch_from_peer(1, batch, ref, at(0))
    assert made.relay([ref.digest], 2, at(1)).serve == ()


def test_batches_of_the_store_are_taken_up_again_after_a_restart() -> None:
    before = linked(node(), 1)
    submit(before, "one")
    held = before.tick(at(0)).hold[0]
    peers = foreign(1, 1)
    after = node()
    after.restore(held.batch, held.ref, at(0))
    after.restore(*peers, at(0))
    assert after.unordered().keys() == {0, 1}
    assert after.link_up(1, at(1)).offer == (Offer(1, (held.ref.digest,)),)
    after.block_executed(held.ref.expiry_height, [], at(2))
    assert after.unordered() == {}


def test_merged_actions_keep_the_order_of_each_kind_and_the_last_wake() -> None:
    made = linked(node(), 1)
    first = made.batch_from_peer(1, *foreign(1, 1), at(0))
    second = made.batch_from_peer(1, *foreign(1, 2), at(0))
    submit(made, "one", ms=7)
    last = made.tick(at(7))
    merged = merge([first, second, last])
    assert merged.hold == first.hold + second.hold + last.hold
    assert merged.wake_at_ms == last.wake_at_ms
