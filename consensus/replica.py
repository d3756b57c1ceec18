"""The Replica: inputs in, one Ready out. It dispatches; the rules stand in rules.py.

No clock, no randomness, no I/O: `now` is an argument, the Ready says what to do. The parts it is made of:
normal.py (section 4.2 of the OSDI 1999 paper), checkpoint.py (4.3), viewchange.py (4.4), suspicion.py
(timers), ballot.py (whether this replica may vote), batches.py, future.py, restore.py."""

from collections.abc import Callable, Iterable

from consensus.ballot import Setting
from consensus.future import SlotMessage
from consensus.messages import (
    Authenticated,
    BlockVote,
    Commit,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    QuorumCertificate,
    ViewChange,
)
from consensus.output import Output
from consensus.parameters import Parameters
from consensus.parts import Parts
from consensus.ready import Outbound, Ready, Record
from consensus.restore import distrust, hold_for, is_lost, last_votes, replay, retained, slot_votes
from consensus.rules import Placement, Watermarks, place
from consensus.status import ReplicaStatus, status_of
from consensus.types import BatchRef, Digest, Now, ReplicaId, ReplicaSets, SequenceNumber, View


class Replica:
    """One PBFT replica.

    Life: `restore` once, then any input. It votes from the first `observed_own` on (at once if it is the
    only member): the driver asks its peers for `votes_of(this replica)` and hands in what a quorum, itself
    included, answered.

    Every input takes `now` and returns a Ready, to be carried out in the order that ready.py names before
    the next one's."""

    def __init__(
        self,
        *,
        chain_id: bytes,
        replica_id: ReplicaId,
        replica_sets: ReplicaSets,
        parameters: Parameters,
        sign: Callable[[bytes], bytes],
    ) -> None:
        """`replica_sets` must know every sequence up to `window` above the last certified height: a change of
        members, executed at a height, may take effect `window` + 1 heights later at the earliest."""
        self._parts = parts = Parts.of(Setting(chain_id, replica_id, replica_sets, parameters, sign))
        self._setting, self._pool, self._ballot = parts.setting, parts.pool, parts.ballot
        self._ordering, self._certifier, self._changer = parts.ordering, parts.certifier, parts.changer
        self._timers, self._fairness = parts.timers, parts.fairness
        self._future, self._laggards = parts.future, parts.laggards
        self._unlinked: set[ReplicaId] = set()
        self._asked_ms: int | None = None
        self._halted: Ready | None = None
        self._started = False

    # --- inputs -----------------------------------------------------------------------------------

    def restore(
        self,
        records: Iterable[Record],
        stable: QuorumCertificate | None,
        executed_height: SequenceNumber,
        executed_hash: Digest | None,
        now: Now,
        *,
        damage: bool = False,
    ) -> Ready:
        """Start from what the vote log and the chain store held; on a new node from nothing.

        `records`: the log's, in order. `stable`: the chain store's latest certificate. `executed_height`
        and `executed_hash`: of its last block (0 and None at genesis). `damage`: the log was hurt elsewhere
        than at its tail, so there may be votes that it does not show: none is cast until a certificate
        reaches the old high watermark. Batches that are here and in no executed block come in by
        `batch_ready` after this."""
        assert not self._started, "restore comes first, and once"
        assert (executed_height == 0) == (executed_hash is None)
        self._started = True
        out = Output()
        self._timers.observe(now)
        replay(self._parts, records, stable, executed_height, executed_hash, out)
        if damage:
            distrust(self._parts, out)
        if self._marks.members.ids == (self._setting.replica_id,):
            self._start_voting(out)
        return self._settle(now, out)

    def observed_own(self, messages: Iterable[Authenticated], now: Now) -> Ready:
        """What peers hold of this replica's own votes: the guard against a disk that was rolled back.

        To be called when a quorum of the members, this one included, answered (an answer may be empty), and
        again with what comes later. From the first call on this replica votes, unless a vote turns up that
        the log does not hold: then it follows and does not vote until a certificate lies a full window
        beyond."""
        out = self._begin(now)
        for message in (item.message for item in messages):
            if message.replica == self._setting.replica_id and is_lost(self._parts, message):
                hold_for(self._parts, message, out)
        if self._ballot.asking:
            self._start_voting(out)
        return self._settle(now, out)

    def batch_ready(self, ref: BatchRef, now: Now) -> Ready:
        """A batch is here, verified, durable and served to peers. Its validity and its origin's limits were
        checked; it is in no block that was executed before `restore` or came by catch-up."""
        out = self._begin(now)
        if self._pool.add(ref, now.monotonic_ms):
            self._ordering.batch_ready(ref, out)
        return self._settle(now, out)

    def receive(self, authenticated: Authenticated, now: Now) -> Ready:
        """A message that passed `authenticate`; whose link brought it does not matter."""
        out = self._begin(now)
        message = authenticated.message
        if message.replica == self._setting.replica_id and is_lost(self._parts, message):
            hold_for(self._parts, message, out)
        if isinstance(message, BlockVote):
            self._certifier.on_block_vote(message, self._marks, out)
            if message.height <= self._marks.low:
                self._help(message, now, out)
        elif message.replica == self._setting.replica_id:
            out.reject("own-message", message)
        elif isinstance(message, ViewChange):
            self._on_view_change(message, now, out)
        elif isinstance(message, NewView):
            self._on_new_view(message, now, out)
        else:
            self._on_slot_message(message, now, out)
        return self._settle(now, out)

    def executed(self, height: SequenceNumber, header_hash: Digest, now: Now) -> Ready:
        """The next decided slot was executed and its block stored. Heights come one by one; a slot at or
        below what `install` brought is not executed again and not reported."""
        out = self._begin(now)
        assert self._certifier.executed < height <= self._ordering.handed, "a decided slot, once"
        assert height == self._certifier.executed + 1, "in order"
        slot = self._ordering.slots.get(height)
        if slot is not None and slot.decided is not None:
            self._pool.order(slot.decided.refs, height)
        self._certifier.on_executed(height, header_hash, self._marks, self._changer.view, out)
        return self._settle(now, out)

    def install(self, certificate: QuorumCertificate, now: Now, *, ordered: Iterable[BatchRef] = ()) -> Ready:
        """Blocks up to the certificate's height came by catch-up: verified, executed, stored. Afterwards
        executed = certified = that height (or higher, if this replica was further already). `ordered`: the
        refs of those blocks. Decided slots at or below the height that were handed out are void."""
        out = self._begin(now)
        self._pool.order(tuple(ordered), certificate.height)
        self._certifier.install(certificate, out)
        return self._settle(now, out)

    def tick(self, now: Now) -> Ready:
        """Time passes: suspect the primary, repeat votes that brought nothing, ask again for what is
        missing."""
        out = self._begin(now)
        self._watch_primary(now, out)
        if self._timers.resend_is_due(now):
            self._resend(None, out)
            for slot in self._ordering.ascending():
                self._ordering.fetch(slot, out)
            if self._certifier.is_behind:
                self._ask(now, out)
        return self._settle(now, out)

    def connected(self, replica_id: ReplicaId, now: Now) -> Ready:
        """The link to a peer came up: whatever was under way is lost, so it gets the stable certificate (as
        the votes that it consists of) and all of our votes above it again."""
        out = self._begin(now)
        was_cut_off = self._cut_off
        self._unlinked.discard(replica_id)
        if was_cut_off and not self._cut_off:
            self._timers.rearm(now)
        if replica_id != self._setting.replica_id:
            self._tell(replica_id, out)
        return self._settle(now, out)

    def disconnected(self, replica_id: ReplicaId, now: Now) -> Ready:
        """The link to a peer went down. A replica that reaches no quorum does not blame the primary."""
        out = self._begin(now)
        self._unlinked.add(replica_id)
        return self._settle(now, out)

    # --- questions --------------------------------------------------------------------------------

    def status(self) -> ReplicaStatus:
        """What this replica does and waits for."""
        return status_of(self._parts)

    def votes_of(self, replica: ReplicaId) -> tuple[Message, ...]:
        """The last votes that this replica holds of `replica`, for its `observed_own`."""
        return last_votes(self._parts, replica)

    def records(self) -> tuple[Record, ...]:
        """What a new vote log has to begin with when the old one is dropped: it rebuilds the present
        state."""
        return retained(self._parts)

    @property
    def _marks(self) -> Watermarks:
        return self._ordering.marks

    # --- messages ---------------------------------------------------------------------------------

    def _on_slot_message(self, message: SlotMessage, now: Now, out: Output) -> None:
        placement = place(message, self._marks, self._changer.view, self._changer.changing)
        if placement is Placement.PRESENT:
            if isinstance(message, PrePrepare):
                self._ordering.on_pre_prepare(message, now, out)
                self._fairness.on_proposal(message, self._ordering.spare_refs_bytes(message), now)
            elif isinstance(message, Prepare):
                self._ordering.on_prepare(message, out)
            else:
                assert isinstance(message, Commit)
                self._ordering.on_commit(message, out)
        elif placement is Placement.FUTURE_VIEW:
            self._future.keep(message, out)
        else:
            out.reject(placement.value, message)
            if placement is Placement.BEYOND or message.epoch > self._marks.epoch:
                self._certifier.hear(message.replica, message.sequence, self._marks)
            elif placement is not Placement.OTHER_EPOCH:
                self._help(message, now, out)

    def _on_view_change(self, message: ViewChange, now: Now, out: Output) -> None:
        if message.stable is not None:
            self._certifier.on_certificate(message.stable, self._marks, out)
            self._move(now, out)
        if message.epoch != self._marks.epoch:
            out.reject("epoch", message)
        elif not self._changer.on_view_change(message, self._marks, out):
            self._help(message, now, out)

    def _on_new_view(self, message: NewView, now: Now, out: Output) -> None:
        highest = max(message.view_changes, key=lambda change: change.stable_height).stable
        if highest is not None:
            self._certifier.on_certificate(highest, self._marks, out)
            self._move(now, out)
        if message.epoch != self._marks.epoch:
            out.reject("epoch", message)
        elif self._changer.on_new_view(message, out):
            self._enter(message, now, out)

    # --- views ------------------------------------------------------------------------------------

    def _watch_primary(self, now: Now, out: Output) -> None:
        if not self._ballot.may_vote(self._marks, self._changer.view):
            return
        if self._changer.changing:
            if self._timers.new_view_is_overdue(now):
                self._leave(self._changer.view + 1, now, out)
            return
        if self._ordering.leads:
            return
        high = self._marks.high
        self._fairness.relay(self._ordering.primary, high, now, out)
        # Not the primary's fault: we are behind, cut off, or the window is used up.
        if self._certifier.is_behind or self._cut_off or self._ordering.handed >= high:
            return
        if self._timers.pulse_is_gone(now) or self._fairness.is_broken(high, now):
            self._leave(self._changer.view + 1, now, out)

    @property
    def _cut_off(self) -> bool:
        members = self._marks.members
        return sum(1 for replica in members.ids if replica in self._unlinked) > members.n - members.quorum

    def _leave(self, view: View, now: Now, out: Output) -> None:
        self._ordering.stop()
        self._changer.start(view, self._marks, out)
        self._timers.view_change_starts(now)

    def _enter(self, message: NewView, now: Now, out: Output) -> None:
        stable = max(change.stable_height for change in message.view_changes)
        self._changer.enter(message, out)
        self._timers.view_entered(now)
        self._laggards.view_entered(now)
        self._ordering.enter(message.view, message.proposals, stable, now, out)
        for kept in self._future.take(message.view):
            self._on_slot_message(kept, now, out)

    def _change_view(self, now: Now, out: Output) -> None:
        if self._ballot.may_vote(self._marks, self._changer.view):
            target = self._changer.to_join(self._marks)
            if target is not None:
                self._leave(target, now, out)
        if self._changer.changing:
            prepared = self._ordering.prepared_certificates()
            self._changer.ask(self._certifier.stable, prepared, self._marks, out)
        message = self._changer.lead(self._marks, out)
        if message is not None:
            self._enter(message, now, out)
        self._timers.quorum_asks(self._changer.quorum_asks(self._marks), now)

    # --- after every input ------------------------------------------------------------------------

    def _begin(self, now: Now) -> Output:
        assert self._started, "restore comes first"
        if self._timers.observe(now):
            self._pool.rearm(now.monotonic_ms)
        self._laggards.observe(self._marks.low, now)
        return Output()

    def _settle(self, now: Now, out: Output) -> Ready:
        if self._halted is not None:
            return self._halted
        before = (self._marks.low, self._ordering.handed)
        self._move(now, out)
        self._change_view(now, out)
        self._ordering.propose(now, out)
        if out.halt is not None:
            self._halted = Ready(halt=out.halt)
        self._catch_up(now, out)
        return out.ready(self._keep_time(before, now))

    def _move(self, now: Now, out: Output) -> None:
        """Section 4.3: a certificate moves the watermarks and what lies below is dropped."""
        low, old = self._certifier.low, self._marks
        if low == old.low:
            return
        window = self._setting.parameters.window
        could_vote = self._ballot.may_vote(old, self._changer.view)
        marks = Watermarks.above(low, window, self._setting.replica_sets)
        self._pool.trim(low, low - window, now.monotonic_ms)
        if marks.epoch == old.epoch:
            self._future.trim(low)
            self._ordering.move(marks, out)
        else:
            self._future.clear()
            self._changer.new_epoch(marks.epoch, out)
            self._ordering.new_epoch(marks, now, out)
        if not could_vote:
            self._vote_on_all(out)

    def _start_voting(self, out: Output) -> None:
        self._ballot.asking = False
        self._vote_on_all(out)

    def _vote_on_all(self, out: Output) -> None:
        """Give the votes that were not allowed until now."""
        self._certifier.cast_votes(self._marks, self._changer.view, out)
        self._ordering.advance_all(out)

    def _catch_up(self, now: Now, out: Output) -> None:
        """Ask for blocks at once where waiting is of no use: others are beyond reach, or we left the view in
        which they go on. What is within reach is asked for by `tick` when it does not come."""
        if not self._certifier.is_behind:
            self._asked_ms = None
        elif self._asked_ms is None and (
            self._certifier.ahead_height > self._marks.reach or self._changer.changing
        ):
            self._ask(now, out)

    def _ask(self, now: Now, out: Output) -> None:
        self._asked_ms = now.monotonic_ms
        self._certifier.ask(out)

    def _keep_time(self, before: tuple[SequenceNumber, SequenceNumber], now: Now) -> int | None:
        ordering, high = self._ordering, self._marks.high
        if (self._marks.low, ordering.handed) != before:
            self._timers.progressed(now, in_view=not self._changer.changing)
        open_slots = ordering.top > ordering.handed
        waiting = open_slots or self._pool.proposable(high + 1)
        self._timers.waits(waiting and not self._changer.changing and ordering.handed < high, now)
        uncertified = max(ordering.top, ordering.handed) > self._marks.low
        busy = uncertified or self._changer.changing or self._certifier.is_behind or self._pool.waiting > 0
        return self._timers.wake_at_ms(now, busy=busy)

    # --- telling peers again ----------------------------------------------------------------------

    def _help(self, message: Message, now: Now, out: Output) -> None:
        """A peer repeats what is over: it missed a certificate or the NEW-VIEW."""
        if isinstance(message, ViewChange):
            lags = self._laggards.view_is_settled(now)
        elif isinstance(message, BlockVote):
            lags = self._laggards.is_long_certified(message.height)
        else:
            assert not isinstance(message, NewView)
            old_view = message.sequence > self._marks.low and self._laggards.view_is_settled(now)
            lags = old_view or self._laggards.is_long_certified(message.sequence)
        if lags and self._laggards.may_help(message.replica, now):
            self._tell(message.replica, out)

    def _tell(self, to: ReplicaId, out: Output) -> None:
        for vote in self._certifier.certificate_votes():
            out.send.append(Outbound(vote, to))
        self._resend(to, out)

    def _resend(self, to: ReplicaId | None, out: Output) -> None:
        """Our own votes above the low watermark, as the log has them. None: to everybody."""
        if not self._ballot.may_vote(self._marks, self._changer.view):
            return
        own = self._setting.replica_id
        self._changer.resend(to, out)
        for vote in slot_votes(self._parts, own):
            out.send.append(Outbound(vote, to))
