"""Taking over a snapshot from peers: some lie, some are silent, some have another one."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from chainnode.net.wire import Frame, Piece, PieceMissing, PieceRequest, SnapshotOffer
from chainnode.node import joining as joining_module
from chainnode.node import joinplan as plan_module
from chainnode.node import snapshots as snapshots_module
from chainnode.node.items import History, Item, PersonalRows, StatePart, Transactions
from consensus.codec import decode, encode
from consensus.messages import QuorumCertificate
from consensus.parameters import Parameters
from consensus.types import BlockHeader
from tests.node.grown import Grown, founded, told
from tests.node.joiners import Joiner, Peer
from tests.node.stand_ins import until


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining_module, "ASK_EVERY_MS", 20)
    monkeypatch.setattr(joining_module, "LOOK_EVERY_MS", 5)
    monkeypatch.setattr(joining_module, "LOST_MS", 100)
    monkeypatch.setattr(joining_module, "CHOOSE_MS", 200)
    monkeypatch.setattr(plan_module, "ANSWER_MS", 300)
    monkeypatch.setattr(snapshots_module, "STILL_MS", 0)
    monkeypatch.setattr(snapshots_module, "LOOK_EVERY_MS", 5)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory):
    grown = told(tmp_path_factory.mktemp("source"), Parameters(validity_heights=128))
    grown.departments(150)
    yield grown
    grown.close()


@pytest.fixture
def joiner(tmp_path: Path):
    grown = founded(tmp_path / "store", Parameters(validity_heights=128))
    yield grown
    grown.close()


def pieces(peer: Peer, kind: type) -> list[Item]:
    """What a peer was asked for, of one kind."""
    asked = [
        decode(one.item, Item, limit_bytes=32_768)  # type: ignore[arg-type]
        for one in peer.asked
        if isinstance(one, PieceRequest)
    ]
    return [item for item in asked if isinstance(item, kind)]


def flipped(frame: Frame) -> Frame:
    """A lying peer: one byte of everything it serves is another."""
    if not isinstance(frame, Piece):
        return frame
    at = len(frame.data) // 2
    data = frame.data[:at] + bytes([frame.data[at] ^ 1]) + frame.data[at + 1 :]
    return structs.replace(frame, data=data)


def silent(frame: Frame) -> Frame | None:
    """Offers, and never serves."""
    return frame if isinstance(frame, SnapshotOffer) else None


def forged(frame: Frame) -> Frame:
    """Another height under votes for the true one."""
    if not isinstance(frame, SnapshotOffer):
        return frame
    header = decode(frame.header, BlockHeader, limit_bytes=4_096)
    certificate = decode(frame.certificate, QuorumCertificate, limit_bytes=len(frame.certificate))
    lie = structs.replace(header, height=header.height + 1_000)
    votes = structs.replace(certificate, height=lie.height, header_hash=lie.hash())
    return SnapshotOffer(encode(lie), encode(votes), frame.epochs)


def mismatched(frame: Frame) -> Frame:
    if not isinstance(frame, SnapshotOffer):
        return frame
    header = decode(frame.header, BlockHeader, limit_bytes=4_096)
    higher = structs.replace(header, height=header.height + 1)
    return SnapshotOffer(encode(higher), frame.certificate, frame.epochs)


async def test_an_empty_folder_takes_over_the_state_from_several_peers(source: Grown, joiner: Grown):
    peers = [Peer(number, source) for number in (1, 2, 3)]
    node = Joiner(joiner, *peers)
    await node.join()
    assert node.stands_as(source)
    assert all(len(peer.asked) > 1 for peer in peers), "all of them had a part in it"
    assert joiner.store.whole == source.height + 1 and joiner.store.first == source.height - 128
    for digest in source.rows:
        assert joiner.stored_rows.get(digest) == source.rows[digest]
    assert pieces(peers[0], PersonalRows) or pieces(peers[1], PersonalRows) or pieces(peers[2], PersonalRows)


async def test_a_small_gap_is_none_of_its_business(source: Grown, joiner: Grown):
    node = Joiner(joiner, Peer(1, source), gap=1_000)
    await node.start()
    await asyncio.sleep(0.1)
    assert node.peers[1].asked == [] and not node.joining.is_active
    await node.stop()


async def test_never_means_never(source: Grown, joiner: Grown):
    node = Joiner(joiner, Peer(1, source, claims=10**6), gap=0)
    await node.start()
    await asyncio.sleep(0.1)
    assert node.peers[1].asked == []
    await node.stop()


async def test_pruned_peers_are_reason_enough_for_a_small_gap(source: Grown, joiner: Grown):
    node = Joiner(joiner, Peer(1, source), Peer(2, source), gap=1_000)
    await node.start()
    node.joining.pruned(1)
    await until(lambda: node.completed == 1)
    await node.stop()
    assert node.stands_as(source)


@pytest.mark.parametrize("lie", [flipped, forged, mismatched])
async def test_a_lying_peer_is_dropped_and_named_and_the_others_serve(
    source: Grown, joiner: Grown, lie: Callable[[Frame], Frame]
):
    liar = Peer(1, source, tamper=lie, claims=10**6)
    node = Joiner(joiner, liar, Peer(2, source), Peer(3, source))
    await node.join()
    assert "dropped hospital-1" in node.joining.progress()
    [said] = [fields for what, fields in node.log.lines if what == "peer dropped from the snapshot"]
    assert said["member"] == "hospital-1" and said["reason"]
    assert node.stands_as(source)


async def test_a_claimed_height_without_a_certificate_leads_nowhere(source: Grown, joiner: Grown):
    node = Joiner(joiner, Peer(1, source, tamper=forged, claims=2**50))
    await node.start()
    await until(lambda: "dropped hospital-1" in node.joining.progress())
    assert not node.joining.is_active
    await node.stop()


async def test_a_silent_peer_does_not_hold_it_up(source: Grown, joiner: Grown):
    node = Joiner(joiner, Peer(1, source, tamper=silent), Peer(2, source))
    await node.join()
    assert node.stands_as(source) and not node.joining.progress().count("dropped")


async def test_of_different_snapshots_the_one_that_most_have_is_taken(
    source: Grown, joiner: Grown, tmp_path: Path
):
    longer = told(tmp_path / "longer", source.parameters)
    longer.departments(152)
    assert longer.headers[source.height] == source.headers[-1]
    node = Joiner(joiner, Peer(1, longer), Peer(2, source), Peer(3, source))
    await node.join()
    assert node.stands_as(source)
    assert not pieces(node.peers[1], StatePart)
    longer.close()


async def test_when_peers_moved_on_the_parts_that_are_the_same_are_kept(tmp_path: Path, joiner: Grown):
    grown = told(tmp_path / "moving", joiner.parameters)
    grown.departments(300)
    stalled: list[Frame] = []

    def stall(frame: Frame) -> Frame | None:
        """Serves a few parts, then has the snapshot no longer."""
        if isinstance(frame, Piece):
            stalled.append(frame)
            return frame if len(stalled) <= 12 else PieceMissing(frame.ticket)
        return frame

    first = Joiner(joiner, Peer(1, grown, tamper=stall), frame_bytes=16_384)
    await first.start()
    await until(lambda: len(stalled) > 12)
    await first.stop()
    grown.departments(1)
    again = Peer(1, grown)
    node = Joiner(joiner, again, frame_bytes=16_384)
    await node.join()
    fresh = Joiner(founded(tmp_path / "fresh", joiner.parameters), Peer(1, grown), frame_bytes=16_384)
    await fresh.join()
    assert len(pieces(again, StatePart)) < len(pieces(fresh.peers[1], StatePart))
    assert node.stands_as(grown) and fresh.stands_as(grown)
    fresh.grown.close()
    grown.close()


async def test_a_row_that_was_erased_everywhere_does_not_block(tmp_path: Path, joiner: Grown):
    sources = [told(tmp_path / name, joiner.parameters) for name in ("a", "b")]
    gone = next(iter(sources[0].rows))
    for grown in sources:
        grown.stored_rows.erase([gone])
    node = Joiner(joiner, *(Peer(number, grown) for number, grown in enumerate(sources, 1)))
    await node.join()
    assert node.stands_as(sources[0])
    assert joiner.stored_rows.get(gone) is None
    assert sum(joiner.stored_rows.get(one) is not None for one in sources[0].rows) == len(sources[0].rows) - 1
    for grown in sources:
        grown.close()


async def test_one_peer_that_denies_a_row_is_not_believed(source: Grown, joiner: Grown):
    def denies(frame: Frame) -> Frame:
        if isinstance(frame, Piece) and frame.ticket in rows:
            return replace_data(frame, encode(()))
        return frame

    rows: set[int] = set()

    class Denier(Peer):
        async def receive(self, frame: Frame) -> None:
            if isinstance(frame, PieceRequest):
                item = decode(frame.item, Item, limit_bytes=32_768)  # type: ignore[arg-type]
                if isinstance(item, PersonalRows):
                    rows.add(frame.ticket)
            await super().receive(frame)

    node = Joiner(joiner, Denier(1, source, tamper=denies), Peer(2, source))
    await node.join()
    assert rows and node.stands_as(source)
    assert all(joiner.stored_rows.get(one) is not None for one in source.rows)


def replace_data(frame: Piece, data: bytes) -> Piece:
    return Piece(frame.ticket, 0, len(data), data)


async def test_a_node_whose_blocks_came_after_all_gives_the_snapshot_up(source: Grown, joiner: Grown):
    node = Joiner(joiner, Peer(1, source, tamper=silent))
    await node.start()
    await until(lambda: node.joining.is_active)
    node.joining._height = lambda: source.height  # type: ignore[method-assign]
    await until(lambda: not node.joining.is_active)
    assert node.completed == 0 and node.log.said("snapshot given up") == 1
    await node.stop()


async def test_pieces_that_nobody_asked_for_are_not_looked_at(source: Grown, joiner: Grown):
    node = Joiner(joiner, Peer(1, source), gap=1_000)
    await node.start()
    await node.joining.on_piece(1, Piece(7, 0, 10, b"x" * 10))
    await node.joining.on_missing(1, PieceMissing(7))
    await node.joining.on_offer(1, SnapshotOffer(b"no header", b"no certificate", b"no epochs"))
    assert node.joining.progress() == "" and node.log.lines == []
    await node.stop()


async def test_progress_says_height_pieces_and_from_whom(source: Grown, joiner: Grown):
    node = Joiner(joiner, Peer(1, source, tamper=silent), Peer(2, source, tamper=silent))
    await node.start()
    await until(lambda: node.joining.is_active)
    line = node.joining.progress()
    assert f"at height {source.height}" in line and "hospital-1, hospital-2" in line and "of 1 pieces" in line
    await node.stop()


async def test_a_joiner_can_serve_what_it_took_over(source: Grown, joiner: Grown, tmp_path: Path):
    node = Joiner(joiner, Peer(1, source), Peer(2, source))
    await node.join()
    node.put_in_place()
    third = Joiner(
        founded(tmp_path / "third", joiner.parameters),
        *(Peer(number, node.grown) for number in (1, 2)),
    )
    await third.join()
    assert third.stands_as(source)
    assert pieces(third.peers[1], Transactions) or pieces(third.peers[2], Transactions)
    assert pieces(third.peers[1], History) or pieces(third.peers[2], History)
    third.grown.close()


async def test_blocks_wait_for_a_while_where_f_plus_one_peers_are_far_ahead(
    source: Grown, joiner: Grown, monkeypatch: pytest.MonkeyPatch
):
    one = Joiner(joiner, Peer(1, source, claims=10**6), Peer(2, source, claims=3))
    assert not one.joining.makes_blocks_needless, "one of them may lie"
    two = Joiner(joiner, Peer(1, source), Peer(2, source))
    assert two.joining.makes_blocks_needless
    monkeypatch.setattr(joining_module, "HOPE_MS", 0)
    assert not two.joining.makes_blocks_needless, "nobody offered anything: block by block then"
