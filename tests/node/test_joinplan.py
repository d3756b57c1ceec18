"""Who is asked for what: all who have it, a few items each; not who lied, and for a while not who is slow."""

from chainnode.net.wire import MAX_PIECE_TOTAL_BYTES
from chainnode.node.items import Item, PersonalRows, StatePart
from chainnode.node.joinplan import ANSWER_MS, FLIGHTS, SHUN_MS, Ask, Plan, Wanted
from tests.ledger.world import digest32


def parts(count: int) -> list[Item]:
    return [StatePart(bytes([n])) for n in range(count)]


def plan(*sources: int, items: list[Item]) -> Plan:
    made = Plan()
    for peer in sources:
        made.link(peer, True)
        made.add_source(peer)
    made.want(items)
    return made


def peers(asks: list[Ask]) -> list[int]:
    return [ask.peer for ask in asks]


def test_items_are_spread_over_all_sources_and_bounded_at_each():
    made = plan(1, 2, items=parts(12))
    asks = made.pump(0)
    assert sorted(peers(asks)) == [1] * FLIGHTS + [2] * FLIGHTS
    assert made.pump(0) == [] and made.total == 12
    done = made.piece(asks[0].peer, asks[0].ticket, 0, 3, b"abc", 1)
    assert done == (Wanted(parts(1)[0]), b"abc")
    assert len(made.pump(1)) == 1


def test_pieces_come_in_order_from_the_one_that_was_asked():
    made = plan(1, 2, items=parts(1))
    [ask] = made.pump(0)
    assert made.piece(2, ask.ticket, 0, 4, b"xxxx", 0) is None, "it was not asked"
    assert made.piece(1, ask.ticket, 0, 4, b"ab", 0) == Ask(1, ask.ticket, ask.item, 2)
    assert made.piece(1, ask.ticket, 2, 4, b"cd", 0) == (Wanted(ask.item), b"abcd")
    assert made.is_idle and made.piece(1, ask.ticket, 2, 4, b"cd", 0) is None


def test_pieces_that_do_not_fit_together_drop_the_peer_and_the_item_goes_to_another():
    for offset, total in ((1, 4), (2, 5), (2, MAX_PIECE_TOTAL_BYTES + 1)):
        made = plan(1, 2, items=parts(1))
        [ask] = made.pump(0)
        made.piece(1, ask.ticket, 0, 4, b"ab", 0)
        assert made.piece(1, ask.ticket, offset, total, b"cd", 0) is None
        assert list(made.dropped) == [1]
        assert peers(made.pump(0)) == [2]
        made.add_source(1)
        assert 1 not in made.sources, "for good"


def test_who_does_not_answer_in_time_is_passed_over_for_a_while():
    made = plan(1, 2, items=parts(1))
    assert peers(made.pump(0)) == [1]
    assert peers(made.pump(ANSWER_MS)) == [2]
    assert peers(made.pump(2 * ANSWER_MS)) == [], "both are slow"
    assert peers(made.pump(ANSWER_MS + SHUN_MS)) == [1]


def test_every_piece_gives_its_sender_time_anew():
    made = plan(1, items=parts(1))
    [ask] = made.pump(0)
    made.piece(1, ask.ticket, 0, 3, b"a", ANSWER_MS - 1)
    assert made.pump(ANSWER_MS + 1) == []
    made.piece(1, ask.ticket, 1, 3, b"b", 2 * ANSWER_MS - 2)
    assert made.piece(1, ask.ticket, 2, 3, b"c", 2 * ANSWER_MS) == (Wanted(ask.item), b"abc")


def test_what_a_gone_peer_was_asked_for_is_asked_again():
    made = plan(1, 2, items=parts(2))
    asks = made.pump(0)
    assert sorted(peers(asks)) == [1, 2]
    made.link(1, False)
    assert peers(made.pump(0)) == [2]
    [ticket] = [ask.ticket for ask in asks if ask.peer == 2]
    assert not made.missing(1, ticket), "it was another's"
    assert made.missing(2, ticket)
    assert made.pump(0) == [] and not made.is_idle and not made.sources


def test_personal_rows_are_asked_of_anybody_but_those_who_have_them_not():
    made = Plan()
    for peer in (1, 2):
        made.link(peer, True)
    rows = PersonalRows((digest32("row"),))
    made.want([rows])
    [ask] = made.pump(0)
    assert ask.peer == 1
    assert made.piece(1, ask.ticket, 0, 1, b"\x90", 0) == (Wanted(rows), b"\x90")
    made.again(Wanted(rows, frozenset({1})))
    assert peers(made.pump(0)) == [2]


def test_another_snapshot_begins_with_nothing_wanted_and_the_same_peers_dropped():
    made = plan(1, 2, items=parts(3))
    made.pump(0)
    made.drop(1, "it lied")
    made.restart()
    assert made.is_idle and made.total == 0 and not made.sources and list(made.dropped) == [1]
