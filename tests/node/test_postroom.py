"""Frames of releases: bounded for each peer, and no work of one side holds up the other's."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from chainnode.net.wire import (
    Frame,
    ObjectChunk,
    ObjectMissing,
    ObjectRequest,
    Opening,
    OpeningAnswer,
    OpeningRequest,
    Part,
    PartAck,
    PartDelivery,
)
from chainnode.node import postroom as postroom_module
from chainnode.node.postroom import POST_FRAMES, QUEUED_BYTES, Postroom
from genesis.errors import OperatorError
from tests.ledger.world import digest32, id16
from tests.node.failures import DISK_FULL
from tests.node.stand_ins import Log, SceneExecutor, stopped, until
from tests.node.town import REQUESTER, Town

ACK = PartAck(id16("r"), digest32("d"))


class Sides:
    """Courier and receiver in one. `gate` holds up what a provider's frames start."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int]] = []
        self.noted: list[tuple[str, bytes]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.works = 0
        self.wake = asyncio.Event()
        self.failure: Exception | None = None

    async def work(self) -> None:
        self.works += 1
        if self.failure is not None:
            raise self.failure

    def note(self, request_id: bytes, release_height: int | None = None) -> None:
        self.noted.append(("receiver" if release_height is None else "courier", request_id))

    async def delivered(self, peer: int, frame: PartDelivery) -> None:
        await self.gate.wait()
        self.done.append(("delivered", peer))

    async def chunk(self, peer: int, frame: ObjectChunk) -> None:
        await self.gate.wait()
        self.done.append(("chunk", peer))

    async def missing(self, peer: int, frame: ObjectMissing) -> None:
        self.done.append(("missing", peer))

    async def acknowledged(self, peer: int, frame: PartAck) -> None:
        self.done.append(("acknowledged", peer))

    async def serve(self, peer: int, frame: ObjectRequest) -> None:
        self.done.append(("serve", peer))

    async def asked(self, peer: int, frame: OpeningRequest) -> None:
        self.done.append(("asked", peer))

    async def answered(self, peer: int, frame: OpeningAnswer) -> None:
        self.done.append(("answered", peer))


class Store:
    def __init__(self, state: dict[bytes, bytes]) -> None:
        self.state = state

    def state_items(self, prefix: bytes):  # type: ignore[no-untyped-def]
        return ((key, value) for key, value in sorted(self.state.items()) if key.startswith(prefix))


class House:
    def __init__(self, member: int = 0, town: Town | None = None) -> None:
        self.sides, self.log, self.tasks = Sides(), Log(), set()  # type: ignore[var-annotated]
        self.openings = Sides()
        self.openings.done = self.sides.done
        self.postroom = Postroom(
            member=member,
            courier=self.sides,  # type: ignore[arg-type]
            receiver=self.sides,  # type: ignore[arg-type]
            openings=self.openings,  # type: ignore[arg-type]
            trusteeing=self.sides,  # type: ignore[arg-type]
            executor=SceneExecutor(town.chain) if town else None,  # type: ignore[arg-type]
            store=Store(town.chain.backend) if town else None,  # type: ignore[arg-type]
            spawn=self.spawn,
            log=self.log,
        )

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.add(asyncio.create_task(work))

    async def end(self) -> None:
        await stopped(*self.tasks)


async def test_each_frame_reaches_the_side_that_it_is_for():
    house = House()
    frames: list[Frame] = [
        PartDelivery(1, id16("r"), (), (), True),
        ACK,
        ObjectRequest(id16("r"), id16("o")),
        ObjectChunk(id16("o"), 0, 1, b"x"),
        ObjectMissing(id16("o")),
        OpeningRequest(id16("r"), 1, (Opening(id16("o"), digest32("dealing"), b"wrap"),)),
        OpeningAnswer(id16("r"), 1, (), ()),
    ]
    assert {type(frame) for frame in frames} == set(POST_FRAMES)
    for frame in frames:
        await house.postroom.take(2, frame)
    await until(lambda: len(house.sides.done) == 7)
    assert {what for what, _ in house.sides.done} == {
        "delivered",
        "acknowledged",
        "serve",
        "chunk",
        "missing",
        "asked",
        "answered",
    }
    await house.end()


async def test_frames_of_one_side_keep_their_order_and_do_not_wait_for_the_other():
    house = House()
    house.sides.gate.clear()
    house.postroom.post(2, PartDelivery(1, id16("r"), (), (), True))
    house.postroom.post(2, ObjectMissing(id16("o")))
    house.postroom.post(2, ObjectRequest(id16("r"), id16("o")))
    house.postroom.post(1, ObjectMissing(id16("o")))
    await until(lambda: len(house.sides.done) == 2)
    assert sorted(house.sides.done) == [("missing", 1), ("serve", 2)]
    house.sides.gate.set()
    await until(lambda: len(house.sides.done) == 4)
    assert house.sides.done[2:] == [("delivered", 2), ("missing", 2)]
    await house.end()


async def test_what_a_peer_sends_is_bounded_in_bytes_and_drops_nothing_of_others():
    house = House()
    house.sides.gate.clear()
    big = ObjectChunk(id16("o"), 0, 2, bytes(1_000_000))
    taken = sum(house.postroom.post(2, big) for _ in range(50))
    assert taken == QUEUED_BYTES // 1_000_256
    assert house.log.said("post dropped") == 50 - taken
    assert house.postroom.post(1, big) and house.postroom.post(2, ACK)
    house.sides.gate.set()
    await until(lambda: len(house.sides.done) == taken + 2)
    assert house.postroom.post(2, big), "there is room again"
    await house.end()


async def test_tiny_frames_and_many_parts_are_bounded_too():
    house = House()
    house.sides.gate.clear()
    taken = sum(house.postroom.post(2, ACK) for _ in range(100_000))
    assert taken < 50_000
    parts = tuple(Part(id16(str(n)), "provider", bytes(1_200)) for n in range(500))
    taken = sum(house.postroom.post(2, PartDelivery(1, id16("r"), parts, (), True)) for _ in range(50))
    assert 0 < taken < 15
    await house.end()


async def test_a_certified_release_is_noted_by_whom_it_concerns_and_looked_at_at_once(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(postroom_module, "LOOK_EVERY_MS", 3_600_000)
    town = Town()
    town.provide(("a1", "ada"))
    request = town.released("a1")
    for member, expected in ((0, ["courier"]), (1, []), (REQUESTER, ["receiver"])):
        house = House(member, town)
        running = asyncio.create_task(house.postroom.run())
        await until(lambda house=house: house.sides.works == 2)
        house.postroom.released(request)
        await until(lambda house=house: house.sides.works == 4)
        assert house.sides.noted == [(side, request) for side in expected]
        assert bool(house.openings.noted) == (member == REQUESTER)
        await stopped(running)


async def test_after_a_start_all_releases_of_the_state_are_noted_and_refusals_are_not():
    town = Town()
    town.provide(("a1", "ada"))
    first = town.released("a1")
    refused = town.apply("a1", label="p2")
    assert town.release(refused, "p2").outcome == "REFUSED"
    for member, side in ((0, "courier"), (REQUESTER, "receiver")):
        house = House(member, town)
        house.postroom.recover()
        assert house.sides.noted == [(side, first)]


async def test_an_error_of_the_disk_ends_the_work():
    house = House()
    house.sides.failure = DISK_FULL
    with pytest.raises(ExceptionGroup) as caught:
        await house.postroom.run()
    assert caught.group_contains(OperatorError)
