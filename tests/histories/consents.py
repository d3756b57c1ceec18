"""The consents of a patient, as the state shows them and as clients write them."""

from collections.abc import Sequence

from chainnode.ledger.records import RECORD_BYTES, ConsentsRecord
from chainnode.node.api import Entry
from consensus.codec import decode
from tests.histories.history import GRANTED, NOTHING, REVOKED, Value

SHORT = 6


def short(transaction_id: bytes) -> str:
    """Enough of an id to tell the transactions of a test apart."""
    return transaction_id.hex()[:SHORT]


def value_of(entries: Sequence[Entry], consent_id: bytes) -> Value:
    """One consent's value in the answer to a read of its patient's."""
    for entry in entries:
        for one in decode(entry.value, ConsentsRecord, limit_bytes=RECORD_BYTES).consents:
            if one.consent_id == consent_id:
                revoked = bool(one.revoked.height)
                source = one.revoked if revoked else one.given
                return Value(REVOKED if revoked else GRANTED, short(source.transaction_id))
    return NOTHING
