"""gateway.proto's service in front of a NodeApi: one instance a socket, so a call's role is known.

Every call is converted, bounded and logged here; what it means is the node's. Errors leave as a
status with an ErrorDetail (failure.py), and a fault of ours never shows its insides to a client.
"""

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import msgspec
import structlog

from chainnode.gateway import convert, failure
from chainnode.gateway import gateway_pb2 as pb
from chainnode.gateway import gateway_pb2_grpc as pb_grpc
from chainnode.gateway.errors import (
    OBJECT_TOO_LARGE,
    READER_TOO_SLOW,
    REQUEST_MALFORMED,
    ROLE_NOT_ALLOWED,
    UPLOADS_BUSY,
)
from chainnode.gateway.limits import CHUNK_BYTES, MAX_ENTRIES, MAX_PROOF_KEYS, Limits
from chainnode.gateway.roles import USER_KEY, submits
from chainnode.ledger.transaction import (
    MAX_ROW_BYTES,
    MAX_ROWS,
    MAX_TRANSACTION_BYTES,
    Submission,
    TransactionBody,
)
from chainnode.node.api import AnchorOrder, NodeApi, ObjectUpload, Refused, ReleasedObject, Role
from consensus.codec import DecodeError, decode
from genesis.errors import OperatorError

MAX_SUBMISSION_BYTES = MAX_TRANSACTION_BYTES + MAX_ROWS * (MAX_ROW_BYTES + 64) + 256
_Handler = Callable[..., Awaitable[Any]]


def claimed_user(context: Any) -> str:
    """Who the client says it is: for the log alone, since gRPC hides what the kernel knows."""
    for key, value in context.invocation_metadata() or ():
        if key == USER_KEY and isinstance(value, str):
            return "".join(filter(str.isprintable, value))[:64]
    return ""


def _guarded(handler: _Handler) -> _Handler:
    """Turn what the node raises into a status; log a fault of ours and name it BUG-01."""

    @functools.wraps(handler)
    async def call(self: "NodeService", request: Any, context: Any) -> Any:
        try:
            return await handler(self, request, context)
        except (Refused, OperatorError) as error:
            self.log.info("gateway.refused", call=handler.__name__, reason=str(error))
            metadata = ((failure.DETAIL_KEY, failure.to_detail(error)),)
            await context.abort(failure.status_of(error), str(error)[:500], metadata)
        except grpc.aio.BaseError:
            raise  # the call is over: aborted by us, or cancelled by the client
        except Exception:
            self.log.exception("gateway.bug", call=handler.__name__)
            await context.abort(grpc.StatusCode.INTERNAL, "BUG-01: a fault of the node, see its log")

    return call


class NodeService(pb_grpc.NodeServicer):  # type: ignore[misc]
    """Serves `api` to the clients of one role's socket."""

    def __init__(self, api: NodeApi, role: Role, limits: Limits) -> None:
        self._api = api
        self._role = role
        self._limits = limits
        self._uploads = asyncio.Semaphore(limits.uploads)
        self.log = structlog.get_logger("gateway").bind(role=role.value)

    def _note(self, what: str, context: Any, **fields: Any) -> None:
        self.log.info(what, claimed_user=claimed_user(context), **fields)

    async def _write(self, context: Any, message: Any) -> None:
        """Hand one message to the client, who must read it in time: nothing piles up behind it."""
        try:
            await asyncio.wait_for(context.write(message), self._limits.stall_ms / 1_000)
        except TimeoutError:
            raise Refused(
                READER_TOO_SLOW, f"the stream was not read for {self._limits.stall_ms} ms"
            ) from None

    async def _relay(self, context: Any, source: AsyncIterator[Any], reply: Callable[[Any], Any]) -> None:
        """Write what comes, pulled one by one; the node's generator is closed whatever happens."""
        try:
            async for item in source:
                await self._write(context, reply(item))
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()

    @_guarded
    async def Status(self, request: Any, context: Any) -> Any:
        return convert.status_reply(self._api.status())

    @_guarded
    async def Info(self, request: Any, context: Any) -> Any:
        return convert.info_reply(self._api.info())

    @_guarded
    async def Why(self, request: Any, context: Any) -> Any:
        return pb.WhyReply(report=msgspec.msgpack.encode(self._api.why()))

    @_guarded
    async def Evidence(self, request: Any, context: Any) -> Any:
        return convert.evidence_reply(self._api.evidence())

    @_guarded
    async def EvidenceFile(self, request: Any, context: Any) -> None:
        data = self._api.evidence_file(convert.exact("id", request.id, 32))
        for start in range(0, len(data), CHUNK_BYTES):
            await self._write(context, pb.EvidenceFileReply(data=data[start : start + CHUNK_BYTES]))

    @_guarded
    async def Backup(self, request: Any, context: Any) -> None:
        self._note("gateway.backup", context, objects=not request.without_objects)
        pieces = self._api.backup(objects=not request.without_objects)
        await self._relay(context, pieces, lambda piece: pb.BackupReply(data=piece))

    @_guarded
    async def Submit(self, request: Any, context: Any) -> Any:
        self._check_kind(request.submission)
        result = await self._api.submit(
            request.submission,
            convert.parts(request.parts),
            client=self._role.value,
            timeout_ms=convert.timeout(request.timeout_ms),
        )
        self._note(
            "gateway.submit", context, transaction=result.transaction_id.hex(), outcome=result.outcome.value
        )
        return convert.submit_reply(result)

    def _check_kind(self, submission: bytes) -> None:
        """What does not decode goes on to the node, whose signed statement says why it is no transaction."""
        try:
            inner = decode(submission, Submission, limit_bytes=MAX_SUBMISSION_BYTES).transaction
            body = decode(inner.body, TransactionBody, limit_bytes=MAX_TRANSACTION_BYTES)
        except DecodeError:
            return
        if not submits(self._role, body.payload):
            kind = body.payload.__struct_config__.tag
            raise Refused(
                ROLE_NOT_ALLOWED, f"the {self._role.value} socket does not take {kind} transactions"
            )

    @_guarded
    async def Read(self, request: Any, context: Any) -> None:
        result = await self._api.read(
            request.key,
            prefix=request.prefix,
            limit=convert.at_most("limit", request.limit, MAX_ENTRIES),
            min_height=request.min_height,
            strong=request.strong,
            timeout_ms=convert.timeout(request.timeout_ms),
        )
        reply = pb.ReadReply(stamp=convert.stamp_message(result.stamp))
        size = 0
        for entry in result.entries:
            if size >= CHUNK_BYTES:
                await self._write(context, reply)
                reply, size = pb.ReadReply(), 0
            reply.entries.add(key=entry.key, value=entry.value)
            size += len(entry.key) + len(entry.value)
        await self._write(context, reply)

    @_guarded
    async def Row(self, request: Any, context: Any) -> Any:
        digest = convert.exact("row_digest", request.row_digest, 32)
        data = await self._api.row(digest)
        self._note("gateway.row", context, row=digest.hex())
        return pb.RowReply(data=data)

    @_guarded
    async def Block(self, request: Any, context: Any) -> Any:
        return convert.block_reply(await self._api.block(request.height))

    @_guarded
    async def Transaction(self, request: Any, context: Any) -> Any:
        found = await self._api.transaction(convert.exact("transaction_id", request.transaction_id, 32))
        height, code, transaction = found
        return pb.TransactionReply(height=height, code=code, transaction=transaction)

    @_guarded
    async def Object(self, request: Any, context: Any) -> Any:
        pointer, batch, held = await self._api.object(convert.exact("object_id", request.object_id, 16))
        return pb.ObjectReply(pointer=pointer, batch=batch, held=held)

    @_guarded
    async def Blocks(self, request: Any, context: Any) -> None:
        await self._relay(context, self._api.blocks(request.from_height), convert.block_reply)

    @_guarded
    async def Events(self, request: Any, context: Any) -> None:
        await self._relay(context, self._api.events(request.from_height), convert.event_reply)

    @_guarded
    async def StateProof(self, request: Any, context: Any) -> None:
        convert.at_most("the number of keys", len(request.keys), MAX_PROOF_KEYS)
        data = await self._api.state_proof(
            tuple(request.keys),
            min_height=request.min_height,
            strong=request.strong,
            timeout_ms=convert.timeout(request.timeout_ms),
        )
        for start in range(0, len(data), CHUNK_BYTES):
            await self._write(context, pb.StateProofReply(data=data[start : start + CHUNK_BYTES]))

    @_guarded
    async def Stretch(self, request: Any, context: Any) -> None:
        items = self._api.stretch(request.first, request.last, headers_only=request.headers_only)
        await self._relay(context, _pieces(items), lambda reply: reply)

    @_guarded
    async def IntakeKey(self, request: Any, context: Any) -> Any:
        key = self._api.intake_key(request.department)
        self._note("gateway.intake-key", context, department=request.department)
        return pb.IntakeKeyReply(key=key)

    @_guarded
    async def LinkSubject(self, request: Any, context: Any) -> Any:
        handle = convert.exact("handle", request.handle, 16)
        await self._api.link_subject(convert.macs(request.macs), handle)
        self._note("gateway.link-subject", context, handle=handle.hex())
        return pb.LinkSubjectReply()

    @_guarded
    async def ResolveSubject(self, request: Any, context: Any) -> Any:
        return pb.ResolveSubjectReply(handle=await self._api.resolve_subject(convert.macs(request.macs)))

    @_guarded
    async def Seen(self, request: Any, context: Any) -> Any:
        return pb.SeenReply(seen=await self._api.seen(convert.macs(request.macs)))

    @_guarded
    async def PutObject(self, request: AsyncIterator[Any], context: Any) -> Any:
        try:
            await asyncio.wait_for(self._uploads.acquire(), self._limits.stall_ms / 1_000)
        except TimeoutError:
            raise Refused(UPLOADS_BUSY, f"{self._limits.uploads} objects are being taken in") from None
        try:
            upload = await self._collect(request)
            await self._api.put_object(upload)
        finally:
            self._uploads.release()
        self._note("gateway.put-object", context, object=upload.object_id.hex())
        return pb.PutObjectReply()

    async def _collect(self, requests: AsyncIterator[Any]) -> ObjectUpload:
        """Assemble an upload. The client must go on sending within the stall bound."""
        iterator = aiter(requests)
        first = await self._next(iterator)
        if first is None:
            raise Refused(REQUEST_MALFORMED, "an upload starts with the object's id, length and wraps")
        expected = first.length_bytes
        if expected > self._limits.object_bytes:
            raise Refused(
                OBJECT_TOO_LARGE, f"{expected} bytes, at most {self._limits.object_bytes} are taken"
            )
        body = bytearray(first.data)
        while len(body) <= expected and (chunk := await self._next(iterator)) is not None:
            body += chunk.data
        if len(body) != expected:
            raise Refused(REQUEST_MALFORMED, f"the object has {len(body)} bytes, {expected} were announced")
        object_id = convert.exact("object_id", first.object_id, 16)
        return ObjectUpload(object_id, bytes(body), first.hospital_wrap, first.recipients)

    async def _next(self, iterator: AsyncIterator[Any]) -> Any:
        try:
            return await asyncio.wait_for(anext(iterator, None), self._limits.stall_ms / 1_000)
        except TimeoutError:
            raise Refused(READER_TOO_SLOW, "the upload stood still for too long") from None

    @_guarded
    async def Anchor(self, request: Any, context: Any) -> Any:
        order = AnchorOrder(
            request.department,
            request.study,
            request.policy,
            tuple(request.pointers),
            request.sealed_key,
            convert.exact("report_digest", request.report_digest, 32),
            tuple(convert.macs(request.seen)),
        )
        timeout_ms = convert.timeout(request.timeout_ms)
        result = await self._api.anchor(order, client=self._role.value, timeout_ms=timeout_ms)
        self._note(
            "gateway.anchor",
            context,
            department=order.department,
            study=order.study,
            objects=len(order.pointers),
            transaction=result.transaction_id.hex(),
            outcome=result.outcome.value,
        )
        return convert.submit_reply(result)

    @_guarded
    async def Halves(self, request: Any, context: Any) -> None:
        request_id = convert.exact("request_id", request.request_id, 16)
        if request.handle:
            convert.exact("handle", request.handle, 16)
        halves = await self._api.halves(
            request_id, role=request.role, handle=request.handle, department=request.department
        )
        self._note(
            "gateway.halves", context, request=request_id.hex(), as_role=request.role, objects=len(halves)
        )
        for half in halves:
            await self._write(context, convert.half_reply(half))

    @_guarded
    async def Receipt(self, request: Any, context: Any) -> None:
        request_id = convert.exact("request_id", request.request_id, 16)
        data = await self._api.receipt(request_id, request.height)
        for start in range(0, len(data), CHUNK_BYTES):
            await self._write(context, pb.ReceiptReply(data=data[start : start + CHUNK_BYTES]))

    @_guarded
    async def Delivery(self, request: Any, context: Any) -> Any:
        report = await self._api.delivery(convert.exact("request_id", request.request_id, 16))
        return pb.DeliveryReply(report=msgspec.msgpack.encode(report))

    @_guarded
    async def Fetch(self, request: Any, context: Any) -> None:
        request_id = convert.exact("request_id", request.request_id, 16)
        self._note("gateway.fetch", context, request=request_id.hex())
        chunks = _chunked(self._api.fetch(request_id, request.project_sealing_private))
        await self._relay(context, chunks, lambda reply: reply)


async def _pieces(source: AsyncIterator[bytes]) -> AsyncGenerator[Any, None]:
    try:
        async for item in source:
            for start in range(0, len(item), CHUNK_BYTES):
                end = start + CHUNK_BYTES
                yield pb.StretchReply(data=item[start:end], end=end >= len(item))
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()


async def _chunked(source: AsyncIterator[ReleasedObject]) -> AsyncGenerator[Any, None]:
    try:
        async for item in source:
            head = pb.ReleasedHead(
                object_id=item.object_id,
                pseudonym=item.pseudonym,
                data_class=item.data_class,
                rule=item.rule,
                length_bytes=len(item.plaintext),
            )
            yield pb.FetchReply(head=head, data=item.plaintext[:CHUNK_BYTES])
            for start in range(CHUNK_BYTES, len(item.plaintext), CHUNK_BYTES):
                yield pb.FetchReply(data=item.plaintext[start : start + CHUNK_BYTES])
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()
