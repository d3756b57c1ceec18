"""Who votes at which height, and the proof of it from genesis on.

An epoch's last block names the next epoch's voters (`next_validators`) and is certified by its own. So a row
of such blocks leads from the founding voters, who stand in genesis, to any epoch's: one step for each change.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct

from chainnode.ledger import view
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.fields import Verify
from chainnode.ledger.founding import Founding
from chainnode.ledger.networkrecords import EpochRecord
from chainnode.ledger.view import Reader
from consensus.domain import PUBLIC_KEY_BYTES
from consensus.messages import QuorumCertificate, certificate_claims
from consensus.types import HEADER_VERSION, BlockHeader, ReplicaSet, SequenceNumber, Voter
from genesis.checks import MAX_MEMBERS

MAX_STEPS = 10_000
MAX_STEP_BYTES = 16_384
"""A header, a quorum of 21 votes, 31 voters."""


class Schedule:
    """The epochs so far, the one that waits to begin included. Asked at every message."""

    def __init__(self, epochs: Sequence[EpochRecord]) -> None:
        assert [one.voters.epoch for one in epochs] == list(range(len(epochs))) and epochs
        heights = [one.first_height for one in epochs]
        assert heights == sorted(set(heights)) and heights[0] == 0
        self.epochs = tuple(epochs)

    def __call__(self, sequence: SequenceNumber) -> ReplicaSet:
        """Who votes at `sequence` (consensus.types.ReplicaSets)."""
        for epoch in reversed(self.epochs):
            if sequence >= epoch.first_height:
                return epoch.voters
        raise AssertionError("no height lies below genesis")

    @property
    def latest(self) -> EpochRecord:
        return self.epochs[-1]


def founding_schedule(founding: Founding) -> Schedule:
    """Before any change of members."""
    return Schedule([EpochRecord(0, founding.replica_set())])


def schedule_of(reader: Reader, founding: Founding) -> Schedule:
    """As the state has it."""
    epochs = [EpochRecord(0, founding.replica_set())]
    while (following := view.epoch(reader, len(epochs))) is not None:
        epochs.append(following)
    return Schedule(epochs)


class EpochStep(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An epoch's last header, its certificate by that epoch's voters, and the next epoch's voters."""

    header: BlockHeader
    certificate: QuorumCertificate
    voters: tuple[Voter, ...]


EpochProof: TypeAlias = tuple[EpochStep, ...]
"""One step for each epoch after the founding one, in their order."""


def build_proof(
    schedule: Schedule,
    epoch: int,
    *,
    header: Callable[[int], BlockHeader | None],
    certificate: Callable[[int], QuorumCertificate | None],
) -> EpochProof | None:
    """The proof of `epoch`, from stored headers and certificates by height. None where one is not here, or
    where the epoch has not begun."""
    steps = []
    for following in schedule.epochs[1 : epoch + 1]:
        last = following.first_height - 1
        block, votes = header(last), certificate(last)
        if block is None or votes is None:
            return None
        steps.append(EpochStep(block, votes, following.voters.members))
    return tuple(steps) if len(steps) == epoch else None


def verify_proof_of_epochs(steps: Sequence[EpochStep], founding: Founding, *, verify: Verify) -> Schedule:
    """Walk from the founding voters through every step. Raises VerificationError: wrong-chain, bad-epochs,
    bad-certificate."""
    epochs = [EpochRecord(0, founding.replica_set())]
    for step in steps:
        header, voters = step.header, epochs[-1].voters
        if header.chain_id != founding.chain_id:
            raise VerificationError("wrong-chain", f"it is of chain {header.chain_id.hex()[:16]}")
        if header.version != HEADER_VERSION or header.height < max(1, epochs[-1].first_height):
            raise VerificationError("bad-epochs", f"version {header.version}, height {header.height}")
        if header.epoch != voters.epoch or header.validators != voters.digest():
            raise VerificationError("bad-epochs", f"the voters of epoch {header.epoch} are others")
        verify_certificate(step.certificate, header, voters, verify)
        following = _next_voters(voters.epoch + 1, step.voters)
        if header.next_validators != following.digest():
            raise VerificationError("bad-epochs", f"the voters of epoch {following.epoch} are others")
        epochs.append(EpochRecord(header.height + 1, following))
    return Schedule(epochs)


def _next_voters(epoch: int, voters: tuple[Voter, ...]) -> ReplicaSet:
    """What a proof says of a set, looked at before it becomes one."""
    ids = [voter.id for voter in voters]
    sound = 0 < len(ids) <= MAX_MEMBERS and ids == sorted(frozenset(ids)) and min(ids) >= 0
    distinct = len(frozenset(voter.key for voter in voters)) == len(ids)
    if not sound or not distinct or any(len(voter.key) != PUBLIC_KEY_BYTES for voter in voters):
        raise VerificationError("bad-epochs", f"the voters of epoch {epoch} are no set of replicas")
    return ReplicaSet(epoch, voters)


def verify_certificate(
    certificate: QuorumCertificate, header: BlockHeader, voters: ReplicaSet, verify: Verify
) -> None:
    """Whether a quorum of `voters` signed this header.

    Raises VerificationError("bad-certificate").
    """
    if (certificate.epoch, certificate.height) != (header.epoch, header.height):
        raise VerificationError("bad-certificate", "it is of another block")
    if certificate.header_hash != header.hash():
        raise VerificationError("bad-certificate", "it is for another header")
    replicas = [vote.replica for vote in certificate.votes]
    if replicas != sorted(frozenset(replicas)) or len(replicas) < voters.quorum:
        raise VerificationError("bad-certificate", f"{len(replicas)} votes, a quorum is {voters.quorum}")
    for claim in certificate_claims(certificate, header.chain_id):
        key = voters.key(claim.replica)
        if key is None or not verify(key, claim.signed, claim.signature):
            raise VerificationError("bad-certificate", f"the vote of replica {claim.replica}")
