"""What a node turns away at admission: its own signed word, no decision of the chain."""

from collections.abc import Callable

from msgspec import Struct

from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.fields import Verify
from chainnode.ledger.founding import Founding
from chainnode.ledger.rules import RULES
from consensus.codec import DecodeError, decode, encode
from consensus.domain import signing_bytes
from consensus.types import Digest, ReplicaId

MAX_STATEMENT_BYTES = 1_024
_KIND = "admission-refusal"


class AdmissionRefusal(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Member `member` turned a transaction away at `height` (its last executed one) by `rule`."""

    chain_id: bytes
    transaction_id: Digest
    rule: str
    height: int
    member: ReplicaId


class NodeStatement(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The exact bytes of an AdmissionRefusal and the member's validator key's signature."""

    body: bytes
    signature: bytes


def sign_refusal(refusal: AdmissionRefusal, sign: Callable[[bytes], bytes]) -> bytes:
    """An encoded NodeStatement. `sign`: Ed25519 with the member's validator key."""
    body = encode(refusal)
    return encode(NodeStatement(body, sign(signing_bytes(_KIND, refusal.chain_id, body))))


def verify_refusal(data: bytes, founding: Founding, *, verify: Verify) -> AdmissionRefusal:
    """The refusal in an encoded NodeStatement of this chain.

    Raises VerificationError: bad-statement, wrong-chain.
    """
    try:
        statement = decode(data, NodeStatement, limit_bytes=MAX_STATEMENT_BYTES)
        refusal = decode(statement.body, AdmissionRefusal, limit_bytes=MAX_STATEMENT_BYTES)
    except DecodeError as error:
        raise VerificationError("bad-statement", str(error)) from None
    if refusal.chain_id != founding.chain_id:
        raise VerificationError("wrong-chain", f"it is of chain {refusal.chain_id.hex()[:16]}")
    key = founding.replica_set().key(refusal.member)
    signed = signing_bytes(_KIND, founding.chain_id, statement.body)
    if key is None or refusal.rule not in RULES or not verify(key, signed, statement.signature):
        raise VerificationError("bad-statement", f"it is not the word of member {refusal.member}")
    return refusal
