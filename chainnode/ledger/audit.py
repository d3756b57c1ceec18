"""Everything on the chain about one patient, object, project or hospital over a range of heights, gap-free.

Whether a transaction concerns a subject shows in its body alone. So an audit holds the bodies of all
transactions of its range, and whoever verifies it sorts them anew: what was left out would be missing under
the roots that the headers carry, the headers in the chain of their parents, and that under a certificate.

A map in deterministic CBOR (RFC 8949 section 4.2.1):

    type, version    AUDIT_TYPE, 1
    chain            chain id (32 bytes)
    kind, id         the subject: see subjects.Trail
    first, last      heights, both included
    known            [kind, id] of what was tied to the subject before `first`, as whoever made the file found
                     it; empty where `first` is 1. These alone are not proven
    blocks           [encoded BlockHeader, [encoded BatchBody], encoded array of Results] of each height
    above, certificate, epochs    what vouches for the last header (stretch.py)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.fields import Verify
from chainnode.ledger.founding import Founding
from chainnode.ledger.header import batches_root, results_root
from chainnode.ledger.receipt import MAX_RECEIPT_BYTES, MAX_RECEIPT_ITEMS
from chainnode.ledger.records import Result
from chainnode.ledger.stretch import (
    CERTIFICATION_FIELDS,
    Certification,
    ProvenBlock,
    certification_fields,
    octets,
    read_certification,
    read_header,
    verify_stretch,
)
from chainnode.ledger.subjects import Named, SubjectError, Trail, named
from chainnode.ledger.transaction import (
    MAX_TRANSACTION_BYTES,
    BatchBody,
    SignedTransaction,
    TransactionBody,
    batch_ref,
)
from consensus.codec import DecodeError, decode, encode
from consensus.domain import signing_bytes
from consensus.types import BatchRef, BlockHeader
from genesis import cbor
from genesis.cbor import Plain
from genesis.fields import FieldError, Fields

AUDIT_TYPE, AUDIT_VERSION = "chainnode-audit", 1
AUDIT_FIELDS = (
    "type", "version", "chain", "kind", "id", "first", "last", "known", "blocks", *CERTIFICATION_FIELDS,
)  # fmt: skip
MAX_AUDIT_BYTES, MAX_AUDIT_ITEMS = MAX_RECEIPT_BYTES, MAX_RECEIPT_ITEMS
MAX_AUDIT_HEIGHTS = 100_000
"""Of five items at least each."""
MAX_KNOWN = 50_000
MAX_BATCHES = 10_000
MAX_BLOCK_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A transaction that concerns the subject. `code`: "" where it was executed, else the rule that refused
    it; `outcome` and `rule`: of the decision, for a RequestRelease alone; `names`: all that it names."""

    height: int
    time_ms: int
    transaction_id: bytes
    kind: str
    code: str
    outcome: str
    rule: str
    signer: bytes
    names: Named


@dataclass(frozen=True, slots=True)
class AuditReport:
    """`transactions`: how many there are in the range in all. `known`: how many ties from before the range
    rest on the word of whoever made the file; `complete`: the range begins with the chain, so there are none.
    """

    kind: str
    id: str
    first: BlockHeader
    last: BlockHeader
    transactions: int
    entries: tuple[AuditEntry, ...]
    known: int

    @property
    def complete(self) -> bool:
        return self.first.height == 1


def encode_audit(
    trail: Trail,
    known: Sequence[tuple[str, bytes]],
    blocks: Sequence[ProvenBlock],
    certification: Certification,
) -> bytes:
    """The file's bytes. `trail` says whom it is about; `known`: what it knew before the first block."""
    shown: list[Plain] = [
        [encode(one.header), list[Plain](one.batches), encode(one.results)] for one in blocks
    ]
    ties: list[Plain] = [[kind, id_] for kind, id_ in known]
    return cbor.encode(
        {
            "type": AUDIT_TYPE,
            "version": AUDIT_VERSION,
            "chain": blocks[0].header.chain_id,
            "kind": trail.kind,
            "id": trail.id,
            "first": blocks[0].header.height,
            "last": blocks[-1].header.height,
            "known": ties,
            "blocks": shown,
            **certification_fields(certification),
        }
    )


def transactions_of(block: ProvenBlock) -> Iterator[tuple[SignedTransaction, Result]]:
    """Each transaction of the block with what became of it, both as the header commits to them.

    Raises VerificationError("bad-audit") where something was left out or is another.
    """
    header, refs = block.header, list[BatchRef]()
    transactions: list[SignedTransaction] = []
    for body in block.batches:
        batch = decode(body, BatchBody, limit_bytes=MAX_BLOCK_BYTES)
        refs.append(batch_ref(batch, body))
        transactions += batch.transactions
    if batches_root(refs) != header.batches_root:
        raise VerificationError(
            "bad-audit", f"the batches of height {header.height} are not those of the block"
        )
    if results_root(block.results) != header.results_root or len(block.results) != len(transactions):
        raise VerificationError(
            "bad-audit", f"the results of height {header.height} are not those of the block"
        )
    yield from zip(transactions, block.results, strict=True)


def follow(trail: Trail, block: ProvenBlock) -> Iterator[tuple[SignedTransaction, AuditEntry]]:
    """What in the block concerns the subject; the trail goes on. Raises as `transactions_of`."""
    for transaction, result in transactions_of(block):
        try:
            body = decode(transaction.body, TransactionBody, limit_bytes=MAX_TRANSACTION_BYTES)
        except DecodeError:
            continue  # the block refused it for that: it says nothing
        if trail.concerns(body.payload, executed=not result.code):
            yield (
                transaction,
                AuditEntry(
                    block.header.height,
                    block.header.time_ms,
                    result.transaction_id,
                    str(type(body.payload).__struct_config__.tag),
                    result.code,
                    result.outcome,
                    result.rule,
                    body.signer,
                    named(body.payload),
                ),
            )


def _blocks(fields: Fields) -> Iterator[ProvenBlock]:
    for item in fields.items("blocks", MAX_AUDIT_HEIGHTS):
        if not isinstance(item, list) or len(item) != 3 or not isinstance(item[1], list):
            raise FieldError("a block is not [header, batches, results]")
        if len(item[1]) > MAX_BATCHES:
            raise FieldError(f"a block has more than {MAX_BATCHES} batches")
        results = decode(octets(item[2]), tuple[Result, ...], limit_bytes=MAX_BLOCK_BYTES)
        yield ProvenBlock(read_header(item[0]), tuple(octets(one) for one in item[1]), results)


def _trail(fields: Fields) -> tuple[Trail, int]:
    trail = Trail(fields.text("kind"), fields.text("id"))
    ties = fields.items("known", MAX_KNOWN)
    for item in ties:
        if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str):
            raise SubjectError("a tie is not [kind, id]")
        trail.learn(item[0], octets(item[1]))
    return trail, len(ties)


def verify_audit(data: bytes, founding: Founding, *, verify: Verify) -> AuditReport:
    """What the file proves, sorted anew. Raises VerificationError: bad-audit, bad-transaction, and what
    `verify_stretch` raises."""
    try:
        content = cbor.decode(data, limit_bytes=MAX_AUDIT_BYTES, limit_items=MAX_AUDIT_ITEMS)
        fields = Fields(content, AUDIT_FIELDS, "the audit")
        if (fields.text("type"), fields.number("version")) != (AUDIT_TYPE, AUDIT_VERSION):
            raise FieldError("it is not an audit of a version that is known here")
        trail, known = _trail(fields)
        blocks = tuple(_blocks(fields))
        heights = [one.header.height for one in blocks]
        first, last = fields.number("first"), fields.number("last")
        # As many as there are blocks: the file's own numbers may be of any size.
        if not blocks or last != heights[-1] or heights != list(range(first, first + len(blocks))):
            raise FieldError("its blocks are not those of its range")
        if known and heights[0] == 1:
            raise FieldError("nothing is known from before the chain's first block")
        if fields.octets("chain") != founding.chain_id:
            raise VerificationError("wrong-chain", "it is of another one")
        verify_stretch([one.header for one in blocks], read_certification(fields), founding, verify=verify)
        entries: list[AuditEntry] = []
        for block in blocks:
            for transaction, entry in follow(trail, block):
                _check_signature(transaction, entry, founding.chain_id, verify)
                entries.append(entry)
    except (cbor.CborError, DecodeError, FieldError, SubjectError) as error:
        raise VerificationError("bad-audit", str(error)) from None
    count = sum(len(one.results) for one in blocks)
    return AuditReport(
        trail.kind, trail.id, blocks[0].header, blocks[-1].header, count, tuple(entries), known
    )


def _check_signature(
    transaction: SignedTransaction, entry: AuditEntry, chain_id: bytes, verify: Verify
) -> None:
    """What the chain executed is signed; so whoever reads an audit need not take its nodes' word for it."""
    signed = signing_bytes("transaction", chain_id, transaction.body)
    if not entry.code and not verify(entry.signer, signed, transaction.signature):
        raise VerificationError("bad-transaction", f"the signature of {entry.transaction_id.hex()}")
