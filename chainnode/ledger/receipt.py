"""ReleaseReceipt: what proves a decision, AUTHORISED or REFUSED, to somebody who has the genesis file.

A map in deterministic CBOR (RFC 8949 section 4.2.1):

    type, version   RECEIPT_TYPE, 1; in an epoch after the founding one 2
    chain, request  chain id (32 bytes), request id (16 bytes)
    header          encoded BlockHeader; its state root is what the rest is proven under
    certificate     encoded QuorumCertificate for that header
    epochs          version 2 alone: encoded EpochSteps from the founding voters to the header's (epochs.py)
    transactions    [body, signature]: what the decision rests on, enrolments and departments included
    records         [name, value] of each entry of the state that is present
    nodes, buckets  the tree's preimages (proof.py); where an entry is missing, they prove that it is
    pointers        [batch root, place, encoded ObjectPointer, siblings] of each object
    rows            [salt, data] of the standing consents that were evaluated: a receipt shows those
                    provisions to its reader. One that is missing counts as erased: the receipt then verifies
                    only where the decision is the same without it

Each thing stands there once, in the order in which evidence.examine first needs it, and nothing else does.
The body is made at the decision's own height, right after execution; the certificate joins it later.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from chainnode.ledger import view
from chainnode.ledger.epochs import EpochProof
from chainnode.ledger.evidence import VerificationError, examine
from chainnode.ledger.records import ObjectIndex
from chainnode.ledger.rows import RowLookup
from chainnode.ledger.state import State
from chainnode.ledger.transaction import (
    MAX_TRANSACTION_BYTES,
    Row,
    SignedTransaction,
    TransactionBody,
)
from consensus.codec import decode, encode
from consensus.merkle import merkle_proofs
from consensus.messages import QuorumCertificate
from consensus.types import BlockHeader
from genesis import cbor
from genesis.cbor import Plain

RECEIPT_TYPE = "chainnode-release-receipt"
RECEIPT_VERSION = 1
EPOCHS_VERSION = 2
"""Of a receipt that shows how members changed since genesis."""
MAX_RECEIPT_BYTES = 64 * 1024 * 1024
MAX_RECEIPT_ITEMS = 1_000_000
"""CBOR items in a receipt, some 64 bytes of memory each. Of 1,000 objects, each of another patient and batch:
49 transactions of 3 items (3 of the enrolment, 16 consents given and 16 revoked, 10 revocations, 3 grants,
the anchoring), 16 rows and 11 records of 3 items, a pointer of 15, 100 nodes and buckets; and 10,000 epochs:
353,000."""

BODY_FIELDS = (
    "type", "version", "chain", "request", "header", "transactions", "records", "nodes", "buckets",
    "pointers", "rows",
)  # fmt: skip
RECEIPT_FIELDS = {
    RECEIPT_VERSION: (*BODY_FIELDS, "certificate"),
    EPOCHS_VERSION: (*BODY_FIELDS, "certificate", "epochs"),
}

TransactionLookup = Callable[[bytes], SignedTransaction | None]
"""By transaction id, among all blocks up to the decision's."""


@dataclass(slots=True)
class _Recorder:
    """Reads from where a node stores things, and notes each thing once, in order."""

    state: State
    stored: TransactionLookup
    stored_rows: RowLookup
    entries: dict[bytes, bytes | None] = field(default_factory=dict)
    objects: dict[bytes, ObjectIndex] = field(default_factory=dict)
    transactions: dict[bytes, SignedTransaction] = field(default_factory=dict)
    rows: dict[bytes, Row] = field(default_factory=dict)

    def get(self, key: bytes) -> bytes | None:
        if key not in self.entries:
            self.entries[key] = self.state.get(key)
        return self.entries[key]

    def index(self, key: bytes) -> bytes | None:
        value = self.state.index(key)
        if value is not None:
            self.objects[key] = decode(value, ObjectIndex, limit_bytes=len(value))
        return value

    def transaction(self, transaction_id: bytes) -> TransactionBody:
        found = self.stored(transaction_id)
        assert found is not None, "what the state rests on is in a block"
        self.transactions[transaction_id] = found
        return decode(found.body, TransactionBody, limit_bytes=MAX_TRANSACTION_BYTES)

    def row(self, digest: bytes) -> Row | None:
        row = self.stored_rows(digest)
        if row is not None:
            self.rows[digest] = row
        return row


def _proofs(state: State, keys_read: dict[bytes, bytes | None]) -> tuple[list[Plain], list[Plain]]:
    """The preimages that prove every key, each once, in the order of the first need."""
    nodes: dict[bytes, None] = {}
    buckets: dict[bytes, None] = {}
    for key in keys_read:
        proof = state.prove(key)
        nodes.update(dict.fromkeys(proof.nodes))
        if proof.bucket:
            buckets[proof.bucket] = None
    return list(nodes), list(buckets)


def _pointers(state: State, objects: dict[bytes, ObjectIndex]) -> list[Plain]:
    """[batch root, place, encoded pointer, siblings] for each object."""
    by_root: dict[bytes, list[int]] = {}
    for found in objects.values():
        by_root.setdefault(found.batch_root, []).append(found.index)
    proofs: dict[tuple[bytes, int], tuple[bytes, ...]] = {}
    for root, places in by_root.items():
        batch = view.batch_index(state, root)
        assert batch is not None, "an indexed object has its batch"
        members = [view.object_index(state, object_id) for object_id in batch.object_ids]
        leaves = [member.pointer for member in members if member is not None]
        for place, proof in zip(places, merkle_proofs("pointer", leaves, places), strict=True):
            proofs[root, place] = proof
    return [
        [one.batch_root, one.index, one.pointer, list(proofs[one.batch_root, one.index])]
        for one in objects.values()
    ]


def build_receipt_body(
    state: State,
    header: BlockHeader,
    request_id: bytes,
    *,
    transactions: TransactionLookup,
    rows: RowLookup,
) -> bytes:
    """The receipt of the decision that the block of `header` made on `request_id`, without certificate.

    `state` must be the state after that very block.
    """
    assert state.root == header.state_root, "a receipt is made at the decision's own height"
    recorder = _Recorder(state, transactions, rows)
    try:
        examine(
            recorder,
            recorder.row,
            recorder.transaction,
            request_id=request_id,
            height=header.height,
            time_ms=header.time_ms,
        )
    except VerificationError as error:
        raise AssertionError(f"a decision of our own does not bear examination: {error}") from error
    nodes, buckets = _proofs(state, recorder.entries)
    records: list[Plain] = [[key, value] for key, value in recorder.entries.items() if value is not None]
    return cbor.encode(
        {
            "type": RECEIPT_TYPE,
            "version": EPOCHS_VERSION if header.epoch else RECEIPT_VERSION,
            "chain": header.chain_id,
            "request": request_id,
            "header": encode(header),
            "transactions": [[one.body, one.signature] for one in recorder.transactions.values()],
            "records": records,
            "nodes": nodes,
            "buckets": buckets,
            "pointers": _pointers(state, recorder.objects),
            "rows": [[row.salt, row.data] for row in recorder.rows.values()],
        }
    )


def attach_certificate(body: bytes, certificate: QuorumCertificate, proof: EpochProof = ()) -> bytes:
    """The finished receipt from a body of `build_receipt_body`, its block's certificate, and the proof of its
    epoch."""
    content = cbor.decode(body, limit_bytes=MAX_RECEIPT_BYTES, limit_items=MAX_RECEIPT_ITEMS)
    assert isinstance(content, dict) and "certificate" not in content
    assert len(proof) == certificate.epoch, "one step for each change of the voters"
    more: dict[str, Plain] = {"certificate": encode(certificate)}
    if proof:
        more["epochs"] = [encode(step) for step in proof]
    return cbor.encode(content | more)
