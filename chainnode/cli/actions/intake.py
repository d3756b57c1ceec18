"""Taking records in, in this process: de-identify, encrypt under split keys, hand over, anchor.

The node gets ciphertexts and wraps alone. Objects are handed over before they are anchored, so that
what the chain names can be read; an intake that breaks off in between leaves objects that nobody
names, and running it again takes in what is missing.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from chainnode.cli.actions.base import find, require_committed
from chainnode.cli.actions.departments import study_key
from chainnode.cli.next_steps import PATIENT_NOT_ENROLLED
from chainnode.gateway.client import GatewayClient
from chainnode.intake.bundle import Limits
from chainnode.intake.process import IntakeResult, Rejected, Subject, process_bundle
from chainnode.intake.report import DeidReport, combined
from chainnode.ledger import keys
from chainnode.ledger.dealing import newest
from chainnode.ledger.payloads import MAX_POINTERS, ClassKey, ObjectPointer, UsePolicy
from chainnode.ledger.records import EnrolmentRecord, RenewedKeysRecord
from chainnode.ledger.transaction import ID_BYTES
from chainnode.node.api import AnchorOrder, ObjectUpload, Refused
from chainnode.pool.container import SealedObject, seal_object
from chainnode.pool.halves import policy_digest
from chainnode.pool.locators import seal_locators
from chainnode.vault.sealing import OVERHEAD_BYTES
from consensus.codec import encode
from genesis.errors import OperatorError

MAX_ANCHOR_BYTES = 200_000
SCHEMA = "fhir-r4-ndjson"
TAKEN_IN_BEFORE = "taken-in-before"
"""The one reason to leave something out that is no shortcoming."""
_POINTER_OVERHEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class IntakePlan:
    """Where records go, under which use policy; `level` as in GB/T 39725, 1 to 5."""

    department: str
    study: str
    policy: UsePolicy
    profile: str
    level: int = 3
    dry_run: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A subject's data that was not taken in: `bundle` counts from 1, `reason` is a code."""

    bundle: int
    data_class: str
    reason: str


@dataclass(frozen=True, slots=True)
class Anchored:
    """A certified batch: its transaction, height, objects, and the digest of the report with it."""

    transaction_id: bytes
    height: int
    objects: tuple[bytes, ...]
    report_digest: bytes


@dataclass(slots=True)
class IntakeOutcome:
    """What became of a run. `failed`: bundles (counted from 1) that were refused as a whole."""

    reports: list[DeidReport] = field(default_factory=list)
    anchored: list[Anchored] = field(default_factory=list)
    rejected: list[tuple[int, Rejected]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[tuple[int, OperatorError]] = field(default_factory=list)

    @property
    def report(self) -> DeidReport | None:
        """The de-identification report of the whole run; None where no bundle was readable."""
        return combined(self.reports) if self.reports else None

    @property
    def objects(self) -> int:
        return sum(len(batch.objects) for batch in self.anchored)


@dataclass(slots=True)
class _Pending:
    pointers: list[tuple[ObjectPointer, bytes]] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    reports: list[DeidReport] = field(default_factory=list)
    size_bytes: int = 0


Progress = Callable[[int], None]
"""Told after each bundle how many are done."""


async def add_records(
    client: GatewayClient,
    plan: IntakePlan,
    bundles: Iterable[Callable[[], bytes]],
    *,
    progress: Progress = lambda _: None,
) -> IntakeOutcome:
    """Take in bundles, each read by a call that may raise BundleError.

    One bad bundle or resource does not stop the others: see IntakeOutcome. Raises NotFound for an
    unknown study, TransactionRefused, OperatorError of the store (disk full): what was anchored
    before stays anchored.
    """
    run = _Run(client, plan, await client.intake_key(plan.department))
    await run.prepare()
    for number, read in enumerate(bundles, start=1):
        await run.take(number, read)
        progress(number)
    await run.flush()
    return run.outcome


class _Run:
    """The state of one call."""

    def __init__(self, client: GatewayClient, plan: IntakePlan, key: bytes) -> None:
        self.outcome = IntakeOutcome()
        self._client = client
        self._plan = plan
        self._key = key
        self._pending = _Pending()
        self._taken: set[bytes] = set()
        self._enrolments: dict[bytes, EnrolmentRecord | None] = {}
        self._class_keys: dict[bytes, tuple[ClassKey, ...]] = {}

    async def prepare(self) -> None:
        info = await self._client.info()
        self._chain_id, self._member = info.chain_id, info.member
        self._study_public = await study_key(self._client, self._plan.department, self._plan.study)
        self._policy = policy_digest(self._plan.policy)

    async def take(self, number: int, read: Callable[[], bytes]) -> None:
        """One bundle, from its bytes to objects that wait to be anchored."""
        try:
            data = await asyncio.to_thread(read)
            result: IntakeResult = await asyncio.to_thread(
                process_bundle, data, profile=self._plan.profile, key=self._key, limits=self._plan.limits
            )
        except OperatorError as error:
            self.outcome.failed.append((number, error))
            return
        self.outcome.reports.append(result.report)
        self.outcome.rejected.extend((number, item) for item in result.rejected)
        self._pending.reports.append(result.report)
        for subject in result.subjects:
            await self._take_subject(number, subject)

    async def _take_subject(self, number: int, subject: Subject) -> None:
        macs = list(subject.idempotency.values())
        seen = dict(zip(macs, await self._client.seen(macs), strict=True)) if macs else {}
        handle, unknown = await self._resolve(subject)
        enrolment = None if handle is None else await self._enrolment(handle)
        for data_class, plaintext in subject.classes.items():
            mac = subject.idempotency[data_class]
            reason = ""
            class_key = newest(self._class_keys.get(handle or b"", ()), data_class)
            if seen[mac] or mac in self._taken:
                reason = TAKEN_IN_BEFORE
            elif handle is None or enrolment is None:
                reason = unknown
            elif not enrolment.active:
                reason = "enrolment-not-active"
            elif class_key is None:
                reason = "unknown-class-key"
            if reason or handle is None or class_key is None:
                self.outcome.skipped.append(Skipped(number, data_class, reason))
                continue
            self._taken.add(mac)
            if not self._plan.dry_run:
                await self._add(handle, class_key, plaintext, mac)

    async def _resolve(self, subject: Subject) -> tuple[bytes | None, str]:
        """The subject's handle, or why it has none."""
        try:
            handle = await self._client.resolve_subject(subject.identifier_macs)
        except Refused as refusal:  # the identifiers point to two enrolments
            return None, refusal.rule
        return handle, PATIENT_NOT_ENROLLED

    async def _enrolment(self, handle: bytes) -> EnrolmentRecord | None:
        if handle not in self._enrolments:
            record = await find(self._client, keys.patient(handle), EnrolmentRecord)
            renewed = await find(self._client, keys.renewed(handle), RenewedKeysRecord)
            later = [one.key for one in renewed.keys] if renewed else []
            self._enrolments[handle] = record
            self._class_keys[handle] = (*record.class_keys, *later) if record else ()
        return self._enrolments[handle]

    async def _add(self, handle: bytes, class_key: ClassKey, plaintext: bytes, mac: bytes) -> None:
        sealed: SealedObject = await asyncio.to_thread(
            seal_object,
            plaintext,
            chain_id=self._chain_id,
            object_id=os.urandom(ID_BYTES),
            member=self._member,
            policy_digest=self._policy,
            study_public=self._study_public,
            class_point=class_key.point,
            epoch=class_key.epoch,
        )
        await self._hand_over(sealed)
        pointer = ObjectPointer(
            object_id=sealed.object_id,
            handle=handle,
            data_class=class_key.data_class,
            level=self._plan.level,
            epoch=class_key.epoch,
            root=sealed.root,
            length_bytes=sealed.length_bytes,
            commitment_hospital=sealed.commitments.hospital,
            commitment_patient=sealed.commitments.patient,
            commitment_dek=sealed.commitments.dek,
            locator=b"",
        )
        locator = encode(("pool", SCHEMA, self._plan.profile))
        size_bytes = len(encode(pointer)) + len(locator) + _POINTER_OVERHEAD_BYTES
        pending = self._pending
        full = len(pending.pointers) >= MAX_POINTERS
        if full or pending.size_bytes + size_bytes + OVERHEAD_BYTES > MAX_ANCHOR_BYTES:
            await self.flush()
        self._pending.pointers.append((pointer, locator))
        self._pending.seen.append(mac)
        self._pending.size_bytes += size_bytes

    async def _hand_over(self, sealed: SealedObject) -> None:
        upload = ObjectUpload(sealed.object_id, sealed.ciphertext, sealed.w_h, sealed.recipients)
        try:
            await self._client.put_object(upload)
        except OperatorError:  # a full disk above all
            # What is stored is anchored all the same: running it again then takes in the rest.
            with contextlib.suppress(OperatorError, Refused):
                await self.flush()
            raise

    async def flush(self) -> None:
        """Anchor what waits, in one batch with the report of the bundles that it came from."""
        pending = self._pending
        if not pending.pointers:
            return
        report = combined(pending.reports).digest()
        sealed = seal_locators(
            [(pointer.object_id, locator) for pointer, locator in pending.pointers],
            chain_id=self._chain_id,
            member=self._member,
            study=self._plan.study,
            study_public=self._study_public,
        )
        pointers = _with_locators([pointer for pointer, _ in pending.pointers], sealed.locators)
        order = AnchorOrder(
            self._plan.department,
            self._plan.study,
            encode(self._plan.policy),
            tuple(map(encode, pointers)),
            sealed.sealed_key,
            report,
            tuple(pending.seen),
        )
        result = require_committed(await self._client.anchor(order))
        objects = tuple(pointer.object_id for pointer in pointers)
        self.outcome.anchored.append(Anchored(result.transaction_id, result.height, objects, report))
        # A bundle that fills more than one batch stands in the report of each.
        self._pending = _Pending(reports=pending.reports[-1:])


def _with_locators(pointers: Sequence[ObjectPointer], locators: Sequence[bytes]) -> list[ObjectPointer]:
    return [
        structs.replace(pointer, locator=locator) for pointer, locator in zip(pointers, locators, strict=True)
    ]
