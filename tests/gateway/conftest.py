import pytest

from chainnode.gateway.client import GatewayClient
from chainnode.gateway.limits import Limits
from chainnode.gateway.server import Gateway
from chainnode.node.api import Role
from tests.gateway.fake import FakeNode, socket_config


@pytest.fixture
def folder(tmp_path):
    """Short: pytest's own folders can be longer than a socket path may be."""
    return tmp_path / "run"


@pytest.fixture
async def node():
    return FakeNode()


@pytest.fixture
async def serve():
    """Starts gateways, and stops them whatever the test does."""
    started = []

    async def start(node, *configs, **limits):
        server = Gateway(node, configs, Limits(**limits))
        started.append(server)
        await server.start()
        return server

    yield start
    for server in started:
        await server.stop(grace_ms=0)


@pytest.fixture
async def gateway(serve, node, folder):
    return await serve(node, *(socket_config(folder, role) for role in Role))


@pytest.fixture
async def steward(gateway, folder):
    async with GatewayClient(folder / "steward.sock") as client:
        yield client


@pytest.fixture
async def hurried(serve, node, folder):
    """A steward of a node that waits for no client longer than this; only where that is what is tested."""
    await serve(node, socket_config(folder), stall_ms=2_000)
    async with GatewayClient(folder / "steward.sock") as client:
        yield client


@pytest.fixture
async def researcher(gateway, folder):
    async with GatewayClient(folder / "researcher.sock") as client:
        yield client


@pytest.fixture
async def sysadmin(gateway, folder):
    async with GatewayClient(folder / "sysadmin.sock") as client:
        yield client
