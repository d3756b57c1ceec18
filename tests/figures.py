"""`make figures`: what four idle and then busy nodes cost on this machine, in a run of its own."""

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from chainnode.cli.actions import consents, departments, patients
from chainnode.cli.actions.cards import make_card
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.documents import ConsentDocument, Provision
from chainnode.ledger.payloads import PERMIT
from chainnode.node.api import StatusReport
from chainnode.vault.head import HeadKeys
from chainnode.vault.keystore import RegistrarKeys, StewardKeys
from chainnode.vault.wallet import Wallet
from tests.demo.closing import show_figures
from tests.demo.stage import Stage
from tests.localnet.consortium import PASSPHRASE, Consortium, found
from tests.localnet.nodes import Nodes
from tests.localnet.running import run

PATIENTS = 8
CONSENTS = 12
"""Standing consents that each patient files, all patients at once."""


@dataclass(frozen=True)
class People:
    """Keys of one hospital's officers, opened before the nodes start: argon2id is not what is measured."""

    steward: StewardKeys
    head: HeadKeys
    registrar: RegistrarKeys


def _people(consortium: Consortium, number: int) -> People:
    hospital = consortium.hospitals[number]
    return People(
        StewardKeys.open(hospital.steward_file, PASSPHRASE),
        HeadKeys.create(hospital.people / "head.key", boot=PASSPHRASE, level="interactive"),
        RegistrarKeys.open(consortium.registrars["insurer"], PASSPHRASE),
    )


async def _patients(consortium: Consortium, number: int, people: People) -> list[Wallet]:
    """Enrolled, active patients of one hospital."""
    steward, registrar = people.steward, people.registrar
    wallets = []
    async with GatewayClient(consortium.hospitals[number].socket("steward")) as client:
        info = await client.info()
        await departments.add_department(client, steward, people.head.signing.public, "ward")
        for index in range(PATIENTS // 4):
            wallet = Wallet(bytes([number, index]) + bytes(30))
            card = make_card(wallet, info.chain_id, number)
            identifier = ("urn:figures", f"{number}-{index}")
            enrolled = await patients.enrol(client, steward, card, [identifier])
            await patients.attest(client, registrar, enrolled.handle)
            await patients.prove(client, wallet, number)
            wallets.append(wallet)
    return wallets


async def _consent(consortium: Consortium, number: int, wallet: Wallet) -> None:
    async with GatewayClient(consortium.hospitals[number].socket("steward")) as client:
        for _ in range(CONSENTS):
            document = ConsentDocument(
                "active", "research", time.time_ns() // 1_000_000, Provision(PERMIT, purposes=("HMB",))
            )
            await consents.consent_standing(client, wallet, number, document)


def _idle(stage: Stage, reports: list[StatusReport]) -> None:
    stage.table(
        "Idle nodes",
        ("hospital", "RSS (MB)", "disk (kB)", "process start to links up (s)"),
        [
            (
                one.slug,
                round(one.rss_bytes / 1e6),
                round(one.disk_bytes / 1e3),
                round(one.uptime_ms / 1e3, 1),
            )
            for one in reports
        ],
    )


async def figures(consortium: Consortium, nodes: Nodes, stage: Stage) -> None:
    """Idle first, then every patient of every hospital files consents at once."""
    people = [_people(consortium, number) for number in range(4)]
    nodes.start()
    idle = await nodes.ready()
    wallets = await asyncio.gather(*(_patients(consortium, number, people[number]) for number in range(4)))
    _idle(stage, idle)
    started = time.monotonic()
    await asyncio.gather(
        *(_consent(consortium, number, wallet) for number, of in enumerate(wallets) for wallet in of)
    )
    took = time.monotonic() - started
    count = CONSENTS * sum(map(len, wallets))
    stage.line(f"{count} consents by {sum(map(len, wallets))} patients at once in {took:.1f} s")
    reports = [await nodes.status(number) for number in range(4)]
    title = f"{reports[0].height} blocks, {reports[0].transactions} transactions"
    show_figures(stage, title, reports, reports)


async def _measure() -> None:
    stage = Stage()
    with tempfile.TemporaryDirectory(prefix="chainnode-figures-") as folder:
        consortium = await asyncio.to_thread(found, Path(folder) / "net", say=stage.line)
        with Nodes(consortium, say=stage.line) as nodes:
            await figures(consortium, nodes, stage)


def main() -> int:
    return run(_measure())


if __name__ == "__main__":
    sys.exit(main())
