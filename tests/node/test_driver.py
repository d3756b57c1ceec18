"""The loop around the engine: what comes before what, what waits, what ends it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from chainnode.node import driver as driver_module
from chainnode.node.certified import CertifiedBlock
from chainnode.node.driver import Driver, Halted, Synced
from chainnode.node.turn import Input, LinkUp, Tick, Turn
from consensus.messages import BlockVote, QuorumCertificate
from consensus.ready import Decided, Halt, HoldRecord, Outbound
from consensus.types import BlockHeader, Now
from genesis.errors import OperatorError
from tests.ledger.world import Chain
from tests.node.failures import DISK_FULL
from tests.node.stand_ins import Clock, stopped, until

RECORD = HoldRecord(0, 0, 0)
VOTE = Outbound(BlockVote(0, 1, bytes(32), 0))
DECIDED = Decided(1, 0, 0, 1, ())
CERTIFICATE = QuorumCertificate(0, 1, bytes(32), ())


@dataclass
class World:
    """Engine, executor and effects in one. `turns` answer steps in order; then come empty ones."""

    turns: list[Turn] = field(default_factory=list)
    follow: Turn | None = None
    done: list[str] = field(default_factory=list)
    inputs: list[Sequence[Input]] = field(default_factory=list)
    persisting: Callable[[], None] = lambda: None
    certified_height: int = 0

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.driver = Driver(self, self, Effects(self.done), self.clock)  # type: ignore[arg-type]

    @property
    def certified(self) -> QuorumCertificate | None:
        return QuorumCertificate(0, self.certified_height, bytes(32), ()) if self.certified_height else None

    def step(self, inputs: Sequence[Input], now: Now) -> Turn:
        self.inputs.append(tuple(inputs))
        return self.turns.pop(0) if self.turns else Turn()

    def persist(self, turn: Turn) -> None:
        self.persisting()
        self.done.append("persist")

    def execute(self, turn: Turn, now: Now) -> Turn:
        self.done.append("execute")
        return self.follow or Turn()

    def install(self, run: Sequence[CertifiedBlock], now: Now) -> Turn:
        self.done.append(f"install {run[0].header.height}")
        self.certified_height = run[-1].header.height
        return Turn()


@dataclass
class Effects:
    done: list[str]

    def send(self, turn: Turn) -> None:
        self.done.append(f"send {len(turn.send)}")

    def note(self, turn: Turn) -> None:
        self.done.append("note")

    def certified(self, certificate: QuorumCertificate) -> None:
        self.done.append(f"certified {certificate.height}")


async def test_a_turn_is_persisted_then_sent_then_noted_then_executed_then_told():
    world = World(follow=Turn(records=[RECORD], send=[VOTE]))
    turn = Turn(records=[RECORD], send=[VOTE, VOTE], decided=[DECIDED], certified=[CERTIFICATE])
    running = asyncio.create_task(world.driver.run(turn))
    await until(lambda: len(world.done) >= 8)
    assert world.done[:8] == [
        "persist", "send 2", "note", "execute", "certified 1", "persist", "send 1", "note",
    ]  # fmt: skip
    await stopped(running)


async def test_a_turn_without_records_does_not_wait_for_the_disk():
    world = World()
    running = asyncio.create_task(world.driver.run(Turn(send=[VOTE])))
    await until(lambda: "note" in world.done)
    assert world.done == ["send 1", "note"]
    await stopped(running)


async def test_nothing_is_sent_where_the_disk_fails():
    def fail() -> None:
        raise DISK_FULL

    world = World(persisting=fail)
    with pytest.raises(OperatorError):
        await world.driver.run(Turn(records=[RECORD], send=[VOTE]))
    assert world.done == []


async def test_the_loop_is_free_while_the_disk_works():
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_the_loop() -> None:
        asyncio.run_coroutine_threadsafe(asyncio.wait_for(gate.wait(), 30), loop).result()

    world = World(persisting=wait_for_the_loop)
    running = asyncio.create_task(world.driver.run(Turn(records=[RECORD])))
    await asyncio.sleep(0)
    gate.set()
    await until(lambda: "persist" in world.done)
    await stopped(running)


async def test_what_was_waiting_is_one_turn_in_its_order():
    world = World()
    for peer in range(5):
        await world.driver.put(LinkUp(peer))
    running = asyncio.create_task(world.driver.run(Turn()))
    await until(lambda: bool(world.inputs))
    assert world.inputs[0] == tuple(LinkUp(peer) for peer in range(5))
    await stopped(running)


async def test_who_puts_into_a_full_inbox_waits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(driver_module, "INBOX_ITEMS", 2)
    world = World()
    await world.driver.put(LinkUp(0))
    await world.driver.put(LinkUp(1))
    waiting = asyncio.create_task(world.driver.put(LinkUp(2)))
    await asyncio.sleep(0)
    assert not waiting.done()
    running = asyncio.create_task(world.driver.run(Turn()))
    await waiting
    await until(lambda: sum(map(len, world.inputs)) == 3)
    await stopped(running)


async def test_a_due_timer_is_a_tick_beside_what_came():
    world = World()
    world.turns = [Turn(wake_at_ms=world.clock.monotonic_ms)]
    await world.driver.put(LinkUp(0))
    running = asyncio.create_task(world.driver.run(Turn(wake_at_ms=world.clock.monotonic_ms + 3_600_000)))
    await until(lambda: len(world.inputs) >= 2)
    assert world.inputs[:2] == [(LinkUp(0),), (Tick(),)]
    await stopped(running)


async def test_a_halt_ends_it_after_what_was_said_before():
    halt = Halt(7, bytes(32), b"\x01" * 32)
    world = World(turns=[Turn(records=[RECORD], send=[VOTE], decided=[DECIDED], halt=halt)])
    await world.driver.put(LinkUp(0))
    with pytest.raises(Halted) as caught:
        await world.driver.run(Turn())
    assert caught.value.halt == halt
    assert world.done[2:] == ["persist", "send 1", "note"], "and nothing is executed"


def blocks(*heights: int) -> tuple[CertifiedBlock, ...]:
    chain = Chain()
    while chain.height < max(heights):
        chain.commit()
    headers: list[BlockHeader] = [chain.headers[height] for height in heights]
    return tuple(CertifiedBlock(header, (), chain.certificate(header)) for header in headers)


async def test_fetched_blocks_are_installed_only_on_the_certified_tip():
    world = World(certified_height=2)
    for run in (blocks(2), blocks(4), blocks(3, 4), blocks(3)):
        await world.driver.put(Synced(run))
    await world.driver.put(Synced(blocks(5)))
    running = asyncio.create_task(world.driver.run(Turn()))
    await until(lambda: world.certified_height == 5)
    assert [one for one in world.done if one.startswith("install")] == ["install 3", "install 5"]
    await stopped(running)
