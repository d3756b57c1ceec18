"""Typed reading of the state, whatever it is read from: the store, a block's changes, or proofs."""

from functools import lru_cache
from typing import Protocol, TypeVar

from chainnode.ledger import keys
from chainnode.ledger.networkrecords import (
    DiseasesRecord,
    EpochRecord,
    EquivocationRecord,
    FeaturesRecord,
    MembershipRecord,
    PassedOverRecord,
    StandingRecord,
)
from chainnode.ledger.payloads import ObjectPointer
from chainnode.ledger.records import (
    RECORD_BYTES,
    BatchIndex,
    BatchRecord,
    ConsentsRecord,
    DealingsRecord,
    DealtRecord,
    DepartmentRecord,
    DroppedRows,
    EnrolmentRecord,
    ErasedRecord,
    ErasureRecord,
    ErasuresRecord,
    GrantRecord,
    HolderRecord,
    MemberRecord,
    ObjectIndex,
    Record,
    RegistrarRecord,
    ReleaseRecord,
    RenewedKeysRecord,
    RequestRecord,
    RequestRevocationRecord,
    RevocationRecord,
    ShareRecord,
    StudyRecord,
)
from consensus.codec import decode

R = TypeVar("R", bound=Record)


class Reader(Protocol):
    """`get` reads the authenticated state, `index` what stands beside the tree."""

    def get(self, key: bytes) -> bytes | None: ...

    def index(self, key: bytes) -> bytes | None: ...


def read(reader: Reader, key: bytes, type_: type[R]) -> R | None:
    """The record at `key`, None where there is none."""
    value = reader.get(key)
    return None if value is None else decode(value, type_, limit_bytes=RECORD_BYTES)


def member(reader: Reader, number: int) -> MemberRecord | None:
    return read(reader, keys.member(number), MemberRecord)


def membership(reader: Reader) -> MembershipRecord | None:
    """None before the first change of members: the founding set votes."""
    return read(reader, keys.MEMBERSHIP, MembershipRecord)


def standing(reader: Reader, number: int) -> StandingRecord | None:
    """None for a founding member that votes since then with its founding keys."""
    return read(reader, keys.standing(number), StandingRecord)


def epoch(reader: Reader, number: int) -> EpochRecord | None:
    """None for the founding epoch, and for one that was never made."""
    return read(reader, keys.epoch(number), EpochRecord)


def registrar(reader: Reader, name: str) -> RegistrarRecord | None:
    return read(reader, keys.registrar(name), RegistrarRecord)


def holder(reader: Reader, key: bytes) -> HolderRecord | None:
    return read(reader, keys.holder(key), HolderRecord)


def department(reader: Reader, number: int, slug: str) -> DepartmentRecord | None:
    return read(reader, keys.department(number, slug), DepartmentRecord)


def study(reader: Reader, number: int, department_slug: str, slug: str) -> StudyRecord | None:
    return read(reader, keys.study(number, department_slug, slug), StudyRecord)


def patient(reader: Reader, handle: bytes) -> EnrolmentRecord | None:
    return read(reader, keys.patient(handle), EnrolmentRecord)


def renewed(reader: Reader, handle: bytes) -> RenewedKeysRecord | None:
    return read(reader, keys.renewed(handle), RenewedKeysRecord)


def dealings(reader: Reader, handle: bytes) -> DealingsRecord | None:
    return read(reader, keys.dealings(handle), DealingsRecord)


def dealt(reader: Reader, handle: bytes, data_class: str, epoch: int) -> DealtRecord | None:
    """The dealing of a class key that stands, None where it was never dealt, or its dealing has ended."""
    held = dealings(reader, handle)
    for one in held.dealt if held else ():
        if (one.data_class, one.epoch) == (data_class, epoch) and not one.ended.height:
            return one
    return None


def batch(reader: Reader, root: bytes) -> BatchRecord | None:
    return read(reader, keys.batch(root), BatchRecord)


@lru_cache(maxsize=64)
def _decoded_request(value: bytes) -> RequestRecord:
    """Hundreds of grants in a block may ask for the same request, of up to 35 kB."""
    return decode(value, RequestRecord, limit_bytes=RECORD_BYTES)


def request(reader: Reader, request_id: bytes) -> RequestRecord | None:
    value = reader.get(keys.request(request_id))
    return None if value is None else _decoded_request(value)


def grant(
    reader: Reader, request_id: bytes, role: str, *, handle: bytes = b"", number: int = 0, slug: str = ""
) -> GrantRecord | None:
    """`handle` for the patient's, `number` for the steward's, `number` and `slug` for the head's."""
    key = keys.grant(request_id, role, handle=handle, number=number, slug=slug)
    return read(reader, key, GrantRecord)


def consents(reader: Reader, handle: bytes) -> ConsentsRecord | None:
    return read(reader, keys.consents(handle), ConsentsRecord)


def revocations(reader: Reader, handle: bytes) -> RevocationRecord | None:
    return read(reader, keys.revocations(handle), RevocationRecord)


def request_revocation(reader: Reader, handle: bytes, request_id: bytes) -> RequestRevocationRecord | None:
    return read(reader, keys.request_revocation(handle, request_id), RequestRevocationRecord)


def release(reader: Reader, request_id: bytes) -> ReleaseRecord | None:
    """The latest decision on a request."""
    return read(reader, keys.release(request_id), ReleaseRecord)


def share(
    reader: Reader, request_id: bytes, release_height: int, role: str, number: int, peer: int
) -> ShareRecord | None:
    return read(reader, keys.share(request_id, release_height, role, number, peer), ShareRecord)


def features(reader: Reader) -> FeaturesRecord | None:
    return read(reader, keys.FEATURES, FeaturesRecord)


def diseases(reader: Reader) -> DiseasesRecord | None:
    return read(reader, keys.DISEASES, DiseasesRecord)


def equivocation(reader: Reader, number: int, epoch: int, kind: str, slot: int) -> EquivocationRecord | None:
    return read(reader, keys.equivocation(number, epoch, kind, slot), EquivocationRecord)


def passed_over(reader: Reader) -> PassedOverRecord | None:
    return read(reader, keys.PASSED_OVER, PassedOverRecord)


def erasures(reader: Reader) -> int:
    """How many erasures there were; they are numbered from 1 on."""
    record = read(reader, keys.ERASURES, ErasuresRecord)
    return 0 if record is None else record.count


def erasure(reader: Reader, number: int) -> ErasureRecord | None:
    return read(reader, keys.erasure(number), ErasureRecord)


def erased(reader: Reader, key: bytes) -> ErasedRecord | None:
    """By which erasure something went; `key`: erased_handle, erased_object or erased_row of keys.py."""
    return read(reader, key, ErasedRecord)


def object_gone(reader: Reader, found: ObjectPointer) -> bool:
    """Whether an object was erased, by itself or with its patient's handle."""
    by_itself = erased(reader, keys.erased_object(found.object_id))
    return by_itself is not None or erased(reader, keys.erased_handle(found.handle)) is not None


def dropped_rows(reader: Reader, handle: bytes) -> DroppedRows:
    value = reader.index(keys.dropped_rows(handle))
    return DroppedRows(()) if value is None else decode(value, DroppedRows, limit_bytes=RECORD_BYTES)


def object_index(reader: Reader, object_id: bytes) -> ObjectIndex | None:
    value = reader.index(keys.object_index(object_id))
    return None if value is None else decode(value, ObjectIndex, limit_bytes=RECORD_BYTES)


def batch_index(reader: Reader, root: bytes) -> BatchIndex | None:
    value = reader.index(keys.batch_index(root))
    return None if value is None else decode(value, BatchIndex, limit_bytes=RECORD_BYTES)


def pointer(found: ObjectIndex) -> ObjectPointer:
    """The pointer that an index entry holds."""
    return decode(found.pointer, ObjectPointer, limit_bytes=RECORD_BYTES)
