"""`chainnode consent`: by the patient's wallet, through the socket of a hospital that enrolled it."""

import re
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer

from chainnode.cli.actions import consents, grants
from chainnode.cli.actions.base import member_number
from chainnode.cli.actions.consent_words import provision_words
from chainnode.cli.actions.explain import Explained, explain
from chainnode.cli.actions.fhir_consent import UnfitError
from chainnode.cli.actions.fhir_export import to_fhir
from chainnode.cli.actions.patients import wallet_identity
from chainnode.cli.actions.requests import resolve_request
from chainnode.cli.errors import bad_input, usage
from chainnode.cli.next_steps import command
from chainnode.cli.options import (
    HeightOption,
    HomeOption,
    JsonOption,
    MemberOption,
    PassphraseOption,
    RequestArgument,
    SocketOption,
    StrongOption,
    Target,
    WalletArgument,
    hex_id,
    known_terms,
    open_key,
    require_digits,
    split_list,
)
from chainnode.cli.output import show, table
from chainnode.cli.terms import (
    ActorsOption,
    ClassesOption,
    DenyOption,
    EndOption,
    FhirOption,
    PurposesOption,
    StartOption,
    read_terms,
)
from chainnode.cli.views import done, short, submitted
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.documents import AnyConsent
from chainnode.ledger.fields import SCOPE_ALL, SCOPE_CLASS, SCOPE_CONSENT, SCOPE_REQUEST
from chainnode.ledger.payloads import DATA_CLASSES
from chainnode.ledger.transaction import ID_BYTES
from chainnode.node.api import ChainInfo, Role, SubmitResult
from chainnode.vault.keystore import WalletFile

app = typer.Typer(
    add_completion=False, help="The patient's word: one application, standing terms, revocation."
)

HANDLE = f"[0-9a-f]{{{2 * ID_BYTES}}}"
ConsentHelp = "by its id, or the first 8 digits or more"


@app.command()
def sign(
    wallet_file: WalletArgument,
    request: RequestArgument,
    member: MemberOption,
    passphrase_file: PassphraseOption,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Say yes to one application: open the patient's halves and seal them to the project."""
    target = Target(home, socket, Role.STEWARD, min_height)
    wallet = open_key(WalletFile, wallet_file, passphrase_file).wallet

    async def action(client: GatewayClient) -> grants.Granted:
        number = member_number(await client.info(), member)
        return await grants.consent_live(client, wallet, number, await resolve_request(client, request))

    granted = target.call(action)
    text = done(f"Consent to {request}, {granted.parts} objects", granted.result)
    show(submitted(granted.result, objects=granted.parts), text, json=json)


@app.command()
def deny(
    wallet_file: WalletArgument,
    request: RequestArgument,
    member: MemberOption,
    passphrase_file: PassphraseOption,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Say no to one application."""
    target = Target(home, socket, Role.STEWARD, min_height)
    wallet = open_key(WalletFile, wallet_file, passphrase_file).wallet

    async def action(client: GatewayClient) -> SubmitResult:
        number = member_number(await client.info(), member)
        return await grants.deny_as_patient(client, wallet, number, await resolve_request(client, request))

    result = target.call(action)
    show(submitted(result), done(f"No to {request}", result), json=json)


@app.command()
def standing(
    wallet_file: WalletArgument,
    member: MemberOption,
    passphrase_file: PassphraseOption,
    fhir: FhirOption = None,
    deny_: DenyOption = False,
    purpose: PurposesOption = None,
    class_: ClassesOption = None,
    actor: ActorsOption = None,
    start: StartOption = "",
    end: EndOption = "",
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Give terms under which later applications are answered. What is not named means "any"."""
    target = Target(home, socket, Role.STEWARD, min_height)
    terms = read_terms(fhir, deny_, purpose, class_, actor, start, end)
    wallet = open_key(WalletFile, wallet_file, passphrase_file).wallet

    async def action(client: GatewayClient) -> tuple[bytes, SubmitResult]:
        info = await client.info()
        document = terms.document(info)
        return await consents.consent_standing(client, wallet, member_number(info, member), document)

    consent_id, result = target.call(action)
    show(submitted(result, consent=consent_id), done(f"Consent {consent_id.hex()}", result), json=json)


@app.command()
def revoke(
    wallet_file: WalletArgument,
    member: MemberOption,
    passphrase_file: PassphraseOption,
    everything: Annotated[bool, typer.Option("--all", help="Everything that was ever given.")] = False,
    class_: Annotated[str, typer.Option("--class", help="One class: " + ", ".join(DATA_CLASSES))] = "",
    consent: Annotated[str, typer.Option("--consent", help=f"One standing consent, {ConsentHelp}.")] = "",
    request: Annotated[str, typer.Option("--request", help="One application, by 8 digits or more.")] = "",
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Take back. From its height on nothing is released on what was given before; what was delivered
    cannot be called back. --all ends every standing consent too, one that says no included."""
    if [everything, bool(class_), bool(consent), bool(request)].count(True) != 1:
        raise usage("exactly one of --all, --class, --consent, --request says what is taken back", "name one")
    target = Target(home, socket, Role.STEWARD, min_height)
    scope, target_id = SCOPE_ALL, b""
    if class_:
        (name,) = known_terms([class_], DATA_CLASSES, "data class")
        scope, target_id = SCOPE_CLASS, name.encode()
    elif consent:
        scope = SCOPE_CONSENT
        require_digits(consent, "consent")
    wallet = open_key(WalletFile, wallet_file, passphrase_file).wallet

    async def action(client: GatewayClient) -> SubmitResult:
        number = member_number(await client.info(), member)
        if request:
            id_ = await resolve_request(client, request)
            return await consents.revoke(client, wallet, number, SCOPE_REQUEST, id_)
        if consent:
            _, handle = await wallet_identity(client, wallet, number)
            id_ = await consents.resolve_consent(client, handle, consent)
            return await consents.revoke(client, wallet, number, scope, id_)
        return await consents.revoke(client, wallet, number, scope, target_id)

    result = target.call(action)
    show(submitted(result), done("Revocation", result), json=json)


@app.command("explain")
def explain_(
    request: RequestArgument,
    object_: Annotated[
        list[str] | None, typer.Option("--object", help="Only these objects, by their whole ids.")
    ] = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """Say in words what a release would decide now, and which provision of which consent decides."""
    target = Target(home, socket, Role.STEWARD, min_height, strong=strong)
    objects = [hex_id(one, ID_BYTES, "object") for one in split_list(object_)]

    async def action(client: GatewayClient) -> Explained:
        return await explain(client, await resolve_request(client, request), objects)

    found = target.call(action)
    title = f"As of height {found.height}, by version {found.version} of the evaluator:"
    show(found, title, *_explained(found), json=json)


def _explained(found: Explained) -> list[str]:
    """Objects with the same reasons together."""
    groups: dict[tuple[str, ...], list[bytes]] = {}
    for one in found.objects:
        marked = (f"  {'>' if reason.decides else '-'} {reason.words}" for reason in one.reasons)
        groups.setdefault((one.words, *marked), []).append(one.object_id)
    lines = []
    for (verdict, *reasons), ids in groups.items():
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        lines += [f"object {ids[0].hex()}{more}: {verdict}", *reasons]
    return lines


@app.command()
def export(
    handle: Annotated[str, typer.Argument(metavar="HANDLE", help="The patient's handle.")],
    consent: Annotated[str, typer.Argument(metavar="CONSENT", help=f"The standing consent, {ConsentHelp}.")],
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Print a standing consent as a FHIR R4 Consent (JSON); read again, it is the same consent."""
    target = Target(home, socket, Role.STEWARD, min_height)
    patient = hex_id(handle, ID_BYTES, "handle")
    require_digits(consent, "consent")

    async def action(client: GatewayClient) -> dict[str, Any]:
        id_ = await consents.resolve_consent(client, patient, consent)
        document = await consents.find_consent(client, patient, id_)
        try:
            return to_fhir(document, await client.info(), consent_id=id_, handle=patient)
        except UnfitError as error:
            raise bad_input(
                f"the consent cannot be told in FHIR's words: {error}",
                command("consent", "list", handle, remark="shows it"),
            ) from None

    found = target.call(action)
    show(found, *dumps(found, indent=2).splitlines(), json=json)


@app.command("list")
def list_(
    patient: Annotated[
        Path | None, typer.Argument(metavar="PATIENT", help="The patient's wallet, or the handle.")
    ] = None,
    handle: Annotated[str, typer.Option("--handle", help="The handle, in place of PATIENT.")] = "",
    member: Annotated[str, typer.Option("--member", help="With the wallet: the hospital's id.")] = "",
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", help="With the wallet.", show_default=False)
    ] = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """What a patient said: standing consents, live ones, revocations."""
    target = Target(home, socket, Role.STEWARD, min_height, strong=strong)
    if not handle and patient is not None and re.fullmatch(HANDLE, patient.name) and not patient.exists():
        handle = patient.name
    if handle:
        id_ = hex_id(handle, ID_BYTES, "handle")
        view = target.call(lambda client: consents.list_consents(client, id_))
    elif patient is None or passphrase_file is None or not member:
        raise usage(
            "the patient is not named: by the handle, or by the wallet with --member and --passphrase-file",
            command("patient", "list", remark="shows the handles"),
        )
    else:
        wallet = open_key(WalletFile, patient, passphrase_file).wallet

        async def action(client: GatewayClient) -> consents.ConsentsView:
            number = member_number(await client.info(), member)
            _, found = await wallet_identity(client, wallet, number)
            return await consents.list_consents(client, found)

        view = target.call(action)
    show(_data(view), *_tables(view), json=json)


def _data(view: consents.ConsentsView) -> dict[str, Any]:
    return {
        "handle": view.handle,
        "standing": [{"record": one.record, "document": one.document} for one in view.standing],
        "live": [{"request": request_id, "record": record} for request_id, record in view.live],
        "revocations": view.revocations,
        "request_revocations": [
            {"request": request_id, "record": record} for request_id, record in view.request_revocations
        ],
    }


def _terms(info: ChainInfo, document: AnyConsent | None) -> str:
    return "(erased, or not for this role)" if document is None else provision_words(document.provision, info)


def _tables(view: consents.ConsentsView) -> list[Any]:
    standing_rows = [
        (
            one.record.consent_id,
            _terms(view.info, one.document),
            one.record.given.height,
            one.record.revoked.height or None,
        )
        for one in view.standing
    ]
    live = [(short(request_id), record.decision, record.granted.height) for request_id, record in view.live]
    taken_back: list[tuple[str, int]] = [
        (one.data_class, one.revoked.height) for one in view.revocations.classes
    ]
    if view.revocations.all.height:
        taken_back.append(("everything", view.revocations.all.height))
    taken_back += [(f"application {short(id_)}", one.revoked.height) for id_, one in view.request_revocations]
    return [
        table(
            f"Standing consents of {view.handle.hex()}",
            ("consent", "terms", "since height", "revoked at height"),
            standing_rows,
        ),
        table("Answers to applications", ("application", "decision", "height"), live),
        table("Taken back", ("what", "at height"), taken_back),
    ]
