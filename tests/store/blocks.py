"""A small chain to be stored: headers that link, batches, results, certificates."""

from collections.abc import Mapping, Sequence

from chainnode.ledger.header import batches_root, events_root, genesis_header, results_root
from chainnode.ledger.records import Event, Result
from chainnode.ledger.transaction import BatchBody, Row, SignedBatch, SignedTransaction, batch_ref
from chainnode.store.port import ChainStorePort
from consensus.codec import encode
from consensus.domain import digest
from consensus.messages import QuorumCertificate, Vote
from consensus.types import BatchRef, BlockHeader, ReplicaSet, Voter

CHAIN_ID = digest("genesis", b"a chain for tests")
VALIDATORS = ReplicaSet(0, tuple(Voter(i, digest("voter", bytes([i]))) for i in range(4)))
TIME_MS = 1_767_225_600_000


def genesis_block() -> BlockHeader:
    return genesis_header(
        chain_id=CHAIN_ID, time_ms=TIME_MS, validators=VALIDATORS, state_root=digest("state", b"")
    )


def batch(seed: int, count: int = 3, rows: Sequence[Row] = ()) -> tuple[SignedBatch, BatchRef]:
    """A batch of `count` opaque transactions."""
    transactions = tuple(
        SignedTransaction(digest("body", seed.to_bytes(4, "big"), i.to_bytes(4, "big")) * 8, bytes(64))
        for i in range(count)
    )
    content = BatchBody(1, seed, 1_000, transactions)
    body = encode(content)
    return SignedBatch(body, bytes(64), tuple(rows)), batch_ref(content, body)


def results_of(seed: int, count: int = 3) -> list[Result]:
    return [
        Result(digest("tx", seed.to_bytes(4, "big"), i.to_bytes(4, "big")), "" if i else "replayed")
        for i in range(count)
    ]


def child_of(
    parent: BlockHeader, refs: Sequence[BatchRef], results: Sequence[Result], events: Sequence[Event]
) -> BlockHeader:
    return BlockHeader(
        version=1,
        chain_id=parent.chain_id,
        epoch=0,
        height=parent.height + 1,
        parent=parent.hash(),
        time_ms=parent.time_ms + 1,
        batches_root=batches_root(refs),
        results_root=results_root(results),
        events_root=events_root(events),
        state_root=digest("state", parent.hash()),
        validators=parent.validators,
        next_validators=parent.next_validators,
    )


def certificate_for(header: BlockHeader) -> QuorumCertificate:
    votes = tuple(Vote(replica, digest("vote", bytes([replica])) * 2) for replica in range(3))
    return QuorumCertificate(header.epoch, header.height, header.hash(), votes)


def start(store: ChainStorePort) -> BlockHeader:
    header = genesis_block()
    store.commit_block(header, (), results=(), events=(), state_puts={})
    return header


def extend(
    store: ChainStorePort,
    *,
    count: int = 3,
    state_puts: Mapping[bytes, bytes | None] | None = None,
    certify: bool = True,
    receipts: Mapping[bytes, bytes] | None = None,
) -> BlockHeader:
    """One more block with a batch of its own."""
    parent = store.tip()
    assert parent is not None
    height = parent.height + 1
    signed, ref = batch(height, count)
    store.put_batches([signed])
    results = results_of(height, count)
    events = [Event(height, 0, "tested", results[0].transaction_id, (b"subject",))]
    header = child_of(parent, [ref], results, events)
    puts = {b"height": height.to_bytes(8, "big")} if state_puts is None else state_puts
    store.commit_block(header, [ref], results=results, events=events, state_puts=puts, receipts=receipts)
    if certify:
        store.put_certificate(certificate_for(header))
    return header
