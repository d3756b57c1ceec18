"""Whether a snapshot that a peer offers is one: its header is certified by those who voted then.

Who that was follows from genesis by the peer's proof of the epochs between, each certified by the one before.
What the peer claims beside that counts for nothing.
"""

from dataclasses import dataclass

from chainnode.ledger.epochs import EpochProof, verify_certificate, verify_proof_of_epochs
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.founding import Founding
from chainnode.net.wire import MAX_HEADER_BYTES, SnapshotOffer
from chainnode.node.certified import Verify
from chainnode.node.joinjudge import UnfitError
from chainnode.store.staging import Target
from consensus.codec import DecodeError, decode
from consensus.messages import QuorumCertificate
from consensus.types import BlockHeader


@dataclass(frozen=True, slots=True)
class Offered:
    """`epochs` leads from genesis to the target's epoch."""

    target: Target
    epochs: EpochProof


def judge_offer(frame: SnapshotOffer, founding: Founding, verify: Verify) -> Offered:
    """The offer, proven. Raises UnfitError."""
    try:
        header = decode(frame.header, BlockHeader, limit_bytes=MAX_HEADER_BYTES)
        certificate = decode(frame.certificate, QuorumCertificate, limit_bytes=len(frame.certificate))
        epochs: EpochProof = decode(frame.epochs, EpochProof, limit_bytes=len(frame.epochs))
    except DecodeError as error:
        raise UnfitError(f"an offer that cannot be read: {error.code}") from None
    try:
        if header.chain_id != founding.chain_id:
            raise VerificationError("wrong-chain", "it is of another chain")
        voters = verify_proof_of_epochs(epochs, founding, verify=verify)(max(0, header.height))
        if header.epoch != voters.epoch or header.validators != voters.digest() or header.height < 1:
            raise VerificationError("bad-epochs", "other members voted at this height")
        verify_certificate(certificate, header, voters, verify)
    except VerificationError as error:
        raise UnfitError(f"an offer that proves nothing: {error}") from None
    return Offered(Target(header, certificate), epochs)
