"""Audits: everything about somebody over a range of heights, and nothing of it can be left out."""

from functools import cache
from typing import Any

import pytest
from msgspec import structs

from chainnode.ledger.audit import AuditReport, verify_audit
from chainnode.ledger.documents import Provision
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.payloads import PERMIT, ShareReceipt
from chainnode.ledger.stretch import ProvenBlock
from chainnode.ledger.subjects import SubjectError, Trail
from consensus.codec import decode, encode
from consensus.messages import QuorumCertificate
from genesis import cbor
from tests.ledger.proofs import audit_of
from tests.ledger.releases import stories
from tests.ledger.scene import PROVIDER, REQUESTER, Scene, pointer
from tests.ledger.world import Chain, digest32, id16, verify


@cache
def told() -> Scene:
    """Not to be changed: Ada and Bob, two applications, one released and delivered, one refused."""
    scene = Scene()
    scene.enrol("ada", "bob")
    scene.anchor(pointer("a1", scene.handle("ada")), pointer("b1", scene.handle("bob")))
    scene.consent("bob", Provision(PERMIT))
    first = scene.apply("a1", "b1", name="p1")
    second = scene.apply("b1", name="p2")
    scene.grant_patient(first, "ada")
    scene.grant_steward(first)
    scene.grant_head(first)
    release = scene.release(first, "p1")
    share = ShareReceipt(first, release.height, PROVIDER, "provider", REQUESTER, digest32("parts"))
    scene.chain.must(scene.chain.validators[PROVIDER], share)
    scene.revoke("bob")
    scene.release(second, "p2")
    return scene


def verified(chain: Chain, data: bytes) -> AuditReport:
    return verify_audit(data, chain.founding, verify=verify)


def kinds(kind: str, id_: str, first: int = 1) -> list[str]:
    report = verified(told().chain, audit_of(told().chain, kind, id_, first))
    return [one.kind for one in report.entries]


ENROLLED = ["enrol-patient", "attest-enrolment", "prove-enrolment"]
ASKED = ["apply", "grant", "grant", "grant", "request-release", "share-receipt"]


def test_a_patients_audit_follows_its_objects_into_the_applications_that_ask_for_them() -> None:
    scene = told()
    found = kinds("patient", scene.handle("ada").hex())
    assert found == [*ENROLLED, "anchor-records", *ASKED]
    both = kinds("patient", scene.handle("bob").hex())
    assert both == [
        *ENROLLED, "anchor-records", "consent", "apply", "apply", "grant", "grant", "request-release",
        "share-receipt", "revoke", "request-release",
    ]  # fmt: skip


def test_an_objects_audit_is_its_anchor_and_what_is_said_of_applications_for_it() -> None:
    assert kinds("object", id16("a1").hex()) == ["anchor-records", *ASKED]


def test_a_projects_audit_is_that_of_its_applications() -> None:
    project = kinds("project", f"{REQUESTER}/oncology/lung")
    assert project == ["apply", "apply", *ASKED[1:], "request-release"]
    assert kinds("project", id16("request p2").hex()) == ["apply", "request-release"]
    assert kinds("project", f"{PROVIDER}/oncology/lung") == []


def test_a_hospitals_audit_is_what_names_it_its_patients_its_objects_and_its_projects() -> None:
    chain = told().chain
    report = verified(chain, audit_of(chain, "hospital", str(PROVIDER)))
    others = [one for one in report.entries if one.kind == "add-department"]
    assert len(others) == 1 and len(report.entries) == report.transactions - 1
    assert kinds("hospital", str(REQUESTER)) == ["add-department", "apply", *project_of_requester()]
    assert kinds("hospital", "2") == []


def project_of_requester() -> list[str]:
    return ["apply", *ASKED[1:], "request-release"]


def test_a_decision_stands_in_it_with_its_outcome_and_rule() -> None:
    chain = told().chain
    entries = verified(chain, audit_of(chain, "project", id16("request p2").hex())).entries
    assert (entries[-1].outcome, entries[-1].rule) == ("REFUSED", "revoked")
    assert entries[-1].time_ms == chain.headers[entries[-1].height].time_ms


def test_an_audit_of_later_heights_takes_older_ties_from_its_maker_and_says_so() -> None:
    scene, chain = told(), told().chain
    entries = verified(chain, audit_of(chain, "patient", scene.handle("ada").hex())).entries
    first = next(one.height for one in entries if one.kind == "grant")
    report = verified(chain, audit_of(chain, "patient", scene.handle("ada").hex(), first))
    assert [one.kind for one in report.entries] == ASKED[1:]
    assert (report.complete, report.known) == (False, 2)
    whole = verified(chain, audit_of(chain, "patient", scene.handle("ada").hex()))
    assert (whole.complete, whole.known) == (True, 0)


def test_a_later_certificate_vouches_for_the_range() -> None:
    chain = told().chain
    report = verified(chain, audit_of(chain, "hospital", "0", 3, above=4))
    assert (report.first.height, report.last.height) == (3, chain.height - 4)


def test_audits_verify_across_changes_of_the_voters() -> None:
    for story in stories()[:10:5]:
        chain = story.scene.chain
        assert chain.headers[-1].epoch > 0
        report = verified(chain, audit_of(chain, "hospital", "0"))
        assert report.transactions == sum(len(block.results) for block in chain.blocks)


def content(data: bytes) -> dict[str, Any]:
    found = cbor.decode(data, limit_bytes=1 << 26)
    assert isinstance(found, dict)
    return found


def refused(data: bytes) -> str:
    with pytest.raises(VerificationError) as error:
        verified(told().chain, data)
    return error.value.rule


def changed(block: list[Any], *, leave: int) -> list[Any]:
    """The block without one of its transactions, and without its result."""
    results = decode(block[2], tuple[tuple[bytes, str, str, str], ...], limit_bytes=1 << 20)
    origin, sequence, expiry, transactions = decode(
        block[1][0], tuple[int, int, int, tuple[tuple[bytes, bytes], ...]], limit_bytes=1 << 20
    )
    fewer = transactions[:leave] + transactions[leave + 1 :]
    return [
        block[0],
        [encode((origin, sequence, expiry, fewer))],
        encode(results[:leave] + results[leave + 1 :]),
    ]


def test_what_is_left_out_is_noticed() -> None:
    good = content(audit_of(told().chain, "patient", told().handle("ada").hex()))
    blocks: list[Any] = good["blocks"]
    for at in range(len(blocks)):
        without = cbor.encode(good | {"blocks": blocks[:at] + blocks[at + 1 :]})
        assert refused(without) == "bad-audit"
        emptied = [blocks[at][0], [], encode(())]
        for spoiled in (emptied, changed(blocks[at], leave=0), [*blocks[at][:2], encode(())]):
            assert (
                refused(cbor.encode(good | {"blocks": [*blocks[:at], spoiled, *blocks[at + 1 :]]}))
                == "bad-audit"
            )
    shorter = good | {"blocks": blocks[:-1], "last": good["last"] - 1}
    assert refused(cbor.encode(shorter)) == "bad-certificate"
    for first, last in ((1, 0), (1, 2**63), (2, good["last"]), (1, good["last"] + 1)):
        assert refused(cbor.encode(good | {"first": first, "last": last})) == "bad-audit"
    assert refused(cbor.encode(good | {"blocks": [], "last": 0})) == "bad-audit"


def test_a_range_of_two_chains_or_with_a_gap_is_refused() -> None:
    good = content(audit_of(told().chain, "hospital", "0"))
    blocks: list[Any] = good["blocks"]
    header = structs.replace(told().chain.headers[3], parent=bytes(32))
    other = [*blocks[:2], [encode(header), *blocks[2][1:]], *blocks[3:]]
    assert refused(cbor.encode(good | {"blocks": other})) == "bad-header"
    assert refused(cbor.encode(good | {"chain": bytes(32)})) == "wrong-chain"


def test_no_byte_of_an_audit_can_be_another() -> None:
    """But for the question and the ties from before, which are nobody's word but its maker's."""
    data = audit_of(told().chain, "patient", told().handle("ada").hex())
    at_id = data.index(told().handle("ada").hex().encode())
    spoiled_ones = range(0, len(data), 61)
    for at in spoiled_ones:
        if not at_id <= at < at_id + 32:
            refused(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
    assert len(spoiled_ones) > 100


@pytest.mark.parametrize(
    ("kind", "id_"),
    [("patient", "ab"), ("patient", "AB" * 16), ("hospital", "01"), ("hospital", "x"), ("project", "a/b/c"),
     ("member", "0"), ("object", "0" * 400)],
)  # fmt: skip
def test_a_subject_is_named_in_one_form(kind: str, id_: str) -> None:
    with pytest.raises(SubjectError):
        Trail(kind, id_)
    good = content(audit_of(told().chain, "hospital", "0"))
    assert refused(cbor.encode(good | {"kind": kind, "id": id_})) == "bad-audit"


def test_a_block_without_transactions_is_accounted_for_too() -> None:
    chain = Chain()
    chain.commit()
    chain.commit()
    report = verified(chain, audit_of(chain, "hospital", "0"))
    assert (report.transactions, report.last.height) == (0, 2)


def test_votes_for_another_block_do_not_certify_it() -> None:
    chain = told().chain
    data = content(audit_of(chain, "hospital", "0"))
    certificate = decode(data["certificate"], QuorumCertificate, limit_bytes=1 << 16)
    few = structs.replace(certificate, votes=certificate.votes[:2])
    assert refused(cbor.encode(data | {"certificate": encode(few)})) == "bad-certificate"
    assert isinstance(chain.blocks[0], ProvenBlock)
