"""From the vote log back to a Replica, and the guard against a log that is older than the votes it should
hold."""

from collections.abc import Iterable, Iterator

from consensus.ballot import CHAIN_LACKS_THE_LOG, LOG_LACKS_THE_CHAIN, PEERS_KNOW_MORE, RESTORED
from consensus.messages import (
    BlockVote,
    Certified,
    Commit,
    Message,
    NewView,
    Prepare,
    PreparedCertificate,
    PrePrepare,
    QuorumCertificate,
    SignedMessage,
    ViewChange,
    message_sequence,
)
from consensus.output import Output
from consensus.parts import Parts
from consensus.ready import HoldRecord, PreparedRecord, Record, StableRecord, ViewRecord
from consensus.rules import Watermarks
from consensus.types import Digest, ReplicaId, SequenceNumber


def replay(
    parts: Parts,
    records: Iterable[Record],
    stable: QuorumCertificate | None,
    executed_height: SequenceNumber,
    executed_hash: Digest | None,
    out: Output,
) -> None:
    """Fill the parts with what was said before the stop."""
    log = list(records)
    logged = [record.certificate for record in log if isinstance(record, StableRecord)]
    known = logged if stable is None else [*logged, stable]
    certifier, setting = parts.certifier, parts.setting
    certifier.restore(known, executed_height, executed_hash, out)
    certifier.logged = max((certificate.height for certificate in logged), default=0)
    marks = Watermarks.above(certifier.low, setting.parameters, setting.replica_sets)
    for record in log:
        if isinstance(record, HoldRecord):
            parts.ballot.hold = record
        elif isinstance(record, BlockVote) and marks.low < record.height <= marks.reach:
            certifier.votes.setdefault(record.height, {})[record.replica] = record
    entered = _replay_views(parts, log, marks)
    started = 0 if entered is None else max(change.stable_height for change in entered.view_changes)
    active = not parts.changer.changing
    parts.ordering.restore(marks, parts.changer.view, started, executed_height, active=active)
    for record in log:
        _replay_slot(parts, record, marks)
    for proposal in () if entered is None else entered.proposals:
        parts.ordering.restore_proposal(proposal)
    _mistrust(parts, log, stable, executed_height, out)


def _replay_views(parts: Parts, log: list[Record], marks: Watermarks) -> NewView | None:
    """The last view that was entered or moved to. A NEW-VIEW says that it was entered, even if the record
    behind it was cut off with the log's tail."""
    changer = parts.changer
    changer.view = marks.first_view
    for record in log:
        if not isinstance(record, ViewRecord | ViewChange | NewView) or record.epoch != marks.epoch:
            continue
        if not marks.first_view <= record.view < marks.end_of_views:
            continue
        if isinstance(record, ViewChange):
            changer.asked[record.replica] = record
            continue
        if record.view != changer.view:
            changer.new_view = None
        changer.view, changer.changing = record.view, isinstance(record, ViewRecord) and record.changing
        if isinstance(record, NewView):
            changer.new_view = record
    if not changer.changing:
        changer.asked.clear()
    return None if changer.changing else changer.new_view


def _replay_slot(parts: Parts, record: Record, marks: Watermarks) -> None:
    ordering = parts.ordering
    if isinstance(record, PreparedRecord):
        proposal = record.certificate.pre_prepare
        if proposal.epoch == marks.epoch and marks.low < proposal.sequence <= marks.reach:
            ordering.slot(proposal.sequence).prepared = record.certificate
            ordering.restore_proposal(proposal)
    elif isinstance(record, PrePrepare):
        ordering.restore_proposal(record)
    elif isinstance(record, Prepare | Commit):
        if record.epoch != marks.epoch or record.view != ordering.view or not ordering.active:
            return
        if marks.low < record.sequence <= marks.reach:
            slot = ordering.slot(record.sequence)
            if isinstance(record, Prepare):
                slot.prepares[record.replica] = record
            else:
                slot.commits[record.replica] = record


def _mistrust(
    parts: Parts, log: list[Record], stable: QuorumCertificate | None, executed: SequenceNumber, out: Output
) -> None:
    """A log that the chain store knows more than, lost records. One that knows more than the chain store
    dropped votes on heights that this replica will see again, and holds others on slots that are out of its
    reach now. Both mean silence until all of those are over."""
    marks, logged = parts.ordering.marks, parts.certifier.logged
    # Of later turns and epochs too: a chain that lags behind the log is in an earlier one.
    views = [(record.epoch, record.view) for record in log if isinstance(record, ViewRecord)]
    epoch, view = max([(marks.epoch, parts.changer.view), *views])
    if logged > executed:
        height = logged + parts.setting.parameters.window
        parts.ballot.keep_silent(epoch, view, height, out, CHAIN_LACKS_THE_LOG)
    if logged < (0 if stable is None else stable.height) or (executed > 0 and not log):
        distrust(parts, out)


def distrust(parts: Parts, out: Output) -> None:
    """Votes may be missing from the log: no vote until a certificate reaches the old high watermark. The
    old low one was at most what is executed."""
    height = parts.certifier.executed + parts.setting.parameters.window
    epoch, view = parts.ordering.marks.epoch, parts.changer.view
    parts.ballot.keep_silent(epoch, view, height, out, LOG_LACKS_THE_CHAIN)


def hold_beyond(parts: Parts, shown: Iterable[Message], out: Output) -> None:
    """No log is left at all (a restored backup): silence until a certificate lies beyond every vote that this
    replica can have cast. `shown`: what a quorum of the others holds of it, and their stable certificates.

    It voted up to a window above a certificate that it knew. A quorum voted for that one, so one of those who
    answered did, and nobody votes for a height more than a window above its own stable certificate, which it
    showed. So two windows above what was shown lies the old high watermark at most."""
    marks, window = parts.ordering.marks, parts.setting.parameters.window
    height = max(marks.low, parts.certifier.executed)
    epoch, view = marks.epoch, parts.changer.view
    for message in shown:
        height = max(height, message_sequence(message))
        said = 0 if isinstance(message, Certified | BlockVote) else message.view
        epoch, view = max((epoch, view), (message.epoch, said))
    parts.ballot.keep_silent(epoch, view, height + 2 * window, out, RESTORED)


def retained(parts: Parts) -> tuple[Record, ...]:
    """Records from which `replay` rebuilds the present state."""
    own = parts.setting.replica_id
    certifier, changer, ordering = parts.certifier, parts.changer, parts.ordering
    kept: list[Record] = []
    if certifier.stable is not None:
        kept.append(StableRecord(certifier.stable))
    if parts.ballot.hold is not None:
        kept.append(parts.ballot.hold)
    kept.append(ViewRecord(ordering.marks.epoch, changer.view, changer.changing))
    if changer.own is not None:
        kept.append(changer.own)
    if not changer.changing and changer.new_view is not None:
        kept.append(changer.new_view)
    for slot in ordering.ascending():
        if slot.prepared is not None:
            kept.append(PreparedRecord(slot.prepared))
        if slot.pre_prepare is not None and (own in slot.prepares or slot.pre_prepare.replica == own):
            kept.append(slot.pre_prepare)
        kept.extend(votes[own] for votes in (slot.prepares, slot.commits) if own in votes)
    kept.extend(
        certifier.votes[height][own] for height in sorted(certifier.votes) if own in certifier.votes[height]
    )
    return tuple(kept)


def slot_votes(parts: Parts, replica: ReplicaId) -> list[SignedMessage]:
    """What is held of `replica`'s votes on slots and blocks above the low watermark, in the present view."""
    held: list[SignedMessage] = []
    for slot in parts.ordering.ascending():
        if slot.pre_prepare is not None and slot.pre_prepare.replica == replica:
            held.append(slot.pre_prepare)
        held.extend(votes[replica] for votes in (slot.prepares, slot.commits) if replica in votes)
    votes_at = parts.certifier.votes
    held.extend(votes_at[height][replica] for height in sorted(votes_at) if replica in votes_at[height])
    return held


def last_votes(parts: Parts, replica: ReplicaId) -> tuple[Message, ...]:
    """All that is held of `replica`'s votes: also what it said about views, and its vote in the stable
    certificate. And that certificate: votes up to there are held by nobody any more."""
    changer, stable = parts.changer, parts.certifier.stable
    stable_vote = parts.certifier.stable_vote_of(replica)
    held: list[Message] = [] if stable is None else [Certified(stable, parts.setting.replica_id)]
    if stable_vote is not None:
        held.append(stable_vote)
    if replica in changer.asked:
        held.append(changer.asked[replica])
    if changer.new_view is not None:
        held.extend(change for change in changer.new_view.view_changes if change.replica == replica)
        if changer.new_view.replica == replica:
            held.append(changer.new_view)
    for slot in parts.ordering.ascending():
        if slot.prepared is not None:
            held.extend(_votes_in(slot.prepared, parts.setting.chain_id, replica))
    return tuple(dict.fromkeys([*held, *slot_votes(parts, replica)]))


def _votes_in(prepared: PreparedCertificate, chain_id: bytes, replica: ReplicaId) -> Iterator[SignedMessage]:
    """A vote that outlived its holder's restart in a prepared certificate."""
    proposal = prepared.pre_prepare
    if proposal.replica == replica:
        yield proposal
    for vote in prepared.prepares:
        if vote.replica == replica:
            slot = proposal.digest(chain_id)
            yield Prepare(proposal.epoch, proposal.view, proposal.sequence, slot, replica, vote.signature)


def is_lost(parts: Parts, vote: SignedMessage) -> bool:
    """Whether an own vote, seen outside, is missing from the log that this replica started from.

    A log that was rolled back is a beginning of the true one, and epochs and views only grow in it. So
    votes of earlier views are in it, and only those of the log's own view have to be looked up."""
    own, changer = parts.setting.replica_id, parts.changer
    marks = parts.ordering.marks
    if vote.epoch != marks.epoch:
        return vote.epoch > marks.epoch
    if isinstance(vote, BlockVote):
        if vote.height <= max(marks.low, parts.certifier.logged):
            return False
        held = parts.certifier.votes.get(vote.height, {}).get(own)
        return held is None or held.header_hash != vote.header_hash
    if vote.view != changer.view:
        return vote.view > changer.view
    if isinstance(vote, ViewChange):
        return changer.changing and changer.own != vote
    if isinstance(vote, NewView):
        return changer.changing
    if vote.sequence <= max(marks.low, parts.certifier.logged):
        return False
    slot = parts.ordering.slots.get(vote.sequence)
    if changer.new_view is not None and vote in changer.new_view.proposals:
        return False
    if changer.changing or slot is None:
        return True
    if isinstance(vote, PrePrepare):
        return slot.digest != vote.digest(parts.setting.chain_id)
    voted = (slot.prepares if isinstance(vote, Prepare) else slot.commits).get(own)
    return voted is None or voted.digest != vote.digest


def hold_for(parts: Parts, vote: SignedMessage, out: Output) -> None:
    """The log is older than `vote`: follow, and vote again when a certificate lies a full window beyond."""
    view = 0 if isinstance(vote, BlockVote) else vote.view
    height = max(message_sequence(vote), parts.ordering.marks.low) + parts.setting.parameters.window
    parts.ballot.keep_silent(vote.epoch, view, height, out, PEERS_KNOW_MORE)
