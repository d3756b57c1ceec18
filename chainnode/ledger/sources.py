"""What a value of the state rests on: transactions and personal rows, beside the value itself.

A node that keeps no old blocks keeps these transactions, and one that takes over a snapshot asks for them:
receipts of decisions to come need their bodies.
"""

from collections.abc import Iterator
from typing import Any

from chainnode.ledger.networkrecords import DiseasesRecord, EquivocationRecord, StandingRecord
from chainnode.ledger.records import (
    RECORD_BYTES,
    AttestedRecord,
    BatchRecord,
    ConsentsRecord,
    DealingsRecord,
    DepartmentRecord,
    EnrolmentRecord,
    ErasureRecord,
    GrantRecord,
    Record,
    ReleaseRecord,
    RenewedKeysRecord,
    RequestRecord,
    RequestRevocationRecord,
    RevocationRecord,
    ShareRecord,
    Source,
    StudyRecord,
)
from chainnode.ledger.transaction import ID_BYTES
from consensus.codec import decode
from consensus.types import Digest

_REVOCATION = b"revocation/"
_KINDS: dict[bytes, type[Record]] = {
    b"department/": DepartmentRecord,
    b"study/": StudyRecord,
    b"patient/": EnrolmentRecord,
    b"class-key/": RenewedKeysRecord,
    b"dealing/": DealingsRecord,
    b"batch/": BatchRecord,
    b"request/": RequestRecord,
    b"grant/": GrantRecord,
    b"consent/": ConsentsRecord,
    _REVOCATION: RevocationRecord,
    b"release/": ReleaseRecord,
    b"share/": ShareRecord,
    b"standing/": StandingRecord,
    b"equivocation/": EquivocationRecord,
    b"diseases/": DiseasesRecord,
    b"erasure/": ErasureRecord,
    b"attested/": AttestedRecord,
}
"""By the first part of the key. Values under other names (see keys.py) rest on the genesis document."""


def record_at(key: bytes, value: bytes) -> Record | None:
    """The record that stands under a key of the state, None where it rests on no transaction."""
    name = key[: key.find(b"/") + 1]
    kind = _KINDS.get(name)
    if kind is RevocationRecord and len(key) > len(_REVOCATION) + ID_BYTES:
        kind = RequestRevocationRecord
    return None if kind is None else decode(value, kind, limit_bytes=RECORD_BYTES)


def sources_of(record: Record) -> Iterator[Source]:
    """The transactions that a record rests on; the same one may come more than once."""
    return (source for source in _within(record) if source.height)


def _within(value: Any) -> Iterator[Source]:
    if isinstance(value, Source):
        yield value
    elif isinstance(value, Record):
        for name in value.__struct_fields__:
            yield from _within(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _within(item)


def rows_of(record: Record) -> tuple[Digest, ...]:
    """Digests of the personal rows that a record names."""
    match record:
        case EnrolmentRecord():
            return (record.link_row,)
        case RequestRecord():
            return (record.text_row,)
        case ConsentsRecord():
            return tuple(consent.provision_row for consent in record.consents)
    return ()
