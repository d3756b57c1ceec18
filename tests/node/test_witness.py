"""Evidence of equivocation: proven before it is kept, kept once, told to the others, put on the chain."""

import asyncio

import pytest
from msgspec import structs

from chainnode.ledger.evidencefile import verify_evidence
from chainnode.ledger.payloads import MAX_EVIDENCE_BYTES, Payload
from chainnode.net import wire
from chainnode.node import witness as witness_module
from chainnode.node.api import NotFound
from chainnode.node.witness import MAX_KEPT_OF_MEMBER, TOLD_AT_LINK_UP, Witness
from consensus.codec import encode
from consensus.messages import BlockVote, Prepare, signed_bytes
from consensus.ready import Evidence
from consensus.types import ReplicaId
from tests.ledger.world import Actor, Chain, digest32, verify
from tests.node.stand_ins import Clock, Log, stopped, until
from tests.store.memory import MemoryChainStore

FRAME_BYTES = 1_048_576
LIAR = 3


class House:
    """Member 0's witness."""

    def __init__(self, rows: MemoryChainStore | None = None, chain: Chain | None = None) -> None:
        self.chain, self.rows = chain or Chain(), rows or MemoryChainStore()
        self.log, self.clock = Log(), Clock()
        self.told: list[tuple[ReplicaId | None, wire.Frame]] = []
        self.message_bytes = FRAME_BYTES
        self.witness = self.opened()

    def opened(self) -> Witness:
        return Witness(
            chain_id=self.chain.chain_id,
            rows=self.rows,
            replica_sets=lambda _: self.chain.founding.replica_set(),
            verify=verify,
            message_bytes=self.message_bytes,
            tell=lambda peer, frame: self.told.append((peer, frame)),
            state=lambda: self.chain.state,
            log=self.log,  # type: ignore[arg-type]
            clock=self.clock,
        )

    def prepare(self, content: str, sequence: int = 7, actor: Actor | None = None) -> Prepare:
        bare = Prepare(0, 2, sequence, digest32(content), LIAR)
        key = actor or self.chain.validators[LIAR]
        return structs.replace(bare, signature=key.sign(signed_bytes(bare, self.chain.chain_id)))

    def pair(self, sequence: int = 7, *contents: str) -> Evidence:
        one, other = contents or ("one", "other")
        return Evidence(self.prepare(one, sequence), self.prepare(other, sequence))

    def frame(self, evidence: Evidence) -> wire.Evidence:
        return wire.Evidence(encode(evidence.first), encode(evidence.second))


@pytest.fixture
def house() -> House:
    return House()


def test_what_the_replica_met_is_kept_told_to_all_and_survives_a_restart(house: House):
    house.witness.seen(house.pair())
    (view,) = house.witness.list()
    assert (view.member, view.message, view.slot, view.view, view.reported_height) == (
        LIAR,
        "prepare",
        7,
        2,
        0,
    )
    assert house.told == [(None, house.frame(house.pair()))]
    assert house.log.said("equivocation") == 1
    assert "member 3" in house.witness.trouble
    again = House(house.rows, house.chain)
    assert again.witness.list() == (view,)
    data = again.witness.file(view.id)
    assert data == house.witness.file(view.id), "the same bytes wherever it is exported"
    assert verify_evidence(data, house.chain.founding, verify=verify).member.number == LIAR
    with pytest.raises(NotFound):
        house.witness.file(bytes(32))


def test_a_second_pair_for_a_slot_never_takes_the_place_of_the_first(house: House):
    house.witness.seen(house.pair())
    first = house.witness.list()
    house.witness.seen(house.pair(7, "one", "third"))
    assert house.witness.list() == first and len(house.told) == 1
    house.witness.seen(house.pair(8))
    assert len(house.witness.list()) == 2


async def test_a_peers_evidence_is_proven_before_it_is_kept_and_passed_on(house: House):
    good = house.frame(house.pair())
    stranger = Actor("a stranger")
    forged = house.prepare("other", actor=stranger)
    bad = [
        wire.Evidence(b"x", good.second),
        wire.Evidence(good.first, b"x"),
        wire.Evidence(good.first, good.first),
        wire.Evidence(good.first, encode(forged)),
        wire.Evidence(encode(house.prepare("one", actor=stranger)), encode(forged)),
        wire.Evidence(*[encode(BlockVote(0, -5, digest32(name), 9, bytes(64))) for name in "ab"]),
    ]
    for frame in bad:
        await house.witness.on_frame(1, frame)
    assert not house.witness.list() and not house.told
    assert house.log.said("evidence that proves nothing") == len(bad)
    await house.witness.on_frame(1, good)
    await house.witness.on_frame(2, good)
    assert len(house.witness.list()) == 1 and len(house.told) == 1, "it goes round once"


async def test_no_peer_has_signatures_checked_without_end(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(witness_module, "FRAMES_PER_MINUTE", 2)
    for sequence in range(1, 5):
        await house.witness.on_frame(1, house.frame(house.pair(sequence)))
    await house.witness.on_frame(2, house.frame(house.pair(9)))
    assert {view.slot for view in house.witness.list()} == {1, 2, 9}
    house.clock.pass_ms(60_000)
    await house.witness.on_frame(1, house.frame(house.pair(3)))
    assert {view.slot for view in house.witness.list()} == {1, 2, 3, 9}


def test_of_one_member_only_so_much_is_kept(house: House):
    for sequence in range(1, MAX_KEPT_OF_MEMBER + 3):
        house.witness.seen(house.pair(sequence))
    assert len(house.witness.list()) == MAX_KEPT_OF_MEMBER


async def test_a_peer_whose_link_comes_up_is_told_what_it_may_have_missed(house: House):
    for sequence in range(1, TOLD_AT_LINK_UP + 3):
        house.witness.seen(house.pair(sequence))
    house.told.clear()
    await house.witness.on_link(2, False)
    assert not house.told
    await house.witness.on_link(2, True)
    assert len(house.told) == TOLD_AT_LINK_UP and {peer for peer, _ in house.told} == {2}


async def test_it_is_put_on_the_chain_once(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(witness_module, "REPORT_EVERY_MS", 1)
    submitted: list[Payload] = []

    async def submit_own(payload: Payload) -> str:
        submitted.append(payload)
        return house.chain.commit(house.chain.submission(house.chain.validators[0], payload)).codes()[0]

    running = asyncio.create_task(house.witness.run(submit_own, 0))
    house.witness.seen(house.pair())
    await until(lambda: bool(house.witness.list()[0].reported_height))
    await asyncio.sleep(0.02)
    await stopped(running)
    assert len(submitted) == 1 and not house.witness.unreported()


def test_what_fits_no_transaction_or_frame_is_kept_and_exported_all_the_same():
    house = House()
    house.message_bytes = 200
    house.witness = house.opened()
    house.witness.seen(house.pair())
    assert house.witness.list() and not house.told, "both together are longer than a frame here"
    assert len(house.witness.unreported()) == 1 and MAX_EVIDENCE_BYTES > 200
