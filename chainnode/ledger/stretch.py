"""A stretch of the chain: consecutive headers under one certificate, and the way from genesis to its voters.

A certificate vouches for its block and, by the parents' hashes, for every block in front of it. `above` are
the headers between the last one that is wanted and the one that has a certificate.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from chainnode.ledger.epochs import (
    MAX_STEP_BYTES,
    MAX_STEPS,
    EpochProof,
    EpochStep,
    verify_certificate,
    verify_proof_of_epochs,
)
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.fields import Verify
from chainnode.ledger.founding import Founding
from chainnode.ledger.records import Result
from consensus.codec import decode, encode
from consensus.messages import QuorumCertificate
from consensus.types import HEADER_VERSION, BlockHeader
from genesis.cbor import Plain
from genesis.fields import FieldError, Fields

MAX_HEADER_BYTES = 1_024
MAX_CERTIFICATE_BYTES = 65_536
MAX_ABOVE = 1_024
"""More than a window: so many blocks may lie between two certificates."""


class ProvenBlock(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="block"):
    """`batches`: the encoded BatchBodies in the block's order; none where headers alone were asked for."""

    header: BlockHeader
    batches: tuple[bytes, ...]
    results: tuple[Result, ...]


class Certification(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="certification"):
    """What vouches for a stretch that ends right below `above`."""

    above: tuple[BlockHeader, ...]
    certificate: QuorumCertificate
    epochs: EpochProof


CERTIFICATION_FIELDS = ("above", "certificate", "epochs")


def certification_fields(certification: Certification) -> Mapping[str, Plain]:
    """As it stands in a file."""
    return {
        "above": [encode(one) for one in certification.above],
        "certificate": encode(certification.certificate),
        "epochs": [encode(one) for one in certification.epochs],
    }


def read_certification(fields: Fields) -> Certification:
    """Raises FieldError, DecodeError."""
    return Certification(
        tuple(read_header(one) for one in fields.items("above", MAX_ABOVE)),
        decode(fields.octets("certificate"), QuorumCertificate, limit_bytes=MAX_CERTIFICATE_BYTES),
        tuple(
            decode(octets(one), EpochStep, limit_bytes=MAX_STEP_BYTES)
            for one in fields.items("epochs", MAX_STEPS)
        ),
    )


def octets(item: Plain) -> bytes:
    """Raises FieldError where it is no byte string."""
    if not isinstance(item, bytes):
        raise FieldError("an item is not a byte string")
    return item


def read_header(item: Plain) -> BlockHeader:
    """Raises FieldError, DecodeError."""
    return decode(octets(item), BlockHeader, limit_bytes=MAX_HEADER_BYTES)


def verify_stretch(
    headers: Sequence[BlockHeader], certification: Certification, founding: Founding, *, verify: Verify
) -> None:
    """Whether `headers` stand on the chain that `founding` begins, one behind the other without a gap.

    Raises VerificationError: wrong-chain, bad-header, unknown-validators, bad-epochs, bad-certificate.
    """
    whole = (*headers, *certification.above)
    assert whole
    for header in whole:
        if header.chain_id != founding.chain_id:
            raise VerificationError("wrong-chain", f"it is of chain {header.chain_id.hex()[:16]}")
        if header.version != HEADER_VERSION or header.height < 1:
            raise VerificationError("bad-header", f"version {header.version}, height {header.height}")
    for before, after in pairwise(whole):
        if after.height != before.height + 1 or after.parent != before.hash():
            raise VerificationError(
                "bad-header", f"a gap: height {after.height} does not follow {before.height}"
            )
    top = whole[-1]
    epoch = verify_proof_of_epochs(certification.epochs, founding, verify=verify).latest
    voters = epoch.voters
    if top.height < epoch.first_height:
        raise VerificationError("bad-header", f"height {top.height} is of an earlier epoch")
    if top.epoch != voters.epoch or top.validators != voters.digest():
        raise VerificationError("unknown-validators", f"epoch {top.epoch}")
    verify_certificate(certification.certificate, top, voters, verify)
