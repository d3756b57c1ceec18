"""`chainnode kiosk`: at the hospital, for patients who sign on a device of their own, without a network."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions import kiosk
from chainnode.cli.actions.asking import Asking, Matter, TakingBack, read_answer
from chainnode.cli.actions.consents import resolve_consent
from chainnode.cli.actions.files import write_private
from chainnode.cli.actions.requests import resolve_request
from chainnode.cli.askedviews import Language, LanguageOption, QrOption, show_asking
from chainnode.cli.errors import usage
from chainnode.cli.options import (
    HeightOption,
    HomeOption,
    JsonOption,
    RequestArgument,
    SocketOption,
    Target,
    hex_id,
    known_terms,
    require_digits,
)
from chainnode.cli.output import show
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
from chainnode.cli.views import done, submitted
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.fields import SCOPE_ALL, SCOPE_CLASS, SCOPE_CONSENT, SCOPE_REQUEST
from chainnode.ledger.payloads import DATA_CLASSES
from chainnode.ledger.transaction import ID_BYTES
from chainnode.node.api import Role
from consensus.codec import encode

app = typer.Typer(
    add_completion=False, help="What a patient is asked, as a file; and handing in what was signed."
)

HandleArgument = Annotated[str, typer.Argument(help="The patient's handle: 32 hex digits (patient list).")]
OutOption = Annotated[Path, typer.Option("--out", help="The file to write, for wallet sign.")]


def _write(
    target: Target,
    handle: str,
    out: Path,
    made: Callable[[GatewayClient, bytes], Awaitable[Matter]],
    language: Language,
    *,
    qr: bool,
    json: bool,
) -> None:
    """Ask the node, write the file, show what it says."""
    patient = hex_id(handle, ID_BYTES, "handle")

    async def action(client: GatewayClient) -> Asking:
        return await kiosk.ask(client, patient, await made(client, patient))

    asking = target.call(action)
    write_private(out, encode(asking))
    show_asking(asking, language, qr=qr, json=json, file=out)


@app.command()
def request(
    handle: HandleArgument,
    request: RequestArgument,
    out: OutOption,
    lang: LanguageOption = Language.EN,
    qr: QrOption = False,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Ask a patient about one application: the wallet signs a yes or a no."""
    target = Target(home, socket, Role.STEWARD, min_height)

    async def made(client: GatewayClient, patient: bytes) -> Matter:
        return await kiosk.application(client, patient, request)

    _write(target, handle, out, made, lang, qr=qr, json=json)


@app.command()
def terms(
    handle: HandleArgument,
    out: OutOption,
    fhir: FhirOption = None,
    deny: DenyOption = False,
    purpose: PurposesOption = None,
    class_: ClassesOption = None,
    actor: ActorsOption = None,
    start: StartOption = "",
    end: EndOption = "",
    lang: LanguageOption = Language.EN,
    qr: QrOption = False,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Offer a patient standing terms. What is not named means "any"."""
    target = Target(home, socket, Role.STEWARD, min_height)
    given = read_terms(fhir, deny, purpose, class_, actor, start, end)

    async def made(client: GatewayClient, _: bytes) -> Matter:
        return kiosk.standing(given.document(await client.info()))

    _write(target, handle, out, made, lang, qr=qr, json=json)


@app.command()
def revoke(
    handle: HandleArgument,
    out: OutOption,
    everything: Annotated[bool, typer.Option("--all", help="Everything that was ever given.")] = False,
    class_: Annotated[str, typer.Option("--class", help="One class: " + ", ".join(DATA_CLASSES))] = "",
    consent: Annotated[
        str, typer.Option("--consent", help="One standing consent, by 8 digits or more.")
    ] = "",
    request: Annotated[str, typer.Option("--request", help="One application, by 8 digits or more.")] = "",
    lang: LanguageOption = Language.EN,
    qr: QrOption = False,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Write down what a patient wants to take back."""
    if [everything, bool(class_), bool(consent), bool(request)].count(True) != 1:
        raise usage("exactly one of --all, --class, --consent, --request says what is taken back", "name one")
    target = Target(home, socket, Role.STEWARD, min_height)
    classes = known_terms([class_] if class_ else [], DATA_CLASSES, "data class")
    if consent:
        require_digits(consent, "consent")

    async def made(client: GatewayClient, patient: bytes) -> Matter:
        if consent:
            return TakingBack(SCOPE_CONSENT, await resolve_consent(client, patient, consent))
        if request:
            return TakingBack(SCOPE_REQUEST, await resolve_request(client, request))
        return TakingBack(SCOPE_CLASS, classes[0].encode()) if classes else TakingBack(SCOPE_ALL, b"")

    _write(target, handle, out, made, lang, qr=qr, json=json)


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What wallet sign wrote.")],
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """Hand in what a patient signed elsewhere, at a node of the hospital that asked."""
    target = Target(home, socket, Role.STEWARD, min_height)
    answer = read_answer(file)
    kind = str(answer.signed().payload.__struct_config__.tag)
    result = target.call(lambda client: kiosk.hand_in(client, answer))
    data = submitted(result, kind=kind, parts=len(answer.parts))
    show(data, done(f"Signed {kind}, {len(answer.parts)} halves", result), json=json)
