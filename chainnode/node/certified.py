"""Certified blocks as they travel between nodes, and what makes them believed.

Not every block has a certificate on every node: votes for one height may get lost, or be spoiled by a
faulty member, while those for the next come together. So blocks travel in runs: a certificate vouches for
its block and, by the parents' hashes, for the blocks in front of it that have none.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from chainnode.ledger.header import batches_root
from chainnode.store.reading import StoredBlock
from consensus.codec import DecodeError, decode, encode
from consensus.messages import QuorumCertificate, certificate_claims
from consensus.ready import Decided
from consensus.types import BatchRef, BlockHeader, ReplicaSets

MAX_CERTIFIED_BYTES = 1_048_576
Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, signed bytes, signature)"""


class CertifiedBlock(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Header, batch references and the quorum's certificate. Bodies are fetched by digest.

    `certificate` is None where a later block's vouches for this one.
    """

    header: BlockHeader
    refs: tuple[BatchRef, ...]
    certificate: QuorumCertificate | None

    def decided(self) -> Decided:
        """The slot to be executed. The header's time lies past its parent's, so that proposing it gives
        the same header as whatever was proposed."""
        header = self.header
        return Decided(header.height, header.epoch, 0, header.time_ms, self.refs)


LATER_EPOCH = "later-epoch"
"""Who votes there is not known before the blocks in front of it are executed: no fault of the peer's."""


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


def ends_epoch(header: BlockHeader) -> bool:
    """Whether other voters follow."""
    return header.validators != header.next_validators


def encode_blocks(
    block_at: Callable[[int], StoredBlock | None], heights: range, limit_bytes: int
) -> tuple[bytes, ...]:
    """Stored blocks of `heights`, encoded, up to about `limit_bytes`; the last one has a certificate.

    Where a run without certificates is longer than that, it is sent nevertheless: at most a window of blocks
    lies between two certificates, and refs for a window fit a frame.
    """
    found: list[bytes] = []
    whole = size = 0
    for height in heights:
        block = block_at(height)
        if block is None:
            break
        data = encode(CertifiedBlock(block.header, block.refs, block.certificate))
        if whole and size + len(data) > limit_bytes:
            break
        found.append(data)
        size += len(data)
        if block.certificate is None and ends_epoch(block.header):
            break  # a peer that has its certificate serves it
        if block.certificate is not None:
            whole = len(found)
    return tuple(found[:whole])


def decode_blocks(
    data: Sequence[bytes], chain_id: bytes, replica_sets: ReplicaSets, verify: Verify, window: int
) -> tuple[list[CertifiedBlock], str]:
    """Consecutive blocks from a peer: those that are proven, and the rule at which that ended, "" for none.

    An epoch's last block needs a certificate of its own: the next epoch is proven by it. No more than
    `window` blocks may rest on one certificate: so many may lie above the last one in a store. Whether they
    follow this node's own tip is for the caller to look at.
    """
    proven: list[CertifiedBlock] = []
    run: list[CertifiedBlock] = []
    try:
        for one in data:
            block = _decode_block(one, chain_id)
            if block.header.epoch > replica_sets(block.header.height).epoch:
                raise UnprovenError(LATER_EPOCH)
            before = run[-1] if run else proven[-1] if proven else None
            if before is not None and block.header.parent != before.header.hash():
                raise UnprovenError("parent")
            run.append(block)
            if block.certificate is None and ends_epoch(block.header):
                raise UnprovenError("no-certificate")
            if len(run) > window:
                raise UnprovenError("no-certificate")
            if block.certificate is not None:
                _check_certificate(block.header, block.certificate, chain_id, replica_sets, verify)
                proven, run = proven + run, []
    except UnprovenError as error:
        return proven, error.rule
    return proven, "no-certificate" if run else ""


def _decode_block(data: bytes, chain_id: bytes) -> CertifiedBlock:
    try:
        block = decode(data, CertifiedBlock, limit_bytes=MAX_CERTIFIED_BYTES)
    except DecodeError as error:
        raise UnprovenError(error.code) from None
    if block.header.chain_id != chain_id:
        raise UnprovenError("other-chain")
    if block.header.height < 1:
        raise UnprovenError("height")
    if block.header.batches_root != batches_root(block.refs):
        raise UnprovenError("batches-root")
    return block


def _check_certificate(
    header: BlockHeader,
    certificate: QuorumCertificate,
    chain_id: bytes,
    replica_sets: ReplicaSets,
    verify: Verify,
) -> None:
    if certificate.height != header.height or certificate.header_hash != header.hash():
        raise UnprovenError("certificate-of-another-block")
    fault = certificate_fault(certificate, chain_id, replica_sets, verify)
    if fault:
        raise UnprovenError(f"certificate-{fault}")
