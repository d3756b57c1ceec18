"""What of a snapshot is asked for, and the bytes that answer it: the same from everybody who has it.

An item's content may be longer than a frame: it comes in pieces, all from one peer, and is judged whole.
"""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from chainnode.ledger.transaction import MAX_ROW_BYTES, Row, SignedTransaction
from chainnode.store.reading import StoredBody
from consensus.types import BlockHeader

MAX_PREFIX = 64
MAX_STATE_KEY_BYTES = 1_024
MAX_TRANSACTIONS_ASKED = 512
MAX_ROWS_ASKED = 512

Digest32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Blocks: TypeAlias = tuple[tuple[BlockHeader, StoredBody], ...]
FoundRows: TypeAlias = tuple[Row, ...]
Bodies: TypeAlias = tuple[SignedTransaction, ...]


class StatePart(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="state-part"):
    """The state below a prefix of the key hash (nibbles, one a byte): an encoded ledger.subtree.SubTree."""

    prefix: Annotated[bytes, Meta(max_length=MAX_PREFIX)]


class StateValue(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="state-value"):
    """A value too long for its part."""

    key: Annotated[bytes, Meta(min_length=1, max_length=MAX_STATE_KEY_BYTES)]


class History(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="history"):
    """Headers and bodies from `top` down, as many as fit, one at least: encoded `Blocks`."""

    top: Annotated[int, Meta(ge=1, le=2**53)]


class Transactions(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="transactions"):
    """By id, in this order, as many as fit, one at least: encoded `Bodies`."""

    ids: Annotated[tuple[Digest32, ...], Meta(min_length=1, max_length=MAX_TRANSACTIONS_ASKED)]


class PersonalRows(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="personal-rows"):
    """Those that are here: encoded `FoundRows`. Not of the snapshot, so anybody may be asked, and one that
    was erased is absent; no more are asked for than fit."""

    digests: Annotated[tuple[Digest32, ...], Meta(min_length=1, max_length=MAX_ROWS_ASKED)]


Item: TypeAlias = StatePart | StateValue | History | Transactions | PersonalRows
"""What of a snapshot is asked for; always the same bytes, so that it may come in pieces."""


def rows_at_once(limit_bytes: int) -> int:
    """How many rows may be asked for so that all of them fit an answer."""
    return max(1, min(MAX_ROWS_ASKED, limit_bytes // (MAX_ROW_BYTES + 64)))
