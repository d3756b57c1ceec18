"""What peers send of views that this replica has not entered: kept, within bounds, until it does."""

from typing import TypeAlias

from consensus.messages import Commit, Prepare, PrePrepare
from consensus.output import Output
from consensus.types import ReplicaId, SequenceNumber, View

SlotMessage: TypeAlias = PrePrepare | Prepare | Commit
_Key: TypeAlias = tuple[SequenceNumber, str]


class FutureBox:
    """For each peer the messages of its newest view, one of a kind for each slot between the watermarks: a
    peer that went on to a later view does not come back. So no peer fills more than three messages a
    slot."""

    def __init__(self) -> None:
        self._views: dict[ReplicaId, View] = {}
        self._kept: dict[ReplicaId, dict[_Key, SlotMessage]] = {}
        self._accused: dict[ReplicaId, View] = {}

    def __len__(self) -> int:
        return sum(len(kept) for kept in self._kept.values())

    def view_of(self, replica: ReplicaId) -> View:
        """The newest view that `replica` spoke in, as far as it lies ahead of ours; else 0."""
        return self._views.get(replica, 0)

    def keep(self, message: SlotMessage, out: Output) -> None:
        view = self._views.get(message.replica, -1)
        if message.view < view:
            out.reject("superseded", message)
            return
        if message.view > view:
            self._views[message.replica] = message.view
            self._kept[message.replica] = {}
        first = self._kept[message.replica].setdefault((message.sequence, type(message).__name__), message)
        if first is message:
            return
        if first == message:
            out.reject("duplicate", message)
        elif self._accused.get(message.replica) == message.view:
            out.reject("equivocation", message)
        else:
            self._accused[message.replica] = message.view
            out.accuse(first, message)

    def take(self, view: View) -> list[SlotMessage]:
        """Those of `view`, which is entered now; what is older goes too."""
        taken: list[SlotMessage] = []
        for replica in sorted(self._kept):
            if self._views[replica] > view:
                continue
            if self._views[replica] == view:
                taken.extend(self._kept[replica].values())
            del self._kept[replica], self._views[replica]
        # A slot's proposal before its votes: nothing then has to wait.
        return sorted(taken, key=lambda message: (message.sequence, not isinstance(message, PrePrepare)))

    def trim(self, low: SequenceNumber) -> None:
        for kept in self._kept.values():
            for key in [key for key in kept if key[0] <= low]:
                del kept[key]

    def clear(self) -> None:
        self._views.clear()
        self._kept.clear()
        self._accused.clear()
