"""The Replica: inputs in, one Ready out.

No clock, no randomness, no I/O: `now` is an argument, the Ready says what to do. The protocol's rules stand
in rules.py and forms.py. The parts that keep state: normal.py (OSDI 1999, section 4.2), checkpoint.py
(4.3), viewchange.py (4.4), suspicion.py (the timers), ballot.py (whether this replica may vote),
batches.py, future.py. steps.py ties them together, restore.py brings them back after a stop."""

from collections.abc import Iterable, Mapping

from consensus.ballot import Setting, Sign
from consensus.messages import Authenticated, Certified, Message, QuorumCertificate
from consensus.output import Output
from consensus.parameters import Parameters
from consensus.parts import Parts
from consensus.ready import Ready, Record, Rejection
from consensus.restore import distrust, hold_beyond, last_votes, replay, retained
from consensus.rules import fits_a_proposal
from consensus.status import MissingVotes, ReplicaStatus, missing_votes, status_of
from consensus.steps import Steps
from consensus.types import BatchRef, Digest, Now, ReplicaId, ReplicaSets, SequenceNumber


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
        sign: Sign,
        signers: Mapping[bytes, Sign] | None = None,
    ) -> None:
        """`replica_sets` must know every sequence up to `window` above the last certified height: a change of
        members, executed at a height, may take effect `window` + 1 heights later at the earliest. `signers`:
        by public key, where this replica holds several; in an epoch it votes with the key of its set."""
        self._parts = Parts.of(Setting(chain_id, replica_id, replica_sets, parameters, sign, signers or {}))
        self._steps = Steps(self._parts)
        self._started = self._restored = False

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
        restored: bool = False,
        uncertified: Iterable[tuple[SequenceNumber, tuple[BatchRef, ...]]] = (),
    ) -> Ready:
        """Start from what the vote log and the chain store held; on a new node from nothing.

        `records`: the log's, in order. `stable`: the chain store's latest certificate. `executed_height` and
        `executed_hash`: of its last block (0 and None at genesis). `uncertified`: height and refs of its
        blocks above `stable`, for a view change may order them again. `damage`: the log was hurt elsewhere
        than at its tail, so there may be votes that it does not show: none is cast until a certificate
        reaches the old high watermark. `restored`: there is no log because this replica came out of a backup;
        then `observed_own` is to bring the answers of a quorum of the others. Batches that are here and in no
        executed block come in by `batch_ready` after this.
        """
        assert not self._started, "restore comes first, and once"
        assert (executed_height == 0) == (executed_hash is None)
        self._started, self._restored = True, restored
        out = self._steps.begin(now)
        replay(self._parts, records, stable, executed_height, executed_hash, out)
        for height, refs in uncertified:
            if height > self._steps.marks.low:
                self._parts.pool.restore(refs, height, now.monotonic_ms)
        if damage:
            distrust(self._parts, out)
        if self._steps.marks.members.ids == (self._parts.setting.replica_id,):
            self._start_voting(out)
        return self._steps.settle(now, out)

    def observed_own(self, messages: Iterable[Authenticated], now: Now) -> Ready:
        """What peers hold of this replica's own votes: the guard against a disk that was rolled back.

        To be called when a quorum of the members, this one included, answered (an answer may be empty), and
        again with what comes later. From the first call on this replica votes, unless a vote turns up that
        the log does not hold: then it follows and does not vote until a certificate lies a full window
        beyond. Where peers are further, it catches up first: what it said up to there they may have dropped.
        """
        out = self._begin(now)
        found = [item.message for item in messages]
        for message in found:
            if isinstance(message, Certified):
                self._steps.follow_first(message, now, out)
            else:
                self._steps.guard(message, out)
        if self._parts.ballot.asking:
            if self._restored:
                hold_beyond(self._parts, found, out)
            self._start_voting(out)
        return self._steps.settle(now, out)

    def batch_ready(self, ref: BatchRef, now: Now) -> Ready:
        """A batch is here, verified, durable and served to peers; also the answer to a Fetch of one that was
        here all along. Its validity and its origin's limits were checked; it is in no block that was executed
        before `restore` or came by catch-up.
        """
        out = self._begin(now)
        if not fits_a_proposal(ref, self._parts.setting.parameters):
            out.rejections.append(Rejection("too-large", ref.origin))
        elif self._parts.pool.add(ref, now.monotonic_ms):
            self._parts.ordering.batch_ready(ref, out)
        return self._steps.settle(now, out)

    def receive(self, authenticated: Authenticated, now: Now) -> Ready:
        """A message that passed `authenticate`; whose link brought it does not matter."""
        out = self._begin(now)
        self._steps.receive(authenticated.message, now, out)
        return self._steps.settle(now, out)

    def executed(self, height: SequenceNumber, header_hash: Digest, now: Now) -> Ready:
        """The next decided slot was executed and its block stored. Heights come one by one; a slot at or
        below what `install` brought is not executed again and not reported."""
        out = self._begin(now)
        certifier, ordering = self._parts.certifier, self._parts.ordering
        assert height == certifier.executed + 1, "in order, each once"
        assert height <= ordering.handed, "what was decided"
        decided = ordering.slots[height].decided
        assert decided is not None, "what was handed out was decided"
        self._parts.pool.order(decided.refs, height)
        certifier.on_executed(height, header_hash, ordering.marks, ordering.view, out)
        return self._steps.settle(now, out)

    def install(self, certificate: QuorumCertificate, now: Now, *, ordered: Iterable[BatchRef] = ()) -> Ready:
        """Blocks up to the certificate's height came by catch-up: verified, executed, stored. Afterwards
        executed = certified = that height (or higher, if this replica was further already). `ordered`: the
        refs of those blocks. Decided slots at or below the height that were handed out are void.
        """
        out = self._begin(now)
        self._parts.pool.order(tuple(ordered), certificate.height)
        self._parts.certifier.install(certificate, out)
        self._steps.asked_for_blocks = False
        return self._steps.settle(now, out)

    def tick(self, now: Now) -> Ready:
        """Time passes: suspect the primary, repeat votes that brought nothing, ask again for what is
        missing."""
        out = self._begin(now)
        self._steps.watch_primary(now, out)
        if self._parts.timers.resend_is_due(now):
            self._steps.resend(None, out)
            self._steps.ask_again(out)
        return self._steps.settle(now, out)

    def connected(self, replica_id: ReplicaId, now: Now) -> Ready:
        """The link to a peer came up: whatever was under way is lost, so it gets the stable certificate and
        all of our votes above it again."""
        out = self._begin(now)
        was_cut_off = self._steps.cut_off
        self._steps.unlinked.discard(replica_id)
        if was_cut_off and not self._steps.cut_off:
            self._parts.timers.rearm(now)
        if replica_id != self._parts.setting.replica_id:
            self._steps.tell(replica_id, out)
        return self._steps.settle(now, out)

    def disconnected(self, replica_id: ReplicaId, now: Now) -> Ready:
        """The link to a peer went down. A replica that reaches no quorum does not blame the primary."""
        out = self._begin(now)
        self._steps.unlinked.add(replica_id)
        return self._steps.settle(now, out)

    def _begin(self, now: Now) -> Output:
        assert self._started, "restore comes first"
        return self._steps.begin(now)

    def _start_voting(self, out: Output) -> None:
        self._parts.ballot.asking = False
        self._steps.vote_on_all(out)

    # --- questions --------------------------------------------------------------------------------

    def status(self) -> ReplicaStatus:
        """What this replica does and waits for."""
        return status_of(self._parts)

    def missing_votes(self) -> MissingVotes | None:
        """Whose votes are not here on the lowest slot that is not certified."""
        return missing_votes(self._parts)

    def timers(self, now: Now) -> tuple[tuple[str, int], ...]:
        """The timers that may end the view, and the ms left of each."""
        return self._parts.timers.running(now)

    @property
    def asking(self) -> bool:
        """Whether it has not heard yet which of its votes the peers hold."""
        return self._parts.ballot.asking

    @property
    def held_back(self) -> tuple[SequenceNumber, str]:
        """The height that has to have a certificate before it votes, and what is wrong with its vote log, in
        words; 0 and empty where nothing is. Stays until the process ends, also when it votes again."""
        hold, lack = self._parts.ballot.hold, self._parts.ballot.lack
        return (hold.height, lack) if hold is not None and lack else (0, "")

    def votes_of(self, replica: ReplicaId) -> tuple[Message, ...]:
        """The last votes that this replica holds of `replica`, and its own stable certificate, for that one's
        `observed_own`."""
        return last_votes(self._parts, replica)

    def records(self) -> tuple[Record, ...]:
        """What a new vote log has to begin with when the old one is dropped: it rebuilds the present
        state."""
        return retained(self._parts)
