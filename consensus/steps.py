"""What follows from an input: where a message goes, and what its outcome sets in motion in the other
parts."""

from consensus.forms import form_problem
from consensus.messages import (
    BlockVote,
    Certified,
    Commit,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    SignedMessage,
    ViewChange,
)
from consensus.output import Output
from consensus.parts import Parts
from consensus.ready import Outbound, Ready
from consensus.restore import hold_for, is_lost, slot_votes
from consensus.rules import Placement, Watermarks, place
from consensus.types import Now, ReplicaId, SequenceNumber, View

_Progress = tuple[SequenceNumber, SequenceNumber, SequenceNumber]


class Steps:
    """Dispatches, and calls the parts in the order in which they depend on each other."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.unlinked: set[ReplicaId] = set()
        self.asked_for_blocks = False
        self._halted: Ready | None = None

    @property
    def marks(self) -> Watermarks:
        return self.parts.ordering.marks

    @property
    def may_vote(self) -> bool:
        return self.parts.ballot.may_vote(self.marks, self.parts.changer.view)

    # --- around every input -----------------------------------------------------------------------

    def begin(self, now: Now) -> Output:
        parts = self.parts
        if parts.timers.observe(now):
            parts.pool.rearm(now.monotonic_ms)
        parts.laggards.observe(self.marks.low, now)
        return Output()

    def settle(self, now: Now, out: Output) -> Ready:
        """Draw every conclusion, then give the Ready."""
        if self._halted is not None:
            return self._halted
        self.move(now, out)
        self._change_view(now, out)
        self.parts.ordering.propose(now, out)
        if out.halt is not None:
            self._halted = Ready(halt=out.halt)
        self._ask_for_blocks(out)
        return out.ready(self._keep_time(now))

    def _keep_time(self, now: Now) -> int | None:
        """Section 4.4: the timer runs while a request waits or anything is not certified."""
        parts, marks = self.parts, self.marks
        ordering, executed = parts.ordering, parts.certifier.executed
        changing = parts.changer.changing
        parts.timers.progressed((marks.low, ordering.handed, executed), now, in_view=not changing)
        # What this node itself has not executed yet is not for others to bring.
        waiting = ordering.top > ordering.handed or executed > marks.low
        waiting = waiting or parts.pool.proposable(marks.high + 1)
        parts.timers.waits(waiting and not changing, now)
        uncertified = max(ordering.top, ordering.handed) > marks.low
        busy = uncertified or changing or parts.certifier.is_behind or parts.pool.waiting > 0
        return parts.timers.wake_at_ms(now, busy=busy)

    def move(self, now: Now, out: Output) -> None:
        """Section 4.3: a certificate moves the watermarks and what lies below is dropped."""
        parts, old = self.parts, self.marks
        low = parts.certifier.low
        if low == old.low:
            return
        could_vote = self.may_vote
        parameters = parts.setting.parameters
        marks = Watermarks.above(low, parameters, parts.setting.replica_sets)
        parts.pool.trim(low, low - parameters.window, now.monotonic_ms)
        if marks.epoch != old.epoch:
            parts.future.clear()
            parts.changer.new_epoch(marks, out)
            parts.ordering.new_epoch(marks, now, out)
        elif marks.first_view != old.first_view:
            parts.future.trim(low)
            parts.changer.new_turn(marks, out)
            parts.ordering.new_turn(marks, now, out)
            self._take_kept(now, out)
        else:
            parts.future.trim(low)
            parts.ordering.move(marks, out)
        if not could_vote:
            self.vote_on_all(out)

    def vote_on_all(self, out: Output) -> None:
        """Where voting begins: say again what the log holds, for the stop may have come between log and
        link, then give the votes that were not allowed until now."""
        if self.may_vote:
            for peer in self.marks.ids:
                if peer != self.parts.setting.replica_id and peer not in self.unlinked:
                    self.tell(peer, out)
        self.parts.certifier.cast_votes(self.marks, self.parts.changer.view, out)
        self.parts.certifier.count_all(self.marks, out)
        self.parts.ordering.advance_all(out)

    # --- messages ---------------------------------------------------------------------------------

    def receive(self, message: Message, now: Now, out: Output) -> None:
        self.guard(message, out)
        # It was judged when it came, and waited: blocks executed since may say that others vote, or lead.
        problem = form_problem(message, self.parts.setting.replica_sets)
        if problem is not None:
            out.reject(problem, message)
        elif isinstance(message, Certified):
            self.parts.certifier.on_certificate(message.certificate, self.marks, out)
        elif isinstance(message, BlockVote):
            # Our own too: it may be all that is left of it after the disk was rolled back.
            self.parts.certifier.on_block_vote(message, self.marks, out)
            if message.height <= self.marks.low and message.replica != self.parts.setting.replica_id:
                self._help(message, now, out)
        elif message.replica == self.parts.setting.replica_id:
            out.reject("own-message", message)
        elif isinstance(message, ViewChange):
            self._on_view_change(message, now, out)
        elif isinstance(message, NewView):
            self._on_new_view(message, now, out)
        else:
            self._on_slot_message(message, now, out)

    def guard(self, message: Message, out: Output) -> None:
        """An own vote that the log does not hold: the log is older than what this replica said."""
        if isinstance(message, Certified) or message.replica != self.parts.setting.replica_id:
            return
        if is_lost(self.parts, message):
            hold_for(self.parts, message, out)

    def follow_first(self, message: Certified, now: Now, out: Output) -> None:
        """A peer is further than this replica, which does not know yet what it said before it started."""
        self.parts.certifier.on_certificate(message.certificate, self.marks, out)
        self.move(now, out)
        height = message.certificate.height
        if self.parts.ballot.asking and message.epoch == self.marks.epoch and height > self.marks.low:
            self.parts.ballot.keep_silent(message.epoch, 0, height, out)

    def _on_slot_message(self, message: PrePrepare | Prepare | Commit, now: Now, out: Output) -> None:
        parts = self.parts
        placement = place(message, self.marks, parts.changer.view, parts.changer.changing)
        if placement is Placement.PRESENT:
            if isinstance(message, PrePrepare):
                if parts.ordering.on_pre_prepare(message, now, out):
                    parts.fairness.on_proposal(message, parts.ordering.spare_refs_bytes(message), now)
            elif isinstance(message, Prepare):
                parts.ordering.on_prepare(message, out)
            else:
                parts.ordering.on_commit(message, out)
        elif placement is Placement.FUTURE_VIEW:
            parts.future.keep(message, out)
        else:
            out.reject(placement.value, message)
            if placement is Placement.BEYOND or message.epoch > self.marks.epoch:
                parts.certifier.hear(message.replica, message.sequence, self.marks)
            elif placement not in (Placement.OTHER_EPOCH, Placement.OTHER_TURN):
                self._help(message, now, out)

    def _on_view_change(self, message: ViewChange, now: Now, out: Output) -> None:
        if message.stable is not None:
            self.parts.certifier.on_certificate(message.stable, self.marks, out)
            self.move(now, out)
        if message.epoch != self.marks.epoch:
            out.reject("epoch", message)
        elif not self.parts.changer.on_view_change(message, self.marks, out):
            self._help(message, now, out)

    def _on_new_view(self, message: NewView, now: Now, out: Output) -> None:
        highest = max(message.view_changes, key=lambda change: change.stable_height).stable
        if highest is not None:
            self.parts.certifier.on_certificate(highest, self.marks, out)
            self.move(now, out)
        if message.epoch != self.marks.epoch:
            out.reject("epoch", message)
        elif self.parts.changer.on_new_view(message, self.marks, out):
            could_vote = self.may_vote
            self._enter(message, now, out)
            if not could_vote:
                # The view that the hold waited for: blocks that were executed meanwhile lack this one's vote.
                self.vote_on_all(out)

    # --- views ------------------------------------------------------------------------------------

    def watch_primary(self, now: Now, out: Output) -> None:
        """Whether it is time to leave the view, or to give up the one that was to come."""
        parts = self.parts
        if not self.may_vote:
            return
        if parts.changer.changing:
            if parts.timers.new_view_is_overdue(now):
                self._leave(parts.changer.view + 1, now, out)
            return
        if parts.ordering.leads:
            return
        high = self.marks.high
        parts.fairness.relay(parts.ordering.primary, high, now, out)
        # Not the primary's fault: we are behind or cut off. A replica that cannot catch up gives in later.
        if self.cut_off or (parts.certifier.is_behind and not parts.timers.pulse_is_gone(now, times=4)):
            return
        if parts.timers.pulse_is_gone(now) or parts.fairness.is_broken(high, now):
            self._leave(parts.changer.view + 1, now, out)

    @property
    def cut_off(self) -> bool:
        """Whether so many links are down that no quorum is in reach."""
        members = self.marks.members
        return sum(1 for replica in members.ids if replica in self.unlinked) > members.n - members.quorum

    def _leave(self, view: View, now: Now, out: Output) -> None:
        self.parts.ordering.stop()
        self.parts.changer.start(view, self.marks, out)
        self.parts.timers.view_change_starts(now)

    def _enter(self, message: NewView, now: Now, out: Output) -> None:
        parts = self.parts
        stable = max(change.stable_height for change in message.view_changes)
        parts.changer.enter(message, out)
        parts.timers.view_entered(now)
        parts.laggards.view_entered(now)
        holders: dict[SequenceNumber, list[ReplicaId]] = {}
        for prepared in (prepared for change in message.view_changes for prepared in change.prepared):
            known = holders.setdefault(prepared.pre_prepare.sequence, [])
            known.extend(vote.replica for vote in prepared.prepares)
        parts.ordering.enter(message.view, stable, message.proposals, holders, now, out)
        self._take_kept(now, out)

    def _take_kept(self, now: Now, out: Output) -> None:
        """What came of the view that is entered now while it lay ahead."""
        for kept in self.parts.future.take(self.parts.changer.view):
            self._on_slot_message(kept, now, out)

    def _change_view(self, now: Now, out: Output) -> None:
        parts = self.parts
        target = parts.changer.to_join(self.marks)
        if target is not None and self.may_vote:
            self._leave(target, now, out)
        if parts.changer.changing:
            prepared = parts.ordering.prepared_certificates()
            parts.changer.ask(parts.certifier.stable, prepared, self.marks, out)
            message = parts.changer.lead(self.marks, out)
            if message is not None:
                self._enter(message, now, out)
        parts.timers.quorum_asks(parts.changer.quorum_asks(self.marks), now)

    # --- telling and asking again -----------------------------------------------------------------

    def _help(self, message: SignedMessage, now: Now, out: Output) -> None:
        """A peer repeats what is over: it missed a certificate or the NEW-VIEW."""
        laggards = self.parts.laggards
        if isinstance(message, BlockVote):
            lags = laggards.is_long_certified(message.height)
        elif isinstance(message, ViewChange | NewView) or message.sequence > self.marks.low:
            lags = laggards.view_is_settled(now)
        else:
            lags = laggards.is_long_certified(message.sequence)
        if lags and laggards.may_help(message.replica, now):
            self.tell(message.replica, out)

    def tell(self, to: ReplicaId, out: Output) -> None:
        """The stable certificate, and all of our own votes above it."""
        stable = self.parts.certifier.stable
        if stable is not None:
            out.send.append(Outbound(Certified(stable, self.parts.setting.replica_id), to))
        self.resend(to, out)

    def resend(self, to: ReplicaId | None, out: Output) -> None:
        """Our own votes above the low watermark, as the log has them. None: to everybody."""
        if self.may_vote:
            self.parts.changer.resend(to, out)
            for vote in slot_votes(self.parts, self.parts.setting.replica_id):
                out.send.append(Outbound(vote, to))

    def ask_again(self, out: Output) -> None:
        """For batches and blocks that did not come."""
        for slot in self.parts.ordering.ascending():
            self.parts.ordering.fetch(slot, out)
        if self.parts.certifier.is_behind:
            self.parts.certifier.ask(out)

    def _ask_for_blocks(self, out: Output) -> None:
        """At once where waiting is of no use: others are beyond reach, or we left the view in which they go
        on. What is within reach is asked for when it does not come."""
        certifier = self.parts.certifier
        if not certifier.is_behind:
            self.asked_for_blocks = False
        elif not self.asked_for_blocks and (
            certifier.ahead_height > self.marks.reach or self.parts.changer.changing
        ):
            self.asked_for_blocks = True
            certifier.ask(out)
