"""One node of the simulation: what the driver, the network and the daemon do, without their loops.

A turn goes as in chainnode.node.driver: drain the inbox, step, persist, (the disk takes its time), send,
(execution takes its time), execute, and what follows from that as another turn. A crash may come in any
of the pauses, and before any operation of the disk.
"""

from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING

from chainnode.net.port import Channel
from chainnode.node import turn as inputs
from chainnode.node.certified import CertifiedBlock, certificate_fault
from chainnode.node.driver import IDLE_TICK_MS, INBOX_ITEMS, ITEMS_PER_TURN, Synced
from chainnode.node.engine import Engine, decode_records
from chainnode.node.epochs import EpochSteps
from chainnode.node.executor import Executor
from chainnode.node.restored import Restored
from chainnode.node.turn import Turn
from chainnode.store.verify import verify_chain
from chainnode.store.votelog import VoteLog
from consensus.codec import encode
from consensus.messages import QuorumCertificate
from consensus.ready import Decided, StableRecord
from consensus.types import BatchRef, BlockHeader, Now
from genesis.errors import OperatorError
from tests.sim.clock import Clock
from tests.sim.disk import FOLDER, Crash, Fuse, SimDisk
from tests.sim.peers import Peers
from tests.sim.tables import Folders, SimRows, SimStore, settle
from tests.sim.trace import Violation

if TYPE_CHECKING:
    from tests.sim.byzantine import Strategy
    from tests.sim.world import World

MAILBOX_FRAMES = 2_048


class SimNode:
    """`strategy` is None for an honest node; `trusted` is false where its disk was tampered with. A `twin` is
    the second process of a faulty member, with a disk of its own."""

    def __init__(
        self, world: "World", number: int, strategy: "Strategy | None", *, twin: bool = False
    ) -> None:
        self.world = world
        self.number = number
        self.strategy = strategy
        self.random = Random(f"node {world.plan.seed} {number} {'twin' if twin else ''}")
        self.trusted = True
        self.keeps_word = True
        """Whatever befell its disk, it does not contradict itself."""
        self.alive = False
        self.life = 0
        self.restarts = 0
        self.pieces = 0
        """Of snapshots, that came in all its lives."""
        self.paused_until_ms = 0
        self.fsync_ms = (0, 2)
        self.fuse = Fuse()
        self.fuse_cuts_power = False
        self.disk = SimDisk(fuse=self.fuse)
        self.folders = Folders(self.fuse)
        self.rows = SimRows()
        self.clock = Clock(world.scheduler, self.random.randrange(1_000, 10_000_000))
        self.store: SimStore
        self.engine: Engine
        self.executor: Executor
        self.peers: Peers
        self.log: VoteLog

    @property
    def honest(self) -> bool:
        return self.strategy is None

    def now(self) -> Now:
        return self.clock.now()

    def trace(self, what: str, *, to: Mapping[int, bool] | None = None) -> None:
        self.world.trace.add(self.world.scheduler.now_ms, self.number, what, to=to)

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """As chainnode.node.opening and the daemon do."""
        if self.alive:
            return
        self.life += 1
        self.alive = True
        self._inbox: deque[inputs.Input | Synced] = deque()
        self._synced: deque[tuple[CertifiedBlock, ...]] = deque()
        self._mailbox: deque[tuple[int, Channel, bytes]] = deque()
        self._busy, self._scheduled = True, False
        self._wake_at_ms: int | None = None
        self.trace("starts")
        self.attempt(self._open)

    def _open(self) -> None:
        chain = self.world.chain
        taken_over = settle(self.folders, self._log_certificate)
        if taken_over is not None:
            self.trace(f"takes the snapshot at {taken_over} for its chain")
        self.store = SimStore(self.folders, chain.chain_id)
        self.executor = Executor(
            store=self.store,
            rows=self.rows,
            founding=chain.founding,
            created_ms=chain.created_ms,
            parameters=chain.parameters,
        )
        self.executor.watchers.append(self._executed)
        self.log, records, damage = VoteLog.open(
            FOLDER, chain.chain_id, self.disk, must_exist=self.executor.tip.height > 0
        )
        self._look_over()
        self.world.checks.opened(self)
        self.engine = Engine(
            chain_id=chain.chain_id,
            replica_id=self.number,
            replica_sets=self.executor.replica_sets,
            parameters=chain.parameters,
            sign=chain.signer(self.number, 0),
            signers=chain.signers(self.number),
            log=self.log,
            executor=self.executor,
        )
        self.epochs = EpochSteps(self.store, lambda: self.executor.schedule)
        self._steps_of_epochs()
        self.restored = Restored(self.store, list(chain.corpus.keys_of(self.number)))
        self.peers = Peers(self)
        restored = self.engine.restore(
            records, self.now(), damaged=damage is not None, restored=self.restored.asking
        )
        self.trace(f"opened at {self.executor.tip.height}, {len(records)} records, damage {damage}")
        self.peers.batches.recover()
        self.world.links.started(self)
        self.peers.start()
        self._carry_out(restored)

    def _log_certificate(self, certificate: QuorumCertificate) -> None:
        """As chainnode.node.takeover: the vote log has it before the chain folder does."""
        chain = self.world.chain
        had = SimStore(self.folders, chain.chain_id).tip()
        log, raw, _ = VoteLog.open(
            FOLDER, chain.chain_id, self.disk, must_exist=had is not None and had.height > 0
        )
        known = [one.certificate.height for one in decode_records(raw) if isinstance(one, StableRecord)]
        if max(known, default=0) < certificate.height:
            log.append([encode(StableRecord(certificate))])
            log.sync()

    def _steps_of_epochs(self) -> None:
        """Every epoch that began can be proven from genesis on."""
        certified = self.executor.certified
        if certified is not None:
            self.epochs.certified(certified.height)
            assert self.epochs.proof(self.executor.replica_sets(certified.height).epoch) is not None

    def _executed(self, decided: Decided, header: BlockHeader, *_: object) -> None:
        self.world.checks.executed(self, header)
        self.peers.batches.executed(decided.refs, header.height)
        if self.peers.keeping is not None:
            self.peers.keeping.executed(header)

    def _look_over(self) -> None:
        chain, first = self.world.chain, self.store.header(0)
        assert first is not None
        verify_chain(
            self.store,
            path=FOLDER,
            genesis_hash=chain.genesis_hash(first.state_root),
            certificate_holds=lambda one: (
                not certificate_fault(one, chain.chain_id, self.executor.replica_sets, self.world.verify)
            ),
            max_uncertified=chain.parameters.window,
        )

    def stop(self, *, power_cut: bool) -> None:
        """The process is gone at once, or the machine is."""
        if not self.alive:
            return
        self.trace("power cut" if power_cut else "killed")
        self.alive = False
        self.life += 1
        self.fuse.left = None
        if power_cut:
            self.disk = self.disk.cut_at_random(self.random)
            self.folders.power_cut(self.random)
            self.clock.monotonic_ms = self.random.randrange(1_000, 10_000_000)
        else:
            self.disk = self.disk.killed()
        if hasattr(self, "peers"):
            self.peers.close()
        self.world.links.stopped(self)

    def begin_anew(self) -> None:
        """A snapshot is ready: everything is closed, and opened on it."""
        self.stop(power_cut=False)
        self.world.scheduler.after(self.random.randint(5, 50), self.start)

    def attempt(self, action: Callable[[], None]) -> None:
        """Carry out one action of the process; what it raises ends the process or the run."""
        try:
            action()
        except Crash:
            self.stop(power_cut=self.fuse_cuts_power)
            self.world.restart_later(self)
        except OperatorError as error:
            self.trace(f"stopped by {error}")
            self.stop(power_cut=False)
            if self.honest and self.trusted and not self.fuse.full:
                raise Violation(f"node {self.number} stops: {error}") from error
            self.fuse.full = False
            self.world.restart_later(self)
        except Violation:
            raise
        except Exception as error:
            if self.honest:
                raise Violation(f"node {self.number} fails: {type(error).__name__}: {error}") from error
            self.trace(f"a faulty node fails: {type(error).__name__}")
            self.stop(power_cut=False)

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """An action of this process, unless that is gone by then; a stopped process goes on later."""
        life = self.life

        def act() -> None:
            if not self.alive or self.life != life:
                return
            scheduler = self.world.scheduler
            if scheduler.now_ms < self.paused_until_ms:
                scheduler.at(self.paused_until_ms, act)
                return
            self.attempt(action)

        self.world.scheduler.after(delay_ms, act)

    # --- links ------------------------------------------------------------------------------------

    def link_changed(self, peer: int, up: bool) -> None:
        self.trace(f"link to {peer} {'up' if up else 'down'}")
        self.later(0, lambda: self.peers.link_changed(peer, up))

    def inbound(self, peer: int, channel: Channel, frame: bytes) -> None:
        if self.world.scheduler.now_ms >= self.paused_until_ms:
            self.attempt(lambda: self.peers.receive(peer, frame))
        elif len(self._mailbox) < MAILBOX_FRAMES:
            if not self._mailbox:
                self.later(0, self._empty_mailbox)
            self._mailbox.append((peer, channel, frame))

    def _empty_mailbox(self) -> None:
        while self._mailbox:
            peer, _, frame = self._mailbox.popleft()
            self.peers.receive(peer, frame)

    # --- the driver -------------------------------------------------------------------------------

    def put(self, item: inputs.Input | Synced) -> None:
        self._inbox.append(item)
        if len(self._inbox) > INBOX_ITEMS:
            raise Violation(f"node {self.number} has {len(self._inbox)} inputs waiting")
        if not self._busy:
            self._schedule(self.random.randint(0, 1))

    def _schedule(self, delay_ms: int) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.later(delay_ms, self._run_turn)

    def _run_turn(self) -> None:
        self._scheduled = False
        self._busy = True
        items = [self._inbox.popleft() for _ in range(min(len(self._inbox), ITEMS_PER_TURN))]
        now = self.now()
        due: list[inputs.Input] = [item for item in items if not isinstance(item, Synced)]
        self._synced.extend(item.run for item in items if isinstance(item, Synced))
        if self._wake_at_ms is not None and now.monotonic_ms >= self._wake_at_ms:
            due.append(inputs.Tick())
        self._carry_out(self.engine.step(due, now))

    def _carry_out(self, turn: Turn) -> None:
        self.engine.persist(turn)
        self.world.checks.persisted(self)
        self.world.faults.persisted(self)
        delay_ms = self.random.randint(*self.fsync_ms) if turn.records else 0
        if delay_ms:
            self.later(delay_ms, lambda: self._speak(turn))
        else:
            self._speak(turn)

    def _speak(self, turn: Turn) -> None:
        self.peers.send_messages(turn)
        self.peers.note(turn)
        self._note_restored(turn)
        if turn.halt is not None:
            raise Violation(f"node {self.number} halts: {turn.halt}")
        self._wake_at_ms = turn.wake_at_ms
        if turn.decided or turn.certified:
            self.later(self.random.randint(0, 3), lambda: self._execute(turn))
        else:
            self._finish()

    def _note_restored(self, turn: Turn) -> None:
        """As chainnode.node.watch."""
        if self.restored.asking and not self.engine.replica.asking:
            self.restored.heard()
        if self.restored.marked and turn.certified and self.engine.replica.status().voting:
            self.restored.safe()

    def _execute(self, turn: Turn) -> None:
        after = self.engine.execute(turn, self.now())
        for certificate in turn.certified:
            self.trace(f"certified {certificate.height} {certificate.header_hash.hex()[:8]}")
            self.world.checks.certified(self, certificate)
            if self.peers.keeping is not None:
                self.peers.keeping.certified(certificate)
        if turn.certified:
            self._steps_of_epochs()
            self.peers.wake_sync()
        self._carry_out(after)

    def _finish(self) -> None:
        self.world.checks.turn_done(self)
        while self._synced:
            run = self._synced.popleft()
            certified = self.executor.certified
            if run[0].header.height == (certified.height if certified else 0) + 1:
                turn = self.engine.install(run, self.now())
                self.trace(f"installed {run[0].header.height} to {run[-1].header.height}")
                self._carry_out(turn)
                return
        self._busy = False
        if self._inbox:
            self._schedule(0)
        else:
            self._arm()

    def _arm(self) -> None:
        """Sleep until something comes, the next timer, or an idle tick."""
        wait_ms = IDLE_TICK_MS
        if self._wake_at_ms is not None:
            wait_ms = min(wait_ms, max(0, self._wake_at_ms - self.now().monotonic_ms))
        if self._inbox:
            wait_ms = 0
        self._sleep = object()
        sleep = self._sleep

        def wake() -> None:
            if self._sleep is sleep and not self._busy and not self._scheduled:
                self._run_turn()

        self.later(wait_ms, wake)

    def stored(self, ref: BatchRef) -> None:
        self.put(inputs.BatchStored(ref))
