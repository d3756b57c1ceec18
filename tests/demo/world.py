"""Everybody in the demo, with the keys that each holds, and the open connections to the gateways."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from chainnode.cli.actions.base import barrier
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.payloads import Purpose, UsePolicy
from chainnode.vault.head import HeadKeys
from chainnode.vault.keystore import ProjectKeys, RegistrarKeys, StewardKeys, WalletFile
from genesis.document import load_genesis
from tests.demo.stage import Stage
from tests.localnet.consortium import Consortium, Hospital
from tests.localnet.nodes import Nodes

POLICY = UsePolicy("HMB", ("NPU",))
PURPOSE = Purpose("HMB")
REQUESTER = 3
PROVIDERS = (0, 1)
BYSTANDER = 2
CLASSES = ("demographics", "conditions")
DEPARTMENTS = (("cardiology", "heart-cohort"), ("metabolic", "sugar-cohort"))
"""Of each hospital: department and its study."""


@dataclass
class Department:
    hospital: int
    slug: str
    study: str
    head: HeadKeys


@dataclass
class Patient:
    """`handle` is set by the enrolment. A patient's bundle goes into one department."""

    number: int
    hospital: int
    department: str
    bundle: Path
    wallet: WalletFile
    handle: bytes = b""


@dataclass
class Project:
    request_id: bytes
    keys: ProjectKeys
    purpose: Purpose
    objects: tuple[bytes, ...]


@dataclass
class World:
    folder: Path
    stage: Stage
    level: str = "interactive"
    consortium: Consortium = field(init=False)
    nodes: Nodes = field(init=False)
    stewards: dict[int, StewardKeys] = field(default_factory=dict)
    registrar: RegistrarKeys = field(init=False)
    departments: list[Department] = field(default_factory=list)
    patients: list[Patient] = field(default_factory=list)
    receipts: dict[str, Path] = field(default_factory=dict)
    consented: list[Patient] = field(default_factory=list)
    outside: Nodes | None = None
    """The node of the organisation that runs a trustee and has no vote, once it joined."""
    _clients: dict[tuple[int, str], GatewayClient] = field(default_factory=dict)
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def hospitals(self) -> list[Hospital]:
        return self.consortium.hospitals

    @property
    def chain_id(self) -> bytes:
        return load_genesis(self.consortium.genesis_file).chain_id

    async def client(self, number: int, role: str = "steward") -> GatewayClient:
        """An open connection to a hospital's gateway, kept until the node is restarted."""
        if (number, role) not in self._clients:
            client = GatewayClient(self.hospitals[number].socket(role))
            self._clients[(number, role)] = await self._open.enter_async_context(client)
        return self._clients[(number, role)]

    async def caught_up(self, number: int) -> int:
        """Wait until a node, of four that run, holds what was committed through any of them; the height."""
        height = max([(await self.nodes.status(one.number)).height for one in self.hospitals])
        await barrier(await self.client(number), height)
        return height

    def forget_clients(self, number: int) -> None:
        """The node went down; the next call connects anew."""
        for key in [key for key in self._clients if key[0] == number]:
            del self._clients[key]

    def stop(self) -> None:
        """All nodes that run."""
        if self.outside is not None:
            self.outside.stop()
        self.nodes.stop()

    async def close(self) -> None:
        await self._open.aclose()

    def of(self, hospital: int) -> list[Department]:
        return [one for one in self.departments if one.hospital == hospital]

    def patients_of(self, *hospitals: int) -> list[Patient]:
        return [one for one in self.patients if one.hospital in hospitals]
