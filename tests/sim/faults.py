"""What goes wrong: each kind of fault of a plan, and its end."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from chainnode.net.port import Channel
from chainnode.node.restored import ASKING, MARK_KEY, Mark
from consensus.codec import encode
from consensus.messages import (
    BlockVote,
    Certified,
    Commit,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    ViewChange,
)
from tests.sim.disk import Crash
from tests.sim.scenario import Fault
from tests.sim.tables import Folders, SimRows, SimStore

if TYPE_CHECKING:
    from tests.sim.node import SimNode
    from tests.sim.world import World

HOUR_MS = 3_600_000
WORDS = (Commit, Commit, Prepare, Prepare, PrePrepare, BlockVote, ViewChange, NewView, Certified)
"""What faults wait for a node to say."""


class Faults:
    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = Random(f"faults {world.plan.seed}")
        self._armed: dict[int, list[Fault]] = {}
        self._snapshots: dict[int, tuple[dict[Path, bytes], Folders, SimRows]] = {}
        self._kinds: dict[str, Callable[[Fault, SimNode], None]] = {
            "kill": self._crash,
            "power": self._crash,
            "kill-at": self._burn,
            "power-at": self._burn,
            "full-at": self._burn,
            "isolate-on": self._arm,
            "kill-on": self._arm,
            "power-on": self._arm,
            "kill-entered": self._arm,
            "funnel": self._arm,
            "isolate": self._isolate,
            "partition": self._partition,
            "cut": self._cut,
            "one-way": self._one_way,
            "flap": self._flap,
            "pause": self._pause,
            "slow-disk": self._slow_disk,
            "clock": self._clock,
            "delay": self._conditions,
            "drop": self._conditions,
            "duplicate": self._conditions,
            "twist": self._conditions,
            "lossy": self._lossy,
            "starve": self._lossy,
            "shuffle": self._shuffle,
            "roll-back": self._roll_back,
            "roll-back-votes": self._roll_back,
            "bit-flip": self._tamper,
            "lose-votes": self._tamper,
            "empty": self._empty,
            "restore": self._restore,
            "kill-joining": self._arm,
        }
        for fault in world.plan.faults:
            if fault.kind.startswith(("roll-back", "restore")):
                world.scheduler.at(fault.at_ms - fault.amount, lambda fault=fault: self._take_snapshot(fault))

    def strike(self, fault: Fault) -> None:
        world = self._world
        if world.healed:
            return
        world.trace.add(
            world.scheduler.now_ms,
            fault.node,
            f"{fault.kind} for {fault.for_ms} ({fault.peer}, {fault.amount})",
            fault=True,
        )
        self._kinds[fault.kind](fault, world.nodes[fault.node])

    def heal(self) -> None:
        for node in self._world.nodes:
            node.fuse.left, node.fuse.full = None, False
            node.paused_until_ms = 0
            node.fsync_ms = (0, 2)
            node.clock.skew_ms = 0

    def _until(self, fault: Fault, end: Callable[[], None]) -> None:
        """End it, unless the healing did."""
        self._world.scheduler.after(fault.for_ms, lambda: None if self._world.healed else end())

    # --- crashes ----------------------------------------------------------------------------------

    def _crash(self, fault: Fault, node: "SimNode") -> None:
        node.stop(power_cut=fault.kind == "power")
        self._world.scheduler.after(fault.for_ms, node.start)

    def _burn(self, fault: Fault, node: "SimNode") -> None:
        """Stop before the operation of the disk that comes after some others, or let it fail."""
        node.fuse.left = fault.amount
        node.fuse.full = fault.kind == "full-at"
        node.fuse_cuts_power = fault.kind == "power-at"

    # --- when something is said -------------------------------------------------------------------

    def _arm(self, fault: Fault, node: "SimNode") -> None:
        self._armed.setdefault(node.number, []).append(fault)

    def speaking(self, node: "SimNode", message: Message) -> None:
        """The node is about to say `message`, which is in its log: some faults wait for just that."""
        if isinstance(message, PrePrepare):
            self._proposed()
        for fault in self._armed.get(node.number, ()):
            if not isinstance(message, WORDS[fault.amount % len(WORDS)]) or self._world.healed:
                continue
            if fault.kind in ("funnel", "kill-entered", "kill-joining"):
                continue
            self._armed[node.number].remove(fault)
            node.trace(f"{fault.kind} strikes")
            if fault.kind == "isolate-on":
                self._isolate(fault, node)
                return
            node.fuse_cuts_power = fault.kind == "power-on"
            raise Crash

    def persisted(self, node: "SimNode") -> None:
        """A turn is on the disk, and nothing of it was sent. Where a faulty member led the node into a view
        in which it cannot vote on all that is proposed again, a fault may wait for just that: it comes back
        in a moment, and gets the batches that it lacked."""
        world = self._world
        armed = [one for one in self._armed.get(node.number, ()) if one.kind == "kill-entered"]
        parts = node.engine.replica._parts
        message = parts.changer.new_view
        if not armed or world.healed or message is None or world.nodes[message.replica].honest:
            return
        slots = [parts.ordering.slots.get(one.sequence) for one in message.proposals if one.refs]
        if any(slot is not None and node.number not in slot.prepares for slot in slots):
            self._armed[node.number].remove(armed[0])
            node.trace("kill-entered strikes")
            for one in world.links.numbers:
                world.links.conditions.lossy.pop(((one, node.number), Channel.BULK), None)
            world.scheduler.after(armed[0].for_ms, node.start)
            node.fuse_cuts_power = False
            raise Crash

    def pieced(self, node: "SimNode") -> None:
        """A piece of a snapshot came: after so many a crash may wait."""
        for fault in self._armed.get(node.number, ()):
            if fault.kind == "kill-joining" and node.pieces >= fault.amount and not self._world.healed:
                self._armed[node.number].remove(fault)
                node.trace("kill-joining strikes")
                node.fuse_cuts_power = fault.peer % 2 == 1
                raise Crash

    def _proposed(self) -> None:
        """A proposal is on its way to everybody. For a moment all votes reach one member alone, which then
        goes away: it knows of a prepared slot, and the next view knows nothing of it."""
        world, numbers = self._world, self._world.links.numbers
        fault = next((one for all_ in self._armed.values() for one in all_ if one.kind == "funnel"), None)
        if fault is None or world.healed:
            return
        self._armed[fault.node].remove(fault)
        lossy = world.links.conditions.lossy
        dead = [(one, other) for one in numbers for other in numbers if other != fault.node]

        def narrow() -> None:
            lossy.update({(pair, Channel.VOTES): 1_000 for pair in dead})
            world.trace.add(world.scheduler.now_ms, fault.node, "votes reach nobody else", fault=True)

        def leave() -> None:
            for pair in dead:
                lossy.pop((pair, Channel.VOTES), None)
            if not world.healed:
                self._isolate(fault, world.nodes[fault.node])

        world.scheduler.after(0, narrow)
        world.scheduler.after(30 + 4 * fault.amount, leave)

    # --- links ------------------------------------------------------------------------------------

    def _sever(self, fault: Fault, pairs: list[tuple[int, int]]) -> None:
        links = self._world.links
        for one, other in pairs:
            links.sever(one, other)

        def mend() -> None:
            for one, other in pairs:
                links.mend(one, other)

        self._until(fault, mend)

    def _isolate(self, fault: Fault, node: "SimNode") -> None:
        self._sever(fault, [(node.number, peer) for peer in self._world.links.peers(node.number)])

    def _partition(self, fault: Fault, node: "SimNode") -> None:
        """The bits of `amount` say who is on which side."""
        numbers = self._world.links.numbers
        sides = [(fault.amount >> number) & 1 for number in numbers]
        pairs = [(a, b) for a in numbers for b in numbers if a < b and sides[a] != sides[b]]
        self._sever(fault, pairs)

    def _cut(self, fault: Fault, node: "SimNode") -> None:
        if fault.peer != node.number:
            self._sever(fault, [(node.number, fault.peer)])

    def _one_way(self, fault: Fault, node: "SimNode") -> None:
        if fault.peer == node.number:
            return
        self._world.links.mute(node.number, fault.peer)
        self._until(fault, lambda: self._world.links.unmute(node.number, fault.peer))

    def _flap(self, fault: Fault, node: "SimNode") -> None:
        """A link that breaks and comes back, and what was under way is lost."""
        if fault.peer == node.number:
            return
        links = self._world.links
        for times in range(4):

            def again() -> None:
                if not self._world.healed:
                    links.disconnect(node.number, fault.peer)
                    links.connect(node.number, fault.peer)

            self._world.scheduler.after(times * (150 + fault.amount), again)

    def _conditions(self, fault: Fault, node: "SimNode") -> None:
        now = self._world.links.conditions
        if fault.kind == "delay":
            now.extra_ms = 10 * fault.amount
        elif fault.kind == "drop":
            now.drop_permille = 5 * fault.amount
        elif fault.kind == "twist":
            now.twisted_permille = 10 * fault.amount
        else:
            now.duplicate_permille = 5 * fault.amount

        def end() -> None:
            now.extra_ms = now.drop_permille = now.duplicate_permille = now.twisted_permille = 0

        self._until(fault, end)

    def _lossy(self, fault: Fault, node: "SimNode") -> None:
        """Some queues lose much: all of the votes', or those with batches to one node."""
        lossy = self._world.links.conditions.lossy
        numbers = self._world.links.numbers
        if fault.kind == "starve":
            found = {((one, node.number), Channel.BULK): 900 for one in numbers}
        else:
            found = {
                ((one, other), Channel.VOTES): self._random.choice((0, 300, 600))
                for one in numbers
                for other in numbers
            }
        lossy.update(found)

        def end() -> None:
            for queue in found:
                lossy.pop(queue, None)

        self._until(fault, end)

    def _shuffle(self, fault: Fault, node: "SimNode") -> None:
        """Every now and then other ways carry no votes: what prepared at one node is unknown to others."""
        world, numbers = self._world, self._world.links.numbers
        lossy, step_ms = world.links.conditions.lossy, 40 + 10 * fault.amount
        ends_ms = world.scheduler.now_ms + 3 * fault.for_ms

        def deal() -> None:
            if world.healed:
                return
            over = world.scheduler.now_ms >= ends_ms
            for one in numbers:
                for other in numbers:
                    dead = not over and self._random.random() < 0.4
                    lossy[(one, other), Channel.VOTES] = 1_000 if dead else 0
            if not over:
                world.scheduler.after(step_ms, deal)

        deal()

    # --- stalls and clocks ------------------------------------------------------------------------

    def _pause(self, fault: Fault, node: "SimNode") -> None:
        node.paused_until_ms = self._world.scheduler.now_ms + fault.for_ms

    def _slow_disk(self, fault: Fault, node: "SimNode") -> None:
        node.fsync_ms = (0, 20 * fault.amount)

        def end() -> None:
            node.fsync_ms = (0, 2)

        self._until(fault, end)

    def _clock(self, fault: Fault, node: "SimNode") -> None:
        skew_ms = self._world.plan.parameters.clock_skew_ms
        node.clock.skew_ms = (-HOUR_MS, -skew_ms // 2, skew_ms // 3, 2 * skew_ms, HOUR_MS)[fault.amount % 5]

        def end() -> None:
            node.clock.skew_ms = 0

        self._until(fault, end)

    # --- disks that do not hold what was written --------------------------------------------------

    def _take_snapshot(self, fault: Fault) -> None:
        node = self._world.nodes[fault.node]
        self._snapshots[fault.node] = (node.disk.snapshot(), node.folders.copied(), node.rows.copied())

    def _roll_back(self, fault: Fault, node: "SimNode") -> None:
        """A snapshot of earlier is put in the place of the disk, or of the vote log alone."""
        disk, folders, _ = self._snapshots[fault.node]
        node.stop(power_cut=True)
        node.disk = node.disk.rolled_back(disk)
        if fault.kind == "roll-back":
            node.folders = folders
        self._world.scheduler.after(fault.for_ms, node.start)

    def _tamper(self, fault: Fault, node: "SimNode") -> None:
        node.stop(power_cut=True)
        if fault.kind == "bit-flip":
            node.disk = node.disk.bit_flipped(self._random)
        else:
            node.disk = node.disk.rolled_back({})
        self._world.scheduler.after(fault.for_ms, node.start)

    def _empty(self, fault: Fault, node: "SimNode") -> None:
        """The member's machine is a new one: no chain, no votes, no personal rows."""
        node.stop(power_cut=True)
        node.disk = node.disk.rolled_back({})
        node.folders, node.rows = Folders(node.fuse), SimRows()
        self._world.scheduler.after(fault.for_ms, node.start)

    def _restore(self, fault: Fault, node: "SimNode") -> None:
        """A backup of earlier is restored: chain and rows of then, no votes, and the mark that says so."""
        _, folders, rows = self._snapshots[fault.node]
        node.stop(power_cut=True)
        node.disk = node.disk.rolled_back({})
        node.folders, node.rows = folders, rows
        chain = self._world.chain
        store, key = SimStore(folders, chain.chain_id), chain.founding.members[node.number].validator_key
        store.local_put(MARK_KEY, encode(Mark(ASKING, key, chain.created_ms, 0)))
        self._world.scheduler.after(fault.for_ms, node.start)
