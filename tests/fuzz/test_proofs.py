"""Damaged answers and audits are refused by a rule, or read, and take no memory for what they claim."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainnode.ledger.answer import verify_answer
from chainnode.ledger.audit import verify_audit
from chainnode.ledger.evidence import VerificationError
from tests.fuzz.damage import damaged
from tests.fuzz.formats import anything_holds
from tests.fuzz.test_decoders import QUICK
from tests.ledger.proofs import answer_of, audit_of
from tests.ledger.receipts import authorised

SCENE = authorised()[0]
PROOFS = {
    "answer": (verify_answer, answer_of(SCENE, "ada")),
    "audit": (verify_audit, audit_of(SCENE.chain, "hospital", "0")),
}


@pytest.mark.parametrize("name", PROOFS)
@settings(QUICK)
@given(data=st.data())
def test_damaged_proofs_are_refused_by_a_rule_or_read(name: str, data: st.DataObject) -> None:
    check, example = PROOFS[name]
    try:
        check(data.draw(damaged("cbor", example)), SCENE.chain.founding, verify=anything_holds)
    except VerificationError as error:
        assert error.rule and error.detail
