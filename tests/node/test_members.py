"""The members as a node knows them: whom it links to under which keys, and with which key it signs."""

import asyncio
from types import SimpleNamespace

from chainnode.net.port import Peer
from chainnode.node.members import Members, OwnKey
from chainnode.node.passage import Passage
from chainnode.node.peering import Peering, own_seed, peers_at
from chainnode.vault.keys import SigningKey
from genesis.membership import ADMIT, DEMOTE, REMOVE, ROTATE
from tests.ledger.changing import DELAY, Joiner, make, pass_on
from tests.ledger.world import Actor, Chain, digest32
from tests.node.stand_ins import Log, SceneExecutor, stopped, until

FIFTH = Joiner("hospital-4")


def founders(chain: Chain) -> SimpleNamespace:
    """A genesis document of the chain's members, as far as this needs it."""
    found = {
        one.number: SimpleNamespace(number=one.number, id=one.id, transport_key=link(one.number).public)
        for one in chain.founding.members
    }
    return SimpleNamespace(member=found.get)


def link(number: int) -> Actor:
    return Actor(f"link of hospital-{number}")


def member_of(number: int, slug: str, transport_key: bytes) -> SimpleNamespace:
    return SimpleNamespace(number=number, id=slug, name=slug, transport_key=transport_key)


class Dialled:
    """A transport that notes what it is told."""

    def __init__(self) -> None:
        self.changes: list[tuple[dict[int, Peer], bytes]] = []

    def change(self, peers: dict[int, Peer], seed: bytes) -> None:
        self.changes.append((peers, seed))


class House:
    """What peering needs of a node that is hospital-0, over a Chain."""

    def __init__(self, chain: Chain, number: int = 0, **addresses: int) -> None:
        self.chain, self.transport = chain, Dialled()
        self.keys = SimpleNamespace(transport=SigningKey(digest32("transport")))
        own = member_of(number, f"hospital-{number}", self.keys.transport.public)
        self.members = Members(founders(chain), chain.state, own)
        where = {
            name.replace("_", "-"): SimpleNamespace(host="h", port=port, dial="out")
            for name, port in addresses.items()
        }
        self.opened = SimpleNamespace(
            members=self.members,
            member=own,
            keys=self.keys,
            all_keys=(self.keys,),
            config=SimpleNamespace(peer=where.get, listen=SimpleNamespace(host="h", port=1)),
            executor=SceneExecutor(chain),
            genesis=SimpleNamespace(chain_id=chain.chain_id, parameters=SimpleNamespace(frame_bytes=65_536)),
        )
        self.peering = Peering(self.opened, self.transport, Log())  # type: ignore[arg-type]

    def changed(self) -> None:
        self.peering.changed()
        self.peering.certified(self.chain.height)

    def peers(self, height: int) -> dict[int, Peer]:
        return peers_at(self.opened, height)  # type: ignore[arg-type]


def test_founding_members_are_linked_by_the_keys_in_genesis() -> None:
    house = House(Chain(), hospital_2=7400)
    peers = house.peers(1)
    assert sorted(peers) == [1, 2, 3]
    assert peers[2] == Peer(link(2).public, ("h", 7400), "out")
    assert peers[3] == Peer(link(3).public, None, "in"), "one without an address is waited for"


def test_one_who_is_admitted_is_let_in_with_the_certificate_of_the_change() -> None:
    chain = Chain()
    house = House(chain)
    make(chain, ADMIT, 4, FIFTH)
    house.changed()
    [(peers, _)] = house.transport.changes
    assert peers[4].transport_key == FIFTH.transport.public
    assert house.members.names()[4] == "hospital-4"


def test_one_who_is_removed_is_linked_until_the_change_takes_effect() -> None:
    chain = Chain(members=5)
    house = House(chain)
    make(chain, REMOVE, 4)
    house.changed()
    pass_on(chain, chain.height + DELAY - 2)
    house.peering.certified(chain.height)
    assert house.transport.changes == []
    pass_on(chain, chain.height + 1)
    house.peering.certified(chain.height)
    [(peers, _)] = house.transport.changes
    assert sorted(peers) == [1, 2, 3]


def test_one_who_left_connects_to_nobody_any_more() -> None:
    chain = Chain(members=5)
    house = House(chain, number=4)
    make(chain, REMOVE, 4)
    house.members.refresh()
    at = chain.height + DELAY
    assert sorted(house.peers(at - 1)) == [0, 1, 2, 3] and house.peers(at) == {}


def test_roles_that_change_leave_the_links_alone() -> None:
    chain = Chain(members=5)
    house = House(chain)
    make(chain, DEMOTE, 4)
    house.changed()
    pass_on(chain, chain.height + DELAY)
    house.peering.certified(chain.height)
    assert house.transport.changes == []


def test_a_rotated_transport_key_is_taken_beside_the_old_one_until_it_takes_effect() -> None:
    chain = Chain()
    house = House(chain)
    fresh = Joiner("hospital-1", " anew", steward=chain.stewards[1])
    make(chain, ROTATE, 1, fresh)
    at = chain.height + DELAY
    house.changed()
    assert house.peers(at - 1)[1].keys == (link(1).public, fresh.transport.public)
    assert house.transport.changes[-1][0][1].next_key == fresh.transport.public
    pass_on(chain, at - 1)
    house.peering.certified(chain.height)
    assert house.transport.changes[-1][0][1] == Peer(fresh.transport.public, None, "in")
    count = len(house.transport.changes)
    pass_on(chain, at + 3)
    house.peering.certified(chain.height)
    assert len(house.transport.changes) == count, "nothing waits any more"


def test_its_own_new_key_is_taken_when_the_change_takes_effect() -> None:
    chain = Chain()
    house = House(chain)
    fresh = Joiner("hospital-0", " anew", steward=chain.stewards[0])
    new = SigningKey(digest32("another transport key"))
    fresh.transport = new  # type: ignore[assignment]
    house.opened.all_keys = (house.keys, SimpleNamespace(transport=new))
    old = house.keys.transport.seed
    make(chain, ROTATE, 0, fresh)
    at = chain.height + DELAY
    house.changed()
    assert own_seed(house.opened, at - 1) == old  # type: ignore[arg-type]
    pass_on(chain, at - 1)
    house.peering.certified(chain.height)
    assert house.transport.changes[-1][1] == new.seed
    house.opened.all_keys = (house.keys,)
    assert own_seed(house.opened, at) == old, "a key that is not here cannot be shown"  # type: ignore[arg-type]


def test_a_hospital_that_joins_knows_itself_before_the_chain_tells_it() -> None:
    house = House(Chain(), number=4)
    own = house.members.get(4)
    assert own is not None and (own.id, own.role) == ("hospital-4", "observer")
    assert sorted(house.peers(1)) == [0, 1, 2, 3]
    make(house.chain, ADMIT, 4, FIFTH)
    house.members.refresh()
    known = house.members.get(4)
    assert known is not None and known.transport_key == FIFTH.transport.public


def test_a_node_signs_with_the_key_that_counts_at_the_next_height() -> None:
    chain = Chain()
    fresh = Joiner("hospital-1", " anew", steward=chain.stewards[1])
    held = [chain.validators[1], fresh.validator]
    key = OwnKey(held, 1, chain.state, lambda: chain.height)
    assert key.public == chain.validators[1].public
    make(chain, ROTATE, 1, fresh)
    at = chain.height + DELAY
    pass_on(chain, at - 2)
    assert key.public == chain.validators[1].public
    pass_on(chain, at - 1)
    assert key.public == fresh.validator.public and key.sign(b"x") == fresh.validator.sign(b"x")
    without = OwnKey(held[:1], 1, chain.state, lambda: chain.height)
    assert without.public == chain.validators[1].public, "a key that is not here cannot sign"
    assert OwnKey([FIFTH.validator], 4, chain.state, lambda: chain.height).public == FIFTH.validator.public


class Waiting:
    """What a passage asks for, over a chain that stands still or moves."""

    def __init__(self, chain: Chain, member: int) -> None:
        self.chain, self.barriers = chain, 0
        self.passage = Passage(
            member=member,
            executor=SceneExecutor(chain),  # type: ignore[arg-type]
            settled_height=self.settled,
            submit_own=self.submit,
        )

    def settled(self) -> int:
        return House(self.chain).members.settled_height

    async def submit(self, payload: object) -> str:
        self.barriers += 1
        pass_on(self.chain, self.chain.height + 1)
        return ""


async def test_a_change_that_waits_on_an_idle_chain_gets_its_blocks(monkeypatch) -> None:
    monkeypatch.setattr("chainnode.node.passage.LOOK_EVERY_MS", 0)
    chain = Chain(members=5)
    make(chain, DEMOTE, 4)
    at = chain.height + DELAY
    validator, observer = Waiting(chain, 0), Waiting(chain, 7)
    running = [asyncio.create_task(one.passage.run()) for one in (observer, validator)]
    await until(lambda: chain.height >= at - 1)
    before = validator.barriers
    for _ in range(50):
        await asyncio.sleep(0)
    await stopped(*running)
    assert observer.barriers == 0 and 0 < before == validator.barriers
