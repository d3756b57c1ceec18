"""What the state rests on is found again from the state alone."""

import inspect
from typing import get_type_hints

from chainnode.ledger import networkrecords, records
from chainnode.ledger.anchoring import index_entries
from chainnode.ledger.payloads import AnchorRecords
from chainnode.ledger.records import BatchRecord, Record, Source
from chainnode.ledger.sources import _KINDS, record_at, rows_of, sources_of
from chainnode.ledger.transaction import TransactionBody
from consensus.codec import decode, encode
from tests.ledger.story import tell


def held() -> dict[bytes, bytes]:
    return {name[1:]: value for name, value in tell().chain.backend.items() if name[:1] == b"s"}


def test_every_kind_of_record_that_names_a_transaction_is_looked_into() -> None:
    """A new one that were forgotten would lose its transactions to pruning."""
    naming: set[type] = {Source}
    found = (
        *inspect.getmembers(records, inspect.isclass),
        *inspect.getmembers(networkrecords, inspect.isclass),
    )
    kinds = list(dict.fromkeys(kind for _, kind in found if issubclass(kind, Record)))
    for _ in kinds:  # so often at most does one hold another
        for kind in kinds:
            inside = {part for hint in get_type_hints(kind).values() for part in (hint, *hint_parts(hint))}
            if inside & naming:
                naming.add(kind)
    nested = {
        Source,
        records.ConsentRecord,
        records.ClassRevocation,
        records.DealtRecord,
        records.RenewedKey,
    }
    assert naming - nested == {*_KINDS.values(), records.RequestRevocationRecord}


def hint_parts(hint: object) -> tuple[type, ...]:
    return tuple(part for part in getattr(hint, "__args__", ()) if isinstance(part, type))


def test_every_value_of_a_chains_story_decodes_under_its_key() -> None:
    scene = tell()
    seen: set[type] = set()
    for key, value in held().items():
        record = record_at(key, value)
        if record is None:
            assert key.split(b"/")[0] in (b"genesis", b"member", b"registrar", b"key")
            continue
        seen.add(type(record))
        assert encode(record) == value
        for source in sources_of(record):
            transaction, height = scene.chain.transactions[source.transaction_id]
            assert height == source.height and transaction.id() == source.transaction_id
    assert {kind.__name__ for kind in seen} >= {"EnrolmentRecord", "BatchRecord", "ReleaseRecord"}


def test_rows_that_records_name_are_those_that_came_with_their_transactions() -> None:
    scene = tell()
    named = {
        digest
        for key, value in held().items()
        if (record := record_at(key, value)) is not None
        for digest in rows_of(record)
    }
    assert named and named == set(scene.chain.rows)


def test_the_index_beside_the_tree_follows_from_the_anchoring_transactions() -> None:
    scene = tell()
    made: dict[bytes, bytes] = {}
    for key, value in held().items():
        record = record_at(key, value)
        if isinstance(record, BatchRecord):
            body = scene.chain.transactions[record.anchored.transaction_id][0].body
            payload = decode(body, TransactionBody, limit_bytes=len(body)).payload
            assert isinstance(payload, AnchorRecords)
            root, entries = index_entries(payload)
            assert key == b"batch/" + root
            made.update((b"i" + name, encode(entry)) for name, entry in entries)
    assert made == {name: value for name, value in scene.chain.backend.items() if name[:1] == b"i"}
