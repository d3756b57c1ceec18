"""Standing consents and revocations, by the patient's wallet."""

import os
from dataclasses import dataclass

from chainnode.cli.actions.base import find, listed, new_row, submit
from chainnode.cli.actions.dealing import deal, permitted_classes, renew
from chainnode.cli.actions.patients import enrolment, wallet_identity
from chainnode.cli.errors import bad_input, usage
from chainnode.cli.next_steps import command
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.documents import AnyConsent
from chainnode.ledger.fields import SCOPE_REQUEST
from chainnode.ledger.payloads import Consent, Revoke
from chainnode.ledger.records import (
    ConsentRecord,
    ConsentsRecord,
    EnrolmentRecord,
    GrantRecord,
    RequestRevocationRecord,
    RevocationRecord,
)
from chainnode.ledger.rows import decode_consent
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transaction import ID_BYTES, Row
from chainnode.node.api import ChainInfo, NotFound, Refused, SubmitResult
from chainnode.vault.wallet import Wallet
from consensus.codec import encode

GRANT_PREFIX = b"grant/"


@dataclass(frozen=True, slots=True)
class StandingView:
    """A standing consent; `document` is None where its row was erased or may not be read."""

    record: ConsentRecord
    document: AnyConsent | None


@dataclass(frozen=True, slots=True)
class ConsentsView:
    """Everything that a patient said: standing, live by request, and taken back."""

    handle: bytes
    info: ChainInfo
    enrolment: EnrolmentRecord
    standing: tuple[StandingView, ...]
    live: tuple[tuple[bytes, GrantRecord], ...]
    revocations: RevocationRecord
    request_revocations: tuple[tuple[bytes, RequestRevocationRecord], ...]


async def consent_standing(
    client: GatewayClient, wallet: Wallet, member: int, document: AnyConsent
) -> tuple[bytes, SubmitResult]:
    """Give a standing consent, and deal the class keys that it permits to the network's trustees; its id.

    The consent comes first: where the dealing is refused after it, `consent deal` makes up for it. Raises
    OperatorError CLI-02 where the document breaks a rule.
    """
    row = new_row(encode(document))
    try:
        decode_consent(row)
    except RefusedError as error:
        raise bad_input(
            f"the consent is not well-formed: {error.refusal.detail}",
            command("consent", "standing", "--help", remark="says which terms there are"),
        ) from None
    key, handle = await wallet_identity(client, wallet, member)
    consent_id = os.urandom(ID_BYTES)
    result = await submit(client, Consent(handle, consent_id, row.digest()), key, rows=[row])
    await deal(client, wallet, member, permitted_classes(document))
    return consent_id, result


async def revoke(
    client: GatewayClient, wallet: Wallet, member: int, scope: str, target: bytes = b""
) -> SubmitResult:
    """Take back: scope "all" (every consent that stands by then is revoked with it), or "class" (its name),
    "consent" or "request" (its id) as `target`. Where that ends dealings, the class keys are renewed."""
    key, handle = await wallet_identity(client, wallet, member)
    result = await submit(client, Revoke(handle, scope, target), key)
    if scope != SCOPE_REQUEST:
        await renew(client, wallet, member, result.height)
    return result


async def list_consents(client: GatewayClient, handle: bytes) -> ConsentsView:
    """What the patient of a handle said. Raises NotFound."""
    record = await enrolment(client, handle)
    held = await find(client, keys.consents(handle), ConsentsRecord)
    grants, _ = await listed(client, GRANT_PREFIX, GrantRecord)
    suffix = b"/patient/" + handle
    requests, _ = await listed(client, keys.request_revocation(handle, b""), RequestRevocationRecord)
    standing = [
        StandingView(one, await _document(client, one.provision_row))
        for one in (held.consents if held else ())
    ]
    return ConsentsView(
        handle,
        await client.info(),
        record,
        tuple(standing),
        tuple((name[:ID_BYTES], grant) for name, grant in grants if name.endswith(suffix)),
        await find(client, keys.revocations(handle), RevocationRecord) or RevocationRecord(),
        tuple(requests),
    )


async def resolve_consent(client: GatewayClient, handle: bytes, digits: str) -> bytes:
    """The id of a patient's standing consent from its first hex digits, where only one begins so.

    Raises NotFound, OperatorError CLI-01.
    """
    held = await find(client, keys.consents(handle), ConsentsRecord)
    ids = [one.consent_id for one in (held.consents if held else ())]
    found = [id_ for id_ in ids if id_.hex().startswith(digits.lower())]
    if not found:
        raise NotFound("unknown-consent", f"handle {handle.hex()} has no consent {digits}")
    if len(found) > 1:
        raise usage(
            f"{len(found)} consents begin with {digits}: give more digits",
            command("consent", "list", handle.hex(), remark="shows whole ids"),
        )
    return found[0]


async def find_consent(client: GatewayClient, handle: bytes, consent_id: bytes) -> AnyConsent:
    """The terms of one standing consent. Raises NotFound: there is none, or its row was erased or may not be
    read."""
    held = await find(client, keys.consents(handle), ConsentsRecord)
    for one in held.consents if held else ():
        if one.consent_id == consent_id:
            document = await _document(client, one.provision_row)
            if document is None:
                raise NotFound("unknown-row", f"the terms of consent {consent_id.hex()}")
            return document
    raise NotFound("unknown-consent", f"handle {handle.hex()} has no consent {consent_id.hex()}")


async def _document(client: GatewayClient, row_digest: bytes) -> AnyConsent | None:
    try:
        return decode_consent(Row(b"", await client.row(row_digest)))
    except (Refused, RefusedError):
        return None
