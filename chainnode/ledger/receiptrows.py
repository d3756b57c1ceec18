"""A stored receipt names its personal rows by digest, so that erasing a row erases it from receipts too.

The rows join the receipt when it is handed out; one that was erased meanwhile is left out, and the receipt
then verifies only where the decision is the same without it (receipt.py).
"""

from chainnode.ledger.receipt import MAX_RECEIPT_BYTES, MAX_RECEIPT_ITEMS
from chainnode.ledger.rows import RowLookup
from chainnode.ledger.transaction import Row
from genesis import cbor
from genesis.cbor import Plain


def without_rows(body: bytes) -> bytes:
    """What is stored of a body of `build_receipt_body`: a digest in the place of each row."""
    content = _content(body)
    if not content["rows"]:
        return body
    return cbor.encode(content | {"rows": [_row(one).digest() for one in _listed(content)]})


def with_rows(stored: bytes, rows: RowLookup) -> bytes:
    """The body again, with the rows that `rows` still finds; those that an earlier release stored whole are
    looked for too."""
    content = _content(stored)
    if not content["rows"]:
        return stored
    digests = [one if isinstance(one, bytes) else _row(one).digest() for one in _listed(content)]
    found = [row for row in map(rows, digests) if row is not None]
    return cbor.encode(content | {"rows": [[row.salt, row.data] for row in found]})


def _content(data: bytes) -> dict[str, Plain]:
    content = cbor.decode(data, limit_bytes=MAX_RECEIPT_BYTES, limit_items=MAX_RECEIPT_ITEMS)
    assert isinstance(content, dict)
    return content


def _listed(content: dict[str, Plain]) -> list[Plain]:
    rows = content["rows"]
    assert isinstance(rows, list)
    return rows


def _row(pair: Plain) -> Row:
    assert isinstance(pair, list)
    salt, data = pair
    assert isinstance(salt, bytes) and isinstance(data, bytes)
    return Row(salt, data)
