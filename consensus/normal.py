"""The normal case (OSDI 1999, section 4.2): PRE-PREPARE, PREPARE, COMMIT for the slots of one view."""

from collections.abc import Iterable, Iterator, Mapping

from consensus.ballot import Ballot, Setting
from consensus.batches import BatchPool
from consensus.bounds import ONE_REF_BYTES, proposal_bytes
from consensus.codec import encode
from consensus.messages import Commit, Prepare, PreparedCertificate, PrePrepare
from consensus.output import Output
from consensus.ready import Decided, Fetch, PreparedRecord
from consensus.rules import (
    Watermarks,
    clock_holds,
    commit_certificate,
    full_enough,
    is_null,
    prepared_certificate,
)
from consensus.slots import Slot
from consensus.types import BatchRef, Now, ReplicaId, SequenceNumber, View


class Ordering:
    """The slots above the low watermark, in the present view. Decides them and hands them out in order."""

    def __init__(self, setting: Setting, ballot: Ballot, pool: BatchPool, marks: Watermarks) -> None:
        self._setting = setting
        self._ballot = ballot
        self._pool = pool
        self.marks = marks
        self.view: View = 0
        self.active = True
        """False while this replica changes views."""
        self.slots: dict[SequenceNumber, Slot] = {}
        self.handed: SequenceNumber = marks.low
        """Up to here the decisions were handed out."""
        self.top: SequenceNumber = marks.low
        """The highest slot with a proposal in this view."""
        self._stable: SequenceNumber = marks.low
        """Where the view began: what lies below was certified somewhere."""
        self._told_left: View = 0
        """The last view of which it was shown that the ones before it were left."""

    @property
    def primary(self) -> ReplicaId:
        return self.marks.members.primary(self.view)

    @property
    def leads(self) -> bool:
        return self.active and self.primary == self._setting.replica_id

    def slot(self, sequence: SequenceNumber) -> Slot:
        return self.slots.setdefault(sequence, Slot(sequence))

    def ascending(self) -> Iterator[Slot]:
        for sequence in sorted(self.slots):
            yield self.slots[sequence]

    # --- messages of the present view, between the watermarks -------------------------------------

    def on_pre_prepare(self, proposal: PrePrepare, now: Now, out: Output) -> bool:
        """A fresh proposal; those of a NEW-VIEW come in by `enter`. Whether it is taken as the slot's."""
        slot = self.slot(proposal.sequence)
        if slot.pre_prepare is not None:
            if slot.digest == proposal.digest(self._setting.chain_id):
                out.reject("duplicate", proposal)
            else:
                self._accuse("pre-prepare", slot, slot.pre_prepare, proposal, out)
            return False
        problem = self._invalid(proposal)
        if problem is not None:
            out.reject(problem, proposal)
            return False
        doubt = self._doubt(proposal, now)
        if doubt is not None:
            out.reject(doubt, proposal, str(proposal.time_ms) if doubt == "clock" else "")
        self._accept(slot, proposal, withheld=doubt is not None, out=out)
        self.advance(slot, out)
        return True

    def _invalid(self, proposal: PrePrepare) -> str | None:
        """What makes a fresh proposal wrong for everybody."""
        if is_null(proposal):
            return "null-request"
        if any(ref.expiry_height < proposal.sequence for ref in proposal.refs):
            return "expired-batch"
        size_bytes = sum(ref.size_bytes for ref in proposal.refs)
        refs_bytes = sum(len(encode(ref)) for ref in proposal.refs)
        limit = ONE_REF_BYTES if len(proposal.refs) == 1 else self._refs_bytes()
        if size_bytes > self._setting.parameters.block_bytes or refs_bytes > limit:
            return "too-large"
        return None

    def spare_refs_bytes(self, proposal: PrePrepare) -> int:
        """Room that `proposal` leaves for further refs."""
        return self._refs_bytes() - sum(len(encode(ref)) for ref in proposal.refs)

    def _refs_bytes(self) -> int:
        return proposal_bytes(self._setting.parameters, self.marks.members)

    def _doubt(self, proposal: PrePrepare, now: Now) -> str | None:
        """What this replica finds wrong and others may not: it gives no PREPARE, but goes with a quorum."""
        if not clock_holds(proposal.time_ms, now.wall_ms, self._setting.parameters.clock_skew_ms):
            return "clock"
        if any(self._pool.slot_of(ref) is not None for ref in proposal.refs):
            return "repeated-batch"
        return None

    def _accept(self, slot: Slot, proposal: PrePrepare, *, withheld: bool, out: Output) -> None:
        slot.pre_prepare = proposal
        slot.digest = proposal.digest(self._setting.chain_id)
        slot.withheld = withheld
        if slot.decided is not None and slot.decided_digest != slot.digest:
            slot.withheld = True
            out.reject("decided-otherwise", proposal)
        slot.missing = {ref: None for ref in proposal.refs if not self._pool.has(ref)}
        self._pool.place(proposal.refs, slot.sequence)
        self.top = max(self.top, slot.sequence)
        self.fetch(slot, out)

    def on_prepare(self, vote: Prepare, out: Output) -> None:
        slot = self.slot(vote.sequence)
        first = slot.prepares.setdefault(vote.replica, vote)
        if first is vote:
            self.advance(slot, out)
        elif first.digest == vote.digest:
            out.reject("duplicate", vote)
        else:
            self._accuse("prepare", slot, first, vote, out)

    def on_commit(self, vote: Commit, out: Output) -> None:
        slot = self.slot(vote.sequence)
        first = slot.commits.setdefault(vote.replica, vote)
        if first is vote:
            self.advance(slot, out)
        elif first.digest == vote.digest:
            out.reject("duplicate", vote)
        else:
            self._accuse("commit", slot, first, vote, out)

    def _accuse(
        self,
        kind: str,
        slot: Slot,
        first: PrePrepare | Prepare | Commit,
        second: PrePrepare | Prepare | Commit,
        out: Output,
    ) -> None:
        """The first message stands; one accusation of each kind is enough."""
        if (kind, second.replica) in slot.accused:
            out.reject("equivocation", second)
            return
        slot.accused.add((kind, second.replica))
        out.accuse(first, second)

    # --- from proposal to decision ----------------------------------------------------------------

    def advance(self, slot: Slot, out: Output) -> None:
        """Take every step that the slot's messages allow."""
        proposal = slot.pre_prepare
        if proposal is None or not self.active or not self.marks.low < slot.sequence <= self.marks.high:
            return
        may_vote = not slot.missing and self._ballot.may_vote(self.marks, self.view)
        own = self._setting.replica_id
        if may_vote and not slot.withheld and own != proposal.replica and own not in slot.prepares:
            self._prepare(slot, proposal, out)
        if not slot.is_prepared_in(self.view):
            certificate = prepared_certificate(proposal, slot.digest, slot.prepares, self.marks.members)
            if certificate is None:
                return
            slot.prepared = certificate
            out.persist.append(PreparedRecord(certificate))
        contradicts = slot.decided is not None and slot.decided_digest != slot.digest
        if may_vote and own not in slot.commits and not contradicts:
            vote = Commit(proposal.epoch, self.view, slot.sequence, slot.digest, own)
            slot.commits[own] = self._ballot.cast(vote, out)
        if slot.decided is None:
            self._decide(slot, proposal, out)

    def _decide(self, slot: Slot, proposal: PrePrepare, out: Output) -> None:
        committed = commit_certificate(proposal, slot.digest, slot.commits, self.marks.members)
        if committed is None:
            return
        slot.decided, slot.decided_digest = proposal, slot.digest
        if max(self._told_left, self.marks.first_view) < self.view:
            self._told_left = self.view
            out.left.append(committed)
        self.hand_out(out)

    def _prepare(self, slot: Slot, proposal: PrePrepare, out: Output) -> None:
        # The proposal goes into the log with the vote: after a crash no other one can take its place.
        out.persist.append(proposal)
        own = self._setting.replica_id
        vote = Prepare(proposal.epoch, self.view, slot.sequence, slot.digest, own)
        slot.prepares[own] = self._ballot.cast(vote, out)

    def hand_out(self, out: Output) -> None:
        """Decided slots whose predecessors are handed out and whose batches are here."""
        while (slot := self.slots.get(self.handed + 1)) is not None and slot.decided is not None:
            decided = slot.decided
            if not all(self._pool.has(ref) for ref in decided.refs):
                return
            out.decided.append(
                Decided(slot.sequence, decided.epoch, decided.view, decided.time_ms, decided.refs)
            )
            self.handed += 1

    def batch_ready(self, ref: BatchRef, out: Output) -> None:
        for slot in self.ascending():
            if ref in slot.missing:
                del slot.missing[ref]
                self.advance(slot, out)
        self.hand_out(out)

    def fetch(self, slot: Slot, out: Output) -> None:
        """Ask for the batches of a proposal that are not here: the origin, the primary, then who prepared and
        so has them."""
        voters = [vote.replica for vote in slot.prepares.values() if vote.digest == slot.digest]
        for ref in slot.missing:
            known = dict.fromkeys([ref.origin, self.primary, *slot.holders, *sorted(voters)])
            # The origin is the proposer's word: it need not exist.
            others = [source for source in known if source in self.marks.ids]
            sources = tuple(source for source in others if source != self._setting.replica_id)
            out.fetch.append(Fetch(ref, sources))

    # --- the primary ------------------------------------------------------------------------------

    def propose(self, now: Now, out: Output) -> None:
        """The primary's next proposals, as far as watermarks, batches and the load rule allow."""
        parameters = self._setting.parameters
        # Who has not seen all slots below the view's first does not know what was ordered in them.
        while (
            self.handed >= self._stable
            and self.leads
            and self.top < self.marks.high
            and self._ballot.may_vote(self.marks, self.view)
        ):
            share = (self.top - self.handed, parameters.window)
            # A block is full by what its batches weigh or by what their refs do.
            if not (
                full_enough(self._pool.waiting_bytes, parameters.block_bytes, *share)
                or full_enough(self._pool.waiting_refs_bytes, self._refs_bytes(), *share)
            ):
                return
            sequence = self.top + 1
            refs = self._pool.choose(sequence, parameters.block_bytes, self._refs_bytes())
            if not refs:
                return
            bare = PrePrepare(self.marks.epoch, self.view, sequence, now.wall_ms, refs, self.primary)
            slot = self.slot(sequence)
            self._accept(slot, self._ballot.cast(bare, out), withheld=False, out=out)
            self.advance(slot, out)

    # --- watermarks and views ---------------------------------------------------------------------

    def move(self, marks: Watermarks, out: Output) -> None:
        """The watermarks moved up within the epoch (section 4.3)."""
        high = self.marks.high
        self.marks = marks
        self._trim()
        self.hand_out(out)
        for sequence in range(high + 1, marks.high + 1):
            if sequence in self.slots:
                self.advance(self.slots[sequence], out)

    def _trim(self) -> None:
        for sequence in [key for key in self.slots if not self.marks.low < key <= self.marks.reach]:
            del self.slots[sequence]
        self.handed = max(self.handed, self.marks.low)
        self.top = max(self.top, self.marks.low)

    def stop(self) -> None:
        """Section 4.4: a replica that starts a view change accepts nothing of the old view."""
        self.active = False
        for slot in self.slots.values():
            slot.leave_view()

    def prepared_certificates(self) -> tuple[PreparedCertificate, ...]:
        """Set P of section 4.4: what prepared here above the stable certificate."""
        return tuple(
            slot.prepared
            for slot in self.ascending()
            if slot.prepared is not None and self.marks.low < slot.sequence <= self.marks.high
        )

    def enter(
        self,
        view: View,
        stable: SequenceNumber,
        proposals: Iterable[PrePrepare],
        holders: Mapping[SequenceNumber, Iterable[ReplicaId]],
        now: Now,
        out: Output,
    ) -> None:
        """Section 4.4: work in `view`, first on the slots above `stable` that its NEW-VIEW proposes again.
        Expiry and time are not checked a second time. `holders`: who prepared each of them before."""
        self.view, self.active = view, True
        self._stable = stable
        self.top = max(self.marks.low, self.handed, stable)
        for slot in self.slots.values():
            slot.leave_view()
        self._pool.unplace(now.monotonic_ms)
        for proposal in proposals:
            self.top = max(self.top, proposal.sequence)
            if self.marks.low < proposal.sequence <= self.marks.reach:
                slot = self.slot(proposal.sequence)
                slot.holders = dict.fromkeys(holders.get(proposal.sequence, ()))
                self._accept(slot, proposal, withheld=False, out=out)
        self.advance_all(out)

    def restore(
        self, marks: Watermarks, view: View, stable: SequenceNumber, executed: SequenceNumber, *, active: bool
    ) -> None:
        """Begin with what is on disk; the slots follow. `stable`: where the view began."""
        self.marks, self.view, self.active = marks, view, active
        self._stable = stable
        self.handed = max(executed, marks.low)
        self.top = max(self.handed, stable)

    def restore_proposal(self, proposal: PrePrepare) -> None:
        """A proposal that the log shows as accepted."""
        if proposal.epoch != self.marks.epoch or proposal.view != self.view or not self.active:
            return
        self.top = max(self.top, proposal.sequence)
        if self.marks.low < proposal.sequence <= self.marks.reach:
            self._accept(self.slot(proposal.sequence), proposal, withheld=False, out=Output())

    def advance_all(self, out: Output) -> None:
        for slot in list(self.ascending()):
            self.advance(slot, out)

    def new_epoch(self, marks: Watermarks, now: Now, out: Output) -> None:
        """Another set of replicas takes over above `marks.low`."""
        self.slots.clear()
        self.new_turn(marks, now, out)

    def new_turn(self, marks: Watermarks, now: Now, out: Output) -> None:
        """Above `marks.low` the views begin anew; no slot there has a proposal yet."""
        self.marks = marks
        self._trim()
        self.enter(marks.first_view, marks.low, (), {}, now, out)
