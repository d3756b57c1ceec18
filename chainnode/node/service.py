"""NodeApi: each call goes to the part of the node that it concerns."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from chainnode.ledger.receipt import attach_certificate
from chainnode.node.admissions import Admissions
from chainnode.node.api import (
    AnchorOrder,
    BlockView,
    ChainInfo,
    DeliveryReport,
    EventView,
    EvidenceView,
    Half,
    NotFound,
    ObjectUpload,
    Part,
    ReadResult,
    ReleasedObject,
    StatusReport,
    SubmitResult,
)
from chainnode.node.backup import BackupSource
from chainnode.node.desk import Desk
from chainnode.node.epochs import EpochSteps
from chainnode.node.executor import Executor
from chainnode.node.insight import Insight
from chainnode.node.members import Members
from chainnode.node.proving import Proving
from chainnode.node.reads import Reads
from chainnode.node.receiver import Receiver
from chainnode.node.reporting import Reporting
from chainnode.node.strong import StrongReads
from chainnode.node.whyreport import WhyReport
from chainnode.node.witness import Witness
from chainnode.pool.pool import Pool
from chainnode.store.chain import ChainStore
from consensus.codec import encode
from genesis.document import Genesis


@dataclass(frozen=True, slots=True)
class Service:
    """See NodeApi for what each method promises."""

    genesis: Genesis
    members: Members
    genesis_file: bytes
    member: int
    store: ChainStore
    executor: Executor
    reads: Reads
    admissions: Admissions
    desk: Desk
    receiver: Receiver
    reporting: Reporting
    pool: Pool
    epochs: EpochSteps
    strong: StrongReads
    insight: Insight
    witness: Witness
    proving: Proving
    backup_source: Callable[[], BackupSource]

    def status(self) -> StatusReport:
        return self.reporting.report()

    def why(self) -> WhyReport:
        return self.insight.report()

    def evidence(self) -> tuple[EvidenceView, ...]:
        return self.witness.list()

    def evidence_file(self, evidence_id: bytes) -> bytes:
        return self.witness.file(evidence_id)

    async def backup(self, *, objects: bool) -> AsyncIterator[bytes]:
        pieces = self.backup_source().pieces(objects=objects)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece

    def info(self) -> ChainInfo:
        tip = self.executor.tip
        return ChainInfo(
            chain_id=self.genesis.chain_id,
            network=self.genesis.network,
            member=self.member,
            members=tuple((one.number, one.id, one.name) for one in self.members.all()),
            height=tip.height,
            time_ms=tip.time_ms,
            validity_heights=self.genesis.parameters.validity_heights,
            genesis=self.genesis_file,
        )

    async def submit(
        self, submission: bytes, parts: Sequence[Part], *, client: str, timeout_ms: int
    ) -> SubmitResult:
        return await self.admissions.submit(submission, parts, client=client, timeout_ms=timeout_ms)

    async def read(
        self, key: bytes, *, prefix: bool, limit: int, min_height: int, strong: bool, timeout_ms: int
    ) -> ReadResult:
        if strong:
            min_height = max(min_height, await self.strong.height(timeout_ms))
        return await self.reads.state(
            key, prefix=prefix, limit=limit, min_height=min_height, timeout_ms=timeout_ms
        )

    async def row(self, row_digest: bytes) -> bytes:
        return self.reads.row(row_digest)

    async def block(self, height: int) -> BlockView:
        return self.reads.block(height)

    async def transaction(self, transaction_id: bytes) -> tuple[int, str, bytes]:
        found = self.reads.transaction(transaction_id)
        return found.height, found.code, encode(found.transaction)

    async def object(self, object_id: bytes) -> tuple[bytes, bytes, bool]:
        pointer, batch = self.reads.object(object_id)
        return pointer, batch, await self.pool.objects.exists_async(object_id)

    def blocks(self, from_height: int) -> AsyncIterator[BlockView]:
        return self.reads.blocks(from_height)

    def events(self, from_height: int) -> AsyncIterator[EventView]:
        return self.reads.events(from_height)

    async def state_proof(
        self, keys: Sequence[bytes], *, min_height: int, strong: bool, timeout_ms: int
    ) -> bytes:
        if strong:
            min_height = max(min_height, await self.strong.height(timeout_ms))
        return await self.proving.entries(keys, min_height=min_height, timeout_ms=timeout_ms)

    def stretch(self, first: int, last: int, *, headers_only: bool) -> AsyncIterator[bytes]:
        return self.proving.stretch(first, last, headers_only=headers_only)

    def intake_key(self, department: str) -> bytes:
        return self.desk.intake_key(department)

    async def link_subject(self, macs: Sequence[bytes], handle: bytes) -> None:
        await self.desk.link_subject(macs, handle)

    async def resolve_subject(self, macs: Sequence[bytes]) -> bytes | None:
        return await self.desk.resolve_subject(macs)

    async def seen(self, macs: Sequence[bytes]) -> tuple[bool, ...]:
        return await self.desk.seen(macs)

    async def put_object(self, upload: ObjectUpload) -> None:
        await self.desk.put_object(upload)

    async def anchor(self, order: AnchorOrder, *, client: str, timeout_ms: int) -> SubmitResult:
        return await self.desk.anchor(order, client=client, timeout_ms=timeout_ms)

    async def halves(self, request_id: bytes, *, role: str, handle: bytes, department: str) -> list[Half]:
        return await self.desk.halves(request_id, role=role, handle=handle, department=department)

    async def receipt(self, request_id: bytes, height: int) -> bytes:
        at, body = self.reads.receipt_body(request_id, height)
        certificate = self.store.certificate(at)
        if certificate is None:
            raise NotFound(
                "unknown-receipt", f"the certificate of height {at} itself is not here; ask a peer"
            )
        proof = self.epochs.proof(certificate.epoch)
        assert proof is not None, "every epoch that began here has its steps"
        return attach_certificate(body, certificate, proof)

    async def delivery(self, request_id: bytes) -> DeliveryReport:
        report: DeliveryReport = {**await self.receiver.progress(request_id)}
        trustees = self.receiver.trustees(request_id)
        if trustees:
            report["trustees"] = list(trustees)
        return report

    def fetch(self, request_id: bytes, project_sealing_private: bytes) -> AsyncIterator[ReleasedObject]:
        return self.receiver.fetch(request_id, project_sealing_private)
