"""The parts of a link without any network: framing, mailboxes, who dials, what is received next."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.net.dialling import dials, outlives, pauses_s
from chainnode.net.framing import (
    Control,
    FrameReader,
    LinkFault,
    Operation,
    cost,
    encode_control,
    join_frames,
)
from chainnode.net.link import LinkShare
from chainnode.net.mailbox import Mailbox
from chainnode.net.port import (
    FRAME_COST_BYTES,
    Channel,
    CloseReason,
    Inbound,
    LinkEvent,
    LinkLimits,
    Peer,
    TransportConfig,
)
from chainnode.net.reception import VOTES_IN_A_ROW, Reception

ITEMS = st.one_of(
    st.binary(min_size=1, max_size=300),
    st.builds(Control, st.sampled_from(Operation), st.integers(0, 2**64 - 1)),
)


@given(st.lists(ITEMS, max_size=20), st.data())
def test_frames_and_control_words_survive_any_fragmentation(items: list, data: st.DataObject) -> None:
    wire = b"".join(
        encode_control(item.operation, item.value) if isinstance(item, Control) else join_frames([item])
        for item in items
    )
    reader, got = FrameReader(300, control=True), []
    while wire:
        size = data.draw(st.integers(1, len(wire)))
        got += reader.feed(wire[:size])
        wire = wire[size:]
    assert got == items


@given(st.binary(max_size=400))
def test_any_bytes_are_frames_or_a_link_fault(data: bytes) -> None:
    reader = FrameReader(64, control=True)
    try:
        reader.feed(data)
    except LinkFault as fault:
        assert fault.reason in (CloseReason.MALFORMED, CloseReason.FRAME_TOO_LARGE)


def test_a_length_above_the_limit_is_refused_before_its_bytes_come() -> None:
    reader = FrameReader(100, control=False)
    assert reader.feed(join_frames([bytes(100)])) == [bytes(100)]
    with pytest.raises(LinkFault) as caught:
        reader.feed((101).to_bytes(4, "big"))
    assert caught.value.reason is CloseReason.FRAME_TOO_LARGE


def test_a_mailbox_is_bounded_in_bytes_and_charges_for_each_frame() -> None:
    box = Mailbox(1_000)
    while box.has_room(b"x"):
        box.put(b"x")
    assert box.waiting_frames == 1_000 // cost(b"x")
    assert box.take() == b"x"
    assert box.has_room(b"x")


def test_a_batch_is_bounded_by_the_write_and_by_the_credit() -> None:
    box = Mailbox(10_000)
    for _ in range(5):
        box.put(bytes(96))
    assert len(box.take_batch(250, 10_000)) == 2
    assert len(box.take_batch(10_000, cost(bytes(96)))) == 1
    assert box.take_batch(10_000, cost(bytes(96)) - 1) == []
    box.put(bytes(900))
    assert [len(frame) for frame in box.take_batch(10_000, 10_000)] == [96, 96, 900]
    box.put(bytes(900))
    assert box.take_batch(100, 10_000) == [bytes(900)], "one frame in any case"


@pytest.mark.parametrize("low_dial", ["auto", "in", "out"])
@pytest.mark.parametrize("high_dial", ["auto", "in", "out"])
def test_the_lower_number_dials_unless_told_otherwise(low_dial: str, high_dial: str) -> None:
    low = dials(0, 1, Peer(bytes(32), ("host", 1), low_dial))
    high = dials(1, 0, Peer(bytes(32), ("host", 1), high_dial))
    assert low == (low_dial != "in")
    assert high == (high_dial == "out")


def test_nobody_is_dialled_without_an_address() -> None:
    assert not dials(0, 1, Peer(bytes(32), None, "out"))


@pytest.mark.parametrize("old", [0, 1])
@pytest.mark.parametrize("new", [0, 1])
def test_both_sides_keep_the_same_one_of_two_links(old: int, new: int) -> None:
    assert outlives(0, 1, old, new) == outlives(1, 0, old, new)
    assert outlives(0, 1, old, new) == (old == 0 and new == 1)


def test_pauses_between_dials_grow_to_the_cap_and_are_spread() -> None:
    limits = LinkLimits(redial_first_ms=100, redial_max_ms=5_000)
    pauses = pauses_s(limits, random.Random(1))
    taken = [next(pauses) for _ in range(100)]
    assert 0.075 <= taken[0] <= 0.125
    assert all(3.75 <= pause <= 6.25 for pause in taken[6:])
    assert len({round(pause, 3) for pause in taken[6:]}) > 50


def share(peer: int) -> LinkShare:
    return LinkShare(peer, 0, "host:1", LinkLimits(), 0, lambda *_: None, version=1)


def test_votes_come_before_bulk_and_peers_take_turns() -> None:
    reception = Reception()
    links = [share(peer) for peer in range(3)]
    for link in links:
        reception.link_up(link)
        assert reception.pop() == LinkEvent(link.peer, True)
        for channel in Channel:
            for number in range(2):
                link.inboxes[channel].put(b"%d" % number)
    order = [reception.pop() for _ in range(12)]
    assert order[:6] == [Inbound(peer, Channel.VOTES, b"%d" % n) for n in range(2) for peer in range(3)]
    assert order[6:] == [Inbound(peer, Channel.BULK, b"%d" % n) for n in range(2) for peer in range(3)]
    assert reception.pop() is None


def test_a_flood_of_votes_leaves_bulk_its_turn() -> None:
    reception = Reception()
    link = share(1)
    reception.link_up(link)
    reception.pop()
    for _ in range(1_000):
        link.inboxes[Channel.VOTES].put(b"v")
    for _ in range(3):
        link.inboxes[Channel.BULK].put(b"b")
    taken = [reception.pop() for _ in range(3 * (VOTES_IN_A_ROW + 1))]
    bulk = [index for index, item in enumerate(taken) if item.channel is Channel.BULK]
    assert bulk == [VOTES_IN_A_ROW, 2 * VOTES_IN_A_ROW + 1, 3 * VOTES_IN_A_ROW + 2]


def test_links_that_come_and_go_unseen_leave_two_events_at_most() -> None:
    reception = Reception()
    reception.link_up(share(1))
    assert reception.pop() == LinkEvent(1, True)
    for _ in range(1_000):
        link = share(1)
        reception.link_down(link, CloseReason.CLOSED_BY_PEER)
        reception.link_up(link)
    assert reception.pop() == LinkEvent(1, False, CloseReason.CLOSED_BY_PEER)
    assert reception.pop() == LinkEvent(1, True)
    assert reception.pop() is None


def test_frames_of_a_link_that_is_down_stay_until_the_next_comes_up() -> None:
    reception = Reception()
    first, second = share(1), share(1)
    reception.link_up(first)
    reception.pop()
    first.inboxes[Channel.VOTES].put(b"kept")
    first.inboxes[Channel.VOTES].put(b"dropped")
    reception.link_down(first, CloseReason.SILENT)
    assert reception.pop() == LinkEvent(1, False, CloseReason.SILENT)
    assert reception.pop() == Inbound(1, Channel.VOTES, b"kept")
    reception.link_up(second)
    assert reception.pop() == LinkEvent(1, True)
    assert reception.pop() is None


@pytest.mark.parametrize("frame_bytes", [65_536, 1_048_576, 8_388_608])
def test_the_default_limits_suit_every_frame_size_genesis_allows(frame_bytes: int) -> None:
    made = TransportConfig(0, bytes(32), bytes(32), ("host", 0), {}, frame_bytes)
    for channel in Channel:
        assert made.limits.queue_bytes(channel) >= 2 * (frame_bytes + FRAME_COST_BYTES)


def test_the_seed_is_not_in_the_printed_configuration() -> None:
    made = TransportConfig(0, b"secret-seed".ljust(32), bytes(32), ("host", 0), {}, 65_536)
    assert "secret-seed" not in repr(made)
