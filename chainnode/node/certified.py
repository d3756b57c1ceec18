"""A certified block as it travels between nodes, and what makes one believed."""

from collections.abc import Callable

from msgspec import Struct

from chainnode.ledger.header import batches_root
from consensus.codec import DecodeError, decode
from consensus.messages import QuorumCertificate, certificate_claims
from consensus.ready import Decided
from consensus.types import BatchRef, BlockHeader, ReplicaSets

MAX_CERTIFIED_BYTES = 1_048_576
Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, signed bytes, signature)"""


class CertifiedBlock(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Header, batch references and the quorum's certificate. Bodies are fetched by digest."""

    header: BlockHeader
    refs: tuple[BatchRef, ...]
    certificate: QuorumCertificate

    def decided(self) -> Decided:
        """The slot to be executed. The header's time lies past its parent's, so that proposing it gives
        the same header as whatever was proposed."""
        header = self.header
        return Decided(header.height, header.epoch, 0, header.time_ms, self.refs)


class UnprovenError(Exception):
    """A peer sent a block that its certificate does not prove; `rule` names what failed."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def certificate_fault(
    certificate: QuorumCertificate, chain_id: bytes, replica_sets: ReplicaSets, verify: Verify
) -> str:
    """Why a certificate proves nothing: the rule that failed, "" where it is good."""
    members = replica_sets(certificate.height)
    voters = [vote.replica for vote in certificate.votes]
    if certificate.epoch != members.epoch:
        return "epoch"
    if voters != sorted(set(voters)) or len(voters) < members.quorum:
        return "quorum"
    for claim in certificate_claims(certificate, chain_id):
        key = members.key(claim.replica)
        if key is None or not verify(key, claim.signed, claim.signature):
            return "signature"
    return ""


def decode_certified(
    data: bytes, chain_id: bytes, replica_sets: ReplicaSets, verify: Verify
) -> CertifiedBlock:
    """A block whose certificate, hash and batch root were found good.

    Raises UnprovenError. Whether it follows this node's own tip is for the caller to look at.
    """
    try:
        block = decode(data, CertifiedBlock, limit_bytes=MAX_CERTIFIED_BYTES)
    except DecodeError as error:
        raise UnprovenError(error.code) from None
    header, certificate = block.header, block.certificate
    if header.chain_id != chain_id:
        raise UnprovenError("other-chain")
    if certificate.height != header.height or certificate.header_hash != header.hash():
        raise UnprovenError("certificate-of-another-block")
    if header.batches_root != batches_root(block.refs):
        raise UnprovenError("batches-root")
    fault = certificate_fault(certificate, chain_id, replica_sets, verify)
    if fault:
        raise UnprovenError(f"certificate-{fault}")
    return block
