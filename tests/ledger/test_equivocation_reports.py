"""Equivocation on chain: who may report it, what is kept, and the file that proves it without a node."""

import pytest
from msgspec import structs

from chainnode.ledger import view
from chainnode.ledger.admission import check_form, check_state, transaction_limit_bytes
from chainnode.ledger.equivocating import told
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.evidencefile import encode_evidence, verify_evidence
from chainnode.ledger.payloads import MAX_EVIDENCE_BYTES, ReportEquivocation
from chainnode.ledger.rules import Refusal
from chainnode.ledger.transaction import TransactionBody
from consensus.codec import decode, encode
from consensus.messages import BlockVote, Message, Prepare, SignedMessage, signed_bytes
from genesis import cbor
from tests.ledger.scene import Scene
from tests.ledger.world import Actor, Chain, digest32, valid_point, verify

ACCUSED = 3


def signed(chain: Chain, message: SignedMessage, actor: Actor | None = None) -> bytes:
    actor = actor or chain.validators[message.replica]
    return encode(structs.replace(message, signature=actor.sign(signed_bytes(message, chain.chain_id))))


def prepare(content: str, *, sequence: int = 7, view: int = 2, replica: int = ACCUSED) -> Prepare:
    return Prepare(0, view, sequence, digest32(content), replica)


def report(chain: Chain, one: SignedMessage, other: SignedMessage, key: Actor | None = None):
    key = key or chain.validators[one.replica]
    return ReportEquivocation(key.public, signed(chain, one, key), signed(chain, other, key))


def form_rule(chain: Chain, payload: ReportEquivocation) -> str:
    checked = check_form(
        chain.submission(chain.validators[0], payload),
        chain_id=chain.chain_id,
        height=chain.context().height,
        parameters=chain.parameters,
        verify=verify,
        valid_point=valid_point,
    )
    return checked.rule if isinstance(checked, Refusal) else ""


def state_rule(chain: Chain, actor: Actor, payload: ReportEquivocation) -> str:
    body = decode(chain.submission(actor, payload).transaction.body, TransactionBody, limit_bytes=1 << 20)
    refusal = check_state(body, chain.state, chain.context())
    return refusal.rule if refusal else ""


def test_a_report_leaves_a_record_with_both_digests_and_an_event():
    chain = Chain()
    payload = report(chain, prepare("one"), prepare("other"))
    assert form_rule(chain, payload) == ""
    block = chain.commit(chain.submission(chain.validators[1], payload))
    assert block.codes() == [""] and block.kinds() == ["equivocation"]
    record = view.equivocation(chain.state, ACCUSED, 0, "prepare", 7)
    assert record is not None and record.view == 2 and record.reporter == 1
    assert [record.first, record.second] == sorted([digest32("one"), digest32("other")])
    assert record.key == chain.validators[ACCUSED].public
    assert record.reported.height == block.header.height


def test_one_record_stands_for_each_slot_and_kind_whoever_reports_and_in_whatever_order():
    chain = Chain()
    one, other = prepare("one"), prepare("other")
    assert chain.commit(chain.submission(chain.validators[1], report(chain, one, other))).codes() == [""]
    again = report(chain, other, one)
    third = report(chain, one, prepare("third"))
    for payload in (again, third):
        assert state_rule(chain, chain.validators[2], payload) == "already-done"
    elsewhere = report(chain, prepare("one", sequence=8), prepare("other", sequence=8))
    votes = report(
        chain,
        BlockVote(0, 7, digest32("a"), ACCUSED),
        BlockVote(0, 7, digest32("b"), ACCUSED),
    )
    for payload in (elsewhere, votes):
        assert state_rule(chain, chain.validators[2], payload) == ""


def test_whoever_executes_the_same_report_gets_the_same_root():
    roots = []
    for _ in range(2):
        chain = Chain()
        payload = report(chain, prepare("one"), prepare("other"))
        chain.commit(chain.submission(chain.validators[1], payload))
        roots.append(chain.state.root)
    assert roots[0] == roots[1] != Chain().state.root


def test_what_proves_nothing_is_refused_by_its_form():
    chain = Chain()
    good = report(chain, prepare("one"), prepare("other"))
    stranger = Actor("a stranger")
    for payload in (
        report(chain, prepare("one"), prepare("one")),
        report(chain, prepare("one"), prepare("other", sequence=8)),
        structs.replace(good, key=chain.validators[0].public),
        structs.replace(good, second=signed(chain, prepare("other"), stranger)),
        structs.replace(good, second=good.second[:-1]),
        structs.replace(good, second=bytes(MAX_EVIDENCE_BYTES + 1)),
    ):
        assert form_rule(chain, payload) == "no-equivocation"
    assert form_rule(chain, structs.replace(good, key=bytes(32))) == "bad-key"


def test_only_a_members_node_reports_and_only_against_the_keys_own_member():
    scene = Scene()
    chain = scene.chain
    payload = report(chain, prepare("one"), prepare("other"))
    assert state_rule(chain, Actor("a stranger"), payload) == "unknown-signer"
    assert state_rule(chain, scene.steward, payload) == "not-permitted"
    framed = report(chain, prepare("one"), prepare("other"), key=chain.validators[1])
    assert form_rule(chain, framed) == "", "both are signed by one key"
    assert state_rule(chain, chain.validators[0], framed) == "not-of-accused"
    nobody = report(chain, prepare("one"), prepare("other"), key=Actor("a stranger"))
    assert state_rule(chain, chain.validators[0], nobody) == "not-of-accused"
    stewards = report(chain, prepare("one"), prepare("other"), key=chain.stewards[ACCUSED])
    assert state_rule(chain, chain.validators[0], stewards) == "not-of-accused"


def test_two_of_the_longest_messages_fit_a_transaction():
    chain = Chain()
    longest = ReportEquivocation(bytes(32), bytes(MAX_EVIDENCE_BYTES), bytes(MAX_EVIDENCE_BYTES))
    body = chain.submission(chain.validators[0], longest).transaction.body
    assert len(body) <= transaction_limit_bytes(chain.parameters)


def evidence(chain: Chain, one: Message, other: Message, key: Actor | None = None) -> bytes:
    payload = report(chain, one, other, key)
    return encode_evidence(chain.chain_id, payload.key, payload.first, payload.second)


def test_the_file_convicts_with_the_genesis_file_alone():
    chain = Chain()
    data = evidence(chain, prepare("one"), prepare("other"))
    conviction = verify_evidence(data, chain.founding, verify=verify)
    assert conviction.member.id == f"hospital-{ACCUSED}"
    assert conviction.found == told(report(chain, prepare("one"), prepare("other")), chain.chain_id)


def test_a_flipped_byte_anywhere_convicts_nobody():
    chain = Chain()
    data = evidence(chain, prepare("one"), prepare("other"))
    for at in range(len(data)):
        with pytest.raises(VerificationError):
            verify_evidence(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], chain.founding, verify=verify)


def test_a_file_of_another_chain_form_or_key_convicts_nobody():
    chain = Chain()
    good = evidence(chain, prepare("one"), prepare("other"))
    fields = cbor.decode(good, limit_bytes=1 << 20)
    assert isinstance(fields, dict)
    wrong = [
        b"",
        good + b"x",
        cbor.encode([1]),
        cbor.encode({**fields, "version": 2}),
        cbor.encode({**fields, "more": 1}),
        cbor.encode({**fields, "first": "text"}),
        evidence(chain, prepare("one"), prepare("other"), Actor("a rotated key")),
    ]
    for data in wrong:
        with pytest.raises(VerificationError) as error:
            verify_evidence(data, chain.founding, verify=verify)
        assert error.value.rule == "bad-evidence"
    with pytest.raises(VerificationError) as error:
        verify_evidence(cbor.encode({**fields, "chain_id": bytes(32)}), chain.founding, verify=verify)
    assert error.value.rule == "wrong-chain"
