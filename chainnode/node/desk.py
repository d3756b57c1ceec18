"""Intake's and signers' side of a node: objects into the pool, anchors, and the halves to be opened."""

from collections.abc import Sequence

from structlog.stdlib import BoundLogger

from chainnode.ledger import view
from chainnode.ledger.payloads import ROLE_HEAD, ROLE_PATIENT, AnchorRecords, ObjectPointer, UsePolicy
from chainnode.node.admissions import Admissions
from chainnode.node.api import (
    AnchorOrder,
    Half,
    NotFound,
    ObjectUpload,
    Refused,
    SubmitResult,
)
from chainnode.node.executor import Executor
from chainnode.node.releases import Releases
from chainnode.node.reserve import DiskReserve
from chainnode.node.stash import LocalRows
from chainnode.pool.errors import ObjectError
from chainnode.pool.objectstore import ObjectStore
from chainnode.pool.pool import Pool
from chainnode.vault.derive import derive_intake_key
from consensus.codec import DecodeError, decode, encode
from genesis.errors import OperatorError

MAC_BYTES = 16
SUBJECT = b"subject/"
MAX_MACS = 10_000


class Desk:
    """Local rows: subject/<mac> -> handle, seen/<mac> -> the transaction that was to anchor it."""

    def __init__(
        self,
        *,
        member: int,
        local_key: bytes,
        pool: Pool,
        rows: LocalRows,
        executor: Executor,
        releases: Releases,
        admissions: Admissions,
        reserve: DiskReserve,
        log: BoundLogger,
    ) -> None:
        self._reserve = reserve
        self._member = member
        self._local_key = local_key
        self._pool = pool
        self._rows = rows
        self._executor = executor
        self._releases = releases
        self._admissions = admissions
        self._log = log

    def intake_key(self, department: str) -> bytes:
        if view.department(self._executor.state, self._member, department) is None:
            raise NotFound("unknown-department", f"this member has no department {department}")
        return derive_intake_key(self._local_key, department)

    async def link_subject(self, macs: Sequence[bytes], handle: bytes) -> None:
        known = {self._rows.local_get(SUBJECT + mac) for mac in self._require_macs(macs)} - {None, handle}
        if known:
            raise Refused("subject-linked", "one of these identifiers belongs to another enrolment already")
        self._rows.local_write({SUBJECT + mac: handle for mac in macs})

    async def resolve_subject(self, macs: Sequence[bytes]) -> bytes | None:
        found = {self._rows.local_get(SUBJECT + mac) for mac in self._require_macs(macs)} - {None}
        if len(found) > 1:
            raise Refused("subject-ambiguous", "these identifiers belong to more than one enrolment")
        return found.pop() if found else None

    async def seen(self, macs: Sequence[bytes]) -> tuple[bool, ...]:
        return tuple(self._anchored(self._rows.local_get(b"seen/" + mac)) for mac in self._require_macs(macs))

    def _anchored(self, transaction_id: bytes | None) -> bool:
        """What was marked counts once the chain has it: a crash or a timeout in between leaves no doubt."""
        result = None if transaction_id is None else self._executor.result(transaction_id)
        return result is not None and not result.code

    def _require_macs(self, macs: Sequence[bytes]) -> Sequence[bytes]:
        if not 0 < len(macs) <= MAX_MACS or any(len(mac) != MAC_BYTES for mac in macs):
            raise Refused("malformed", f"1 to {MAX_MACS} MACs of {MAC_BYTES} bytes are taken")
        return macs

    async def put_object(self, upload: ObjectUpload) -> None:
        self._reserve.check()
        # Wraps first: a ciphertext that lies in the pool can be opened by those entitled to it.
        stored: list[ObjectStore] = []
        try:
            for store, data in (
                (self._pool.wraps, upload.hospital_wrap),
                (self._pool.recipients, upload.recipients),
                (self._pool.objects, upload.ciphertext),
            ):
                if await store.put_async(upload.object_id, data):
                    stored.append(store)
        except (ObjectError, OperatorError) as error:
            await self._take_back(stored, upload.object_id)
            if isinstance(error, ObjectError):
                raise Refused(error.rule, error.detail) from None
            raise

    async def _take_back(self, stored: Sequence[ObjectStore], object_id: bytes) -> None:
        """What cannot be deleted either stays, without an anchor; the first error is the one to be told."""
        for store in stored:
            try:
                await store.delete_async(object_id)
            except OperatorError as error:
                self._log.warning("not taken back", object=object_id.hex(), reason=str(error))

    async def anchor(self, order: AnchorOrder, *, client: str, timeout_ms: int) -> SubmitResult:
        self._reserve.check()
        try:
            policy = decode(order.policy, UsePolicy, limit_bytes=4_096)
            pointers = tuple(decode(one, ObjectPointer, limit_bytes=4_096) for one in order.pointers)
        except DecodeError as error:
            raise Refused(error.code, error.detail) from None
        for pointer in pointers:
            if not await self._pool.objects.exists_async(pointer.object_id):
                raise Refused("object-missing", f"{pointer.object_id.hex()} was not stored before its anchor")
        payload = AnchorRecords(
            self._member,
            order.department,
            order.study,
            policy,
            pointers,
            order.sealed_key,
            order.report_digest,
        )
        submission = self._admissions.sign(payload)
        if order.seen:
            keys = [b"seen/" + mac for mac in self._require_macs(order.seen)]
            id_ = submission.transaction.id()
            self._rows.local_write(
                {key: id_ for key in keys if not self._anchored(self._rows.local_get(key))}
            )
        return await self._admissions.submit_signed(submission, client, timeout_ms)

    async def halves(self, request_id: bytes, *, role: str, handle: bytes, department: str) -> list[Half]:
        """This member's objects of the request that the signer may speak for."""
        request = view.request(self._executor.state, request_id)
        if request is None:
            raise NotFound("unknown-request", "there is no such application")
        if role not in (ROLE_HEAD, ROLE_PATIENT):
            raise Refused("malformed", "halves are opened by the head or by the patient")
        found: list[Half] = []
        for object_id in request.objects:
            anchored = self._releases.pointer(object_id)
            assert anchored is not None, "a request names anchored objects"
            pointer, batch = anchored
            speaks = batch.department == department if role == ROLE_HEAD else pointer.handle == handle
            if batch.member != self._member or not speaks:
                continue
            store = self._pool.wraps if role == ROLE_HEAD else self._pool.recipients
            try:
                wrapped = await store.get_async(object_id)
            except ObjectError as error:
                self._log.warning("a half is not here", object=object_id.hex(), rule=error.rule)
                continue
            found.append(Half(encode(pointer), batch.study, encode(batch.policy), wrapped))
        return found
