"""Validation and execution of a whole block through node.executor: ledger, header, state root, one synced
write. Against the bare verification of the block's signatures, and with its parts told apart."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.suite import Group, Sizes, Suite
from bench.timing import Case
from bench.world import CHAIN_ID, CREATED_MS, PARAMETERS, World, batch_claims, verify_raw
from chainnode.ledger.header import block_time_ms, genesis_header, next_header
from chainnode.ledger.machine import Execution, execute
from chainnode.ledger.records import Result
from chainnode.ledger.rows import no_rows
from chainnode.ledger.state import State
from chainnode.ledger.transaction import BatchBody, SignedBatch, Submission
from chainnode.ledger.transition import BlockContext
from chainnode.node.executor import Executor
from chainnode.store.chain import ChainStore
from chainnode.store.rows import RowStore
from consensus.ready import Decided
from consensus.types import BatchRef, BlockHeader

SLOT_MS = 10

Make = Callable[[int], list[Submission]]


def _found(store: ChainStore, world: World) -> State:
    """Height 0 with everything that the world's transactions rest on."""
    state = State(store.state_get)
    puts = state.update(world.entries(), {})
    header = genesis_header(
        chain_id=CHAIN_ID, time_ms=CREATED_MS, validators=world.replica_set, state_root=state.root
    )
    store.commit_block(header, (), results=(), events=(), state_puts=puts)
    return state


def _decided(tip: BlockHeader, ref: BatchRef) -> Decided:
    return Decided(tip.height + 1, 0, 0, tip.time_ms + SLOT_MS, (ref,))


def _require_executed(results: tuple[Result, ...]) -> None:
    """A refused transaction costs less than one that does something."""
    assert all(not result.code for result in results), next(r.code for r in results if r.code)


class _Node:
    """A node's executor over its stores; every run is the next block."""

    def __init__(self, folder: Path, world: World) -> None:
        self.world = world
        self.store = ChainStore(folder, CHAIN_ID)
        self.rows = RowStore(folder / "rows", CHAIN_ID)
        _found(self.store, world)
        self.executor = Executor(
            store=self.store,
            rows=self.rows,
            founding=world.founding,
            created_ms=CREATED_MS,
            parameters=PARAMETERS,
        )
        self._results: tuple[Result, ...] = ()
        self.executor.watchers.append(self._watch)

    def _watch(self, _decided: Decided, _header: BlockHeader, outcome: Execution, _state: State) -> None:
        self._results = outcome.results

    def close(self) -> None:
        self.store.close()
        self.rows.close()

    def batch(self, count: int) -> SignedBatch:
        """The next batch, after a look at what became of the last."""
        _require_executed(self._results)
        return self.world.batch(self.world.mix(count))

    def checked(self, count: int) -> BatchRef:
        """The next batch, checked and held, as it is when its slot is decided."""
        ref, body = self.world.check(self.batch(count))
        self.executor.keep_body(ref.digest, body)
        return ref

    def execute(self, ref: BatchRef) -> None:
        self.executor.execute(_decided(self.executor.tip, ref))

    def check_and_execute(self, batch: SignedBatch) -> None:
        ref, body = self.world.check(batch)
        self.executor.keep_body(ref.digest, body)
        self.execute(ref)

    def take_in_and_execute(self, batch: SignedBatch) -> None:
        """All that a replica does for another's batch, on one thread."""
        ref, body = self.world.check(batch)
        self.rows.put(batch.rows)
        self.store.put_batches([batch])
        self.executor.keep_body(ref.digest, body)
        self.execute(ref)


@dataclass(slots=True)
class _Pending:
    """A block between its parts."""

    decided: Decided
    body: BatchBody
    outcome: Execution | None = None
    header: BlockHeader | None = None


class _Parts:
    """The same path in two steps, so that each can be timed."""

    def __init__(self, folder: Path, world: World) -> None:
        self.world = world
        self.store = ChainStore(folder, CHAIN_ID)
        self.state = _found(self.store, world)
        self._included: set[bytes] = set()
        self._pending: _Pending | None = None

    def close(self) -> None:
        self.store.close()

    def _tip(self) -> BlockHeader:
        tip = self.store.tip()
        assert tip is not None
        return tip

    def take(self, submissions: list[Submission]) -> _Pending:
        """The next block; the one before is written first."""
        if self._pending is not None:
            self.commit(self._pending)
        ref, body = self.world.check(self.world.batch(submissions))
        self._pending = _Pending(_decided(self._tip(), ref), body)
        return self._pending

    def executed(self, submissions: list[Submission]) -> _Pending:
        pending = self.take(submissions)
        self.execute(pending)
        return pending

    def execute(self, pending: _Pending) -> None:
        """machine.execute with the state root, and the header."""
        tip, decided = self._tip(), pending.decided
        time_ms = block_time_ms(tip, decided.time_ms)
        context = BlockContext(CHAIN_ID, 0, decided.sequence, time_ms, PARAMETERS)
        outcome = execute(
            context, [pending.body.transactions], no_rows, self.state, self._included.__contains__
        )
        pending.header = next_header(
            tip,
            decided,
            results=outcome.results,
            events=outcome.events,
            state_root=outcome.state_root,
            validators=self.world.replica_set,
            next_validators=self.world.replica_set,
        )
        pending.outcome = outcome

    def commit(self, pending: _Pending) -> None:
        """The block's one synced write."""
        header, outcome = pending.header, pending.outcome
        assert header is not None and outcome is not None
        self.store.commit_block(
            header,
            pending.decided.refs,
            results=outcome.results,
            events=outcome.events,
            state_puts=outcome.puts,
        )
        _require_executed(outcome.results)
        self._included.update(result.transaction_id for result in outcome.results)
        self._pending = None


def _whole(node: _Node, count: int) -> Group:
    sample = batch_claims(node.world, node.world.batch(node.world.mix(count)))
    floor, unit = "raw verify", "transaction"
    return Group(
        f"{count}",
        f"blocks of {count:,} transactions, consents mixed with anchors",
        [
            Case(floor, unit, count, lambda _: verify_raw(sample)),
            Case(
                "cold: check, execute, commit",
                unit,
                count,
                node.check_and_execute,
                prepare=lambda: node.batch(count),
                floor=floor,
            ),
            Case(
                "cold, bodies and rows stored too",
                unit,
                count,
                node.take_in_and_execute,
                prepare=lambda: node.batch(count),
                floor=floor,
            ),
            Case(
                "warm: execute, commit",
                unit,
                count,
                node.execute,
                prepare=lambda: node.checked(count),
                floor=floor,
            ),
        ],
    )


def _parts(parts: _Parts, count: int, what: str, make: Make) -> Group:
    sample = batch_claims(parts.world, parts.world.batch(make(count)))
    return Group(
        f"parts of {count} {what}",
        f"the parts of a block of {count:,} {what}, signatures known",
        [
            Case("raw verify", "transaction", count, lambda _: verify_raw(sample)),
            Case(
                "machine.execute and header",
                "transaction",
                count,
                parts.execute,
                prepare=lambda: parts.take(make(count)),
                floor="raw verify",
            ),
            Case(
                "commit_block",
                "transaction",
                count,
                parts.commit,
                prepare=lambda: parts.executed(make(count)),
                floor="raw verify",
            ),
        ],
    )


def build(sizes: Sizes, folder: Path) -> Iterator[Group]:
    with closing(_Node(folder / "node", World(sizes.patients))) as node:
        for count in sizes.blocks:
            yield _whole(node, count)
    world = World(sizes.patients)
    with closing(_Parts(folder / "parts", world)) as parts:
        yield _parts(parts, max(sizes.blocks), "consents", world.consents)
        yield _parts(parts, max(sizes.blocks), "consents and anchors", world.mix)


SUITE = Suite("blocks", "Block validation and execution", build)
