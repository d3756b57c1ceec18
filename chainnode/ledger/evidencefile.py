"""Evidence of an equivocation as a file that convinces anybody who has the genesis file.

    {"type": "chainnode-evidence", "version": 1, "chain_id": bytes, "key": bytes, "first": bytes,
     "second": bytes}

in deterministic CBOR. `first` and `second`: encoded consensus messages, both signed by `key`.
"""

from dataclasses import dataclass

from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.fields import Verify
from chainnode.ledger.founding import Founding
from chainnode.ledger.records import MemberRecord
from consensus.equivocation import Equivocation, proven
from genesis import cbor

TYPE, VERSION = "chainnode-evidence", 1
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""As long as a frame may be at most."""
MAX_EVIDENCE_FILE_BYTES = 2 * MAX_MESSAGE_BYTES + 1_024
EVIDENCE_FIELDS = {"type", "version", "chain_id", "key", "first", "second"}


@dataclass(frozen=True, slots=True)
class Conviction:
    """What a file proves, and against whom."""

    member: MemberRecord
    found: Equivocation


def encode_evidence(chain_id: bytes, key: bytes, first: bytes, second: bytes) -> bytes:
    """The file's bytes; the same for the same pair, wherever they are made."""
    return cbor.encode(
        {
            "type": TYPE,
            "version": VERSION,
            "chain_id": chain_id,
            "key": key,
            "first": first,
            "second": second,
        }
    )


def verify_evidence(data: bytes, founding: Founding, *, verify: Verify) -> Conviction:
    """What the file proves of a founding member.

    Raises VerificationError: bad-evidence, wrong-chain.
    """
    try:
        fields = cbor.decode(data, limit_bytes=MAX_EVIDENCE_FILE_BYTES)
    except cbor.CborError as error:
        raise VerificationError("bad-evidence", str(error)) from None
    if not isinstance(fields, dict) or set(fields) != EVIDENCE_FIELDS:
        raise VerificationError("bad-evidence", "it lacks a field or has one too many")
    if (fields["type"], fields["version"]) != (TYPE, VERSION):
        raise VerificationError("bad-evidence", f"it is no {TYPE} of version {VERSION}")
    named = {name: fields[name] for name in ("chain_id", "key", "first", "second")}
    values = {name: value for name, value in named.items() if isinstance(value, bytes)}
    if len(values) != len(named):
        raise VerificationError("bad-evidence", "a field is not of bytes")
    if values["chain_id"] != founding.chain_id:
        raise VerificationError("wrong-chain", f"it is of chain {values['chain_id'].hex()[:16]}")
    found = proven(
        values["first"],
        values["second"],
        key=values["key"],
        chain_id=founding.chain_id,
        verify=verify,
        limit_bytes=MAX_MESSAGE_BYTES,
    )
    if found is None:
        raise VerificationError(
            "bad-evidence", "the messages contradict nothing, or are not signed by the key"
        )
    for member in founding.members:
        if (member.number, member.validator_key) == (found.replica, values["key"]):
            return Conviction(member, found)
    raise VerificationError(
        "bad-evidence",
        f"member {found.replica} of the genesis file has another key: who joined or rotated keys later is "
        "convicted by the chain's own record alone",
    )
