"""The composition root: the only place that knows every room. Opens, wires, runs, closes."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any

import uvloop
from structlog.stdlib import BoundLogger

from chainnode.gateway.scraping import Scraping
from chainnode.gateway.server import Gateway
from chainnode.ledger.machine import Execution
from chainnode.ledger.state import State
from chainnode.net import wire
from chainnode.net.port import Tap
from chainnode.net.transports import transport_of
from chainnode.node.admissions import Admissions
from chainnode.node.backup import backup_source
from chainnode.node.batches import Batches
from chainnode.node.chainkeeping import ChainKeeping
from chainnode.node.clock import now, process_age_ms
from chainnode.node.config import NodeConfig
from chainnode.node.delivering import Delivering
from chainnode.node.desk import Desk
from chainnode.node.driver import Driver
from chainnode.node.ending import told
from chainnode.node.engine import Engine
from chainnode.node.epochs import EpochSteps
from chainnode.node.erasures import Erasures
from chainnode.node.executor import EVENT_MEMBERSHIP
from chainnode.node.logs import node_logger
from chainnode.node.network import Network
from chainnode.node.opening import Opened, open_node
from chainnode.node.overview import Overview
from chainnode.node.passage import Passage
from chainnode.node.peering import Peering, transport_config
from chainnode.node.peerlist import HINT, unaddressed
from chainnode.node.proving import Proving
from chainnode.node.quorum import Quorum
from chainnode.node.reads import Reads
from chainnode.node.service import Service
from chainnode.node.stash import Stash
from chainnode.node.strong import StrongReads
from chainnode.node.sync import Sync
from chainnode.node.takeover import run_until_ended
from chainnode.node.turn import Turn
from chainnode.node.waiters import Waiters
from chainnode.node.watch import Watch
from consensus.messages import QuorumCertificate
from consensus.ready import Decided
from consensus.types import BlockHeader


def run(config: NodeConfig, *, tap: Tap | None = None) -> None:
    """Run a node until SIGINT or SIGTERM. Raises OperatorError; nothing it started is left then."""
    started_ms = now().monotonic_ms - process_age_ms()
    run_until_ended(config, lambda: _run_once(config, started_ms, tap))


def _run_once(config: NodeConfig, started_ms: int, tap: Tap | None) -> bool:
    """From opening to closing; whether the node is to be opened anew, on a snapshot that was taken over."""
    log = node_logger(config.log)
    with ExitStack() as closing:
        opened = open_node(config, closing)
        log = log.bind(member=opened.member.id)
        log.info("opened", height=opened.executor.tip.height, home=str(config.home))
        ids = [member.id for member in opened.members.present(opened.executor.tip.height)]
        if forgotten := unaddressed(config, ids, opened.member.id):
            log.warning("members without an address", members=forgotten, file=str(config.file), hint=HINT)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            begins_anew = runner.run(_serve(opened, started_ms, tap, log))
        log.info("stopped", height=opened.executor.tip.height)
        return begins_anew


class _House:
    """Everything that runs on the loop, wired together."""

    def __init__(self, opened: Opened, started_ms: int, tap: Tap | None, log: BoundLogger) -> None:
        self._opened = opened
        self._log = log
        self._tasks: asyncio.TaskGroup | None = None
        self._workers: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self.begins_anew = False
        genesis, member, executor = opened.genesis, opened.member.number, opened.executor
        certified = executor.certified
        self.waiters = Waiters(certified.height if certified else 0)
        self.stash = Stash(opened.store)
        self.epochs = EpochSteps(opened.store, lambda: executor.schedule)
        self.epochs.certified(self.waiters.certified_height)
        self.transport = transport_of(genesis.transport, transport_config(opened), tap)
        self.peering = Peering(opened, self.transport, log)
        self.engine = Engine(
            chain_id=genesis.chain_id,
            replica_id=member,
            replica_sets=opened.replica_sets,
            parameters=genesis.parameters,
            sign=opened.keys.validator.sign,
            signers={one.validator.public: one.validator.sign for one in opened.all_keys},
            log=opened.votes,
            executor=executor,
        )
        self.driver = Driver(self.engine, executor, self, now)
        self.watch = Watch(opened, lambda peer, frame: self.network.tell(peer, frame), log)
        self.quorum = Quorum(
            member=member,
            names=opened.members.names,
            members=lambda: opened.replica_sets(executor.tip.height + 1),
            replica=self.engine.replica,
            transport=self.transport,
            peers=self.watch.peers,
        )
        self._wire_links()
        self._wire_releases()
        self._wire_service(started_ms)
        self._register()

    def _wire_links(self) -> None:
        opened, executor, log = self._opened, self._opened.executor, self._log
        genesis, member = opened.genesis, opened.member.number
        self.network = Network(
            member=member,
            chain_id=genesis.chain_id,
            replica_sets=opened.replica_sets,
            frame_bytes=genesis.parameters.frame_bytes,
            transport=self.transport,
            engine=self.engine,
            driver=self.driver,
            verify=opened.verify,
            peers=self.watch.peers,
            log=log,
            own_keys=[one.validator.public for one in opened.all_keys],
            others_alone=self.watch.restored.asking,
        )
        self.batches = Batches(
            member=member,
            genesis=genesis,
            validator=opened.own_key,
            store=opened.store,
            rows=opened.rows,
            executor=executor,
            driver=self.driver,
            network=self.network,
            verify=opened.verify,
            threaded=opened.config.verification == "thread",
            log=log,
        )
        self.admissions = Admissions(
            chain_id=genesis.chain_id,
            member=member,
            validator=opened.own_key,
            parameters=genesis.parameters,
            executor=executor,
            waiters=self.waiters,
            stash=self.stash,
            intake=self.batches,
            verify=opened.verify,
            trouble=self.quorum.lost,
            reserve=self.watch.reserve,
            log=log,
        )
        self.sync = Sync(
            chain_id=genesis.chain_id,
            replica_sets=opened.replica_sets,
            parameters=genesis.parameters,
            store=opened.store,
            executor=executor,
            driver=self.driver,
            verify=opened.verify,
            offer=self.network.offer,
            want=self.batches.want_certified,
            log=log,
        )
        self._wire_keeping()

    def _wire_keeping(self) -> None:
        opened, log = self._opened, self._log
        self.keeping = ChainKeeping(
            opened, self.network, self.sync, self.epochs, self._queued_bytes, self._begin_anew, log
        )
        self.batches.on_lost = self.keeping.joining.pruned
        self.erasures = Erasures(opened, self.keeping.snapshots, self.admissions.submit_own, log)

    def _queued_bytes(self, peer: int) -> int:
        link = self.transport.links().get(peer)
        return 0 if link is None else link.queued_out_bytes

    def _begin_anew(self) -> None:
        self.begins_anew = True
        self.stop()

    def stop(self) -> None:
        self._stop.set()

    def _linked(self, peer: int) -> bool:
        link = self.transport.links().get(peer)
        return link is not None and link.up

    def _wire_releases(self) -> None:
        opened, executor = self._opened, self._opened.executor
        self.passage = Passage(
            member=opened.member.number,
            executor=executor,
            settled_height=lambda: opened.members.settled_height,
            submit_own=self.admissions.submit_own,
        )
        self.delivering = Delivering(
            opened,
            self.network,
            linked=self._linked,
            admissions=self.admissions,
            waiters=self.waiters,
            stash=self.stash,
            spawn=self._spawn,
            log=self._log,
        )

    def _wire_service(self, started_ms: int) -> None:
        opened, executor = self._opened, self._opened.executor
        self.overview = Overview(
            opened,
            started_ms,
            replica=self.engine.replica,
            transport=self.transport,
            sync=self.sync,
            admissions=self.admissions,
            batches=self.batches,
            keeping=self.keeping,
            watch=self.watch,
            quorum=self.quorum,
            unserved=lambda: self.scraping.trouble,
        )
        self.scraping = Scraping(opened.config.metrics_listen, self.overview.metrics.text, self._log)
        desk = Desk(
            member=opened.member.number,
            local_key=opened.keys.local_key,
            pool=opened.pool,
            rows=opened.store,
            executor=executor,
            releases=self.delivering.releases,
            admissions=self.admissions,
            reserve=self.watch.reserve,
            log=self._log,
        )
        service = Service(
            genesis=opened.genesis,
            members=opened.members,
            genesis_file=opened.genesis_file,
            member=opened.member.number,
            store=opened.store,
            executor=executor,
            reads=Reads(opened.store, executor, self.waiters),
            admissions=self.admissions,
            desk=desk,
            receiver=self.delivering.receiver,
            reporting=self.overview.reporting,
            pool=opened.pool,
            strong=StrongReads(opened.member.number, self.admissions.submit_for),
            insight=self.overview.insight,
            witness=self.watch.witness,
            backup_source=lambda: backup_source(opened),
            epochs=self.epochs,
            proving=Proving(store=opened.store, executor=executor, waiters=self.waiters, epochs=self.epochs),
        )
        self.gateway = Gateway(service, opened.config.sockets)

    def _register(self) -> None:
        self._opened.executor.watchers.append(self._executed)
        self.network.watch_links(self.sync.on_link)
        self.network.watch_links(self.watch.witness.on_link)
        self.network.watch_links(self.watch.peers.on_link)
        self.network.handle(wire.Status, self._on_status)
        self.network.handle(wire.Pulse, self.watch.peers.on_pulse)
        self.network.handle(wire.Evidence, self.watch.witness.on_frame)
        self.network.handle(wire.BlocksRequest, self.sync.on_request)
        self.network.handle(wire.Blocks, self.sync.on_blocks)
        self.batches.register()
        self.keeping.register(self.network)
        self.batches.watch_arrivals(self.sync.wake)

    async def _on_status(self, peer: int, frame: wire.Status) -> None:
        await self.sync.on_status(peer, frame)
        await self.watch.peers.on_status(peer, frame)

    # Effects of a turn (see driver.Effects)

    def send(self, turn: Turn) -> None:
        self.network.send_messages(turn)

    def note(self, turn: Turn) -> None:
        for fetch in turn.fetch:
            self.batches.want([fetch.ref], fetch.sources)
        self.batches.relay(turn.relay)
        if turn.behind is not None:
            self.sync.behind(turn.behind)
        self.overview.note(turn)
        for rejection in turn.rejections:
            self._log.debug("rejected", rule=rejection.rule, peer=rejection.replica, detail=rejection.detail)

    def certified(self, certificate: QuorumCertificate) -> None:
        before = self.waiters.certified_height
        self.epochs.certified(certificate.height)
        self.peering.certified(certificate.height)
        self.waiters.certified(certificate.height)
        self.overview.certified()
        self.keeping.certified(certificate)
        self.sync.wake()
        self.erasures.wake()
        for height in range(before + 1, certificate.height + 1):
            block = self._opened.store.block(height)
            assert block is not None
            for event in block.events:
                self.delivering.certified(event)

    def _executed(self, decided: Decided, header: BlockHeader, outcome: Execution, _: State) -> None:
        self.keeping.executed(header)
        self.waiters.executed(header, outcome)
        self.overview.executed(outcome)
        if any(event.kind == EVENT_MEMBERSHIP for event in outcome.events):
            self.peering.changed()
        self.batches.executed(decided.refs, header.height)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._tasks is not None
        self._workers.append(self._tasks.create_task(work))

    async def run(self) -> None:
        """Open links and sockets, work until `stop`; whatever ends a task ends the node."""
        opened = self._opened
        restored = self.engine.restore(
            opened.vote_records,
            now(),
            damaged=opened.votes.damage is not None,
            restored=self.watch.restored.asking,
        )
        self.overview.begin()
        await self.transport.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self.delivering.recover()
                tasks.create_task(self.batches.recover())
                running = [
                    tasks.create_task(work)
                    for work in (
                        self.driver.run(restored),
                        self.batches.run(),
                        self.network.run(),
                        self.network.announce(lambda: self.sync.height),
                        self.sync.run(),
                        *self.delivering.work(),
                        self.passage.run(),
                        self.erasures.run(),
                        *self.keeping.work(),
                        *self.overview.work(self.admissions.submit_own),
                        self.scraping.run(),
                    )
                ]
                await self.gateway.start()
                self._log.info("ready", listening=self.transport.listen_addresses())
                await self._stop.wait()
                await self.gateway.stop()
                for task in [*running, *self._workers]:
                    task.cancel()
        finally:
            await self.gateway.stop(grace_ms=0)
            await self.transport.stop()


async def _serve(opened: Opened, started_ms: int, tap: Tap | None, log: BoundLogger) -> bool:
    house = _House(opened, started_ms, tap, log)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, house.stop)
    try:
        await house.run()
    except BaseExceptionGroup as group:
        raise told(group, opened.config.store_folder) from None
    return house.begins_anew
