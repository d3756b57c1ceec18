"""One slot's messages. One of each kind from each replica is kept, the first."""

from dataclasses import dataclass, field

from consensus.messages import Commit, Prepare, PreparedCertificate, PrePrepare
from consensus.types import BatchRef, Digest, ReplicaId, SequenceNumber


@dataclass(slots=True)
class Slot:
    """What the present view brought, and what outlives views: the certificate and the decision."""

    sequence: SequenceNumber
    pre_prepare: PrePrepare | None = None
    digest: Digest = b""
    withheld: bool = False
    """This replica does not PREPARE the proposal, but follows if enough others do."""
    missing: dict[BatchRef, None] = field(default_factory=dict)
    holders: dict[ReplicaId, None] = field(default_factory=dict)
    """Who prepared the slot in an earlier view, so has its batches."""
    prepares: dict[ReplicaId, Prepare] = field(default_factory=dict)
    commits: dict[ReplicaId, Commit] = field(default_factory=dict)
    accused: set[tuple[str, ReplicaId]] = field(default_factory=set)
    prepared: PreparedCertificate | None = None
    """Of the highest view in which this slot prepared here (section 4.4, set P)."""
    decided: PrePrepare | None = None
    decided_digest: Digest = b""

    def leave_view(self) -> None:
        """Forget what belonged to one view."""
        self.pre_prepare = None
        self.digest = b""
        self.withheld = False
        self.missing.clear()
        self.holders.clear()
        self.prepares.clear()
        self.commits.clear()
        self.accused.clear()

    def is_prepared_in(self, view: int) -> bool:
        return self.prepared is not None and self.prepared.pre_prepare.view == view
