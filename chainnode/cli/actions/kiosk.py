"""What a hospital's kiosk does: writes what a patient is asked, and hands in what was signed elsewhere."""

from chainnode.cli.actions.asking import FORM, Answer, AskedHalf, Asking, Matter, Member, Terms
from chainnode.cli.actions.asking import Application as AskedApplication
from chainnode.cli.actions.base import MAX_VALIDITY_HEIGHTS, require_committed
from chainnode.cli.actions.patients import enrolment
from chainnode.cli.actions.requests import resolve_request, show_request
from chainnode.cli.errors import bad_input
from chainnode.cli.next_steps import command
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.documents import AnyConsent
from chainnode.ledger.payloads import ROLE_PATIENT
from chainnode.ledger.rows import decode_consent
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transaction import Row
from chainnode.node.api import Refused, SubmitResult
from consensus.codec import encode


async def ask(client: GatewayClient, handle: bytes, matter: Matter) -> Asking:
    """The file for the patient of a handle, to be signed while the chain grows by at most 500 blocks.

    Raises NotFound.
    """
    record, info = await enrolment(client, handle), await client.info()
    return Asking(
        FORM,
        info.chain_id,
        info.network,
        tuple(Member(*one) for one in info.members),
        record.member,
        handle,
        record.patient_key,
        info.time_ms,
        info.height + min(info.validity_heights, MAX_VALIDITY_HEIGHTS),
        matter,
    )


async def application(client: GatewayClient, handle: bytes, request: str) -> AskedApplication:
    """An application as one patient is asked it; `request`: its id, or the first digits.

    Raises NotFound; Refused where it names no object of the patient that this node holds.
    """
    view = await show_request(client, await resolve_request(client, request))
    halves = await client.halves(view.request_id, role=ROLE_PATIENT, handle=handle)
    if not halves:
        raise Refused("not-of-signer", "this node holds no object of the application that is the patient's")
    record = view.record
    return AskedApplication(
        view.request_id,
        record.member,
        record.department,
        record.project,
        view.title,
        view.plan,
        record.purpose,
        record.expires_ms,
        record.project_sealing_key,
        tuple(AskedHalf(half.pointer, half.policy, half.wrapped) for half in halves),
    )


def standing(document: AnyConsent) -> Terms:
    """Raises OperatorError CLI-02 where the document breaks a rule."""
    encoded = encode(document)
    try:
        decode_consent(Row(b"", encoded))
    except RefusedError as error:
        raise bad_input(
            f"the consent is not well-formed: {error.refusal.detail}",
            command("kiosk", "terms", "--help", remark="says which terms there are"),
        ) from None
    return Terms(encoded)


async def hand_in(client: GatewayClient, answer: Answer) -> SubmitResult:
    """Raises OperatorError CLI-02 for another chain's, TransactionRefused, OperatorError CLI-03, CLI-04."""
    if answer.chain_id != (await client.info()).chain_id:
        raise bad_input(
            "the signed file is for another chain", command("status", remark="shows this node's network")
        )
    return require_committed(await client.submit(answer.submission, answer.as_parts()))
