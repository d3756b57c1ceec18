"""An async client of a node's socket: the same names and values as chainnode.node.api.NodeApi.

    async with GatewayClient(home / "run" / "steward.sock") as client:
        result = await client.read(key, min_height=height)

What the node raised is raised here again: Refused, NotFound, ReadTimeout, OperatorError; what goes
wrong on the way is an OperatorError GTW-xx. A number that does not fit the call is Refused here
(request-malformed), before anything is sent.
"""

import asyncio
import getpass
import os
import shlex
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

import grpc
import msgspec

from chainnode.gateway import convert, failure, sockets
from chainnode.gateway import gateway_pb2 as pb
from chainnode.gateway import gateway_pb2_grpc as pb_grpc
from chainnode.gateway.errors import GTW_BROKEN, GTW_PERMISSION, GTW_UNREACHABLE, REQUEST_MALFORMED
from chainnode.gateway.limits import MAX_CLIENT_MESSAGE_BYTES, Limits
from chainnode.gateway.roles import USER_KEY
from chainnode.gateway.upload import Uploader, pieces
from chainnode.node.api import (
    AnchorOrder,
    BlockView,
    ChainInfo,
    DeliveryReport,
    Entry,
    EventView,
    EvidenceView,
    Half,
    ObjectUpload,
    Part,
    ReadResult,
    Refused,
    ReleasedObject,
    StatusReport,
    SubmitResult,
)
from chainnode.node.whyreport import WhyReport
from genesis.errors import ErrorCode, OperatorError

DEFAULT_TIMEOUT_MS = 30_000
SLACK_MS = 5_000
"""Added to a call's own timeout: the node's answer "not yet" should come before gRPC's deadline."""
MAX_RECEIPT_BYTES = 67_108_864
MAX_PLAINTEXT_BYTES = 134_217_728


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name; OSError from 3.13 on
        return str(os.getuid())


def _request(kind: Any, **fields: Any) -> Any:
    """A message. Raises Refused request-malformed where a number, or a text, does not fit its field."""
    try:
        return kind(**fields)
    except ValueError as error:
        numbers = ", ".join(f"{name} = {value}" for name, value in fields.items() if isinstance(value, int))
        raise Refused(REQUEST_MALFORMED, f"{kind.DESCRIPTOR.name}: {error} ({numbers})") from None


class GatewayClient:
    """One connection to one role's socket. Use as an async context manager."""

    def __init__(self, path: Path, *, timeout_ms: int = DEFAULT_TIMEOUT_MS) -> None:
        self.path = path
        self._timeout_ms = timeout_ms
        self._metadata = ((USER_KEY, _user().encode("ascii", "replace").decode()),)
        # The node refuses streams beyond its bound, and those that are just ending count there.
        self._reading = asyncio.Semaphore(Limits().calls_per_connection // 2)
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None
        self._uploader: Any = None

    async def __aenter__(self) -> Self:
        """Raises OperatorError GTW-01 (nobody listens), GTW-03 (path), GTW-04 (not allowed)."""
        sockets.check_length(self.path)
        await self._probe()
        options = [
            ("grpc.max_receive_message_length", MAX_CLIENT_MESSAGE_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_http_proxy", 0),
        ]
        self._channel = grpc.aio.insecure_channel(sockets.target(self.path), options=options)
        self._stub = pb_grpc.NodeStub(self._channel)
        self._uploader = Uploader(sockets.target(self.path), options)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._channel is not None:
            await self._channel.close()
            self._uploader.close()

    async def _probe(self) -> None:
        """gRPC reports every reason as UNAVAILABLE: the system call itself says which it is."""
        try:
            _, writer = await asyncio.open_unix_connection(str(self.path))
        except PermissionError:
            raise self._failed(
                GTW_PERMISSION,
                f"this user may not use the socket {self.path}",
                f"id; ls -l {shlex.quote(str(self.path))}",
            ) from None
        except OSError as error:
            home = self.path.parent.parent
            raise self._failed(
                GTW_UNREACHABLE,
                f"no node listens on {self.path}: {error.strerror or error}",
                f"chainnode run --home {shlex.quote(str(home))}"
                "  # where systemd runs it: systemctl start chainnode",
            ) from None
        writer.close()

    @staticmethod
    def _failed(code: ErrorCode, what: str, next_step: str) -> OperatorError:
        return OperatorError(code, what, unchanged="nothing was sent", next_step=next_step)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise failure.from_rpc(error, str(self.path)) from None

    async def _call(self, name: str, request: Any, timeout_ms: int | None = None) -> Any:
        wait_ms = self._timeout_ms if timeout_ms is None else timeout_ms + SLACK_MS
        with self._errors():
            return await getattr(self._stub, name)(request, timeout=wait_ms / 1_000, metadata=self._metadata)

    async def _stream(self, name: str, request: Any, timeout_ms: int | None = None) -> AsyncIterator[Any]:
        wait_s = None if timeout_ms is None else (timeout_ms + SLACK_MS) / 1_000
        # What follows the chain for as long as it likes waits for no other call.
        async with self._reading if timeout_ms is not None else nullcontext():
            call = getattr(self._stub, name)(request, timeout=wait_s, metadata=self._metadata)
            try:
                with self._errors():
                    async for reply in call:
                        yield reply
            finally:
                call.cancel()

    async def status(self) -> StatusReport:
        return convert.status_report(await self._call("Status", pb.StatusRequest()))

    async def info(self) -> ChainInfo:
        return convert.chain_info(await self._call("Info", pb.InfoRequest()))

    async def why(self) -> WhyReport:
        report: bytes = (await self._call("Why", pb.WhyRequest())).report
        return msgspec.msgpack.decode(report, type=WhyReport)

    async def evidence(self) -> tuple[EvidenceView, ...]:
        return convert.evidence_views(await self._call("Evidence", pb.EvidenceRequest()))

    async def evidence_file(self, evidence_id: bytes) -> bytes:
        """A file that proves an equivocation offline. Raises NotFound."""
        data = bytearray()
        async for reply in self._stream("EvidenceFile", _request(pb.EvidenceFileRequest, id=evidence_id)):
            data += reply.data
            if len(data) > MAX_RECEIPT_BYTES:
                raise self._odd("evidence without end")
        return bytes(data)

    async def backup(self, *, objects: bool = True) -> AsyncIterator[bytes]:
        """The pieces of a backup, one after the other; the caller sees to it that the end has come."""
        async for reply in self._stream("Backup", _request(pb.BackupRequest, without_objects=not objects)):
            yield reply.data

    async def submit(
        self, submission: bytes, parts: Sequence[Part] = (), *, timeout_ms: int = DEFAULT_TIMEOUT_MS
    ) -> SubmitResult:
        """Submit an encoded Submission and wait for its certificate, at most `timeout_ms`."""
        request = _request(
            pb.SubmitRequest,
            submission=submission,
            parts=[pb.Part(object_id=part.object_id, sealed=part.sealed) for part in parts],
            timeout_ms=timeout_ms,
        )
        return convert.submit_result(await self._call("Submit", request, timeout_ms))

    async def read(
        self,
        key: bytes,
        *,
        prefix: bool = False,
        limit: int = 1_000,
        min_height: int = 0,
        strong: bool = False,
        timeout_ms: int = DEFAULT_TIMEOUT_MS,
    ) -> ReadResult:
        """State records at `key`, or below it, as of a certified block at `min_height` or later; `strong`: of
        one that holds whatever any node had certified before this call.

        Raises ReadTimeout where that height is not reached within `timeout_ms`, or no barrier is certified.
        """
        request = _request(
            pb.ReadRequest,
            key=key,
            prefix=prefix,
            limit=limit,
            min_height=min_height,
            timeout_ms=timeout_ms,
            strong=strong,
        )
        entries: list[Entry] = []
        stamp = None
        async for reply in self._stream("Read", request, timeout_ms):
            if stamp is None:
                stamp = convert.stamp(reply.stamp)
            entries += map(convert.entry, reply.entries)
        if stamp is None:
            raise self._odd("a read without a stamp")
        return ReadResult(tuple(entries), stamp)

    async def row(self, row_digest: bytes) -> bytes:
        data: bytes = (await self._call("Row", _request(pb.RowRequest, row_digest=row_digest))).data
        return data

    async def block(self, height: int) -> BlockView:
        return convert.block_view(await self._call("Block", _request(pb.BlockRequest, height=height)))

    async def transaction(self, transaction_id: bytes) -> tuple[int, str, bytes]:
        """(height, result code, encoded SignedTransaction)."""
        reply = await self._call(
            "Transaction", _request(pb.TransactionRequest, transaction_id=transaction_id)
        )
        return reply.height, reply.code, reply.transaction

    async def object(self, object_id: bytes) -> tuple[bytes, bytes, bool]:
        """(encoded ObjectPointer, encoded BatchRecord, whether the node holds the ciphertext)."""
        reply = await self._call("Object", _request(pb.ObjectRequest, object_id=object_id))
        return reply.pointer, reply.batch, reply.held

    async def blocks(self, from_height: int) -> AsyncIterator[BlockView]:
        async for reply in self._stream("Blocks", _request(pb.BlocksRequest, from_height=from_height)):
            yield convert.block_view(reply)

    async def events(self, from_height: int) -> AsyncIterator[EventView]:
        async for reply in self._stream("Events", _request(pb.EventsRequest, from_height=from_height)):
            yield convert.event_view(reply)

    async def state_proof(
        self,
        keys: Sequence[bytes],
        *,
        min_height: int = 0,
        strong: bool = False,
        timeout_ms: int = DEFAULT_TIMEOUT_MS,
    ) -> bytes:
        """Encoded StateProofs of these entries of the state, present or not. Raises as `read` does."""
        request = _request(
            pb.StateProofRequest, keys=keys, min_height=min_height, strong=strong, timeout_ms=timeout_ms
        )
        data = bytearray()
        async for reply in self._stream("StateProof", request, timeout_ms):
            data += reply.data
            if len(data) > MAX_RECEIPT_BYTES:
                raise self._odd("a proof without end")
        return bytes(data)

    async def stretch(self, first: int, last: int, *, headers_only: bool = False) -> AsyncIterator[bytes]:
        """Encoded ProvenBlocks of a range of heights, then what certifies the last. Raises NotFound."""
        request = _request(pb.StretchRequest, first=first, last=last, headers_only=headers_only)
        data = bytearray()
        async for reply in self._stream("Stretch", request):
            data += reply.data
            if len(data) > MAX_RECEIPT_BYTES:
                raise self._odd("a block without end")
            if reply.end:
                yield bytes(data)
                data = bytearray()

    async def intake_key(self, department: str) -> bytes:
        key: bytes = (await self._call("IntakeKey", _request(pb.IntakeKeyRequest, department=department))).key
        return key

    async def link_subject(self, macs: Sequence[bytes], handle: bytes) -> None:
        await self._call("LinkSubject", _request(pb.LinkSubjectRequest, macs=macs, handle=handle))

    async def resolve_subject(self, macs: Sequence[bytes]) -> bytes | None:
        reply = await self._call("ResolveSubject", _request(pb.ResolveSubjectRequest, macs=macs))
        return reply.handle if reply.HasField("handle") else None

    async def seen(self, macs: Sequence[bytes]) -> tuple[bool, ...]:
        reply = await self._call("Seen", _request(pb.SeenRequest, macs=macs))
        return tuple(reply.seen)

    async def put_object(self, upload: ObjectUpload) -> None:
        head = _request(
            pb.PutObjectRequest,
            object_id=upload.object_id,
            hospital_wrap=upload.hospital_wrap,
            recipients=upload.recipients,
            length_bytes=len(upload.ciphertext),
        )
        with self._errors():
            await self._uploader.put(
                pieces(head, upload.ciphertext), timeout_ms=self._timeout_ms, metadata=self._metadata
            )

    async def anchor(self, order: AnchorOrder, *, timeout_ms: int = DEFAULT_TIMEOUT_MS) -> SubmitResult:
        request = _request(
            pb.AnchorRequest,
            department=order.department,
            study=order.study,
            policy=order.policy,
            pointers=order.pointers,
            sealed_key=order.sealed_key,
            report_digest=order.report_digest,
            seen=order.seen,
            timeout_ms=timeout_ms,
        )
        return convert.submit_result(await self._call("Anchor", request, timeout_ms))

    async def halves(
        self, request_id: bytes, *, role: str, handle: bytes = b"", department: str = ""
    ) -> list[Half]:
        request = _request(
            pb.HalvesRequest, request_id=request_id, role=role, handle=handle, department=department
        )
        return [convert.half(reply) async for reply in self._stream("Halves", request, self._timeout_ms)]

    async def receipt(self, request_id: bytes, height: int = 0) -> bytes:
        request = _request(pb.ReceiptRequest, request_id=request_id, height=height)
        data = bytearray()
        async for reply in self._stream("Receipt", request, self._timeout_ms):
            data += reply.data
            if len(data) > MAX_RECEIPT_BYTES:
                raise self._odd("a receipt without end")
        return bytes(data)

    async def delivery(self, request_id: bytes) -> DeliveryReport:
        reply = await self._call("Delivery", _request(pb.DeliveryRequest, request_id=request_id))
        return msgspec.msgpack.decode(reply.report, type=DeliveryReport)

    async def fetch(self, request_id: bytes, project_sealing_private: bytes) -> AsyncIterator[ReleasedObject]:
        """The decrypted objects of a release, one by one."""
        request = _request(
            pb.FetchRequest, request_id=request_id, project_sealing_private=project_sealing_private
        )
        head: Any = None
        data = bytearray()
        async for reply in self._stream("Fetch", request):
            if reply.HasField("head"):
                head, data = reply.head, bytearray()
            data += reply.data
            if head is None or len(data) > min(head.length_bytes, MAX_PLAINTEXT_BYTES):
                raise self._odd("an object that is longer than announced")
            if len(data) == head.length_bytes:
                yield ReleasedObject(head.object_id, head.pseudonym, head.data_class, bytes(data), head.rule)
                head = None
        if head is not None:
            raise self._odd("an object that ends too early")

    def _odd(self, what: str) -> OperatorError:
        return OperatorError(
            GTW_BROKEN,
            f"the node at {self.path} sent {what}",
            unchanged="nothing of it was used",
            next_step=f"chainnode status --socket {shlex.quote(str(self.path))}",
        )
