"""What a node turns away is that node's signed word, and nobody else's."""

from typing import Any

import pytest
from msgspec import structs

from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.statement import AdmissionRefusal, sign_refusal, verify_refusal
from consensus.codec import encode
from tests.ledger.world import Chain, digest32, verify

CHAIN = Chain()
REFUSAL = AdmissionRefusal(CHAIN.chain_id, digest32("transaction"), "unknown-signer", 12, 2)


def rule(data: bytes) -> str:
    try:
        verify_refusal(data, CHAIN.founding, verify=verify)
    except VerificationError as error:
        return error.rule
    return ""


def test_a_members_statement_verifies() -> None:
    data = sign_refusal(REFUSAL, CHAIN.validators[2].sign)
    assert verify_refusal(data, CHAIN.founding, verify=verify) == REFUSAL


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"chain_id": digest32("elsewhere")}, "wrong-chain"),
        ({"member": 1}, "bad-statement"),
        ({"member": 9}, "bad-statement"),
        ({"rule": "because"}, "bad-statement"),
    ],
)
def test_a_statement_that_says_what_it_may_not_fails(changes: dict[str, Any], expected: str) -> None:
    changed = structs.replace(REFUSAL, **changes)
    assert rule(sign_refusal(changed, CHAIN.validators[2].sign)) == expected


def test_one_flipped_byte_fails() -> None:
    data = sign_refusal(REFUSAL, CHAIN.validators[2].sign)
    for at in range(len(data)):
        assert rule(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]) in ("bad-statement", "wrong-chain")
    assert rule(data + b"\x00") == rule(data[:-1]) == rule(b"") == "bad-statement"


def test_a_statement_is_no_transaction() -> None:
    """The signature is in a domain of its own."""
    signature = CHAIN.validators[2].sign(encode(REFUSAL))
    assert rule(encode((encode(REFUSAL), signature))) == "bad-statement"
