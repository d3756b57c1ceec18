"""The view change in its signed form (OSDI 1999, section 4.4): VIEW-CHANGE and NEW-VIEW."""

from consensus.ballot import Ballot, Setting
from consensus.forms import form_problem
from consensus.messages import NewView, PreparedCertificate, QuorumCertificate, ViewChange
from consensus.output import Output
from consensus.ready import Outbound, ViewRecord
from consensus.rules import Watermarks, new_view_proposals, view_to_join
from consensus.types import ReplicaId, View


class ViewChanger:
    """Which view this replica is in or moves to, and who asks for which."""

    def __init__(self, setting: Setting, ballot: Ballot) -> None:
        self._setting = setting
        self._ballot = ballot
        self.view: View = 0
        self.changing = False
        self.asked: dict[ReplicaId, ViewChange] = {}
        """The newest VIEW-CHANGE of each replica, our own included, for views that are not entered."""
        self.new_view: NewView | None = None
        """The one that led into the present view."""
        self._accused: dict[ReplicaId, View] = {}

    def new_epoch(self, marks: Watermarks, out: Output) -> None:
        self.asked.clear()
        self.new_turn(marks, out)

    def new_turn(self, marks: Watermarks, out: Output) -> None:
        """Views of an earlier turn are over, however many there were."""
        self.view, self.changing, self.new_view = marks.first_view, False, None
        self._forget_asked()
        # Those that came of this turn before it was known here who leads in it.
        sets = self._setting.replica_sets
        for replica, change in list(self.asked.items()):
            if form_problem(change, sets) is not None:
                del self.asked[replica]
        out.persist.append(ViewRecord(marks.epoch, self.view, False))

    def _forget_asked(self) -> None:
        """For views up to the present one."""
        for replica in [replica for replica, change in self.asked.items() if change.view <= self.view]:
            del self.asked[replica]

    # --- asking for a view ------------------------------------------------------------------------

    def start(self, view: View, marks: Watermarks, out: Output) -> None:
        """Leave the present view for `view`."""
        assert view > self.view
        self.view, self.changing = view, True
        out.persist.append(ViewRecord(marks.epoch, view, True))

    @property
    def own(self) -> ViewChange | None:
        """Our VIEW-CHANGE for the view that we move to."""
        own = self.asked.get(self._setting.replica_id)
        return own if own is not None and self.changing and own.view == self.view else None

    def ask(
        self,
        stable: QuorumCertificate | None,
        prepared: tuple[PreparedCertificate, ...],
        marks: Watermarks,
        out: Output,
    ) -> None:
        """VIEW-CHANGE with sets C and P, once for each view: what was said of a view is not said
        otherwise."""
        if not self.changing or self.own is not None or not self._ballot.may_vote(marks, self.view):
            return
        own = self._setting.replica_id
        change = ViewChange(marks.epoch, self.view, stable, prepared, own)
        self.asked[own] = self._ballot.cast(change, out)

    def on_view_change(self, change: ViewChange, marks: Watermarks, out: Output) -> bool:
        """Whether `change` says something new about a view to come."""
        if not marks.is_of_turn(change.stable_height + 1, change.view):
            out.reject("turn", change)
            return False
        if change.view < self.view or (change.view == self.view and not self.changing):
            out.reject("old-view", change)
            return False
        if any(
            prepared.pre_prepare.sequence > change.stable_height + self._setting.parameters.window
            for prepared in change.prepared
        ):
            out.reject("window", change)
            return False
        first = self.asked.get(change.replica)
        if first is not None and first.view >= change.view:
            if first.view > change.view:
                out.reject("superseded", change)
            elif first == change:
                out.reject("duplicate", change)
            else:
                self._accuse(first, change, out)
            return False
        self.asked[change.replica] = change
        return True

    def _accuse(self, first: ViewChange | NewView, second: ViewChange | NewView, out: Output) -> None:
        """The first one stands; a replica is accused once for each view."""
        if self._accused.get(second.replica) == second.view:
            out.reject("equivocation", second)
            return
        self._accused[second.replica] = second.view
        out.accuse(first, second)

    def to_join(self, marks: Watermarks) -> View | None:
        """The view that f + 1 others draw us to."""
        if not self.asked:
            return None
        # Those of a later turn have its certificates: they come, and this turn is over then.
        wanted = {
            replica: change.view for replica, change in self.asked.items() if change.view < marks.end_of_views
        }
        return view_to_join(wanted, self.view, self._setting.replica_id, marks.members)

    def quorum_asks(self, marks: Watermarks) -> bool:
        """Whether a quorum has come as far as the view that we move to."""
        if not self.changing:
            return False
        views = [change.view for change in self.asked.values()]
        return sum(1 for view in views if self.view <= view < marks.end_of_views) >= marks.members.quorum

    # --- entering a view --------------------------------------------------------------------------

    def lead(self, marks: Watermarks, out: Output) -> NewView | None:
        """The new primary's NEW-VIEW, as soon as a quorum asks for exactly this view."""
        own = self._setting.replica_id
        if not self.changing or marks.members.primary(self.view) != own:
            return None
        if not self._ballot.may_vote(marks, self.view):
            return None
        changes = [
            self.asked[replica]
            for replica in marks.ids
            if replica in self.asked and self.asked[replica].view == self.view
        ]
        if len(changes) < marks.members.quorum:
            return None
        chosen = tuple(changes[: marks.members.quorum])
        bare = new_view_proposals(marks.epoch, self.view, own, chosen)
        proposals = tuple(self._ballot.sign(proposal) for proposal in bare)
        return self._ballot.cast(NewView(marks.epoch, self.view, chosen, proposals, own), out)

    def on_new_view(self, message: NewView, marks: Watermarks, out: Output) -> bool:
        """Whether a valid NEW-VIEW leads to a view of this turn that is not entered yet."""
        entered = self.new_view
        if entered is not None and entered.view == message.view and entered != message:
            self._accuse(entered, message, out)
            return False
        if message.view < self.view or (message.view == self.view and not self.changing):
            out.reject("old-view" if entered != message else "duplicate", message)
            return False
        window = self._setting.parameters.window
        heights = [change.stable_height for change in message.view_changes]
        if message.view >= marks.end_of_views or not all(
            marks.is_of_turn(height + 1, message.view) for height in heights
        ):
            out.reject("turn", message)
            return False
        if any(proposal.sequence > max(heights) + window for proposal in message.proposals):
            out.reject("window", message)
            return False
        return True

    def enter(self, message: NewView, out: Output) -> None:
        """What it proposes again holds after a restart too: a backup that forgot it would take whatever the
        primary says for those slots. Our own NEW-VIEW is in the log since it was cast."""
        self.view, self.changing, self.new_view = message.view, False, message
        self._forget_asked()
        if message.replica != self._setting.replica_id:
            out.persist.append(message)
        out.persist.append(ViewRecord(message.epoch, message.view, False))

    # --- for peers that missed something ----------------------------------------------------------

    def resend(self, to: ReplicaId | None, out: Output) -> None:
        """What we last said about views: our VIEW-CHANGE, or the NEW-VIEW if we lead. That one is large and
        goes to a single peer that shows that it missed it, never to all again."""
        new_view = self.new_view
        if self.own is not None:
            out.send.append(Outbound(self.own, to))
        elif to is None or self.changing or new_view is None:
            return
        elif new_view.replica == self._setting.replica_id:
            out.send.append(Outbound(new_view, to))
