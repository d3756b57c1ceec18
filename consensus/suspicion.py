"""When a backup gives up on the primary: its pulse, and its fairness.

The pulse (OSDI 1999, section 4.4): while something waits to be ordered and nothing is decided, a timer
runs. Fairness: a primary that decides something now and then but leaves a batch waiting, by choice or by
sloth, is as bad (Aardvark, RBFT). The batch is relayed to it first; then it has the timeout to place it.
Whoever wants to be slow unnoticed must fill a whole block within each timeout."""

from itertools import islice

from consensus.batches import BatchPool
from consensus.bounds import GAP_MS, HEARTBEAT_MS, MAX_RELAYS
from consensus.messages import PrePrepare
from consensus.output import Output
from consensus.parameters import Parameters
from consensus.ready import Relay
from consensus.rules import next_timeout_ms
from consensus.types import Now, ReplicaId, SequenceNumber


class Timers:
    """All of this replica's clocks, in monotonic ms. They are driven by the inputs' `now` alone."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self.timeout_ms = parameters.base_timeout_ms
        self._last_ms: int | None = None
        self._progress_ms = 0
        self._waiting = False
        self._quorum_ms: int | None = None
        self._resent_ms = 0
        self._fruitless = False
        self._reached = (0, 0, 0)

    def observe(self, now: Now) -> bool:
        """Note the time of an input; whether this process stood still before it. Then every timer starts
        anew: a pause of ours (a stopped process, a moved VM, a long block) is nobody else's fault."""
        last, self._last_ms = self._last_ms, now.monotonic_ms
        stood_still = last is None or now.monotonic_ms - last > GAP_MS
        if stood_still:
            self.rearm(now)
        return stood_still

    def rearm(self, now: Now) -> None:
        self._progress_ms = self._resent_ms = now.monotonic_ms
        if self._quorum_ms is not None:
            self._quorum_ms = now.monotonic_ms

    def progressed(self, reached: tuple[int, int, int], now: Now, *, in_view: bool) -> None:
        """How far certificates, decisions and execution have come. A step further in a working view ends the
        back-off."""
        if reached == self._reached:
            return
        self._reached = reached
        self._progress_ms = self._resent_ms = now.monotonic_ms
        if in_view:
            self.timeout_ms = self._parameters.base_timeout_ms
            self._fruitless = False

    def waits(self, waiting: bool, now: Now) -> None:
        """Section 4.4: the timer runs while a request waits, from the moment one begins to."""
        if waiting and not self._waiting:
            self._progress_ms = now.monotonic_ms
        self._waiting = waiting

    def pulse_is_gone(self, now: Now, *, times: int = 1) -> bool:
        return self._waiting and now.monotonic_ms - self._progress_ms >= times * self.timeout_ms

    def view_change_starts(self, now: Now) -> None:
        """If the one before brought nothing, this one gets twice the time."""
        if self._fruitless:
            self.timeout_ms = next_timeout_ms(self.timeout_ms, self._parameters.max_timeout_ms)
        self._fruitless = True
        self._quorum_ms = None
        self._resent_ms = now.monotonic_ms

    def quorum_asks(self, asks: bool, now: Now) -> None:
        """Section 4.5.2: the timer for NEW-VIEW starts when a quorum asks for the view, not before: a
        replica that is alone does not run ahead."""
        if not asks:
            self._quorum_ms = None
        elif self._quorum_ms is None:
            self._quorum_ms = now.monotonic_ms

    def new_view_is_overdue(self, now: Now) -> bool:
        return self._quorum_ms is not None and now.monotonic_ms - self._quorum_ms >= self.timeout_ms

    def view_entered(self, now: Now) -> None:
        self._quorum_ms = None
        self._progress_ms = self._resent_ms = now.monotonic_ms

    def resend_is_due(self, now: Now) -> bool:
        """Twice in a base timeout without progress: one lost message shall not cost a view change."""
        if now.monotonic_ms - self._resent_ms < self._parameters.base_timeout_ms // 2:
            return False
        self._resent_ms = now.monotonic_ms
        return True

    def running(self, now: Now) -> tuple[tuple[str, int], ...]:
        """The timers that may end a view, and the ms left of each (0: it is over, the next tick acts).

        "pulse": something waits to be decided and executed; "new-view": a quorum asked for the view."""
        ends = []
        if self._waiting:
            ends.append(("pulse", self._progress_ms + self.timeout_ms))
        if self._quorum_ms is not None:
            ends.append(("new-view", self._quorum_ms + self.timeout_ms))
        return tuple((name, max(0, end - now.monotonic_ms)) for name, end in ends)

    def wake_at_ms(self, now: Now, *, busy: bool) -> int | None:
        """The next deadline, or a heartbeat while anything is under way; None: nothing is."""
        if not busy:
            return None
        deadlines = [self._resent_ms + self._parameters.base_timeout_ms // 2, now.monotonic_ms + HEARTBEAT_MS]
        if self._waiting:
            deadlines.append(self._progress_ms + self.timeout_ms)
        if self._quorum_ms is not None:
            deadlines.append(self._quorum_ms + self.timeout_ms)
        return min(deadline for deadline in deadlines if deadline > now.monotonic_ms)


class Fairness:
    """Watches over the batches that the primary leaves waiting, the oldest ones first."""

    def __init__(self, parameters: Parameters, pool: BatchPool, timers: Timers) -> None:
        self._parameters = parameters
        self._pool = pool
        self._timers = timers

    def relay(self, primary: ReplicaId, high: SequenceNumber, now: Now, out: Output) -> None:
        """Hand over what has waited for half of the timeout. A batch that expires within the window could
        not be proposed any more."""
        for ref, wait in islice(self._pool.oldest(), MAX_RELAYS):
            if wait.relayed_ms is not None or ref.expiry_height <= high:
                continue
            if now.monotonic_ms - wait.since_ms >= self._timers.timeout_ms // 2:
                wait.relayed_ms = now.monotonic_ms
                # The primary may have got in another order what came here later, but not more than that.
                later_bytes = self._pool.waiting_bytes + self._parameters.block_bytes
                wait.patience_bytes = self._pool.placed_bytes + later_bytes
                out.relay.append(Relay(ref, primary))

    def on_proposal(self, proposal: PrePrepare, refs_bytes: int, now: Now) -> None:
        """A fresh proposal with `refs_bytes` of refs to spare: would an old batch have fitted in?"""
        room = self._parameters.block_bytes - sum(ref.size_bytes for ref in proposal.refs)
        for ref, wait in islice(self._pool.oldest(), MAX_RELAYS):
            if wait.relayed_ms is None or now.monotonic_ms - wait.relayed_ms < self._timers.timeout_ms // 2:
                continue
            if ref.size_bytes <= room and wait.ref_bytes <= refs_bytes:
                wait.passed_over = True

    def is_broken(self, high: SequenceNumber, now: Now) -> bool:
        """A batch was relayed a timeout ago, could have been ordered, and was not."""
        for ref, wait in islice(self._pool.oldest(), MAX_RELAYS):
            if wait.relayed_ms is None or ref.expiry_height <= high:
                continue
            if now.monotonic_ms - wait.relayed_ms < self._timers.timeout_ms:
                continue
            if wait.passed_over or self._pool.placed_bytes > wait.patience_bytes:
                return True
        return False
