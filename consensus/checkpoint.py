"""Block votes and certificates: what PBFT's checkpoints are (OSDI 1999, section 4.3), one at each height."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from consensus.ballot import Ballot, Setting
from consensus.messages import BlockVote, QuorumCertificate, Vote
from consensus.output import Output
from consensus.ready import Behind, Halt, StableRecord
from consensus.rules import Watermarks
from consensus.types import Digest, ReplicaId, SequenceNumber, View


@dataclass(slots=True)
class _Ahead:
    """The highest certificate above what was executed here, and who stands behind it."""

    height: SequenceNumber
    sources: tuple[ReplicaId, ...]


class Certifier:
    """Knows what was executed here, what a quorum certified, and how far others are.

    `low` is the last height that is both: a certificate for more than was executed waits here until execution
    gets there or catch-up does.
    """

    def __init__(self, setting: Setting, ballot: Ballot) -> None:
        self._setting = setting
        self._ballot = ballot
        self.stable: QuorumCertificate | None = None
        self.logged: SequenceNumber = 0
        """The highest certificate that the vote log held at the start: votes up to there may be gone from
        it."""
        self.executed: SequenceNumber = 0
        self.hashes: dict[SequenceNumber, Digest] = {}
        """Own header hashes above the stable height; after a restart only the last one may be known."""
        self.votes: dict[SequenceNumber, dict[ReplicaId, BlockVote]] = {}
        self._accused: dict[SequenceNumber, set[ReplicaId]] = {}
        self._certificates: dict[SequenceNumber, QuorumCertificate] = {}
        self._ahead = _Ahead(0, ())
        self._heard: dict[ReplicaId, SequenceNumber] = {}
        self._asked = 0

    @property
    def low(self) -> SequenceNumber:
        return 0 if self.stable is None else self.stable.height

    def restore(
        self,
        certificates: Iterable[QuorumCertificate],
        executed: SequenceNumber,
        executed_hash: Digest | None,
        out: Output,
    ) -> None:
        """Begin with what is on disk."""
        self.executed = executed
        for certificate in sorted(certificates, key=lambda item: item.height):
            if certificate.height > executed:
                self._wait_for(certificate)
            elif certificate.height == executed and executed_hash is not None:
                if certificate.header_hash != executed_hash:
                    out.halt = Halt(executed, executed_hash, certificate.header_hash)
                self.stable = certificate
            else:
                self.stable = certificate
        if executed > self.low and executed_hash is not None:
            self.hashes[executed] = executed_hash

    # --- executing and voting ---------------------------------------------------------------------

    def on_executed(
        self, height: SequenceNumber, header_hash: Digest, marks: Watermarks, view: View, out: Output
    ) -> None:
        self.executed = height
        self.hashes[height] = header_hash
        self.cast_votes(marks, view, out)
        waiting = self._certificates.pop(height, None)
        if waiting is not None:
            self._certify(waiting, out)
        else:
            self._count(height, marks, out)

    def cast_votes(self, marks: Watermarks, view: View, out: Output) -> None:
        """BLOCK-VOTE for what was executed and not voted on. Once for each height: if the log holds a vote
        for another header, this node's execution is not what it was, and it stops."""
        if not self._ballot.may_vote(marks, view):
            return
        own = self._setting.replica_id
        for height in sorted(self.hashes):
            if not marks.low < height <= marks.reach:
                continue
            voted = self.votes.get(height, {}).get(own)
            if voted is None:
                vote = BlockVote(marks.epoch, height, self.hashes[height], own)
                self.votes.setdefault(height, {})[own] = self._ballot.cast(vote, out)
            elif voted.header_hash != self.hashes[height]:
                out.halt = Halt(height, self.hashes[height], voted.header_hash)
                return

    def on_block_vote(self, vote: BlockVote, marks: Watermarks, out: Output) -> None:
        if vote.epoch != marks.epoch or vote.height > marks.reach:
            self.hear(vote.replica, vote.height, marks)
            out.reject("epoch" if vote.epoch != marks.epoch else "beyond-watermarks", vote)
            return
        if vote.height <= marks.low:
            out.reject("below-watermarks", vote)
            return
        first = self.votes.setdefault(vote.height, {}).setdefault(vote.replica, vote)
        if first is vote:
            self._count(vote.height, marks, out)
        elif first.header_hash == vote.header_hash:
            out.reject("duplicate", vote)
        elif vote.replica in self._accused.setdefault(vote.height, set()):
            out.reject("equivocation", vote)
        else:
            self._accused[vote.height].add(vote.replica)
            out.accuse(first, vote)

    def count_all(self, marks: Watermarks, out: Output) -> None:
        """Whether the votes that are here make certificates: the own one may have been the last to come."""
        for height in sorted(self.votes):
            self._count(height, marks, out)

    def _count(self, height: SequenceNumber, marks: Watermarks, out: Output) -> None:
        votes = self.votes.get(height, {})
        if len(votes) < marks.members.quorum:
            return
        for header_hash in dict.fromkeys(vote.header_hash for vote in votes.values()):
            voters = [
                replica
                for replica in marks.ids
                if replica in votes and votes[replica].header_hash == header_hash
            ]
            if len(voters) >= marks.members.quorum:
                chosen = voters[: marks.members.quorum]
                signatures = tuple(Vote(replica, votes[replica].signature) for replica in chosen)
                certificate = QuorumCertificate(marks.epoch, height, header_hash, signatures)
                self.on_certificate(certificate, marks, out)

    # --- certificates -----------------------------------------------------------------------------

    def on_certificate(self, certificate: QuorumCertificate, marks: Watermarks, out: Output) -> None:
        """A valid certificate, of our own counting or out of a peer's message."""
        if certificate.height <= self.low:
            return
        if certificate.height <= self.executed:
            self._certify(certificate, out)
            return
        if certificate.height <= marks.reach:
            self._wait_for(certificate)
        else:
            self._note_certificate(certificate)

    def _wait_for(self, certificate: QuorumCertificate) -> None:
        self._certificates.setdefault(certificate.height, certificate)
        self._note_certificate(certificate)

    def _note_certificate(self, certificate: QuorumCertificate) -> None:
        if certificate.height > self._ahead.height:
            voters = (vote.replica for vote in certificate.votes)
            self._note_ahead(certificate.height, tuple(voters))

    def _certify(self, certificate: QuorumCertificate, out: Output) -> None:
        own = self.hashes.get(certificate.height)
        if own is not None and own != certificate.header_hash:
            out.halt = Halt(certificate.height, own, certificate.header_hash)
            return
        self.stable = certificate
        out.persist.append(StableRecord(certificate))
        out.certified.append(certificate)
        self._trim()

    def install(self, certificate: QuorumCertificate, out: Output) -> None:
        """Certified blocks up to the certificate's height were executed by catch-up."""
        if certificate.height > self.executed:
            self.executed = certificate.height
        if certificate.height > self.low:
            self._certify(certificate, out)

    def _trim(self) -> None:
        low = self.low
        tables: tuple[dict[SequenceNumber, Any], ...] = (
            self.hashes,
            self.votes,
            self._accused,
            self._certificates,
        )
        for table in tables:
            for height in [height for height in table if height <= low]:
                del table[height]

    def stable_vote_of(self, replica: ReplicaId) -> BlockVote | None:
        """`replica`'s vote in the stable certificate."""
        stable = self.stable
        if stable is None:
            return None
        for vote in stable.votes:
            if vote.replica == replica:
                return BlockVote(stable.epoch, stable.height, stable.header_hash, replica, vote.signature)
        return None

    # --- how far others are -----------------------------------------------------------------------

    def hear(self, replica: ReplicaId, sequence: SequenceNumber, marks: Watermarks) -> None:
        """`replica` voted beyond what this replica can store. Honest ones vote at most a window above their
        low watermark, and of f + 1 replicas one is honest: so what lies a window below is certified."""
        self._heard[replica] = max(sequence, self._heard.get(replica, 0))
        heard = {member: self._heard[member] for member in marks.ids if member in self._heard}
        if len(heard) <= marks.members.f:
            return
        vouched = sorted(heard.values(), reverse=True)[marks.members.f]
        height = vouched - self._setting.parameters.window
        if height > self._ahead.height:
            self._note_ahead(height, tuple(member for member in heard if heard[member] >= vouched))

    def _note_ahead(self, height: SequenceNumber, sources: tuple[ReplicaId, ...]) -> None:
        others = tuple(source for source in sources if source != self._setting.replica_id)
        if others:
            self._ahead = _Ahead(height, others)

    @property
    def is_behind(self) -> bool:
        """Others are provably beyond what was executed here."""
        return self._ahead.height > self.executed

    @property
    def ahead_height(self) -> SequenceNumber:
        return self._ahead.height

    def ask(self, out: Output) -> None:
        """Tell the driver to catch up, each time from another of those who can serve it."""
        sources = self._ahead.sources
        out.behind = Behind(self._ahead.height, sources[self._asked % len(sources)])
        self._asked += 1
