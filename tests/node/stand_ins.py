"""What stands in for the house around one part of the node: a log, a clock, the ledger of a scene."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from chainnode.ledger.state import State
from chainnode.ledger.transaction import Row
from chainnode.ledger.transition import BlockContext
from chainnode.vault.keys import SigningKey
from consensus.messages import QuorumCertificate
from consensus.types import BlockHeader, Now, ReplicaSet
from tests.ledger.world import Chain


class Log:
    """A BoundLogger that remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, what: str, **fields: Any) -> None:
        self.lines.append((what, fields))

    debug = warning = error = exception = info

    def said(self, what: str) -> int:
        return sum(line == what for line, _ in self.lines)


@dataclass
class Clock:
    """Both clocks, moved by hand."""

    wall_ms: int = 1_700_000_000_000
    monotonic_ms: int = 1_000

    def __call__(self) -> Now:
        return Now(self.monotonic_ms, self.wall_ms)

    def pass_ms(self, milliseconds: int) -> None:
        self.wall_ms += milliseconds
        self.monotonic_ms += milliseconds


def signing_key(name: str) -> SigningKey:
    """The vault's key of the actor of that name."""
    return SigningKey(sha256(b"actor " + name.encode()).digest())


@dataclass
class SceneExecutor:
    """An Executor of a scene's chain. Certified up to the tip, unless `certified_height` says otherwise."""

    chain: Chain
    certified_height: int | None = None
    rows: dict[bytes, Row] = field(default_factory=dict)

    @property
    def state(self) -> State:
        return self.chain.state

    @property
    def tip(self) -> BlockHeader:
        return self.chain.headers[-1]

    @property
    def certified_header(self) -> BlockHeader:
        return self.chain.headers[-1 if self.certified_height is None else self.certified_height]

    @property
    def certified(self) -> QuorumCertificate | None:
        header = self.certified_header
        return self.chain.certificate(header) if header.height else None

    @property
    def included(self) -> dict[bytes, Any]:
        return self.chain.transactions

    def row(self, digest: bytes) -> Row | None:
        return self.chain.rows.get(digest)

    def replica_sets(self, sequence: int) -> ReplicaSet:
        return self.chain.schedule(sequence)

    def context(self, height: int, time_ms: int) -> BlockContext:
        return BlockContext(self.chain.chain_id, 0, height, time_ms, self.chain.parameters)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until it holds."""
    for _ in range(20_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


async def stopped(*running: asyncio.Task[Any]) -> None:
    """Cancel tasks that run until they are cancelled, and see that this is how they end."""
    for task in running:
        task.cancel()
    for ended in await asyncio.gather(*running, return_exceptions=True):
        assert isinstance(ended, asyncio.CancelledError), ended
