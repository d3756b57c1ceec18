"""What local clients may try at a real node's Unix sockets: it stays up, bounded in memory, and commits."""

import asyncio
import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from chainnode.cli.actions.base import build
from chainnode.cli.actions.departments import add_department
from chainnode.gateway import gateway_pb2 as pb
from chainnode.gateway import gateway_pb2_grpc as pb_grpc
from chainnode.gateway.client import GatewayClient
from chainnode.gateway.roles import CALLS
from chainnode.gateway.sockets import target
from chainnode.ledger.payloads import AddDepartment, AnchorRecords, RequestRelease, UsePolicy
from chainnode.node.api import AnchorOrder, ObjectUpload, Refused, Role, StatusReport
from chainnode.vault.keys import SigningKey
from genesis.errors import EXIT_REFUSED
from tests.demo.world import World
from tests.e2e.town import town
from tests.localnet.consortium import PASSPHRASE, Consortium

pytestmark = pytest.mark.asyncio(loop_scope="module")

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GARBAGE = (
    b"\x00" * 100_000,
    os.urandom(100_000),
    b"GET /chainnode.v1.Node/Status HTTP/1.1\r\n\r\n",
    PREFACE,
    PREFACE + os.urandom(50_000),
    PREFACE + b"\xff\xff\xff\x00\x00\x00\x00\x00\x00" + b"x" * 100_000,
)
GROWTH_BYTES = 48 * 1024 * 1024
HELD_OPEN = 150


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(consortium: Consortium) -> AsyncIterator[World]:
    async with town(consortium) as made:
        yield made


async def works(world: World, name: str) -> StatusReport:
    """The attacked node takes a transaction in and commits it, over a connection of its own."""
    pid = world.nodes.pid(0)
    async with GatewayClient(world.hospitals[0].socket("steward")) as client:
        before = (await client.status()).height
        added = await add_department(client, world.stewards[0], SigningKey.generate().public, name)
        assert added.code == "ok" and added.height > before
        report = await client.status()
    assert world.nodes.pid(0) == pid and report.voting
    log = world.nodes.log_file(world.hospitals[0]).read_text()
    assert "Traceback" not in log and "gateway.bug" not in log
    return report


def connect(path: Path) -> socket.socket:
    raw = socket.socket(socket.AF_UNIX)
    raw.settimeout(5)
    raw.connect(str(path))
    return raw


@pytest.mark.parametrize("role", list(Role))
async def test_garbage_on_the_sockets_of_all_roles_does_no_harm(world: World, role: Role) -> None:
    for garbage in GARBAGE:
        with connect(world.hospitals[0].socket(role.value)) as raw:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
                raw.sendall(garbage)
            async with GatewayClient(world.hospitals[0].socket(role.value)) as client:
                assert (await client.status()).voting
    await works(world, f"garbage-{role.value}")


async def test_connections_that_say_nothing_or_half_a_greeting_keep_nobody_out(world: World) -> None:
    path = world.hospitals[0].socket("steward")
    before = (await world.nodes.status(0)).rss_bytes
    with contextlib.ExitStack() as stack:
        for number in range(HELD_OPEN):
            raw = stack.enter_context(connect(path))
            raw.sendall(PREFACE[: number % len(PREFACE)])
        report = await works(world, "half-open")
        assert report.rss_bytes - before < GROWTH_BYTES


@contextmanager
def deaf(path: Path, listen: Path) -> Iterator[None]:
    """A way to the node's socket on which everything goes in and, after a greeting, nothing comes out."""
    with socket.socket(socket.AF_UNIX) as listener, connect(path) as node:
        listener.bind(str(listen))
        listener.listen(1)
        node.settimeout(None)

        def forward(source: socket.socket, sink: socket.socket, most: int) -> None:
            with contextlib.suppress(OSError):
                while most > 0 and (data := source.recv(min(most, 65_536))):
                    sink.sendall(data)
                    most -= len(data)

        def serve() -> None:
            with contextlib.suppress(OSError):
                client, _ = listener.accept()
                out = threading.Thread(target=forward, args=(client, node, 1 << 40), daemon=True)
                out.start()
                forward(node, client, 2_000)
                out.join()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield
        finally:
            node.shutdown(socket.SHUT_RDWR)


async def test_clients_that_never_read_do_not_stop_the_node_nor_fill_its_memory(
    world: World, tmp_path: Path
) -> None:
    path, way = world.hospitals[0].socket("steward"), tmp_path / "deaf.sock"
    before = (await works(world, "before-deaf")).rss_bytes
    with deaf(path, way):
        async with grpc.aio.insecure_channel(target(way)) as channel:
            stub = pb_grpc.NodeStub(channel)
            streams = [stub.Blocks(pb.BlocksRequest(from_height=1)) for _ in range(30)]
            asked = [asyncio.ensure_future(stub.Info(pb.InfoRequest())) for _ in range(200)]
            for number in range(5):
                report = await works(world, f"deaf-{number}")
            assert report.rss_bytes - before < GROWTH_BYTES
            assert not any(one.done() for one in asked), [one for one in asked if one.done()][:1]
            for call in [*streams, *asked]:
                call.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
    await works(world, "after-deaf")


_STEWARDS = ("intake_key", "link_subject", "resolve_subject", "seen", "put_object", "anchor", "halves")
FORBIDDEN: dict[Role, tuple[str, ...]] = {
    Role.SYSADMIN: ("submit", "row", *_STEWARDS, "delivery", "fetch"),
    Role.STEWARD: ("delivery", "fetch", "backup"),
    Role.RESEARCHER: (*_STEWARDS, "backup"),
}


async def attempt(client: GatewayClient, call: str) -> None:
    macs, id_ = [b"m" * 16], b"i" * 16
    order = AnchorOrder("ward", "study", b"p", (b"q",), b"k", b"d" * 32)
    if call == "fetch":
        async for _ in client.fetch(id_, b"s" * 32):
            pass
        return
    if call == "backup":
        async for _ in client.backup():
            pass
        return
    calls = {
        "submit": lambda: client.submit(b"x"),
        "row": lambda: client.row(b"r" * 32),
        "intake_key": lambda: client.intake_key("ward"),
        "link_subject": lambda: client.link_subject(macs, b"h" * 16),
        "resolve_subject": lambda: client.resolve_subject(macs),
        "seen": lambda: client.seen(macs),
        "put_object": lambda: client.put_object(ObjectUpload(id_, b"x", b"w", b"r")),
        "anchor": lambda: client.anchor(order),
        "halves": lambda: client.halves(id_, role="head", department="ward"),
        "delivery": lambda: client.delivery(id_),
    }
    await calls[call]()


@pytest.mark.parametrize(
    ("role", "call"), [(role, call) for role, calls in FORBIDDEN.items() for call in calls]
)
async def test_a_call_that_the_sockets_role_may_not_make_is_refused(
    world: World, role: Role, call: str
) -> None:
    async with GatewayClient(world.hospitals[0].socket(role.value)) as client:
        with pytest.raises(Refused) as refused:
            await attempt(client, call)
    assert refused.value.rule == "role-not-allowed"


async def test_every_call_is_tried_by_the_roles_that_lack_it() -> None:
    """So that a call which is added is tried here too."""
    lacking = {(role, name) for name, roles in CALLS.items() for role in Role if role not in roles}
    tried = {(role, call.title().replace("_", "")) for role, calls in FORBIDDEN.items() for call in calls}
    assert tried == lacking


async def test_a_role_may_not_submit_what_belongs_to_another_role_or_to_the_node(world: World) -> None:
    info = await (await world.client(0)).info()
    steward = world.stewards[0].signing
    anchor = AnchorRecords(0, "ward", "study", UsePolicy("HMB", ()), (), b"k", b"d" * 32)
    kinds = [
        ("researcher", AddDepartment(0, "by-researcher", SigningKey.generate().public)),
        ("steward", RequestRelease(b"r" * 16)),
        ("steward", anchor),
        ("researcher", anchor),
    ]
    for role, payload in kinds:
        async with GatewayClient(world.hospitals[0].socket(role)) as client:
            with pytest.raises(Refused) as refused:
                await client.submit(build(payload, steward, info))
        assert refused.value.rule == "role-not-allowed", role
    # The same department goes in through the right socket.
    async with GatewayClient(world.hospitals[0].socket("steward")) as client:
        taken = await client.submit(build(kinds[0][1], steward, info))
    assert taken.code == "ok"


async def test_the_command_line_says_so_in_three_parts(world: World, tmp_path: Path) -> None:
    secret = tmp_path / "pass"
    secret.write_bytes(PASSPHRASE)
    secret.chmod(0o600)
    arguments = ["department", "add", "by-cli", "--json", "--kdf", "interactive"]
    arguments += ["--steward-file", str(world.hospitals[0].steward_file), "--passphrase-file", str(secret)]
    arguments += ["--head-file", str(tmp_path / "head.key"), "--head-passphrase-file", str(secret)]
    arguments += ["--socket", str(world.hospitals[0].socket("sysadmin"))]
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "chainnode.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == EXIT_REFUSED, ended.stderr
    error = json.loads(ended.stderr)["error"]
    assert error["code"] == "role-not-allowed"
    assert error["what"] and error["unchanged"] and "--socket" in error["next"]


async def test_the_sockets_shut_out_other_users_of_the_machine(world: World) -> None:
    for role in Role:
        mode = world.hospitals[0].socket(role.value).stat().st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
