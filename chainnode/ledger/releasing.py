"""RequestRelease, the decision; ShareReceipt, the word that the parts moved; Barrier, a fresh block first."""

from chainnode.ledger import keys, view
from chainnode.ledger.decision import decide
from chainnode.ledger.evaluate import version_at
from chainnode.ledger.fields import SHARE_PROVIDER
from chainnode.ledger.membership import require_node
from chainnode.ledger.payloads import Barrier, RequestRelease, ShareReceipt
from chainnode.ledger.records import OUTCOME_AUTHORISED, ShareRecord
from chainnode.ledger.requests import require_request
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import MAX_EVALUATED_OBJECTS, Transition


def request_release(call: Transition[RequestRelease]) -> None:
    """Decide now. Runs after all other transactions of its block, so that the decision rests on the
    very state that the block's root commits to, and a revocation in the same block counts."""
    request_id = call.payload.request_id
    request = require_request(call, request_id)
    call.require_signer(request.project_key, "the project")
    for object_id in request.objects:
        # With a patient's handle goes a revocation, which is a verdict on the patient's objects alone.
        if view.erased(call.state, keys.erased_object(object_id)) is not None:
            raise RefusedError("object-erased", f"object {object_id.hex()}")
    previous = view.release(call.state, request_id)
    if previous is not None and previous.height == call.context.height:
        raise RefusedError("already-done", "this block has decided on the application")
    if call.log.evaluated_objects + len(request.objects) > MAX_EVALUATED_OBJECTS:
        raise RefusedError("block-budget", f"{MAX_EVALUATED_OBJECTS} objects a block")
    call.log.evaluated_objects += len(request.objects)
    record = decide(
        call.state,
        call.rows,
        request_id=request_id,
        request=request,
        previous=previous,
        requested=call.source,
        time_ms=call.context.time_ms,
        version=version_at(call.state, call.context.height),
    )
    call.put(keys.release(request_id), record)
    call.outcome, call.rule = record.outcome, record.rule
    kind = "released" if record.outcome == OUTCOME_AUTHORISED else "refused"
    authorised = sum(not verdict.rule for verdict in record.verdicts)
    call.emit(
        kind,
        request_id,
        rule=record.rule,
        member=str(request.member),
        authorised=str(authorised),
        objects=str(len(record.verdicts)),
        providers=",".join(str(number) for number in record.providers),
    )


def share_receipt(call: Transition[ShareReceipt]) -> None:
    """Only after AUTHORISED, only between a provider of that release and its requester."""
    payload = call.payload
    require_node(call, payload.member)
    request = require_request(call, payload.request_id)
    record = view.release(call.state, payload.request_id)
    if record is None or record.last_authorised_height != payload.release_height:
        raise RefusedError("unknown-release", f"height {payload.release_height}")
    provider, requester = payload.member, payload.peer
    if payload.role != SHARE_PROVIDER:
        provider, requester = requester, provider
    if requester != request.member or provider not in record.last_providers:
        raise RefusedError("not-a-provider", f"member {provider} to member {requester}")
    key = keys.share(payload.request_id, payload.release_height, payload.role, payload.member, payload.peer)
    if call.state.get(key) is not None:
        raise RefusedError("already-done", "the receipt stands")
    call.put(key, ShareRecord(payload.parts_digest, call.source))
    call.emit(
        "shared",
        payload.request_id,
        role=payload.role,
        member=str(payload.member),
        peer=str(payload.peer),
    )


def barrier(call: Transition[Barrier]) -> None:
    """No effect, no event. Signed, so that nobody else makes blocks of nothing in a member's name."""
    require_node(call, call.payload.member)
