"""`chainnode audit`: files that prove to outsiders what stands on the chain, and what does not."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from chainnode.cli.actions import audits
from chainnode.cli.actions.audits import Audited
from chainnode.cli.actions.disclosures import History, history
from chainnode.cli.actions.files import write_private
from chainnode.cli.auditviews import (
    age,
    answer_data,
    answer_tables,
    audit_data,
    audit_tables,
    history_data,
    history_sentences,
)
from chainnode.cli.options import (
    HeightOption,
    HomeOption,
    JsonOption,
    PassphraseOption,
    SocketOption,
    StrongOption,
    Target,
    hex_id,
    open_key,
    within,
)
from chainnode.cli.output import console, show, warn
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.founding import founding_of
from chainnode.ledger.subjects import HOSPITAL, OBJECT, PATIENT, PROJECT
from chainnode.ledger.transaction import ID_BYTES
from chainnode.node.api import Role
from chainnode.node.clock import now
from chainnode.vault.keystore import WalletFile
from genesis.document import load_genesis
from genesis.membership import MAX_HEIGHT

app = typer.Typer(
    add_completion=False, help="Prove to outsiders what stands on the chain, and what does not."
)

OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="The file to write; `chainnode verify` checks it.", show_default=False),
]
FromOption = Annotated[
    int, typer.Option("--from", callback=within(1, MAX_HEIGHT), metavar="HEIGHT", help="The first height.")
]
ToOption = Annotated[
    int,
    typer.Option(
        "--to", callback=within(0, MAX_HEIGHT), metavar="HEIGHT", help="The last height; 0: the newest."
    ),
]


@app.command()
def consent(
    handle: Annotated[str, typer.Argument(metavar="HANDLE", help="The patient's handle.")],
    request: Annotated[str, typer.Option("--request", help="Also the answer to this application.")] = "",
    out: OutOption = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """Prove a patient's consent as of now: what stands, what was revoked, or that there is none."""
    id_ = hex_id(handle, ID_BYTES, "handle")
    found = Target(home, socket, Role.STEWARD).call(
        lambda client: audits.answer_consent(client, id_, request, min_height=min_height, strong=strong)
    )
    answer = found.answer
    old = age(answer.header.time_ms, now().wall_ms)
    _write(out, found.data)
    data = {"file": out, "file_bytes": len(found.data), **answer_data(answer)}
    show(data, *answer_tables("What is proven", answer, old), *_written(out), json=json)


@app.command()
def patient(
    handle: Annotated[str, typer.Argument(metavar="HANDLE", help="The patient's handle at one hospital.")],
    first: FromOption = 1,
    last: ToOption = 0,
    out: OutOption = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """Everything on the chain about one patient: enrolment, consents, applications, decisions."""
    id_ = hex_id(handle, ID_BYTES, "handle").hex()
    target = Target(home, socket, Role.STEWARD, min_height, strong=strong)
    _audit(target, PATIENT, id_, (first, last), out, json)


@app.command("object")
def object_(
    id_: Annotated[str, typer.Argument(metavar="OBJECT", help="The object's whole id.")],
    first: FromOption = 1,
    last: ToOption = 0,
    out: OutOption = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """Everything on the chain about one object: its anchor, and the applications that ask for it."""
    subject = hex_id(id_, ID_BYTES, "object").hex()
    target = Target(home, socket, Role.STEWARD, min_height, strong=strong)
    _audit(target, OBJECT, subject, (first, last), out, json)


@app.command()
def project(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="PROJECT", help="HOSPITAL/DEPARTMENT/PROJECT, or digits of one application's id."
        ),
    ],
    first: FromOption = 1,
    last: ToOption = 0,
    out: OutOption = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """Everything on the chain about one project: its applications, who signed, decisions, deliveries."""
    target = Target(home, socket, Role.STEWARD, min_height, strong=strong)
    _audit(target, PROJECT, id_, (first, last), out, json)


@app.command()
def hospital(
    id_: Annotated[str, typer.Argument(metavar="HOSPITAL", help="The member's id.")],
    first: FromOption = 1,
    last: ToOption = 0,
    out: OutOption = None,
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """Everything on the chain about one hospital: what names it, its patients, its objects, its projects."""
    target = Target(home, socket, Role.STEWARD, min_height, strong=strong)
    _audit(target, HOSPITAL, id_, (first, last), out, json)


@app.command()
def disclosures(
    wallet_file: Annotated[Path, typer.Argument(metavar="WALLET", help="The patient's wallet.")],
    passphrase_file: PassphraseOption,
    genesis: Annotated[Path, typer.Option("--genesis", help="The network's genesis file.")],
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    json: JsonOption = False,
) -> None:
    """Tell a patient what was released to whom, when and why, at every hospital that knows the wallet. Each
    release is told by its receipt, checked from the genesis file on."""
    document = founding_of(load_genesis(genesis))
    wallet = open_key(WalletFile, wallet_file, passphrase_file).wallet
    target = Target(home, socket, Role.STEWARD, min_height, strong=strong)
    with Progress(console=console(stderr=True), transient=True, disable=json) as bar:
        task = bar.add_task("heights", total=None)

        async def action(client: GatewayClient) -> tuple[History, dict[int, str]]:
            found = await history(
                client, wallet, document, lambda done, of: bar.update(task, completed=done, total=of)
            )
            return found, {number: slug for number, slug, _ in (await client.info()).members}

        found, names = target.call(action)
    show(history_data(found, names), *history_sentences(found, names), json=json)


def _audit(
    target: Target, kind: str, given: str, heights: tuple[int, int], out: Path | None, json: bool
) -> None:
    with Progress(console=console(stderr=True), transient=True, disable=json) as bar:
        task = bar.add_task("heights", total=None)

        async def action(client: GatewayClient) -> tuple[Audited, dict[int, str]]:
            id_ = await audits.subject_id(client, kind, given)
            names = {number: slug for number, slug, _ in (await client.info()).members}
            made = await audits.audit(
                client, kind, id_, *heights, lambda done, of: bar.update(task, completed=done, total=of)
            )
            return made, names

        made, names = target.call(action)
    if not made.traced:
        warn(
            "this node keeps no older blocks: what applications from before the range ask for is not followed"
        )
    _write(out, made.data)
    data: dict[str, Any] = {"file": out, "file_bytes": len(made.data), **audit_data(made.report)}
    show(data, *audit_tables(f"Audit of {kind} {given}", made.report, names), *_written(out), json=json)


def _write(out: Path | None, data: bytes) -> None:
    if out is not None:
        write_private(out, data)


def _written(out: Path | None) -> list[str]:
    return [] if out is None else [f"{out}: check it anywhere with chainnode verify, and the genesis file"]
