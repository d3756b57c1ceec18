"""The one loop that drives the engine: drain the inbox, persist, send, execute; once a turn."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chainnode.node.certified import CertifiedBlock
from chainnode.node.engine import Engine, ExecutorPort, ForkError
from chainnode.node.turn import Input, Tick, Turn
from consensus.messages import QuorumCertificate
from consensus.ready import Halt
from consensus.types import Now

INBOX_ITEMS = 4_096
ITEMS_PER_TURN = 256
IDLE_TICK_MS = 1_000


@dataclass(frozen=True, slots=True)
class Synced:
    """Proven blocks up to a certificate, whose batches are all here; installed if they follow the certified
    tip."""

    run: tuple[CertifiedBlock, ...]


class Halted(Exception):
    """A quorum certified another header than this node's own execution gave. It must stop."""

    def __init__(self, halt: Halt) -> None:
        super().__init__(f"height {halt.height}: own {halt.own.hex()}, certified {halt.certified.hex()}")
        self.halt = halt


class Effects(Protocol):
    """Whom the outcome of a turn concerns. Called on the loop, in the order of ready.py."""

    def send(self, turn: Turn) -> None: ...

    def note(self, turn: Turn) -> None:
        """Fetches, evidence, rejections, being behind."""
        ...

    def certified(self, certificate: QuorumCertificate) -> None: ...


class Driver:
    def __init__(
        self, engine: Engine, executor: ExecutorPort, effects: Effects, clock: Callable[[], Now]
    ) -> None:
        self._engine = engine
        self._executor = executor
        self._effects = effects
        self._clock = clock
        self._inbox: asyncio.Queue[Input | Synced] = asyncio.Queue(INBOX_ITEMS)
        self._wake_at_ms: int | None = None

    async def put(self, item: Input | Synced) -> None:
        """Hand in an input; waits while the inbox is full, so that the links come to wait too."""
        await self._inbox.put(item)

    async def run(self, restored: Turn) -> None:
        """Until cancelled. Raises Halted, ForkError, OperatorError (disk)."""
        await self._carry_out(restored)
        while True:
            items = await self._next_items()
            now = self._clock()
            inputs: list[Input] = [item for item in items if not isinstance(item, Synced)]
            if self._wake_at_ms is not None and now.monotonic_ms >= self._wake_at_ms:
                inputs.append(Tick())
            await self._carry_out(self._engine.step(inputs, now))
            for item in items:
                if isinstance(item, Synced):
                    await self._install(item.run)

    async def _next_items(self) -> list[Input | Synced]:
        wait_ms = IDLE_TICK_MS
        if self._wake_at_ms is not None:
            wait_ms = min(wait_ms, max(0, self._wake_at_ms - self._clock().monotonic_ms))
        try:
            # Not wait_for: on 3.11 it can swallow a cancellation that comes together with an item.
            async with asyncio.timeout(wait_ms / 1000):
                items = [await self._inbox.get()]
        except TimeoutError:
            return []
        while len(items) < ITEMS_PER_TURN and not self._inbox.empty():
            items.append(self._inbox.get_nowait())
        return items

    async def _install(self, run: tuple[CertifiedBlock, ...]) -> None:
        certified = self._executor.certified
        if run[0].header.height != (certified.height if certified else 0) + 1:
            return
        await self._carry_out(self._engine.install(run, self._clock()))

    async def _carry_out(self, turn: Turn) -> None:
        while True:
            if turn.records:
                # The disk's wait is spent outside the loop; nothing else touches the log.
                await asyncio.to_thread(self._engine.persist, turn)
            self._effects.send(turn)
            self._effects.note(turn)
            if turn.halt is not None:
                raise Halted(turn.halt)
            self._wake_at_ms = turn.wake_at_ms
            if not turn.decided and not turn.certified:
                return
            certified = turn.certified
            turn = self._engine.execute(turn, self._clock())
            for certificate in certified:
                self._effects.certified(certificate)


__all__ = ["Driver", "Effects", "ForkError", "Halted", "Synced"]
