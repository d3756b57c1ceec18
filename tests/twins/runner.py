"""Carries out one scenario: every instance is a real Replica; network, clock, batches and execution are
played.

A view lasts a little in the parts that the scenario says; then its primary falls silent, and the members go
on to the next. A view in which nothing comes together heals after a while, so every scenario ends.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from consensus.authenticate import authenticate
from consensus.codec import encode
from consensus.domain import digest
from consensus.messages import (
    Authenticated,
    BlockVote,
    Certified,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    QuorumCertificate,
    ViewChange,
)
from consensus.parameters import Parameters
from consensus.ready import Behind, Fetch, Ready
from consensus.replica import Replica
from consensus.types import BatchRef, Now, ReplicaSet, Voter
from tests.consensus.fakes import CHAIN, START_MS, WALL_MS, batch, fake_verify, key_of, signer
from tests.twins.scenario import Scenario, ViewPlan, scenario

PARAMETERS = Parameters(window=4, block_bytes=65_536, base_timeout_ms=100, max_timeout_ms=400)
BATCH_BYTES = 40_000
"""One fills a block, so that several slots are under way at once."""
VIEW_MS = 40
"""So long a view's proposals and votes pass after the first instance entered it."""
HEALS_AFTER_MS = 500
"""Then the view's messages pass whatever its partition is, those that ask for it and open it."""
STATUS_EVERY_MS = 1_000
LIMIT_MS = 60_000
DELAY_MS = (1, 3)
SPREAD_MS = (0, 4)


class TwinsViolation(Exception):
    """Honest members disagree, or nothing comes together when everybody reaches everybody."""


@dataclass(frozen=True)
class Result:
    """`views`: the highest view of an honest member; `evidence`: accusations that honest ones could make."""

    height: int
    views: int
    messages: int
    evidence: int


@dataclass(frozen=True)
class _Block:
    hash: bytes
    refs: tuple[BatchRef, ...]


def leaders_set(plan: Scenario) -> ReplicaSet:
    """The members, with leaders as the scenario has them; after its last view they take turns."""

    class Led(ReplicaSet, frozen=True, array_like=True, forbid_unknown_fields=True):
        def primary(self, view: int) -> int:
            return plan.views[view].leader if view < len(plan.views) else view % plan.members

    return Led(0, tuple(Voter(number, key_of(number)) for number in range(plan.members)))


class Instance:
    """One process: a Replica, its chain, its batches."""

    def __init__(self, run: "Run", index: int) -> None:
        self.run = run
        self.index = index
        self.number = run.plan.member(index)
        self.honest = self.number in run.plan.honest
        self.chain: list[_Block] = []
        self.certificate: QuorumCertificate | None = None
        self.batches: set[BatchRef] = set()
        self.view = 0
        self._wake_ms: int | None = None
        self._catching_up = False
        self.replica = Replica(
            chain_id=CHAIN,
            replica_id=self.number,
            replica_sets=run.replica_sets,
            parameters=PARAMETERS,
            sign=signer(self.number),
        )
        self.carry_out(self.replica.restore([], None, 0, None, run.now))
        self.carry_out(self.replica.observed_own([], run.now))

    @property
    def certified(self) -> int:
        return self.certificate.height if self.certificate else 0

    def give(self, ref: BatchRef) -> None:
        if ref not in self.batches:
            self.batches.add(ref)
            self.carry_out(self.replica.batch_ready(ref, self.run.now))

    def carry_out(self, ready: Ready) -> None:
        run = self.run
        self._note_view()
        for outbound in ready.send:
            run.send(self, outbound.to, outbound.message)
        for fetch in ready.fetch:
            run.fetch(self, fetch)
        for relay in ready.relay:
            run.relay(self, relay.ref, relay.to)
        run.evidence += len(ready.evidence) if self.honest else 0
        for certificate in ready.certified:
            self.certificate = certificate
            run.certified(self, certificate)
        if ready.halt is not None and self.honest:
            raise TwinsViolation(f"member {self.number} halts: {ready.halt}")
        if ready.behind is not None and not self._catching_up:
            self._catching_up = True
            run.later(2, lambda behind=ready.behind: self._catch_up(behind))
        if ready.wake_at_ms is not None:
            self._wake(ready.wake_at_ms)
        for decided in ready.decided:
            if decided.sequence == len(self.chain) + 1:
                self._append(decided.refs)
                self.carry_out(self.replica.executed(decided.sequence, self.chain[-1].hash, run.now))

    def _append(self, refs: tuple[BatchRef, ...]) -> None:
        height = len(self.chain) + 1
        parent = self.chain[-1].hash if self.chain else CHAIN
        self.chain.append(_Block(digest("test-header", parent, encode((height, refs))), refs))
        if self.honest:
            self.run.executed(self, height, self.chain[-1].hash)

    def _catch_up(self, behind: Behind) -> None:
        """Blocks come from an instance of whoever is said to have them, if it is within reach."""
        self._catching_up = False
        for other in self.run.of(behind.source):
            if self.take_over(other):
                return

    def take_over(self, other: "Instance") -> bool:
        """Certified blocks of another instance; whether it was within reach and had some."""
        certificate = other.certificate
        if certificate is None or certificate.height <= len(self.chain) or not self.run.joined(self, other):
            return False
        blocks = other.chain[len(self.chain) : certificate.height]
        for block in blocks:
            self._append(block.refs)
        ordered = [ref for block in blocks for ref in block.refs]
        self.batches.update(ordered)
        self.carry_out(self.replica.install(certificate, self.run.now, ordered=ordered))
        return True

    def _note_view(self) -> None:
        changer = self.replica._parts.changer
        if not changer.changing and changer.view >= self.view:
            self.view = changer.view
            self.run.entered(self)

    def _wake(self, at_ms: int) -> None:
        if self._wake_ms is not None and self._wake_ms <= at_ms:
            return
        self._wake_ms = at_ms

        def ring() -> None:
            if self._wake_ms == at_ms:
                self._wake_ms = None
                self.carry_out(self.replica.tick(self.run.now))

        self.run.later(max(0, at_ms - self.run.clock_ms), ring)


class Run:
    """One scenario, from genesis to a healed network."""

    def __init__(self, plan: Scenario) -> None:
        self.plan = plan
        self.clock_ms = START_MS
        self.now = Now(START_MS, WALL_MS + START_MS)
        self.messages = self.evidence = 0
        self._random = Random(f"run {plan.number}")
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._set = leaders_set(plan)
        self._entered_ms: dict[int, int] = {}
        self._asked_ms: dict[int, int] = {}
        self._authentic: dict[int, tuple[Message, Authenticated]] = {}
        self._hashes: dict[int, bytes] = {}
        self._said: dict[tuple[object, ...], Message] = {}
        self.instances: list[Instance] = []
        for index in range(plan.instances):
            self.instances.append(Instance(self, index))
        self.later(STATUS_EVERY_MS, self._announce)

    def _announce(self) -> None:
        """As nodes tell each other how far they are: who lags behind for long takes over blocks."""
        for one in self.instances:
            any(one.take_over(other) for other in self.instances if other.number != one.number)
        self.later(STATUS_EVERY_MS, self._announce)

    def replica_sets(self, sequence: int) -> ReplicaSet:
        return self._set

    def carry_out(self) -> Result:
        """Raises TwinsViolation."""
        views = len(self.plan.views)
        self._run_until(lambda: all(one.view >= views for one in self._honest))
        last = batch(10_000)
        for one in self.instances:
            one.give(last)
        self._run_until(lambda: self._together(last))
        height = max(one.certified for one in self._honest)
        return Result(height, max(one.view for one in self._honest), self.messages, self.evidence)

    @property
    def _honest(self) -> list[Instance]:
        return [self.instances[number] for number in self.plan.honest]

    def _together(self, last: BatchRef) -> bool:
        """Everybody has certified the batch that came last, and the same."""
        heights = {one.certified for one in self._honest}
        if len(heights) != 1 or len({len(one.chain) for one in self._honest}) != 1:
            return False
        return any(last in block.refs for block in self._honest[0].chain)

    # --- time -------------------------------------------------------------------------------------

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.clock_ms + delay_ms, self._count, action))

    def _run_until(self, reached: Callable[[], bool]) -> None:
        end_ms = self.clock_ms + LIMIT_MS
        while not reached():
            if not self._queue or self._queue[0][0] > end_ms:
                standing = [(one.number, one.view, one.certified) for one in self._honest]
                raise TwinsViolation(f"nothing comes together: (member, view, certified) {standing}")
            self.clock_ms, _, action = heapq.heappop(self._queue)
            self.now = Now(self.clock_ms, WALL_MS + self.clock_ms)
            action()

    # --- who reaches whom -------------------------------------------------------------------------

    def entered(self, one: Instance) -> None:
        """The first to enter a view begins it: batches of their own come to each part."""
        view = one.view
        if view in self._entered_ms:
            return
        self._entered_ms[view] = self.clock_ms
        if view >= len(self.plan.views):
            return
        own = sorted(set(self.plan.views[view].phases[0]))
        for at, part in enumerate((None, None, *own)):
            ref = batch(100 * view + at, origin=one.number, size_bytes=BATCH_BYTES)
            self.later(1 + at, lambda ref=ref, part=part: self._give(ref, part, view))
        # One more that finds the primary silent: so there is a reason to leave it.
        late = batch(100 * view + 99, origin=one.number, size_bytes=BATCH_BYTES)
        self.later(VIEW_MS + 10, lambda: self._give(late, None, view))

    def _give(self, ref: BatchRef, part: int | None, view: int) -> None:
        """To a part, or to everybody."""
        for other in self.instances:
            if part is None or self.plan.views[view].phases[0][other.index] == part:
                # Each at its own time: so twins that lead do not propose the same.
                self.later(self._random.randint(*SPREAD_MS), lambda other=other: other.give(ref))

    def _view_plan(self, view: int) -> ViewPlan | None:
        return self.plan.views[view] if view < len(self.plan.views) else None

    def joined(self, one: Instance, other: Instance) -> bool:
        """For what belongs to no view: as the view of the first one says."""
        plan = self._view_plan(one.view)
        return plan is None or plan.joined(2, one.index, other.index)

    def _passes(self, one: Instance, other: Instance, message: Message) -> bool:
        if isinstance(message, BlockVote | Certified):
            return self.joined(one, other)
        plan = self._view_plan(message.view)
        if plan is None:
            return True
        if isinstance(message, ViewChange | NewView):
            asked_ms = self._asked_ms.setdefault(message.view, self.clock_ms)
            return self.clock_ms - asked_ms > HEALS_AFTER_MS or plan.joined(0, one.index, other.index)
        if self.clock_ms - self._entered_ms.get(message.view, self.clock_ms) > VIEW_MS:
            return False
        phase = 0 if isinstance(message, PrePrepare) else 1 if isinstance(message, Prepare) else 2
        return plan.joined(phase, one.index, other.index, message.sequence)

    def of(self, number: int) -> list[Instance]:
        return [one for one in self.instances if one.number == number]

    def send(self, one: Instance, to: int | None, message: Message) -> None:
        if one.honest:
            self._is_no_second(message)
        for other in self.instances:
            # Twins do not know of each other.
            if other.number == one.number or to not in (None, other.number):
                continue
            if self._passes(one, other, message):
                self.messages += 1
                self.later(self._random.randint(*DELAY_MS), lambda other=other: self._deliver(other, message))

    def _deliver(self, to: Instance, message: Message) -> None:
        known = self._authentic.get(id(message))
        if known is None:
            checked = authenticate(message, CHAIN, self.replica_sets, fake_verify)
            if not isinstance(checked, Authenticated):
                raise TwinsViolation(f"a message of unmodified code is refused: {checked}")
            known = self._authentic[id(message)] = (message, checked)
        to.carry_out(to.replica.receive(known[1], self.now))

    def fetch(self, one: Instance, wanted: Fetch) -> None:
        holders = [other for other in self.instances if wanted.ref in other.batches]
        if any(self.joined(one, other) for other in holders):
            self.later(2, lambda: one.give(wanted.ref))

    def relay(self, one: Instance, ref: BatchRef, to: int) -> None:
        for other in self.of(to):
            if self.joined(one, other):
                self.later(2, lambda other=other: other.give(ref))

    # --- what must hold ---------------------------------------------------------------------------

    def executed(self, one: Instance, height: int, found: bytes) -> None:
        if self._hashes.setdefault(height, found) != found:
            raise TwinsViolation(f"agreement: member {one.number} has another block at height {height}")

    def certified(self, one: Instance, certificate: QuorumCertificate) -> None:
        found = certificate.header_hash
        if one.honest and self._hashes.setdefault(certificate.height, found) != found:
            raise TwinsViolation(f"another header was certified at height {certificate.height}")

    def _is_no_second(self, message: Message) -> None:
        if isinstance(message, Certified):
            return
        what = (
            message.height
            if isinstance(message, BlockVote)
            else (message.view, getattr(message, "sequence", 0))
        )
        first = self._said.setdefault((type(message).__name__, message.replica, what), message)
        if first is not message and first != message:
            raise TwinsViolation(
                f"member {message.replica} contradicts itself: {type(message).__name__} {what}"
            )


def run_scenario(plan: Scenario) -> Result:
    """Raises TwinsViolation."""
    return Run(plan).carry_out()


def outcome_of(members: int, views: int, number: int) -> Result | str:
    """What a scenario came to, or what is violated in it."""
    try:
        return run_scenario(scenario(number, members, (members - 1) // 3, views))
    except TwinsViolation as found:
        return str(found)
    except AssertionError as found:
        return f"{type(found).__name__}: {found}"
