"""Whether a message can be valid at all: ranges, membership, certificates. Signatures come after
(authenticate.py).

Every function gives the code of the broken rule (see rules.RULES), or None. A form depends on nothing but
the message and the replica set of its sequence, so all honest replicas judge alike."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec import structs

from consensus.bounds import MAX_VIEW
from consensus.domain import DIGEST_BYTES, SIGNATURE_BYTES
from consensus.messages import (
    UNSIGNED,
    BlockVote,
    Certified,
    Commit,
    Message,
    NewView,
    Prepare,
    PreparedCertificate,
    PrePrepare,
    QuorumCertificate,
    ViewChange,
    Vote,
    message_sequence,
)
from consensus.parameters import RANGES
from consensus.rules import is_null, new_view_proposals
from consensus.types import BatchRef, ReplicaId, ReplicaSet, ReplicaSets

MAX_PREPARED = RANGES["window"][1]
"""No window is larger, so no VIEW-CHANGE reaches further above its stable certificate."""


def form_problem(message: Message, replica_sets: ReplicaSets) -> str | None:
    """The rule that `message` breaks whatever this replica's state is, or None."""
    if isinstance(message, Certified):
        return certificate_problem(message.certificate, replica_sets)
    if len(message.signature) != SIGNATURE_BYTES:
        return "form"
    if message_sequence(message) < 1:
        return "form"
    members = replica_sets(message_sequence(message))
    if message.epoch != members.epoch:
        return "epoch"
    if message.replica not in members.ids:
        return "stranger"
    if isinstance(message, BlockVote):
        return None if len(message.header_hash) == DIGEST_BYTES else "form"
    if not 0 <= message.view <= MAX_VIEW:
        return "form"
    if isinstance(message, PrePrepare):
        return _proposal_problem(message, members)
    if isinstance(message, Prepare | Commit):
        return _slot_vote_problem(message, members)
    if isinstance(message, ViewChange):
        return _view_change_problem(message, members, replica_sets)
    return _new_view_problem(message, members, replica_sets)


def certificate_problem(certificate: QuorumCertificate, replica_sets: ReplicaSets) -> str | None:
    """A block's certificate: a quorum of the height's own set, ascending, each voter once."""
    if certificate.height < 1 or len(certificate.header_hash) != DIGEST_BYTES:
        return "form"
    members = replica_sets(certificate.height)
    if certificate.epoch != members.epoch:
        return "epoch"
    return _votes_problem(certificate.votes, members.ids, members.quorum)


def prepared_problem(prepared: PreparedCertificate, replica_sets: ReplicaSets) -> str | None:
    """Section 4.4, set P: a valid PRE-PREPARE and PREPAREs of quorum - 1 replicas other than its primary."""
    proposal = prepared.pre_prepare
    problem = form_problem(proposal, replica_sets)
    if problem is not None:
        return problem
    members = replica_sets(proposal.sequence)
    backups = [replica for replica in members.ids if replica != proposal.replica]
    return _votes_problem(prepared.prepares, backups, members.quorum - 1)


def _votes_problem(votes: Sequence[Vote], allowed: Sequence[ReplicaId], needed: int) -> str | None:
    if any(vote.replica not in allowed for vote in votes):
        return "stranger"
    if any(len(vote.signature) != SIGNATURE_BYTES for vote in votes):
        return "form"
    voters = [vote.replica for vote in votes]
    if len(voters) < needed or not _ascending(voters):
        return "quorum"
    return None


def _ascending(numbers: Sequence[int]) -> bool:
    return all(low < high for low, high in pairwise(numbers))


def _proposal_problem(proposal: PrePrepare, members: ReplicaSet) -> str | None:
    if proposal.replica != members.primary(proposal.view):
        return "not-primary"
    if is_null(proposal):
        return None
    if not proposal.refs or proposal.time_ms <= 0 or not all(_ref_holds(ref) for ref in proposal.refs):
        return "form"
    if len({ref.digest for ref in proposal.refs}) != len(proposal.refs):
        return "repeated-batch"
    return None


def _ref_holds(ref: BatchRef) -> bool:
    return (
        len(ref.digest) == DIGEST_BYTES and ref.origin >= 0 and ref.size_bytes > 0 and ref.expiry_height > 0
    )


def _slot_vote_problem(vote: Prepare | Commit, members: ReplicaSet) -> str | None:
    if len(vote.digest) != DIGEST_BYTES:
        return "form"
    if isinstance(vote, Prepare) and vote.replica == members.primary(vote.view):
        return "primary-prepares"
    return None


def _view_change_problem(change: ViewChange, members: ReplicaSet, replica_sets: ReplicaSets) -> str | None:
    if change.view < 1:
        return "form"
    if change.stable is not None:
        problem = certificate_problem(change.stable, replica_sets)
        if problem is not None:
            return problem
    slots = [prepared.pre_prepare.sequence for prepared in change.prepared]
    if not _ascending([change.stable_height, *slots]):
        return "form"
    # So there are no more of them than that, too.
    if slots and slots[-1] > change.stable_height + MAX_PREPARED:
        return "window"
    for prepared in change.prepared:
        proposal = prepared.pre_prepare
        if proposal.epoch != members.epoch or proposal.view >= change.view:
            return "form"
        problem = prepared_problem(prepared, replica_sets)
        if problem is not None:
            return problem
    return None


def _new_view_problem(message: NewView, members: ReplicaSet, replica_sets: ReplicaSets) -> str | None:
    """Section 4.4: a backup accepts NEW-VIEW if its view changes are a quorum's and O follows from them."""
    if message.view < 1 or message.replica != members.primary(message.view):
        return "not-primary"
    senders = [change.replica for change in message.view_changes]
    # Exactly a quorum: more would change nothing and be larger.
    if len(senders) != members.quorum or not _ascending(senders):
        return "quorum"
    for change in message.view_changes:
        if change.view != message.view or change.epoch != message.epoch:
            return "new-view"
        problem = form_problem(change, replica_sets)
        if problem is not None:
            return problem
    expected = new_view_proposals(message.epoch, message.view, message.replica, message.view_changes)
    if _unsigned(message.proposals) != expected:
        return "new-view"
    if any(len(proposal.signature) != SIGNATURE_BYTES for proposal in message.proposals):
        return "form"
    return None


def _unsigned(proposals: Iterable[PrePrepare]) -> tuple[PrePrepare, ...]:
    return tuple(structs.replace(proposal, signature=UNSIGNED) for proposal in proposals)
