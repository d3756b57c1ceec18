"""Transactions to measure with: four members, one study, enrolled patients, all derived from numbers.

Patients and study are written into the state at height 0, as records: enrolling ten thousand patients by
transactions would take longer than all the measuring.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import cycle, islice

from nacl.bindings import crypto_sign_open

from chainnode.ledger import keys
from chainnode.ledger.admission import check_batch
from chainnode.ledger.documents import ConsentDocument, Provision
from chainnode.ledger.fields import Verify
from chainnode.ledger.founding import Founding, genesis_state
from chainnode.ledger.payloads import (
    DATA_CLASSES,
    PERMIT,
    AnchorRecords,
    ClassKey,
    Consent,
    ObjectPointer,
    Payload,
    Revoke,
    UsePolicy,
)
from chainnode.ledger.records import (
    HOLDER_PATIENT,
    DepartmentRecord,
    EnrolmentRecord,
    HolderRecord,
    MemberRecord,
    RegistrarRecord,
    Source,
    StudyRecord,
)
from chainnode.ledger.rules import Refusal
from chainnode.ledger.transaction import (
    BatchBody,
    Row,
    SignedBatch,
    SignedTransaction,
    Submission,
    TransactionBody,
    batch_signed_bytes,
    sign_transaction,
)
from chainnode.vault.keys import SigningKey, valid_point, verify
from consensus.codec import decode, encode
from consensus.domain import digest, signing_bytes
from consensus.parameters import Parameters
from consensus.types import BatchRef, ReplicaSet

CHAIN_ID = digest("genesis", b"bench")
CREATED_MS = 1_700_000_000_000
PARAMETERS = Parameters(batch_bytes=1_048_576)
"""The greatest batches that a consortium can choose: 1,000 transactions fit one."""
VALID_UNTIL_HEIGHT = 1_000
ANCHOR_EVERY = 20
"""In the mix each twentieth transaction anchors records, the others are consents."""
ANCHOR_POINTERS = 20
MEMBER, DEPARTMENT, STUDY = 0, "cardiology", "heart"
_FOUNDED = Source(digest("transaction", b"bench"), 0)
_ACTIVE = Source(digest("transaction", b"bench"), 1)

Claim = tuple[bytes, bytes]
"""Signature with the signed bytes behind it, and the key: what the raw library takes."""


def signing_key(name: str) -> SigningKey:
    return SigningKey(sha256(name.encode()).digest())


def id16(name: str) -> bytes:
    return sha256(name.encode()).digest()[:16]


def _document() -> ConsentDocument:
    exception = Provision("deny", classes=("demographics",))
    root = Provision(PERMIT, purposes=("HMB", "DS"), end_ms=CREATED_MS * 2, provisions=(exception,))
    return ConsentDocument("active", "research", CREATED_MS, root)


class World:
    """`consents`, `revocations` and `anchors` make ever new submissions, the patients in turn."""

    def __init__(self, patients: int) -> None:
        self.validators = [signing_key(f"validator {n}") for n in range(4)]
        self.patients = [(id16(f"handle {n}"), signing_key(f"patient {n}")) for n in range(patients)]
        self.founding = Founding(
            CHAIN_ID,
            tuple(
                MemberRecord(
                    n, f"hospital-{n}", f"Hospital {n}", key.public, signing_key(f"steward {n}").public
                )
                for n, key in enumerate(self.validators)
            ),
            (RegistrarRecord("insurer", "Insurer", "fund", signing_key("registrar").public),),
        )
        self.replica_set: ReplicaSet = self.founding.replica_set()
        self._turn: Iterator[tuple[bytes, SigningKey]] = cycle(self.patients)
        self._count = 0
        self._provision = encode(_document())

    def entries(self) -> dict[bytes, bytes | None]:
        """The state at height 0, by key: founding, department, study and active enrolments."""
        changes = genesis_state(self.founding)
        changes[keys.department(MEMBER, DEPARTMENT)] = encode(
            DepartmentRecord(signing_key("head").public, _FOUNDED)
        )
        changes[keys.study(MEMBER, DEPARTMENT, STUDY)] = encode(StudyRecord(bytes(1_216), _FOUNDED))
        classes = tuple(ClassKey(name, 0, signing_key(name).public) for name in DATA_CLASSES)
        for handle, key in self.patients:
            changes[keys.patient(handle)] = encode(
                EnrolmentRecord(
                    member=MEMBER,
                    patient_key=key.public,
                    class_keys=classes,
                    link_row=digest("row", handle),
                    registrar="insurer",
                    enrolled=_ACTIVE,
                    attested=_ACTIVE,
                    proven=_ACTIVE,
                )
            )
            changes[keys.holder(key.public)] = encode(HolderRecord(HOLDER_PATIENT, MEMBER, handle))
        return changes

    def consents(self, count: int) -> list[Submission]:
        """Standing consents, each with its row."""
        return [self._consent() for _ in range(count)]

    def revocations(self, count: int) -> list[Submission]:
        """Revocations of a data class: the shortest that a patient signs, without rows."""
        return [
            self._sign(key, Revoke(handle, "class", b"conditions"), ())
            for handle, key in islice(self._turn, count)
        ]

    def mix(self, count: int) -> list[Submission]:
        """Consents, each ANCHOR_EVERYth transaction an anchor of ANCHOR_POINTERS pointers."""
        return [
            self._anchor() if at % ANCHOR_EVERY == ANCHOR_EVERY - 1 else self._consent()
            for at in range(count)
        ]

    def batch(self, submissions: Sequence[Submission]) -> SignedBatch:
        """As member 0 sends them."""
        self._count += 1
        transactions = tuple(one.transaction for one in submissions)
        body = encode(BatchBody(MEMBER, self._count, VALID_UNTIL_HEIGHT, transactions))
        signature = self.validators[MEMBER].sign(batch_signed_bytes(CHAIN_ID, body))
        return SignedBatch(body, signature, tuple(row for one in submissions for row in one.rows))

    def check(self, batch: SignedBatch, verify: Verify = verify) -> tuple[BatchRef, BatchBody]:
        """check_batch of a batch that is good."""
        checked = check_batch(
            batch,
            origin_key=self.replica_set.key,
            chain_id=CHAIN_ID,
            parameters=PARAMETERS,
            verify=verify,
            valid_point=valid_point,
        )
        assert not isinstance(checked, Refusal), checked
        return checked

    def _consent(self) -> Submission:
        handle, key = next(self._turn)
        salt = sha256(b"salt %d" % self._count).digest()
        row = Row(salt, self._provision)
        return self._sign(key, Consent(handle, id16(f"consent {self._count}"), row.digest()), (row,))

    def _anchor(self) -> Submission:
        owners = list(islice(self._turn, ANCHOR_POINTERS))
        pointers = tuple(self._pointer(at, handle) for at, (handle, _) in enumerate(owners))
        payload = AnchorRecords(
            MEMBER, DEPARTMENT, STUDY, UsePolicy("GRU"), pointers, bytes(1_200), digest("report")
        )
        return self._sign(self.validators[MEMBER], payload, ())

    def _pointer(self, at: int, handle: bytes) -> ObjectPointer:
        name = b"%d/%d" % (self._count, at)
        return ObjectPointer(
            object_id=id16(f"object {self._count}/{at}"),
            handle=handle,
            data_class="conditions",
            level=3,
            epoch=0,
            root=digest("root", name),
            length_bytes=65_564,
            commitment_hospital=digest("h", name),
            commitment_patient=digest("p", name),
            commitment_dek=digest("d", name),
            locator=digest("l", name) * 2,
        )

    def _sign(self, key: SigningKey, payload: Payload, rows: Sequence[Row]) -> Submission:
        self._count += 1
        return sign_transaction(
            payload,
            chain_id=CHAIN_ID,
            valid_until_height=VALID_UNTIL_HEIGHT,
            nonce=id16(f"nonce {self._count}"),
            signer=key.public,
            sign=key.sign,
            rows=rows,
        )


def claim(transaction: SignedTransaction) -> Claim:
    """The signature of a transaction as the raw library takes it."""
    signer = decode(transaction.body, TransactionBody, limit_bytes=len(transaction.body)).signer
    return transaction.signature + signing_bytes("transaction", CHAIN_ID, transaction.body), signer


def batch_claims(world: World, batch: SignedBatch) -> list[Claim]:
    """All signatures of a batch, its origin's first."""
    origin = batch.signature + batch_signed_bytes(CHAIN_ID, batch.body), world.validators[MEMBER].public
    return [origin, *(claim(one) for one in world.check(batch)[1].transactions)]


def verify_raw(claims: Sequence[Claim]) -> None:
    """The floor under everything that checks signatures: the bare library, once for each."""
    for signed, key in claims:
        crypto_sign_open(signed, key)
