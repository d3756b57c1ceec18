"""One run: the plan's trouble, then a healed network in which everything has to come together again."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from random import Random

from chainnode.ledger.transaction import Submission
from chainnode.node import engine, prunework
from chainnode.node.joining import LOST_MS
from chainnode.store import pruning
from tests.sim.byzantine import Collusion, Twins
from tests.sim.chain import SharedChain, fake_verify
from tests.sim.changing import signed_change
from tests.sim.checks import Checks
from tests.sim.faults import Faults
from tests.sim.links import Conditions, Links
from tests.sim.node import SimNode
from tests.sim.scenario import Change, Plan
from tests.sim.scheduler import Scheduler
from tests.sim.strategies import BY_NAME
from tests.sim.trace import Trace, Violation

FORGETTING = ("roll-back", "roll-back-votes", "bit-flip", "lose-votes", "empty")
"""Where these befall a disk, it may not be noticed in time: the member counts as faulty in every way."""
PRUNE_EVERY_MS = 500
RESTART_MS = (20, 1_500)
TWINS_TURN_MS = 400
PROGRESS_TIMEOUTS = 10
"""After healing the next blocks come within so many base timeouts. With a faulty member, as many more as
were waited for a primary before: twice the back-off that was reached, for each."""
REUNION_TIMEOUTS = 60
"""And within so many everybody has caught up."""
JOINING_MS = LOST_MS + 5_000
"""Longer, where a sound member is so far behind that it takes over a snapshot first: the others may need its
vote, and the one that it began with may be gone."""
LEAST_TIMEOUT_MS = 1_000
"""Fetching and catch-up know no shorter times, so a shorter base timeout counts as this."""


class World:
    """All that a run consists of."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.scheduler = Scheduler()
        self.trace = Trace()
        self.chain = SharedChain(plan.members, plan.parameters)
        faulty = {number for number, _ in plan.faulty}
        self.checks = Checks(self.chain, frozenset(range(plan.members)) - faulty)
        self.links = Links(self.scheduler, plan.seed, plan.parameters.frame_bytes)
        self.links.conditions = Conditions(delay_ms=plan.delay_ms)
        self.verify = fake_verify
        self.healed = False
        collusion = Collusion(plan.seed)
        strategies = {
            number: BY_NAME[name](collusion, Random(f"{name} {plan.seed} {number}"))
            for number, name in plan.faulty
            if name != "disk"
        }
        self.nodes = [SimNode(self, number, strategies.get(number)) for number in range(plan.members)]
        twins = [number for number, name in plan.faulty if name == Twins.name]
        self.nodes += [SimNode(self, number, strategies[number], twin=True) for number in twins]
        self._collusion = collusion
        for number, name in plan.faulty:
            if name == "disk":
                node = self.nodes[number]
                node.trusted = False
                kinds = {fault.kind for fault in plan.faults if fault.node == number}
                node.keeps_word = kinds.isdisjoint(FORGETTING)
        for node in self.nodes:
            self.links.join(node)
        self.faults = Faults(self)
        self._count = 0
        self._submitted: list[tuple[Submission, int]] = []

    # --- the run ----------------------------------------------------------------------------------

    def run(self) -> None:
        """Raises Violation."""
        plan, scheduler = self.plan, self.scheduler
        with _small_logs(plan.rotate_bytes):
            for node in self.nodes:
                scheduler.after(node.random.randint(0, 100), node.start)
            self._deal_twins()
            for submit in plan.submits:
                scheduler.at(
                    submit.at_ms, lambda submit=submit: self.submit(submit.node, submit.transactions)
                )
            for change in plan.changes:
                scheduler.at(change.at_ms, lambda change=change: self.change(change))
            for fault in plan.faults:
                scheduler.at(fault.at_ms, lambda fault=fault: self.faults.strike(fault))
            scheduler.run_until(plan.trouble_ms)
            self._heal()
            self._must_progress()
            self._must_reunite()
            self._compare()

    def close(self) -> None:
        """Nobody runs it any further."""
        for node in self.nodes:
            if node.alive:
                node.peers.close()

    def submit(self, number: int, count: int) -> None:
        """Transactions at a node: mostly the next ones, now and then any."""
        node = self.nodes[number]
        if not node.alive or self.scheduler.now_ms < node.paused_until_ms:
            return
        client = f"client {node.random.randrange(3)}"
        for _ in range(count):
            submission, valid_until_height = self._next(node)
            node.attempt(partial(_submit_if_alive, node, submission, client, valid_until_height))

    def change(self, change: Change) -> None:
        """The members sign a change, as the one who is furthest sees them; one of them hands it in."""
        alive = [node for node in self.sound if node.alive]
        if not alive:
            return
        node = max(alive, key=lambda one: one.executor.tip.height)
        self._count += 1
        made = signed_change(self.chain, node.executor, change, self._count)
        if made is None:
            return
        submission, valid_until_height = made
        self.trace.add(
            self.scheduler.now_ms, node.number, f"members {change.kind} {change.member}", fault=True
        )
        node.attempt(partial(_submit_if_alive, node, submission, "members", valid_until_height))

    def _next(self, node: SimNode) -> tuple[Submission, int]:
        """A transaction and how long it is valid: the next one, or one that was handed in before."""
        random = node.random
        if self._submitted and random.random() < 0.1:
            return random.choice(self._submitted[-50:])
        index = self._count if random.random() < 0.9 else random.randrange(1_000)
        self._count += 1
        longest = self.plan.parameters.validity_heights
        valid_until_height = node.executor.tip.height + random.randint(1, longest)
        submission = self.chain.corpus.signed(index, valid_until_height, self._count, self.chain.sign)
        self._submitted.append((submission, valid_until_height))
        return submission, valid_until_height

    def _deal_twins(self) -> None:
        """Say anew who is linked with which of two twins."""
        for node in self.nodes[self.plan.members :]:
            for peer in self.links.peers(node.number):
                period = 2_000_000 + self.scheduler.now_ms // TWINS_TURN_MS
                self.links.turn(node.number, peer, int(self._collusion.is_second_side(period, peer)))
        if not self.healed and len(self.nodes) > self.plan.members:
            self.scheduler.after(TWINS_TURN_MS, self._deal_twins)

    def restart_later(self, node: SimNode) -> None:
        """What stopped by itself is started again, as a service manager does."""
        node.restarts += 1
        self.scheduler.after(node.random.randint(*RESTART_MS), node.start)

    @property
    def sound(self) -> list[SimNode]:
        """Those whose promises count: honest, and with a disk that nobody touched."""
        return [node for node in self.nodes if node.honest and node.trusted]

    def certified(self, node: SimNode) -> int:
        certified = node.executor.certified if node.alive else None
        return certified.height if certified else 0

    # --- afterwards -------------------------------------------------------------------------------

    def _heal(self) -> None:
        self.healed = True
        self.trace.add(self.scheduler.now_ms, "-", "healed")
        self.faults.heal()
        self.links.heal()
        for node in self.nodes:
            self.scheduler.after(node.random.randint(0, 100), node.start)
        self.scheduler.run_until(self.scheduler.now_ms + 300)

    def _must_progress(self) -> None:
        """New transactions at every sound node are certified soon."""
        started = self.scheduler.now_ms
        waited_ms = max(
            (node.engine.replica.status().timeout_ms for node in self.sound if node.alive), default=0
        )
        limit_ms = PROGRESS_TIMEOUTS * self._timeout_ms + 2 * len(self.plan.faulty) * waited_ms
        gap = self.plan.keeping.join_gap if self.plan.keeping else self.checks.top
        if any(self.checks.top - self.certified(node) > gap for node in self.sound):
            limit_ms += JOINING_MS
        target = self.checks.top + 1
        for node in self.sound:
            self.submit(node.number, 1)

        def reached() -> bool:
            """Of f + 1 sound nodes whoever asks finds one, whomever the others believe."""
            there = sum(1 for node in self.sound if self.certified(node) >= target)
            return there >= min(len(self.sound), self.chain.members.f + 1)

        if not self.scheduler.run_until(started + limit_ms, reached):
            raise Violation(f"no progress within {limit_ms} ms: {self._standing(target)}")

    @property
    def _timeout_ms(self) -> int:
        return max(LEAST_TIMEOUT_MS, self.plan.parameters.base_timeout_ms)

    def _must_reunite(self) -> None:
        """Every honest node has every block, and nothing that waits is left over."""
        honest = [node for node in self.nodes if node.honest]

        def reached() -> bool:
            return all(self._has_all(node) for node in honest)

        limit_ms = REUNION_TIMEOUTS * self._timeout_ms
        if not self.scheduler.run_until(self.scheduler.now_ms + limit_ms, reached):
            raise Violation(f"not together after {limit_ms} ms: {self._standing(self.checks.top)}")

    def _has_all(self, node: SimNode) -> bool:
        return node.alive and self.certified(node) == node.executor.tip.height == self.checks.top

    def _standing(self, target: int) -> str:
        lines = [f"height {target} is wanted"]
        for node in self.nodes:
            if not node.alive:
                lines.append(f"  {node.number}: down")
                continue
            status = node.engine.replica.status()
            lines.append(
                f"  {node.number}: certified {self.certified(node)}, executed {node.executor.tip.height}, "
                f"view {status.view}{' changing' if status.changing else ''}, timeout {status.timeout_ms}, "
                f"{status.silent_because or 'votes'}, waiting {status.batches_waiting}, slots {status.slots}"
            )
        return "\n".join(lines)

    def _compare(self) -> None:
        """Equal heights have equal states, to the last raw entry."""
        states: dict[int, bytes] = {}
        for node in self.nodes:
            if not node.honest or not node.alive:
                continue
            height = node.executor.tip.height
            found = sha256()
            for key, value in node.store.raw_state():
                found.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
            if states.setdefault(height, found.digest()) != found.digest():
                raise Violation(f"node {node.number} has another state at height {height}")
            for at, header_hash in self.checks.certificates.items():
                header = node.store.header(at)
                if max(1, node.store.first) <= at <= height and (
                    header is None or header.hash() != header_hash
                ):
                    raise Violation(f"node {node.number} lost certified block {at}")


def _submit_if_alive(node: SimNode, submission: Submission, client: str, valid_until_height: int) -> None:
    if node.alive:
        node.peers.batches.submit(submission, client, valid_until_height)


@contextmanager
def _small_logs(rotate_bytes: int) -> Iterator[None]:
    """Vote logs are rotated after less than in the field, and old blocks pruned more often, so that it
    happens in a run; and nobody waits in real time."""
    places = ((engine, "ROTATE_BYTES"), (prunework, "PRUNE_EVERY_MS"), (pruning, "PAUSE_S"))
    usual = [getattr(module, name) for module, name in places]
    for (module, name), here in zip(places, (rotate_bytes, PRUNE_EVERY_MS, 0), strict=True):
        setattr(module, name, here)
    try:
        yield
    finally:
        for (module, name), value in zip(places, usual, strict=True):
            setattr(module, name, value)
