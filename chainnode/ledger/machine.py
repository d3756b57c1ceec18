"""The state machine: what a block's transactions do, one handler per payload.

Results stand in the order of the transactions. A transaction that fails gets the rule's code and changes
nothing. RequestReleases run after all others of their block: their decisions rest on the state that the
block's root commits to. Signatures and form were checked before (admission.py), by everybody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chainnode.ledger import (
    anchoring,
    consenting,
    dealing,
    diseases,
    enrolment,
    equivocating,
    erasing,
    keys,
    membership,
    passing,
    releasing,
    requests,
    view,
)
from chainnode.ledger.header import events_root, results_root
from chainnode.ledger.payloads import (
    AddDepartment,
    AddStudy,
    AnchorRecords,
    AnswerDealing,
    Apply,
    AttestEnrolment,
    AttestErasure,
    Barrier,
    ChangeMembership,
    Consent,
    DealClassKeys,
    EnrolPatient,
    Erase,
    EraseObjects,
    Grant,
    ProveEnrolment,
    PublishDiseases,
    RenewClassKey,
    ReportEquivocation,
    ReportLeftViews,
    RequestRelease,
    Revoke,
    ShareReceipt,
    Withdraw,
)
from chainnode.ledger.records import Event, Result
from chainnode.ledger.rows import RowLookup
from chainnode.ledger.rules import Refusal, RefusedError
from chainnode.ledger.state import State, WorkingState
from chainnode.ledger.transaction import (
    MAX_TRANSACTION_BYTES,
    Row,
    SignedTransaction,
    TransactionBody,
    transaction_id,
)
from chainnode.ledger.transition import BlockContext, BlockLog, Transition
from chainnode.ledger.tree import RawPuts
from chainnode.ledger.view import Reader
from consensus.codec import DecodeError, decode, encode
from consensus.types import Digest

Included = Callable[[bytes], bool]
"""Whether a transaction id stands in one of the last `validity_heights` blocks, other than as replayed."""

REPLAYED = "replayed"
"""Code of a transaction that was included before."""

_HANDLERS: dict[type[Any], Callable[[Transition[Any]], None]] = {
    AddDepartment: enrolment.add_department,
    AddStudy: enrolment.add_study,
    EnrolPatient: enrolment.enrol,
    AttestEnrolment: enrolment.attest,
    ProveEnrolment: enrolment.prove,
    AnchorRecords: anchoring.anchor,
    Apply: requests.apply,
    Grant: requests.grant,
    Consent: consenting.consent,
    Revoke: consenting.revoke,
    Withdraw: requests.withdraw,
    RequestRelease: releasing.request_release,
    ShareReceipt: releasing.share_receipt,
    Barrier: releasing.barrier,
    ChangeMembership: membership.change,
    ReportEquivocation: equivocating.report,
    ReportLeftViews: passing.report,
    PublishDiseases: diseases.publish,
    RenewClassKey: dealing.renew,
    DealClassKeys: dealing.deal,
    AnswerDealing: dealing.answer,
    Erase: erasing.erase,
    EraseObjects: erasing.erase_objects,
    AttestErasure: erasing.attest,
}


@dataclass(frozen=True, slots=True)
class Execution:
    """What a block did. `puts`: raw entries (None deletes) to be written with the block in one batch,
    before the next block is executed."""

    results: tuple[Result, ...]
    events: tuple[Event, ...]
    puts: RawPuts
    results_root: Digest
    events_root: Digest
    state_root: Digest


@dataclass(slots=True)
class _Block:
    context: BlockContext
    state: WorkingState
    rows: RowLookup
    log: BlockLog


def _run(block: _Block, id_: Digest, body: TransactionBody) -> Result:
    """One transaction through its handler: kept whole or dropped whole."""
    call: Transition[Any] = Transition(
        block.context, block.state, block.rows, block.log, id_, body.signer, body.payload
    )
    try:
        _HANDLERS[type(body.payload)](call)
    except RefusedError as error:
        block.state.drop()
        return Result(id_, error.refusal.rule)
    block.state.keep()
    block.log.events.extend(call.events)
    return Result(id_, "", call.outcome, call.rule)


def standing_rows(reader: Reader, rows: RowLookup) -> RowLookup:
    """`rows` without those that the state says are erased: when a node comes to delete them does not matter
    to any decision."""

    def look_up(digest: bytes) -> Row | None:
        return None if view.erased(reader, keys.erased_row(digest)) else rows(digest)

    return look_up


def validity_rule(body: TransactionBody, context: BlockContext) -> str:
    """The rule that a transaction's validity breaks at this height, "" for none."""
    if body.valid_until_height < context.height:
        return "expired-transaction"
    # At most this far ahead, so that ids may be forgotten after as many heights.
    if body.valid_until_height > context.height + context.validity_heights:
        return "validity-too-long"
    return ""


def execute(
    context: BlockContext,
    batches: Sequence[Sequence[SignedTransaction]],
    rows: RowLookup,
    state: State,
    included: Included,
) -> Execution:
    """Execute a decided slot on `state`, which is moved to the state after it.

    `rows` finds rows of this block's batches and of earlier ones; `included` looks into earlier blocks
    alone. A batch that is ordered a second time has nothing but "replayed" results.
    """
    working = WorkingState(state)
    block = _Block(context, working, standing_rows(working, rows), BlockLog(context.height))
    results: list[Result] = []
    deferred: list[tuple[int, Digest, TransactionBody]] = []
    here: dict[Digest, None] = {}
    for transaction in (one for batch in batches for one in batch):
        id_ = transaction_id(transaction.body)
        try:
            body = decode(transaction.body, TransactionBody, limit_bytes=MAX_TRANSACTION_BYTES)
        except DecodeError as error:
            results.append(Result(id_, error.code))
            continue
        rule = validity_rule(body, context)
        if id_ in here or included(id_):
            rule = REPLAYED
        here[id_] = None
        if not rule and isinstance(body.payload, RequestRelease):
            deferred.append((len(results), id_, body))
        elif not rule:
            results.append(_run(block, id_, body))
            continue
        results.append(Result(id_, rule))
    for at, id_, body in deferred:
        results[at] = _run(block, id_, body)
    puts = state.update(block.state.changes, block.state.index_changes)
    return Execution(
        tuple(results),
        tuple(block.log.events),
        puts,
        results_root(results),
        events_root(block.log.events),
        state.root,
    )


def rehearse(context: BlockContext, reader: Reader, rows: RowLookup, body: TransactionBody) -> Refusal | None:
    """Whether `body` would be executed if it stood alone in the block that `context` describes: the
    handler itself says so, on changes that are thrown away."""
    block = _Block(context, WorkingState(reader), rows, BlockLog(context.height))
    call: Transition[Any] = Transition(
        context, block.state, rows, block.log, transaction_id(encode(body)), body.signer, body.payload
    )
    try:
        _HANDLERS[type(body.payload)](call)
    except RefusedError as error:
        return error.refusal
    return None
