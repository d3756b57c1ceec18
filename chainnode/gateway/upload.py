"""Handing an object over: the one call in which the client streams.

It runs on gRPC's own threads, not on grpc.aio. There a write that fails because the node has ended the
call sets the call's status to INTERNAL, over the one that the node gave: who is refused would not learn why.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import grpc

from chainnode.gateway import gateway_pb2 as pb
from chainnode.gateway import gateway_pb2_grpc as pb_grpc
from chainnode.gateway.limits import CHUNK_BYTES


class Uploader:
    """A connection for uploads, opened by the first one."""

    def __init__(self, target: str, options: Sequence[tuple[str, int]]) -> None:
        self._channel = grpc.insecure_channel(target, options=options)
        self._stub = pb_grpc.NodeStub(self._channel)

    def close(self) -> None:
        """Ends what is under way."""
        self._channel.close()

    async def put(
        self, messages: Iterator[Any], *, timeout_ms: int, metadata: Sequence[tuple[str, str]]
    ) -> None:
        """PutObject. `messages` is read by another thread.

        Raises grpc.RpcError with the status that the node gave.
        """
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        call = self._stub.PutObject.future(messages, timeout=timeout_ms / 1_000, metadata=metadata)
        call.add_done_callback(lambda _: loop.call_soon_threadsafe(over.set))
        try:
            await over.wait()
            call.result()
        finally:
            call.cancel()
            await over.wait()  # the other thread tells this loop, which must still be there


def pieces(head: Any, ciphertext: bytes) -> Iterator[Any]:
    """`head` (PutObjectRequest), then the bytes in messages of at most CHUNK_BYTES."""
    yield head
    for start in range(0, len(ciphertext), CHUNK_BYTES):
        yield pb.PutObjectRequest(data=ciphertext[start : start + CHUNK_BYTES])
