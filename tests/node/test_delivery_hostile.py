"""What peers send that they should not, and pools that fail: nothing is taken, nothing stops."""

import pytest

from chainnode.net.wire import (
    ObjectChunk,
    ObjectMissing,
    ObjectRequest,
    Part,
    PartAck,
    PartDelivery,
    Pseudonym,
)
from chainnode.node.api import Refused
from chainnode.node.courier import delivery_digest
from chainnode.node.receiver import ASK_AGAIN_MS, FETCH_TIMEOUT_MS
from chainnode.pool.errors import DISK_FULL
from genesis.errors import OperatorError
from tests.ledger.world import digest32, id16
from tests.node.town import REQUESTER, Hospital, Town


def part(name: str, role: str = "provider", sealed: bytes = b"sealed") -> Part:
    return Part(id16(name), role, sealed)  # type: ignore[arg-type]


def delivery(request: bytes, *parts: Part, height: int, last: bool = True) -> PartDelivery:
    names = tuple(Pseudonym(one.object_id, bytes(16)) for one in parts)
    return PartDelivery(height, request, parts, names, last)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.provide(("a1", "ada"), ("a2", "ada"))
    return town


@pytest.fixture
def request_id(town: Town) -> bytes:
    """Released, and nothing delivered by the courier."""
    request = town.released("a1", "a2")
    for hospital in town.hospitals:
        hospital.courier.due.clear()
    return request


async def deliver(town: Town, peer: int, frame: PartDelivery) -> None:
    await town.hospitals[REQUESTER].handle(peer, frame)


def stashed(town: Town, request: bytes, name: str) -> bool:
    return town.hospitals[REQUESTER].stash.delivered(request, id16(name), "provider") is not None


async def test_parts_of_a_member_that_does_not_provide_are_ignored(town: Town, request_id: bytes):
    frame = delivery(request_id, part("a1"), part("a1", "patient"), height=town.chain.height)
    for peer in (1, 2):
        await deliver(town, peer, frame)
        await deliver(town, peer, delivery(request_id, height=town.chain.height))
    assert not stashed(town, request_id, "a1")
    assert not town.frames, "not even acknowledged"
    assert not town.hospitals[REQUESTER].unfiled


async def test_parts_for_what_is_not_authorised_are_ignored(town: Town, request_id: bytes):
    town.provide(("b1", "bob"))
    both = delivery(request_id, part("b1"), part("a1"), height=town.chain.height)
    await deliver(town, 0, both)
    assert not stashed(town, request_id, "b1") and stashed(town, request_id, "a1")
    unknown = delivery(id16("no request"), part("a1"), height=town.chain.height)
    await deliver(town, 0, unknown)
    assert not stashed(town, id16("no request"), "a1")


async def test_another_hospital_does_not_take_parts_that_are_not_its_own(town: Town, request_id: bytes):
    frame = delivery(request_id, part("a1"), height=town.chain.height)
    await town.hospitals[2].handle(0, frame)
    assert town.hospitals[2].stash.delivered(request_id, id16("a1"), "provider") is None
    assert not town.frames


async def test_parts_of_a_release_that_is_not_certified_here_wait_for_it(town: Town, request_id: bytes):
    await deliver(town, 0, delivery(request_id, part("a1"), height=town.chain.height + 1))
    assert not stashed(town, request_id, "a1") and not town.frames


async def test_a_part_that_comes_twice_counts_once(town: Town, request_id: bytes):
    """Else four frames of one part would look like a complete delivery."""
    parts = [part("a1"), part("a1", "patient"), part("a1"), part("a1", "patient")]
    await deliver(town, 0, delivery(request_id, *parts, height=town.chain.height))
    assert not town.hospitals[REQUESTER].unfiled
    assert town.sent(PartAck) == [PartAck(request_id, delivery_digest(parts[:2]))]


async def test_a_delivery_without_an_end_is_bounded(town: Town, request_id: bytes):
    frame = delivery(request_id, part("a1"), part("a2"), height=town.chain.height, last=False)
    for _ in range(50):
        await deliver(town, 0, frame)
    [incoming] = town.hospitals[REQUESTER].receiver._incoming.values()
    assert len(incoming.parts) == 2 and len(incoming.names) == 2


async def test_a_delivery_that_broke_off_does_not_spoil_the_next(town: Town, request_id: bytes):
    await deliver(
        town, 0, delivery(request_id, part("a1", sealed=b"old"), height=town.chain.height, last=False)
    )
    parts = [part(name, role) for name in ("a1", "a2") for role in ("provider", "patient")]
    await deliver(town, 0, delivery(request_id, *parts, height=town.chain.height))
    assert town.sent(PartAck) == [PartAck(request_id, delivery_digest(parts))]


async def test_words_of_others_than_the_requester_do_not_count(town: Town):
    request = town.released("a1", label="p2")
    town.taps = [lambda by, to, frame: False]
    await town.look()
    provider = town.hospitals[0]
    digest = delivery_digest(list(town.sent(PartDelivery)[0].parts))
    await provider.handle(2, PartAck(request, digest))
    await provider.handle(REQUESTER, PartAck(request, digest32("other parts")))
    await provider.handle(REQUESTER, PartAck(id16("unknown"), digest))
    assert not provider.unfiled
    await provider.handle(REQUESTER, PartAck(request, digest))
    await provider.handle(REQUESTER, PartAck(request, digest))
    assert len(provider.unfiled) == 1


async def test_a_ciphertext_goes_to_the_member_of_the_release_alone(town: Town, request_id: bytes):
    provider = town.hospitals[0]
    town.provide(("b1", "bob"))
    for peer, request, name in (
        (2, request_id, "a1"),
        (REQUESTER, id16("unknown"), "a1"),
        (REQUESTER, request_id, "b1"),
    ):
        await provider.handle(peer, ObjectRequest(request, id16(name)))
    assert not town.sent(ObjectChunk) and len(town.sent(ObjectMissing)) == 3


async def asked(town: Town, request: bytes) -> Hospital:
    """The requester has the parts and has asked for a1."""
    parts = [part(name, role) for name in ("a1", "a2") for role in ("provider", "patient")]
    await deliver(town, 0, delivery(request, *parts, height=town.chain.height))
    assert town.sent(ObjectRequest) == [ObjectRequest(request, id16("a1"))]
    return town.hospitals[REQUESTER]


async def test_chunks_out_of_order_are_not_put_together(town: Town, request_id: bytes):
    requester = await asked(town, request_id)
    data = town.items["a1"].sealed.ciphertext
    half = len(data) // 2
    await requester.handle(0, ObjectChunk(id16("a1"), 1, 2, data[half:]))
    await requester.handle(0, ObjectChunk(id16("a1"), 0, 2, data[:half]))
    await requester.handle(0, ObjectChunk(id16("a1"), 0, 2, data[:half]))
    assert not requester.objects.exists(id16("a1"))
    await requester.handle(0, ObjectChunk(id16("a1"), 1, 2, data[half:]))
    assert requester.objects.get(id16("a1")) == data


@pytest.mark.parametrize("what", ["altered", "longer", "shorter", "another's"])
async def test_a_ciphertext_that_is_not_as_anchored_is_not_kept(what: str, town: Town, request_id: bytes):
    requester = await asked(town, request_id)
    data = town.items["a1"].sealed.ciphertext
    sent = {
        "altered": data[:-1] + bytes([data[-1] ^ 1]),
        "longer": data + b"x",
        "shorter": data[:-1],
        "another's": town.items["a2"].sealed.ciphertext,
    }[what]
    await requester.handle(0, ObjectChunk(id16("a1"), 0, 1, sent))
    assert not requester.objects.exists(id16("a1"))
    assert town.sent(ObjectRequest)[-1].object_id == id16("a2"), "the next one has its turn"
    await requester.handle(0, ObjectChunk(id16("a2"), 0, 1, town.items["a2"].sealed.ciphertext))
    town.clock.pass_ms(ASK_AGAIN_MS)
    await requester.receiver.work()
    assert town.sent(ObjectRequest)[-1].object_id == id16("a1"), "asked for again, later"


async def test_an_endless_object_is_cut_off_at_its_anchored_length(town: Town, request_id: bytes):
    requester = await asked(town, request_id)
    length = len(town.items["a1"].sealed.ciphertext)
    for index in range(3):
        await requester.handle(0, ObjectChunk(id16("a1"), index, 1_000_000, bytes(length // 2)))
    fetch = requester.receiver._fetching[0]
    assert fetch.one.object_id == id16("a2") and not fetch.data


async def test_chunks_that_were_not_asked_for_are_ignored(town: Town, request_id: bytes):
    requester = await asked(town, request_id)
    data = town.items["a2"].sealed.ciphertext
    await requester.handle(0, ObjectChunk(id16("a2"), 0, 1, data))
    await requester.handle(1, ObjectChunk(id16("a1"), 0, 1, town.items["a1"].sealed.ciphertext))
    await requester.handle(1, ObjectMissing(id16("a1")))
    assert not requester.objects.exists(id16("a1")) and not requester.objects.exists(id16("a2"))
    assert requester.receiver._fetching[0].one.object_id == id16("a1")


async def test_a_provider_that_falls_silent_is_asked_for_the_next_object(town: Town, request_id: bytes):
    requester = await asked(town, request_id)
    town.clock.pass_ms(FETCH_TIMEOUT_MS + 1)
    await requester.receiver.work()
    assert [one.object_id for one in town.sent(ObjectRequest)] == [id16("a1"), id16("a2")]


class Broken:
    """An object store whose every operation fails."""

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        def fail(*_: object, **__: object) -> None:
            raise OperatorError(DISK_FULL, "disk full", unchanged="nothing", next_step="df")

        async def fail_later(*_: object, **__: object) -> None:
            fail()

        return fail_later if name.endswith("_async") else fail


async def test_a_pool_that_fails_stops_the_object_and_not_the_node(town: Town):
    request = town.released("a1", label="p2")
    requester, provider = town.hospitals[REQUESTER], town.hospitals[0]
    kept = requester.receiver._objects
    requester.receiver._objects = Broken()
    await town.settle()
    assert requester.log.said("an object was not taken") == 1
    requester.receiver._objects = kept
    town.clock.pass_ms(ASK_AGAIN_MS)
    kept_there, provider.courier._objects = provider.courier._objects, Broken()
    await town.settle()
    assert provider.log.said("an anchored object cannot be served") == 1
    provider.courier._objects = kept_there
    town.clock.pass_ms(ASK_AGAIN_MS)
    await town.settle()
    assert (await town.opened(request))[id16("a1")][0] == ""


async def test_what_cannot_be_opened_comes_with_its_rule(town: Town):
    request = town.released("a1", "a2", label="p2")
    await town.settle()
    receiver = town.hospitals[REQUESTER].receiver
    wrong = {one.object_id: one.rule async for one in receiver.fetch(request, bytes(31) + b"x")}
    assert wrong == {id16("a1"): "not-for-this-key", id16("a2"): "not-for-this-key"}
    town.hospitals[REQUESTER].objects.delete(id16("a2"))
    seed = town.projects[request].seed
    rules = {one.object_id: one.rule async for one in receiver.fetch(request, seed)}
    assert rules == {id16("a1"): "", id16("a2"): "object-missing"}


@pytest.mark.parametrize(
    ("at", "what", "rule"),
    [
        (REQUESTER, "unknown", "unknown-release"),
        (0, "known", "not-permitted"),
        (REQUESTER, "key", "malformed"),
    ],
)
async def test_a_fetch_that_cannot_be_is_refused_as_a_whole(
    at: int, what: str, rule: str, town: Town, request_id: bytes
):
    request = id16("unknown") if what == "unknown" else request_id
    receiver = town.hospitals[at].receiver
    with pytest.raises(Refused) as caught:
        async for _ in receiver.fetch(request, bytes(31 if what == "key" else 32)):
            pytest.fail("nothing is given")
    assert caught.value.rule == rule
    if what != "key":
        with pytest.raises(Refused):
            await receiver.progress(request)
