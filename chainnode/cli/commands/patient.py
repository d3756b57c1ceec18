"""`chainnode patient`: enrolment."""

from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions import erasures, patients
from chainnode.cli.actions.base import member_number, member_slug
from chainnode.cli.actions.bundles import bundle_identifiers
from chainnode.cli.actions.cards import read_card
from chainnode.cli.errors import usage
from chainnode.cli.options import (
    HeightOption,
    HomeOption,
    JsonOption,
    MemberOption,
    PassphraseOption,
    SocketOption,
    StrongOption,
    Target,
    WalletArgument,
    hex_id,
    open_key,
    split_list,
)
from chainnode.cli.output import pairs, show, table
from chainnode.cli.views import done, submitted
from chainnode.gateway.client import GatewayClient
from chainnode.intake.bundle import Limits, read_bundle
from chainnode.intake.identity import Identifier
from chainnode.ledger.records import EnrolmentRecord
from chainnode.ledger.transaction import ID_BYTES
from chainnode.node.api import Role, SubmitResult
from chainnode.vault.keystore import RegistrarKeys, StewardKeys, WalletFile

app = typer.Typer(
    add_completion=False, help="Enrolment: the hospital enrols, a registrar attests, the wallet proves."
)

BundleOption = Annotated[
    Path | None, typer.Option("--bundle", help="FHIR bundle whose one Patient is meant.", show_default=False)
]
IdentifierOption = Annotated[
    list[str] | None, typer.Option("--identifier", help="SYSTEM|VALUE, such as a record number.")
]
DepartmentsOption = Annotated[
    list[str] | None,
    typer.Option("--department", help="Departments whose intake is to recognise the patient. [all]"),
]
HandleArgument = Annotated[str, typer.Argument(help="The patient's handle: 32 hex digits (patient list).")]


def _identifiers(bundle: Path | None, given: list[str] | None) -> list[Identifier]:
    found: list[Identifier] = []
    if bundle is not None:
        found += bundle_identifiers(read_bundle(bundle, Limits()))
    for text in given or []:
        system, bar, value = text.rpartition("|")
        if not bar or not value.strip():
            raise usage(
                "an --identifier is not SYSTEM|VALUE", '--identifier "http://hospital.example/mrn|..."'
            )
        found.append((system, value))
    if not found:
        raise usage(
            "nothing says which patient is meant",
            'add --bundle FILE or --identifier "SYSTEM|VALUE"',
        )
    return found


@app.command()
def enrol(
    card: Annotated[Path, typer.Argument(help="The wallet's enrolment card.")],
    steward_file: Annotated[Path, typer.Option("--steward-file", help="The steward's key file; it signs.")],
    passphrase_file: PassphraseOption,
    bundle: BundleOption = None,
    identifier: IdentifierOption = None,
    department: DepartmentsOption = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    json: JsonOption = False,
) -> None:
    """Enrol a patient's keys. The node keeps keyed digests of the identifiers, the chain a handle."""
    target = Target(home, socket, Role.STEWARD)
    identifiers, shown = _identifiers(bundle, identifier), read_card(card)
    steward = open_key(StewardKeys, steward_file, passphrase_file)
    made = target.call(
        lambda client: patients.enrol(client, steward, shown, identifiers, departments=split_list(department))
    )
    data = submitted(made.result, handle=made.handle, departments=made.departments)
    text = f"Patient {made.handle.hex()}, known to {', '.join(made.departments) or 'no department yet'}"
    show(data, done(text, made.result), json=json)


@app.command()
def link(
    handle: HandleArgument,
    department: DepartmentsOption,
    bundle: BundleOption = None,
    identifier: IdentifierOption = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    json: JsonOption = False,
) -> None:
    """Let another department's intake recognise an enrolled patient. Stays on this node."""
    target = Target(home, socket, Role.STEWARD)
    identifiers, id_ = _identifiers(bundle, identifier), hex_id(handle, ID_BYTES, "handle")
    departments = split_list(department)

    async def action(client: GatewayClient) -> None:
        await patients.enrolment(client, id_)
        await patients.link(client, id_, identifiers, departments)

    target.call(action)
    data = {"handle": id_, "departments": departments}
    show(data, f"Patient {handle} is known to {', '.join(departments)}", json=json)


@app.command()
def attest(
    handle: HandleArgument,
    registrar_file: Annotated[Path, typer.Option("--registrar-file", help="The registrar's key file.")],
    passphrase_file: PassphraseOption,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """A registrar from outside the hospital attests that the patient exists."""
    target = Target(home, socket, Role.STEWARD, min_height)
    id_ = hex_id(handle, ID_BYTES, "handle")
    registrar = open_key(RegistrarKeys, registrar_file, passphrase_file)
    result = target.call(lambda client: patients.attest(client, registrar, id_))
    show(submitted(result, handle=id_), done(f"Attestation of {handle}", result), json=json)


@app.command()
def prove(
    wallet_file: WalletArgument,
    member: MemberOption,
    passphrase_file: PassphraseOption,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """The wallet proves that it holds the enrolled key."""
    target = Target(home, socket, Role.STEWARD, min_height)
    wallet = open_key(WalletFile, wallet_file, passphrase_file).wallet

    async def action(client: GatewayClient) -> SubmitResult:
        return await patients.prove(client, wallet, member_number(await client.info(), member))

    result = target.call(action)
    show(submitted(result), done("Proof of possession", result), json=json)


@app.command()
def erase(
    wallet_file: Annotated[Path, typer.Argument(help="The patient's wallet.")],
    member: Annotated[str, typer.Option("--member", help="The hospital whose records are meant.")],
    passphrase_file: PassphraseOption,
    consent: Annotated[
        str,
        typer.Option(
            "--consent", help="Only the words of this consent (8 digits of its id), which ends with it."
        ),
    ] = "",
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """The patient has everything under a hospital's handle erased on every node: consents, the link to the
    hospital's records, keys and ciphertexts of all objects. It cannot be undone, and revokes everything.

    What was released to a project before is not called back.
    """
    target = Target(home, socket, Role.STEWARD, min_height)
    wallet = open_key(WalletFile, wallet_file, passphrase_file).wallet

    async def action(client: GatewayClient) -> SubmitResult:
        number = member_number(await client.info(), member)
        if consent:
            return await erasures.erase_consent(client, wallet, number, consent)
        return await erasures.erase_patient(client, wallet, number)

    result = target.call(action)
    what = f"Erasure of consent {consent}" if consent else f"Erasure of everything at {member}"
    show(submitted(result), done(what, result), erasures.LIMITS, json=json)


@app.command("show")
def show_(
    handle: HandleArgument,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """How far an enrolment has come."""
    target = Target(home, socket, Role.STEWARD, min_height, strong=strong)
    id_ = hex_id(handle, ID_BYTES, "handle")

    async def action(client: GatewayClient) -> tuple[EnrolmentRecord, str]:
        found = await patients.enrolment(client, id_)
        return found, member_slug(await client.info(), found.member)

    record, member = target.call(action)
    fields = {
        "member": member,
        "active": "yes" if record.active else "no",
        "enrolled at height": record.enrolled.height,
        "attested": f"by {record.registrar} at height {record.attested.height}" if record.registrar else "no",
        "proven": f"at height {record.proven.height}" if record.proven.height else "no",
        "class keys": len(record.class_keys),
    }
    data = {"handle": id_, "member": member, "active": record.active, "record": record}
    show(data, pairs(f"Patient {handle}", fields), json=json)


@app.command("list")
def list_(
    member: Annotated[str, typer.Option("--member", help="Of this member only.")] = "",
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """The handles that are enrolled, and how far each enrolment has come."""

    async def action(client: GatewayClient) -> list[tuple[bytes, str, str, int]]:
        info = await client.info()
        number = member_number(info, member) if member else None
        return [
            (handle, member_slug(info, one.member), _progress(one), one.enrolled.height)
            for handle, one in await patients.list_enrolments(client, number)
        ]

    rows = Target(home, socket, Role.STEWARD, min_height, strong=strong).call(action)
    columns = ("handle", "member", "enrolment", "height")
    data = [dict(zip(columns, row, strict=True)) for row in rows]
    show(data, table("Patients", ("handle", "member", "enrolment", "since height"), rows), json=json)


def _progress(record: EnrolmentRecord) -> str:
    """`active`, or what is missing."""
    if record.active:
        return "active"
    missing = ([] if record.attested.height else ["attest"]) + ([] if record.proven.height else ["prove"])
    return f"lacks {', '.join(missing)}"
