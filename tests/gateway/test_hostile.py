"""Clients that send garbage, too much, never read, or never stop calling."""

import asyncio
import contextlib
import os
import resource
import socket

import grpc
import pytest

from chainnode.gateway import gateway_pb2 as pb
from chainnode.gateway import gateway_pb2_grpc as pb_grpc
from chainnode.gateway.client import GatewayClient
from chainnode.gateway.sockets import target
from chainnode.node.api import ObjectUpload, Refused
from genesis.errors import OperatorError
from tests.gateway.fake import STATUS, socket_config


async def test_garbage_on_the_socket_does_no_harm(gateway, steward, folder):
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for garbage in (
        b"\x00" * 10_000,
        os.urandom(10_000),
        b"GET / HTTP/1.1\r\n\r\n",
        preface + os.urandom(5_000),
    ):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(folder / "steward.sock"))
            raw.settimeout(5)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                raw.sendall(garbage)
            assert await steward.status() == STATUS
    assert await steward.status() == STATUS


async def test_garbage_in_a_message_is_an_error_of_the_client(gateway, steward, folder, node):
    async with grpc.aio.insecure_channel(target(folder / "steward.sock")) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary("/chainnode.v1.Node/Submit")(b"\xff" * 100)
    assert node.calls == []
    assert await steward.status() == STATUS


async def test_a_message_above_the_limit_never_reaches_the_node(serve, folder, node):
    await serve(node, socket_config(folder), message_bytes=65_536)
    async with GatewayClient(folder / "steward.sock") as client:
        with pytest.raises(OperatorError, match="larger than max"):
            await client.submit(b"x" * 70_000)
        await client.submit(b"x" * 60_000)
    assert len(node.calls) == 1


async def test_an_object_above_the_limit_is_refused_before_its_bytes_are_taken(serve, folder, node):
    await serve(node, socket_config(folder), object_bytes=300_000)
    async with GatewayClient(folder / "steward.sock") as client:
        with pytest.raises(Refused, match="object-too-large"):
            await client.put_object(ObjectUpload(b"o" * 16, b"x" * 300_001, b"", b""))
        await client.put_object(ObjectUpload(b"o" * 16, b"x" * 300_000, b"", b""))
    assert list(node.stored) == [b"o" * 16]


async def test_an_upload_that_sends_more_or_less_than_announced_is_refused(steward, node):
    for data in (b"x" * 9, b"x" * 11):
        messages = iter([pb.PutObjectRequest(object_id=b"o" * 16, length_bytes=10, data=data)])
        with pytest.raises(Refused, match="10 were announced"), steward._errors():
            await steward._uploader.put(messages, timeout_ms=30_000, metadata=())
    with pytest.raises(Refused, match="starts with"), steward._errors():
        await steward._uploader.put(iter(()), timeout_ms=30_000, metadata=())
    assert node.stored == {}


async def test_an_upload_that_is_refused_while_its_bytes_are_written_learns_why(gateway, folder, node):
    """Each time over a connection of its own: the refusal comes before, in and after the first write."""
    for _ in range(30):
        async with GatewayClient(folder / "researcher.sock") as client:
            with pytest.raises(Refused, match="role-not-allowed"):
                await client.put_object(ObjectUpload(b"o" * 16, b"x" * 2_000_000, b"", b""))
    assert node.calls == []


async def test_an_upload_whose_caller_gives_up_ends_at_the_node_too(serve, folder, node):
    arrived = asyncio.Event()

    async def endless(_):
        arrived.set()
        await asyncio.Event().wait()

    node.put_object = endless
    await serve(node, socket_config(folder), uploads=1, stall_ms=60_000)
    async with GatewayClient(folder / "steward.sock") as client:
        given_up = asyncio.create_task(client.put_object(ObjectUpload(b"o" * 16, b"x", b"", b"")))
        await arrived.wait()
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        del node.put_object
        await client.put_object(ObjectUpload(b"o" * 16, b"x", b"", b""))
    assert list(node.stored) == [b"o" * 16]


async def test_an_upload_that_stands_still_gives_its_place_back(hurried, node):
    async def stuck():
        yield pb.PutObjectRequest(object_id=b"o" * 16, length_bytes=10)
        await asyncio.Event().wait()

    stub = pb_grpc.NodeStub(hurried._channel)
    calls = [stub.PutObject(stuck()) for _ in range(2)]
    codes = [await call.code() for call in calls]
    assert codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2
    await hurried.put_object(ObjectUpload(b"o" * 16, b"x", b"", b""))
    assert list(node.stored) == [b"o" * 16]


async def test_a_client_that_never_reads_is_closed_and_memory_does_not_grow(hurried, node):
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call = pb_grpc.NodeStub(hurried._channel).Events(pb.EventsRequest(from_height=1))
    await node.closed.wait()
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert node.produced < 2_000
    assert grown_kb < 64 * 1_024
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        while True:
            await call.read()
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await hurried.status() == STATUS


async def accepted_in_the_end(client, submission):
    """gRPC frees a call's place a moment after its answer."""
    for _ in range(500):
        try:
            return await client.submit(submission)
        except OperatorError as error:
            assert error.code.code == "GTW-05"
            await asyncio.sleep(0.01)
    raise AssertionError("the place was never given back")


async def test_calls_above_the_limit_are_told_that_the_node_is_busy(serve, folder, node):
    await serve(node, socket_config(folder), calls=2)
    async with GatewayClient(folder / "steward.sock") as client:
        waiting = [asyncio.create_task(client.submit(b"wait")) for _ in range(2)]
        await node.arrivals.get()
        await node.arrivals.get()
        with pytest.raises(OperatorError) as caught:
            await client.submit(b"one more")
        assert caught.value.code.code == "GTW-05"
        node.held.set()
        await asyncio.gather(*waiting)
        await accepted_in_the_end(client, b"one more")
    assert [call[1] for call in node.calls] == [b"wait", b"wait", b"one more"]


async def test_one_connection_cannot_hold_more_calls_than_its_share(serve, folder, node):
    await serve(node, socket_config(folder), calls=10, calls_per_connection=2)
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(target(folder / "steward.sock"), options=options) as greedy:
        stub = pb_grpc.NodeStub(greedy)
        await stub.Status(pb.StatusRequest())  # from here on the connection knows its share
        calls = [stub.Submit(pb.SubmitRequest(submission=b"wait")) for _ in range(9)]
        await node.arrivals.get()
        await node.arrivals.get()
        async with GatewayClient(folder / "steward.sock") as client:
            await client.submit(b"another connection")
        assert [call[1] for call in node.calls] == [b"wait", b"wait", b"another connection"]
        for call in calls:
            call.cancel()
